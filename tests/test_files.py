"""Files that are whole or not there: what a full disk, an error and Ctrl-C leave behind."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from videnhance.errors import ContainerError, OutputError, line_of
from videnhance.files import lock, megabytes, put_in_place, written


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_gets_its_name_when_it_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with written(path) as part:
        part.write_text("new")
        assert part.parent == tmp_path and not path.exists()
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.json"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, ContainerError])
def test_an_error_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(error), written(path, tmp_path / "other") as part:
        part.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.json"]


def test_a_full_disk_is_an_error_of_the_output_with_its_cure(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(OutputError) as caught, written(path):
        raise OSError(errno.ENOSPC, "No space left on device", "somewhere")
    assert str(caught.value) == (
        f"{path}: cannot be written (No space left on device); make room or choose another folder"
    )


def test_a_name_that_cannot_be_taken(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "finished").write_text("x")
    with pytest.raises(OutputError, match=r"taken: cannot be written \(Is a directory\)"):
        put_in_place(tmp_path / "finished", tmp_path / "taken")
    assert names(tmp_path) == ["taken"]


def test_what_a_library_says_in_one_line() -> None:
    assert line_of(RuntimeError("one\n  two")) == "one two"
    assert line_of(RuntimeError()) == "RuntimeError"
    assert line_of(OSError(errno.ENOENT, "No such file", "a")) == "No such file"
    assert line_of(RuntimeError("x" * 121)) == "x" * 120 + "..."


def test_sizes_for_people() -> None:
    assert (megabytes(1_250_000), megabytes(1_600_000, 0)) == ("1.2 MB", "2 MB")


def test_one_holds_a_lock_until_it_lets_go_or_removes_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lock"
    held = lock(path)
    assert held is not None
    assert lock(path) is None
    path.unlink()  # as a job does that has finished and removes its folder
    fresh = lock(path)
    assert fresh is not None
    os.close(held)
    assert lock(path) is None
    os.close(fresh)
    assert path.exists()


def test_a_lock_on_a_file_that_is_gone_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    flock = fcntl.flock

    def removed_meanwhile(file: int, how: int) -> None:
        path.unlink()
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", removed_meanwhile)
    assert lock(path) is None
