"""The package as a whole: its rooms, public names, the bridge."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import videnhance

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "videnhance"

ROOMS = (
    *("errors", "files", "storage", "callbacks", "stopwatch", "settings", "imaging", "media"),
    "faces",
    *("inference", "models", "detectors", "restorers", "identity", "render", "show"),
    *("portraits", "evidence", "job", "report", "cli"),
)
"""From the ground up: a room imports only from itself and from those before it."""
INNER = {
    "media": (
        *("names", "info", "timeline", "positions", "reading", "digests", "repair", "clip"),
        *("sound", "check", "writing", "opening"),
    ),
    "job": (
        *("monitor", "plan", "directory", "source", "request", "job", "steps", "summary"),
        "evidence",
        *("retry", "run", "workers", "preview", "replay"),
    ),
}
"""The same within a room, for those of its parts that are named here."""


def imports_of(path: Path) -> set[str]:
    """The modules of the package that a module imports, wherever in it, as dotted names."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "videnhance":
            module = node.module or ""
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                names.add(inner if inner in MODULES else module)
    return names


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@pytest.mark.parametrize("module", MODULES)
def test_imports_only_go_down(module: str) -> None:
    if module in ("videnhance", "videnhance.__main__"):
        return  # the public names are imported when asked for
    here = module.split(".")[1:]
    for name in imports_of(MODULES[module]) - {module}:
        there = name.split(".")[1:]
        if not there:
            continue
        assert ROOMS.index(there[0]) <= ROOMS.index(here[0]), f"{module} reaches up to {name}"
        order = INNER.get(here[0], ())
        if here[0] == there[0] and len(here) > 1 and len(there) > 1:
            one, other = here[1], there[1]
            if one in order and other in order:
                assert order.index(other) <= order.index(one), f"{module} reaches up to {name}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    above = {name: imports_of(path) - {name} for name, path in MODULES.items()}
    above.pop("videnhance")
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " imports ".join((*way[way.index(name) :], name))
        if name in done or name not in above:
            return
        for other in sorted(above[name]):
            visit(other, (*way, name))
        done.add(name)

    for name in above:
        visit(name, ())


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.name)
def test_no_module_grows_too_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 350


def test_public_names_exist() -> None:
    for name in videnhance.__all__:
        assert getattr(videnhance, name) is not None
    with pytest.raises(AttributeError):
        _ = videnhance.nonsense


@pytest.mark.slow
def test_gfpgan_can_be_imported_after_the_bridge() -> None:
    script = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "from torchvision_bridge import bridge\n"
        "bridge(); bridge()\n"
        "import basicsr, facexlib, gfpgan, torch\n"
        "from torchvision.transforms.functional_tensor import rgb_to_grayscale as gray\n"
        "print(gfpgan.GFPGANer.__name__, float(gray(torch.ones(3, 2, 2)).mean()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT / "scripts", capture_output=True, text=True
    )
    name, gray = done.stdout.split()[-2:]
    assert name == "GFPGANer", done.stderr
    assert float(gray) == pytest.approx(0.9999, abs=1e-3)
