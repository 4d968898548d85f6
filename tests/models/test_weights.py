"""Weights: the table, how a file is found, fetched once or given, and how it is loaded."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.making.loopback import Site
from videnhance.errors import ModelError, UsageError
from videnhance.models import store as models
from videnhance.models.catalog import WEIGHTS, Weights, folder, located
from videnhance.models.loading import check_state, load_into, load_state
from videnhance.models.store import Obtained, obtain, verify

CONTENT = np.random.default_rng(1).bytes(200_000)
OTHER = np.random.default_rng(2).bytes(200_000)


class Shelf:
    """Published weights named "tiny" on a site of this machine, and a folder of models."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        self.folder = folder
        self.file = folder / "weights.pth"
        self.told: list[str] = []
        self.steps: list[str] = []

    def obtain(self, **wish: Any) -> Obtained:
        return obtain(
            "tiny",
            progress=lambda step, done, total: self.steps.append(step),
            tell=self.told.append,
            **wish,
        )

    def refused(self, kind: type[Exception], **wish: Any) -> str:
        with pytest.raises(kind) as caught:
            self.obtain(**wish)
        assert "\n" not in str(caught.value)
        return str(caught.value)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    monkeypatch.setenv("VIDENHANCE_MODELS", str(tmp_path / "models"))
    with Site(CONTENT) as site:
        weights = Weights(
            "tiny",
            site.url,
            len(CONTENT),
            hashlib.sha256(CONTENT).hexdigest(),
            "Tiny License",
            "nothing",
        )
        monkeypatch.setitem(WEIGHTS, "tiny", weights)
        yield Shelf(site, tmp_path / "models")


def test_the_table_is_complete() -> None:
    for name, weights in WEIGHTS.items():
        assert weights.name == name
        assert weights.url.startswith("https://github.com/")
        assert weights.url.endswith(f"/{weights.file}") and weights.file.endswith((".pth", ".onnx"))
        assert len(bytes.fromhex(weights.sha256)) == (0 if name == "keep" else 32)
        for copy in weights.also:
            assert copy.url.startswith("https://") and len(bytes.fromhex(copy.sha256)) == 32
        assert weights.size is None or weights.size > 200_000
        assert weights.licence and weights.trained_on
    assert len({weights.file for weights in WEIGHTS.values()}) == len(WEIGHTS)
    assert len({weights.sha256 for weights in WEIGHTS.values()}) == len(WEIGHTS)
    consent = {name for name, weights in WEIGHTS.items() if weights.consent}
    assert consent == {"codeformer", "gpen-256", "gpen-512", "keep", "xseg"}
    for name in consent:  # of the others nothing is asked
        assert "non-commercial" in WEIGHTS[name].licence or WEIGHTS[name].licence == "GPL-3.0"
    assert "non-commercial" in WEIGHTS["codeformer"].licence


def test_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIDENHANCE_MODELS", str(tmp_path / "there"))
    assert folder() == tmp_path / "there"
    assert located("gfpgan-1.4") is None
    assert not folder().exists()
    monkeypatch.delenv("VIDENHANCE_MODELS")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert folder().is_relative_to(tmp_path)
    assert folder().parts[-2:] == ("videnhance", "models")


def test_weights_are_fetched_once_and_that_is_said(shelf: Shelf) -> None:
    assert located("tiny") is None
    found = shelf.obtain()
    assert found.path == shelf.file == located("tiny")
    assert found.path.read_bytes() == CONTENT
    assert (found.sha256, found.trusted, found.accepted) == (WEIGHTS["tiny"].sha256, False, None)
    assert len(shelf.told) == 1
    assert shelf.site.url in shelf.told[0] and "0 MB" in shelf.told[0]
    assert shelf.obtain() == found
    assert shelf.obtain(offline=True) == found
    assert len(shelf.site.requests) == 1 and len(shelf.told) == 1


def test_an_unchanged_file_is_hashed_once(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.folder.mkdir()
    shelf.file.write_bytes(CONTENT)  # by another program
    shelf.obtain()
    assert "hash" in shelf.steps
    shelf.steps.clear()
    shelf.obtain()
    assert shelf.steps == []


def test_a_changed_file_is_noticed_whatever_its_times_say(shelf: Shelf) -> None:
    shelf.obtain()
    times = shelf.file.stat()
    damaged = bytearray(CONTENT)
    damaged[1000] ^= 1
    shelf.file.write_bytes(damaged)
    os.utime(shelf.file, ns=(times.st_atime_ns, times.st_mtime_ns))
    said = shelf.refused(ModelError, offline=True)
    assert (
        str(shelf.file) in said
        and "is not the published file" in said
        and "models pull tiny" in said
    )
    assert shelf.file.read_bytes() == damaged
    shelf.obtain()
    assert shelf.file.read_bytes() == CONTENT


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"sha256": 1}', "null", "\\x00"])
def test_a_damaged_note_is_no_proof(shelf: Shelf, note: str) -> None:
    shelf.obtain()
    for path in (shelf.folder / "verified").iterdir():
        path.write_text(note)
    shelf.steps.clear()
    shelf.obtain()
    assert set(shelf.steps) == {"hash"}


def test_a_note_proves_no_other_file(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of models was copied, notes and all, and a file was damaged on the way."""
    shelf.obtain()
    copy = shelf.folder.with_name("copy")
    (copy / "verified").mkdir(parents=True)
    for path in (shelf.folder / "verified").iterdir():
        (copy / "verified" / path.name).write_bytes(path.read_bytes())
    (copy / "weights.pth").write_bytes(OTHER)
    monkeypatch.setenv("VIDENHANCE_MODELS", str(copy))
    assert "is not the published file" in shelf.refused(ModelError, offline=True)


def test_offline_forbids_the_network(shelf: Shelf) -> None:
    said = shelf.refused(ModelError, offline=True)
    assert str(shelf.file) in said and "--offline" in said and "--weights" in said
    assert shelf.site.requests == []
    assert not shelf.folder.exists()


def test_a_file_cut_off_is_fetched_again_without_being_read(shelf: Shelf) -> None:
    shelf.folder.mkdir()
    shelf.file.write_bytes(CONTENT[:-1])
    assert located("tiny") is None
    shelf.obtain()
    assert shelf.file.read_bytes() == CONTENT


def test_a_failed_download_leaves_no_weights(shelf: Shelf) -> None:
    shelf.site.content = OTHER
    shelf.refused(ModelError)
    assert located("tiny") is None


def test_two_at_once_fetch_once(shelf: Shelf) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(handler: Any) -> None:
        begun.set()
        go_on.wait(10)
        shelf.site.serve(handler)

    def first() -> None:
        found.append(shelf.obtain())

    def second_waits(line: str) -> None:
        waited.append(line)
        go_on.set()

    found: list[Obtained] = []
    waited: list[str] = []
    shelf.site.faults.append(slow)
    thread = threading.Thread(target=first)
    thread.start()
    assert begun.wait(10)
    found.append(obtain("tiny", tell=second_waits))
    thread.join(10)
    assert found[0] == found[1]
    assert len(shelf.site.requests) == 1
    assert len(waited) == 1 and "another process" in waited[0]


def test_a_folder_that_is_only_read_will_do(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.folder.mkdir()
    shelf.file.write_bytes(CONTENT)

    def refuse(path: Path, *arguments: object, **more: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(models, "_write", refuse)
    assert shelf.obtain().path == shelf.file
    assert sorted(p.name for p in shelf.folder.iterdir()) == ["weights.pth"]


def test_an_unknown_name() -> None:
    with pytest.raises(UsageError, match=r"gfpgan-9: unknown; choose from gfpgan-1\.2"):
        obtain("gfpgan-9")


# A file of the user's own (--weights).


def test_a_given_file_that_is_the_published_one(shelf: Shelf, tmp_path: Path) -> None:
    given = tmp_path / "elsewhere" / "other_name.pth"
    given.parent.mkdir()
    given.write_bytes(CONTENT)
    found = shelf.obtain(given=given, offline=True)
    assert (found.path, found.trusted, found.sha256) == (given, False, WEIGHTS["tiny"].sha256)
    shelf.steps.clear()
    shelf.obtain(given=given)
    assert shelf.steps == []
    assert [p.name for p in given.parent.iterdir()] == ["other_name.pth"]
    assert shelf.site.requests == []


def test_a_given_file_that_is_another_is_refused_unless_trusted(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "mine.pth"
    given.write_bytes(OTHER)
    digest = hashlib.sha256(OTHER).hexdigest()
    said = shelf.refused(ModelError, given=given)
    assert str(given) in said and digest in said and "--trust-weights" in said
    found = shelf.obtain(given=given, trust=True)
    assert (found.path, found.trusted, found.sha256) == (given, True, digest)
    monkeypatch.setitem(WEIGHTS, "big", replace(WEIGHTS["tiny"], name="big", sha256=digest))
    assert "is big" in shelf.refused(ModelError, given=given)
    assert "no such file" in shelf.refused(ModelError, given=tmp_path / "none.pth", trust=True)


# Licences.


def test_a_licence_is_shown_and_accepted_once(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asks = replace(WEIGHTS["tiny"], consent=True)
    monkeypatch.setitem(WEIGHTS, "tiny", asks)
    said = shelf.refused(UsageError)
    assert "Tiny License" in said and "--accept-license tiny" in said
    given = tmp_path / "mine.pth"
    given.write_bytes(CONTENT)
    shelf.refused(UsageError, given=given, trust=True)
    shelf.refused(UsageError, accepted=["codeformer"])
    assert shelf.site.requests == []
    assert shelf.obtain(accepted=["tiny"]).accepted == "Tiny License"
    assert shelf.obtain().accepted == "Tiny License"
    monkeypatch.setitem(WEIGHTS, "tiny", replace(asks, licence="Other License"))
    assert "Other License" in shelf.refused(UsageError)
    with pytest.raises(UsageError, match="--accept-license nobody: unknown"):
        shelf.obtain(accepted=["tiny", "nobody"])


# verify


def test_verify_hashes_again(shelf: Shelf) -> None:
    assert verify() == []
    shelf.obtain()
    (good,) = verify(["tiny"])
    assert (good.name, good.path, good.good) == ("tiny", shelf.file, True)
    shelf.file.write_bytes(OTHER)
    # A note that lies: verify does not ask it.
    facts = {**models._facts(shelf.file), "sha256": WEIGHTS["tiny"].sha256}
    models._note(shelf.file).write_text(json.dumps(facts))
    assert shelf.obtain().path == shelf.file
    (bad,) = verify()
    assert not bad.good and bad.sha256 == hashlib.sha256(OTHER).hexdigest()
    # What it found is believed from now on.
    assert "is not the published file" in shelf.refused(ModelError, offline=True)


# Loading.

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.tensor([1.0, -1.0])}


def assert_is_state(found: dict[str, torch.Tensor]) -> None:
    assert list(found) == list(STATE)
    for key, value in STATE.items():
        assert torch.equal(found[key], value)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"params": state},
        lambda state: {"params": {"a.weight": torch.zeros(1)}, "params_ema": state},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {"params_ema": {f"module.{k}": v for k, v in state.items()}, "iter": 7},
    ],
)
def test_the_forms_in_which_weights_are_published(
    tmp_path: Path, wrap: Callable[[dict[str, torch.Tensor]], dict[str, Any]], zipped: bool
) -> None:
    path = tmp_path / "w.pth"
    torch.save(wrap(STATE), path, _use_new_zipfile_serialization=zipped)
    assert_is_state(load_state(path))


def test_safetensors_by_content(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    save_file({f"module.{key}": value for key, value in STATE.items()}, path)
    found = load_state(path)
    assert_is_state({key: found[key] for key in STATE})


class Code:
    """Runs code where it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.marker),))


@pytest.mark.parametrize("form", ["zip", "old", "pickle"])
def test_weights_with_code_in_them_are_refused(tmp_path: Path, form: str) -> None:
    path, marker = tmp_path / "w.pth", tmp_path / "was_here"
    content = {"params_ema": {**STATE, "evil": Code(marker)}}
    if form == "pickle":
        path.write_bytes(pickle.dumps({"params_ema": Code(marker)}, protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(ModelError) as caught:
        load_state(path)
    said = str(caught.value)
    assert str(path) in said and "would run code" in said and "mkdir" in said
    assert "\n" not in said
    assert not marker.exists()
    with path.open("rb") as file:  # the file does have teeth
        if form == "pickle":
            pickle.load(file)
            assert marker.exists()


@pytest.mark.parametrize("form", ["empty", "text", "cut off", "cut off safetensors", "missing"])
def test_damaged_weights(tmp_path: Path, form: str) -> None:
    path = tmp_path / "w.pth"
    if form == "empty":
        path.touch()
    elif form == "text":
        path.write_text("<html>not found</html>")
    elif form == "cut off":
        torch.save(STATE, path)
        path.write_bytes(path.read_bytes()[:-200])
    elif form == "cut off safetensors":
        save_file(STATE, path)
        path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ModelError) as caught:
        load_state(path)
    assert str(caught.value).startswith(f"{path}: cannot be read")
    assert "\n" not in str(caught.value)


def test_what_is_no_weights(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save([1, 2], path)
    with pytest.raises(ModelError, match="holds no weights but a list"):
        load_state(path)
    torch.save({"epoch": 3, "state": STATE}, path)
    with pytest.raises(ModelError, match="'epoch' is int"):
        load_state(path)


class Net(torch.nn.Module):
    """One layer, named as STATE's keys are."""

    def __init__(self) -> None:
        super().__init__()
        self.a = torch.nn.Linear(3, 2)


def test_weights_that_fit_are_copied(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"params_ema": STATE}, path)
    net = Net()
    load_into(net, path)
    assert_is_state(net.state_dict())
    path.write_bytes(b"\0" * path.stat().st_size)  # the network holds its own copy
    assert_is_state(net.state_dict())


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    wrong = {"a.weight": torch.zeros(3, 2), **{f"b.{k}": torch.zeros(1) for k in range(5)}}
    torch.save(wrong, path)
    net = Net()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(ModelError) as caught:
        load_into(net, path)
    assert str(caught.value) == (
        f"{path}: does not fit the network Net: 1 missing (a.bias); "
        "5 unknown (b.0, b.1, b.2, ...); "
        "1 of another shape (a.weight (3, 2) instead of (2, 3)); give the published file"
    )
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key])
    check_state(net, STATE, path)
