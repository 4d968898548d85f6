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
from videnhance.cli.models import app, weights_facts
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
    code, out, err = run("list", "--long")
    assert (code, err) == (0, "")
    for name, item in WEIGHTS.items():
        for text in (name, item.url, item.sha256, item.licence, item.trained_on):
            assert text in out
        assert str(item.size or "not known") in out
    assert "here" not in out.split()
    assert site.requests == [] and list(tmp_path.iterdir()) == []


def test_list_is_a_table(site: Site, tmp_path: Path) -> None:
    """Licence, size, speed, what it is for, whether it is here; no line too wide to be read."""
    run("pull", "tiny")
    code, out, _ = run("list")
    head, *lines = out.splitlines()
    assert code == 0 and max(map(len, out.splitlines())) <= 128
    for name in WEIGHTS:
        row = next(line for line in lines if line.startswith(f"{name} "))
        assert ("here" in row[80:].split()) == (name == "tiny")
    gfpgan = next(line for line in lines if line.startswith("gfpgan-1.3 "))
    for text in ("restores faces: --restorer", "348.6 MB", "s a face", "Apache-2.0"):
        assert text in gfpgan
    words = " ".join(out.split())
    assert "to be accepted: S-Lab" in words and "non-commercial" in words
    for column in ("for", "size", "speed, 2 cores", "licence"):
        assert column in head
    facts = weights_facts()
    published = [item for item in facts if item["name"] not in ("tiny", "asks")]
    assert [item["name"] for item in published if not item["for"]] == []
    assert sum(bool(item["speed"]) for item in published) > 8 and "not measured" in out


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


def test_verify_of_files_elsewhere(site: Site, tmp_path: Path) -> None:
    good, other = tmp_path / "renamed.bin", tmp_path / "other.pth"
    good.write_bytes(CONTENT)
    other.write_bytes(CONTENT[::-1])
    assert run("verify", good) == (0, f"{good}: is tiny, as published\n", "")
    code, out, err = run("verify", good, other)
    digest = hashlib.sha256(CONTENT[::-1]).hexdigest()
    assert code == 5 and f"{other}: unknown (SHA-256 {digest})" in out
    assert err.count("\n") == 1 and str(other) in err and str(good) not in err
    code, out, err = run("verify", tmp_path / "none.pth")
    assert (code, out) == (5, "") and "cannot be read" in err and err.count("\n") == 1
    code, _, err = run("verify", "huge")
    assert code == 2 and "huge: unknown" in err


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, in which nothing is found but what a test puts there."""
    made = tmp_path / "home"
    made.mkdir()
    for variable in ("XDG_CACHE_HOME", "TORCH_HOME", "HF_HOME", "UNIFACE_CACHE_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(made))
    monkeypatch.setattr("videnhance.models.finding._ELSEWHERE", ())
    monkeypatch.setattr("videnhance.models.finding._package", lambda name: None)
    monkeypatch.chdir(made)
    return made


def test_find_links_what_others_fetched(site: Site, home: Path, tmp_path: Path) -> None:
    theirs = home / "ComfyUI" / "models" / "facerestore_models" / "tiny.pth"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(CONTENT)
    file = tmp_path / "models" / "tiny.pth"
    said = f"tiny: {theirs} (ComfyUI), verified"
    assert run("find", "--dry-run") == (0, f"{said}\n", "")
    assert not file.exists()
    assert run("find") == (0, f"{said}, linked\n", "")
    assert file.samefile(theirs)
    assert run("find") == (0, f"{said}; is here already\n", "")
    assert run("verify", "tiny")[0] == 0 and run("pull", "tiny")[0] == 0
    assert site.requests == []


def test_find_says_what_is_not_used(site: Site, home: Path) -> None:
    theirs = home / "facefusion" / ".assets" / "models" / "tiny.pth"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(CONTENT[::-1])
    code, out, err = run("find")
    assert (code, err) == (0, "")
    assert out.startswith(f"{theirs} (FaceFusion): looks like tiny, not used")
    assert "no weights that videnhance knows" in out


def test_find_that_finds_nothing(site: Site, home: Path) -> None:
    code, out, err = run("find")
    assert (code, err) == (0, "") and out.count("\n") == 1
    assert out.startswith("no weights that videnhance knows in the folders of FaceFusion, ComfyUI")
    assert run("find", "--quiet") == (0, "", "")
    code, out, err = run("find", home / "none")
    assert (code, out) == (2, "")
    assert "no such folder" in err and err.count("\n") == 1


def test_a_link_that_leads_nowhere(site: Site, home: Path, tmp_path: Path) -> None:
    gone = home / "gone.pth"
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "tiny.pth").symlink_to(gone)
    code, out, err = run("verify")
    assert (code, out) == (5, f"tiny: NOT here: its link leads to {gone}, which is gone\n")
    assert "models pull tiny" in err
    assert run("pull", "tiny")[0] == 0  # replaces the link
    assert not gone.exists()
    assert run("verify") == (0, "tiny: as published\n", "")


def test_path(site: Site, tmp_path: Path) -> None:
    assert run("path") == (0, f"{tmp_path / 'models'}\n", "")
    assert weights.folder() == tmp_path / "models"


def test_nothing_heavy_is_loaded() -> None:
    script = (
        "import sys\nfrom videnhance.cli.models import weights_table, weights_text, weights_facts\n"
        "weights_text(weights_facts()), weights_table(weights_facts())\n"
        "import videnhance.models.store\n"
        "print([m for m in ('torch', 'av', 'cv2', 'numpy', 'safetensors') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
