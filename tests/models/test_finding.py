"""Weights in the folders of other programs: where they are looked for, and how they get here."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from videnhance.cli.models import found_text
from videnhance.errors import ModelError, UsageError
from videnhance.models import finding
from videnhance.models.catalog import WEIGHTS, Copy, Weights, folder, located
from videnhance.models.finding import Found, find
from videnhance.models.store import obtain, verify

CONTENT = bytes(range(256)) * 50
OTHER = CONTENT[::-1]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder; the weights "tiny" are published, and not here."""
    monkeypatch.setenv("VIDENHANCE_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(finding, "_ELSEWHERE", ())
    monkeypatch.setattr(finding, "_package", lambda name: None)
    made = tmp_path / "home"
    (made / "here").mkdir(parents=True)
    monkeypatch.chdir(made / "here")
    monkeypatch.setitem(
        WEIGHTS,
        "tiny",
        Weights(
            "tiny",
            "https://github.com/a/b/releases/download/v1/tiny.pth",
            len(CONTENT),
            hashlib.sha256(CONTENT).hexdigest(),
            "Tiny License",
            "nothing",
            consent=True,
        ),
    )
    return made


def put(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def look(home: Path, environment: Mapping[str, str] | None = None, **wish: Any) -> list[Found]:
    return find(home=home, environment=environment or {}, **wish)


@pytest.mark.parametrize(
    ("place", "program"),
    [
        ("facefusion/.assets/models/tiny.pth", "FaceFusion"),
        ("pinokio/api/facefusion-pinokio.git/.assets/models/tiny.pth", "FaceFusion"),
        ("ComfyUI/models/facerestore_models/tiny.pth", "ComfyUI"),
        ("Documents/ComfyUI/models/upscale_models/a/tiny.pth", "ComfyUI"),
        ("StabilityMatrix/Data/Packages/ComfyUI/models/x/tiny.pth", "ComfyUI"),
        ("stable-diffusion-webui/models/GFPGAN/tiny.pth", "Stable Diffusion WebUI"),
        ("src/stable-diffusion-webui-forge/models/Codeformer/tiny.pth", "Stable Diffusion WebUI"),
        (
            "stable-diffusion-webui/repositories/CodeFormer/weights/facelib/tiny.pth",
            "Stable Diffusion WebUI",
        ),
        ("GFPGAN/gfpgan/weights/tiny.pth", "GFPGAN"),
        ("git/GFPGAN/experiments/pretrained_models/tiny.pth", "GFPGAN"),
        ("CodeFormer/weights/CodeFormer/tiny.pth", "CodeFormer"),
        ("Real-ESRGAN/weights/tiny.pth", "Real-ESRGAN"),
        (".cache/torch/hub/checkpoints/tiny.pth", "torch"),
        (".cache/huggingface/hub/models--a--b/snapshots/1/tiny.pth", "Hugging Face"),
        (".uniface/models/tiny.pth", "uniface"),
        ("here/gfpgan/weights/tiny.pth", "GFPGAN"),
    ],
)
def test_where_programs_keep_weights(home: Path, place: str, program: str) -> None:
    path = put(home / place)
    put(home / "Downloads" / "tiny.pth")  # no program's folder
    (found,) = look(home)
    assert (found.path, found.program, found.name, found.state) == (path, program, "tiny", "linked")
    assert located("tiny") == folder() / "tiny.pth"


def test_folders_named_by_variables(home: Path, tmp_path: Path) -> None:
    for number, variable in enumerate(("TORCH_HOME", "HF_HOME", "UNIFACE_CACHE_DIR")):
        inner = {"TORCH_HOME": "hub/checkpoints", "HF_HOME": "hub"}.get(variable, ".")
        path = put(tmp_path / variable / inner / f"{number}.pth")
        (found,) = look(home, {variable: str(tmp_path / variable)}, link=False)
        assert found.path == path


def test_a_link_costs_no_byte_and_outlives_the_other_program(home: Path) -> None:
    path = put(home / "ComfyUI/models/x/tiny.pth")
    look(home)
    ours = folder() / "tiny.pth"
    assert ours.samefile(path) and not ours.is_symlink()
    path.unlink()
    assert located("tiny") == ours
    assert [item.good for item in verify(["tiny"])] == [True]
    assert sorted(p.name for p in folder().iterdir()) == ["tiny.pth", "verified"]


def test_a_symbolic_link_where_the_disk_is_another(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = put(home / "ComfyUI/models/x/tiny.pth")
    look(home)
    ours = folder() / "tiny.pth"
    assert ours.readlink() == path
    (checked,) = verify(["tiny"])
    assert checked.good and checked.linked == path
    path.unlink()
    (checked,) = verify(["tiny"])
    assert not checked.good and checked.sha256 == ""
    assert located("tiny") is None


def test_only_the_right_hash_is_linked(home: Path) -> None:
    wrong = put(home / "ComfyUI/models/a/tiny.pth", OTHER)
    short = put(home / "ComfyUI/models/b/TINY.pth", OTHER[:-7])
    renamed = put(home / "ComfyUI/models/c/whatever.safetensors")
    put(home / "ComfyUI/models/d/another.pth", OTHER[:-9])
    put(home / "ComfyUI/models/d/empty.pth", b"")
    found = {item.path: item for item in look(home)}
    assert set(found) == {wrong, short, renamed}
    assert (found[wrong].name, found[wrong].looked_like) == (None, "tiny")
    assert (found[short].name, found[short].looked_like) == (None, "tiny")
    assert found[renamed].state == "linked"
    assert (folder() / "tiny.pth").read_bytes() == CONTENT


def test_a_file_of_which_no_hash_is_published(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WEIGHTS, "tiny", replace(WEIGHTS["tiny"], sha256=""))
    put(home / "ComfyUI/models/a/tiny.pth")
    (found,) = look(home)
    assert (found.name, found.looked_like) == (None, "tiny") and "SHA-256" in found.state
    (folder() / "tiny.pth").parent.mkdir(exist_ok=True)
    (folder() / "tiny.pth").symlink_to(home / "gone.pth")
    assert [item.good for item in verify(["tiny"])] == [False]


def test_what_is_here_stays_and_what_is_damaged_is_replaced(home: Path) -> None:
    theirs = put(home / "ComfyUI/models/x/tiny.pth")
    ours = put(folder() / "tiny.pth")
    (found,) = look(home)
    assert found.state == "here" and not ours.samefile(theirs)
    ours.write_bytes(OTHER)
    (found,) = look(home)
    assert found.state == "linked" and ours.samefile(theirs)
    assert OTHER != theirs.read_bytes() == CONTENT


def test_one_file_with_two_names_is_told_once(home: Path) -> None:
    blob = put(home / ".cache/huggingface/hub/models--a--b/blobs/1234")
    name = home / ".cache/huggingface/hub/models--a--b/snapshots/1/tiny.pth"
    name.parent.mkdir(parents=True)
    name.symlink_to(os.path.relpath(blob, name.parent))
    assert len(look(home)) == 1
    assert (folder() / "tiny.pth").samefile(blob)


def test_only_the_given_folders(home: Path, tmp_path: Path) -> None:
    put(home / "ComfyUI/models/x/tiny.pth")
    path = put(tmp_path / "mine" / "deep" / "er" / "tiny.pth")
    (found,) = find([tmp_path / "mine"], home=home)
    assert (found.path, found.program) == (path, "")
    with pytest.raises(UsageError, match="no such folder"):
        find([tmp_path / "none"])


def test_our_own_folder_is_not_one_of_theirs(home: Path, tmp_path: Path) -> None:
    put(folder() / "tiny.pth")
    assert find([tmp_path]) == []


def test_a_copy_of_others_is_known_and_to_be_given(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as GFPGAN as an ONNX file: the published file is not linked to it."""
    also = (Copy("https://x/y/tiny.onnx", len(OTHER), hashlib.sha256(OTHER).hexdigest()),)
    monkeypatch.setitem(WEIGHTS, "tiny", replace(WEIGHTS["tiny"], also=also))
    path = put(home / "facefusion/.assets/models/tiny.onnx", OTHER)
    (item,) = look(home)
    assert (item.name, item.state) == ("tiny", "copy")
    assert found_text(item).endswith(f"; give it with --weights tiny={path}")
    assert located("tiny") is None
    assert obtain("tiny", given=path, accepted=["tiny"]).trusted is False


def test_nothing_is_linked_if_only_asked_for(home: Path) -> None:
    put(home / "ComfyUI/models/x/tiny.pth")
    (found,) = look(home, link=False)
    assert (found.name, found.state) == ("tiny", "")
    assert located("tiny") is None


def test_a_licence_must_still_be_accepted(home: Path) -> None:
    put(home / "ComfyUI/models/x/tiny.pth")
    look(home)
    with pytest.raises(UsageError, match="--accept-license tiny"):
        obtain("tiny", offline=True)
    assert obtain("tiny", offline=True, accepted=["tiny"]).accepted == "Tiny License"


def test_what_cannot_be_read_or_linked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(home / "ComfyUI/models/x/tiny.pth")
    folder().parent.mkdir(exist_ok=True)
    folder().write_text("a file in the folder's place")
    with pytest.raises(ModelError) as caught:
        look(home)
    assert str(folder()) in str(caught.value) and "VIDENHANCE_MODELS" in str(caught.value)
    folder().unlink()

    def refuse(*arguments: object, **more: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("videnhance.models.store.sha256_of", refuse)
    (found,) = look(home)
    assert (found.path, found.name, found.state) == (path, None, "Permission denied")
