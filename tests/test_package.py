"""The package as a whole: floors, public names, the bridge, the documents."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

import videnhance
from videnhance.cli import app

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "videnhance"

FLOORS = (
    {"errors", "durable", "frames", "faces", "grading", "settings", "queues"},
    {"kalman", "alignment", "color", "compositing", "streams", "ranges", "shots"}
    | {"registration", "steady", "gate", "colormatch", "pixels", "cleaning"},
    {"devices", "gpu", "weights", "download", "models", "equipment", "parsing", "upscale"}
    | {"video", "detectors", "restorers", "torchvision_bridge"},
    {"tracking", "trackfile"},
    {"plan", "detect", "restoring", "invented", "kit", "render"},
    {"moments", "highlights", "compare", "pairs", "sheet", "stills"}
    | {
        "record",
        "jobdir",
        "run",
        "steps",
        "output",
        "summary",
        "examined",
        "request",
        "job",
        "status",
    },
    {"batch", "pace", "preview"},
    {
        "progress",
        "report",
        "options",
        "presets",
        "choices",
        "session",
        "cli",
        "models_cli",
        "__init__",
        "__main__",
    },
)
"""From the ground up: a room imports from its own floor and those below."""


def floor_of(module: str) -> int:
    return next(k for k, floor in enumerate(FLOORS) if module in floor)


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "videnhance":
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("videnhance."):
            names.add((node.module or "").split(".")[1])
    return names


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.name)
def test_imports_only_go_down(path: Path) -> None:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    if parts == ("__init__",):
        return  # the public names are imported when asked for
    here = floor_of(parts[0])
    for name in imports_of(path):
        assert floor_of(name) <= here, f"{path.name} reaches up to {name}"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.name)
def test_no_module_grows_too_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 350


def test_public_names_exist() -> None:
    for name in videnhance.__all__:
        assert getattr(videnhance, name) is not None
    with pytest.raises(AttributeError):
        _ = videnhance.nonsense


def test_gfpgan_can_be_imported_after_the_bridge() -> None:
    script = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "from videnhance.torchvision_bridge import bridge\n"
        "bridge(); bridge()\n"
        "import basicsr, facexlib, gfpgan, torch\n"
        "from torchvision.transforms.functional_tensor import rgb_to_grayscale as gray\n"
        "print(gfpgan.GFPGANer.__name__, float(gray(torch.ones(3, 2, 2)).mean()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    name, gray = done.stdout.split()[-2:]
    assert name == "GFPGANer", done.stderr
    assert float(gray) == pytest.approx(0.9999, abs=1e-3)


def test_every_command_and_option_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        assert f"videnhance {name}" in readme
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("--") and option != "--help":
                    assert option in readme, f"{name} {option}"


def test_ci_runs_the_readmes_test_command() -> None:
    readme = (ROOT / "README.md").read_text()
    command = "python -m pytest"
    assert command in readme
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith(command)


def test_pictures_and_files_named_in_the_readme_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    for link in re.findall(r"\]\(([^)#]+)\)", readme):
        if "://" not in link:
            assert (ROOT / link).exists(), link
