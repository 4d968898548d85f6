"""The command `models` as a user meets it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.making.loopback import Site
from videnhance.cli.models import app
from videnhance.models import catalog as weights
from videnhance.models.catalog import WEIGHTS, Weights

RUNNER = CliRunner()
CONTENT = bytes(range(256)) * 400


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = RUNNER.invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Holds the weights "tiny", free, and "asks", whose licence must be accepted."""
    monkeypatch.setenv("VIDENHANCE_MODELS", str(tmp_path / "models"))
    with Site(CONTENT) as site:
        for name in ("tiny", "asks"):
            monkeypatch.setitem(
                WEIGHTS,
                name,
                Weights(
                    name,
                    site.url.replace("weights.pth", f"{name}.pth"),
                    len(CONTENT),
                    hashlib.sha256(CONTENT).hexdigest(),
                    "Tiny License",
                    "nothing at all",
                    consent=name == "asks",
                ),
            )
        yield site


def test_list_shows_everything_and_touches_nothing(site: Site, tmp_path: Path) -> None:
    code, out, err = run("list")
    assert (code, err) == (0, "")
    for name, item in WEIGHTS.items():
        for text in (name, item.url, item.sha256, item.licence, item.trained_on):
            assert text in out
        assert str(item.size or "not known") in out
    assert "here" not in out.split()
    assert site.requests == [] and list(tmp_path.iterdir()) == []


def test_list_as_json(site: Site, tmp_path: Path) -> None:
    run("pull", "tiny")
    code, out, _ = run("list", "--json")
    found = {item["name"]: item for item in json.loads(out)}
    assert code == 0
    assert found["tiny"]["path"] == str(tmp_path / "models" / "tiny.pth")
    assert found["asks"]["path"] is None
    assert found["codeformer"]["consent"] is True
    assert found["gfpgan-1.4"]["file"] == "GFPGANv1.4.pth"
    assert found["gfpgan-1.4"]["size"] == 348632874


def test_pull_fetches_once_and_says_so(site: Site, tmp_path: Path) -> None:
    code, out, err = run("pull", "tiny")
    file = tmp_path / "models" / "tiny.pth"
    assert code == 0
    assert file.read_bytes() == CONTENT
    assert str(file) in out
    assert err.count("\n") == 1 and "tiny: fetching http://" in err
    assert run("pull", "tiny") == (0, out, "")
    assert len(site.requests) == 1
    assert "here" in next(line for line in run("list")[1].splitlines() if "tiny" in line)


def test_pull_quietly(site: Site) -> None:
    assert run("pull", "tiny", "--quiet") == (0, "", "")


def test_pull_asks_for_consent(site: Site) -> None:
    code, out, err = run("pull", "asks")
    assert (code, out) == (2, "")
    assert err.startswith("videnhance: asks: ") and err.count("\n") == 1
    assert "Tiny License" in err and "--accept-license asks" in err
    assert site.requests == []
    assert run("pull", "asks", "--accept-license", "asks")[0] == 0
    assert run("pull", "asks")[0] == 0


def test_pull_of_an_unknown_name_fetches_nothing(site: Site) -> None:
    code, _, err = run("pull", "tiny", "huge")
    assert code == 2 and "huge: unknown; choose from gfpgan-1.2" in err
    assert site.requests == []


def test_pull_that_fails(site: Site, tmp_path: Path) -> None:
    site.content = CONTENT[::-1]
    code, out, err = run("pull", "tiny")
    assert (code, out) == (5, "")
    assert "not the published file" in err.splitlines()[-1]
    assert not (tmp_path / "models" / "tiny.pth").exists()


def test_pull_interrupted(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("videnhance.cli.progress.Bars.show", interrupt)
    code, _, err = run("pull", "tiny")
    assert code == 130
    assert "what has come is kept" in err
    assert "nothing was written" not in err


def test_verify(site: Site, tmp_path: Path) -> None:
    assert run("verify") == (0, f"{tmp_path / 'models'}: no weights are here\n", "")
    run("pull", "tiny")
    assert run("verify") == (0, "tiny: as published\n", "")
    (tmp_path / "models" / "tiny.pth").write_bytes(CONTENT[::-1])
    code, out, err = run("verify")
    assert (code, out) == (5, "tiny: NOT as published\n")
    assert "models pull tiny" in err
    assert (tmp_path / "models" / "tiny.pth").exists()
    code, out, err = run("verify", "asks")
    assert (code, out) == (5, "") and "models pull asks" in err
    assert len(site.requests) == 1


def test_path(site: Site, tmp_path: Path) -> None:
    assert run("path") == (0, f"{tmp_path / 'models'}\n", "")
    assert weights.folder() == tmp_path / "models"


def test_nothing_heavy_is_loaded() -> None:
    script = (
        "import sys\nfrom videnhance.cli.models import weights_text, weights_facts\n"
        "weights_text(weights_facts())\n"
        "import videnhance.models.store\n"
        "print([m for m in ('torch', 'av', 'cv2', 'numpy', 'safetensors') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
