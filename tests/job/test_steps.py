"""What a job does, as lists of steps, and how often it is attempted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.making.clips import write_clip
from videnhance.errors import DamagedError
from videnhance.job.monitor import Monitor
from videnhance.job.request import JobRequest
from videnhance.job.retry import after_damage
from videnhance.job.run import steps_of
from videnhance.media.repair.examination import Examination
from videnhance.settings.groups import SourceSettings

SOURCE, OUTPUT, TRACKS = Path("in.mp4"), Path("out.mp4"), Path("t.json")
END = (
    *("choose_persons", "divide", "hold_drift", "render", "note_workers"),
    *(
        "refuse_changed_source",
        "mux",
        "save_best_moments",
        "save_inventions",
        "save_portraits",
        "keep_record",
    ),
)


@pytest.mark.parametrize(
    ("asked", "finished", "steps"),
    [
        (
            JobRequest(SOURCE, OUTPUT),
            False,
            ("load_networks", "require_target", "detect", "note_workers", "track", *END),
        ),
        (
            JobRequest(SOURCE, OUTPUT, tracks=TRACKS),
            False,
            ("load_networks", "require_target", "copy_tracks_file", *END),
        ),
        (
            JobRequest(SOURCE, OUTPUT),
            True,
            (
                "load_networks",
                "recall_finished",
                "choose_persons",
                "save_best_moments",
                "save_inventions",
                "save_portraits",
                "keep_record",
            ),
        ),
        (
            JobRequest(SOURCE, TRACKS, kind="detect"),
            False,
            ("detect", "note_workers", "track", "refuse_changed_source", "deliver_tracks"),
        ),
        (JobRequest(SOURCE, TRACKS, kind="detect"), True, ("detect", "note_workers", "track")),
    ],
    ids=["enhance", "given tracks", "finished", "detect", "detected"],
)
def test_a_job_is_a_list_of_steps(
    asked: JobRequest, finished: bool, steps: tuple[str, ...]
) -> None:
    assert tuple(step.__name__ for step in steps_of(asked, finished=finished)) == steps


@pytest.mark.parametrize("strict", [False, True])
def test_damage_is_examined_once(tmp_path: Path, strict: bool) -> None:
    clip = write_clip(tmp_path / "in.mkv")
    tries: list[Examination | None] = []

    def attempt(examined: Examination | None) -> None:
        tries.append(examined)
        raise DamagedError(f"frame {len(tries)}")

    # With --strict too: only decoding tells packets that rightly have no frame from damage.
    with pytest.raises(DamagedError, match="frame 2"):
        after_damage(attempt, clip, SourceSettings(strict=strict), Monitor())
    assert [found is not None for found in tries] == [False, True]


def test_what_was_begun_before_the_damage_was_known_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from videnhance.job import run

    clip = write_clip(tmp_path / "in.mkv")
    seen: list[tuple[bool, bool]] = []

    def once(
        request: JobRequest, monitor: Monitor, examined: Examination | None, crew: None
    ) -> str:
        seen.append((request.restart, examined is not None))
        assert not monitor.notes
        monitor.notes.append("of this attempt")
        if examined is None:
            raise DamagedError("frame 3")
        return "done"

    monkeypatch.setattr(run, "run_once", once)
    found = run.run(JobRequest(clip, tmp_path / "out.mkv"), Monitor())
    assert str(found) == "done"
    assert seen == [(False, False), (True, True)]
