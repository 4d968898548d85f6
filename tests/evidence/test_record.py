"""The record of a result: what it says of a real one, and what is refused on reading."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.making.clips import packets, square_frames, times, write_rgb
from tests.making.recorded import FUSED, enhanced
from tests.making.restorers import Darken
from tests.making.several import write_videos
from videnhance import restorers
from videnhance.errors import InputError, OutputError
from videnhance.evidence.columns import Times, runs_of, unrolled
from videnhance.evidence.reading import is_record, read_record
from videnhance.evidence.verify import Places, verify
from videnhance.evidence.writing import record_path, sealed, write_record
from videnhance.faces.tracklets import CropWindow
from videnhance.files import sha256_of
from videnhance.imaging.frames import FloatArray
from videnhance.job.directory.folder import default_folder
from videnhance.job.preview.make import make_preview, preview_frame
from videnhance.job.replay import Replay, replay
from videnhance.job.run import enhance, resume
from videnhance.media.writing.png import write_png
from videnhance.models.registry import Row
from videnhance.settings.groups import PartSettings, RecordSettings, Settings, SourceSettings

pytestmark = pytest.mark.usefixtures("square_detector")


def test_it_says_what_went_in_and_what_came_out(tmp_path: Path, square_clip: Path) -> None:
    output = tmp_path / "out.mp4"
    record = enhanced(square_clip, output)
    assert (record.input.name, record.input.path) == ("in.mkv", None)
    assert record.input.size == square_clip.stat().st_size
    assert record.input.sha256 == sha256_of(square_clip)
    assert [s.kind for s in record.input.streams] == ["video", "audio"]
    assert record.output.name == "out.mp4"
    assert record.output.sha256 == sha256_of(output)
    video, sound = record.output.streams
    assert video.packets.sha256 == hashlib.sha256(b"".join(packets(output, "video"))).hexdigest()
    assert sound.packets.sha256 == hashlib.sha256(b"".join(packets(output, "audio"))).hexdigest()
    assert video.frames is not None
    assert (video.frames.count, len(video.frames.crc32)) == (40, 8 * 40)
    (found,) = record.videos
    assert found.output_times is not None
    assert [float(t) for t in times(output)] == pytest.approx(
        [t / 1000 for t in found.source_times.pts]
    )
    assert found.output_times.pts == found.source_times.pts
    assert found.check is not None
    assert found.check["frames"] == 40
    assert record.made.endswith("Z")


def test_it_says_what_a_result_is(
    tmp_path: Path, square_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = enhanced(square_clip, tmp_path / "out.mp4")
    assert record.said.startswith("Enhanced faces are estimates")
    assert (record.method.restorer, record.method.invents) == ("fusion", False)
    inventing = Row(lambda loader: Darken(0.1, invents=True), invents=True)
    monkeypatch.setitem(restorers.RESTORERS, "dreaming", inventing)
    wish = replace(FUSED, restore=replace(FUSED.restore, restorer="dreaming"))
    assert enhanced(square_clip, tmp_path / "two.mp4", wish).method.invents


def test_it_tells_of_every_face_in_every_frame(tmp_path: Path, square_clip: Path) -> None:
    record = enhanced(square_clip, tmp_path / "out.mp4")
    (track,) = record.videos[0].tracks
    assert (track.id, track.start, len(track)) == (1, 0, 40)
    x0, y0, x1, y1 = track.box(10)
    assert (x0 + x1) / 2 == pytest.approx(40 + 5 + 24, abs=1)
    assert (y0 + y1) / 2 == pytest.approx(40 + 24, abs=1)
    assert x1 - x0 == pytest.approx(48, abs=2)
    assert track.score[:4] == (0.9, None, None, 0.9)
    assert list(unrolled(track.strength)) == [1.0] * 40
    assert all(change is not None and 0 < change < 2 for change in unrolled(track.change))


class Guarding:
    """Changes every face, and says that it held a quarter of each back; fails on frame 5."""

    name = "guarding"
    radius = 0
    batch = 2
    invents = False

    def __init__(self) -> None:
        self._shares: list[float | None] = []

    def restore(self, windows: Any) -> list[FloatArray]:
        from videnhance.errors import ModelError

        if any(w.frames[w.centre] == 5 for w in windows):
            raise ModelError("frame 5 cannot be restored")
        self._shares += [None if w.frames[w.centre] < 3 else 0.25 for w in windows]
        return [self._one(window) for window in windows]

    def held_back(self) -> list[float | None]:
        shares, self._shares = self._shares, []
        return shares

    @staticmethod
    def _one(window: CropWindow) -> FloatArray:
        changed: FloatArray = window.crops[window.centre] * 0.9
        return changed


def test_the_guard_s_share_and_failures_stand_with_their_frames(
    tmp_path: Path, square_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(restorers.RESTORERS, "guarding", Row(lambda loader: Guarding()))
    wish = replace(FUSED, restore=replace(FUSED.restore, restorer="guarding", on_error="keep"))
    record = enhanced(square_clip, tmp_path / "out.mp4", wish)
    (track,) = record.videos[0].tracks
    held_back = list(unrolled(track.held_back))
    assert held_back == [None] * 3 + [0.25] * 2 + [None] + [0.25] * 34
    assert track.reason == ((None, 5), ("the restorer failed", 1), (None, 34))
    assert list(unrolled(track.strength))[4:7] == [1.0, 0.0, 1.0]


def test_a_range_is_recorded_by_frames_of_the_whole(tmp_path: Path, square_clip: Path) -> None:
    wish = replace(FUSED, part=PartSettings(start="10f", end="20f"))
    record = enhanced(square_clip, tmp_path / "out.mp4", wish)
    (video,) = record.videos
    assert (video.frames, video.start, video.stop) == (40, 10, 20)
    assert video.source_times.pts == tuple(range(400, 800, 40))
    assert video.tracks[0].start == 10
    assert len(video.tracks[0]) == 10


def test_settings_say_where_they_come_from(tmp_path: Path, square_clip: Path) -> None:
    enhance(square_clip, tmp_path / "out.mp4", FUSED, origins={"restore.restorer": "option"})
    settings = read_record(record_path(tmp_path / "out.mp4")).settings
    assert settings["restore.restorer"].source == "option"
    assert settings["detect.detector"].source == "caller"
    assert (settings["output.crf"].option, settings["output.crf"].source) == ("--crf", "default")


def test_no_path_is_told_unless_asked_for(tmp_path: Path, square_clip: Path) -> None:
    output = tmp_path / "out.mp4"
    wish = replace(FUSED, output=replace(FUSED.output, stills=str(tmp_path / "stills")))
    record = enhanced(square_clip, output, wish)
    text = record_path(output).read_text()
    assert str(tmp_path) not in text
    assert str(Path.home()) not in text
    assert record.settings["output.stills"].value == "stills"
    assert any(note.endswith("stills in stills") for note in record.notes)
    wish = replace(FUSED, record=RecordSettings(paths=True))
    record = enhanced(square_clip, tmp_path / "two.mp4", wish)
    assert record.input.path == str(square_clip)
    assert record.output.path == str(tmp_path / "two.mp4")


def test_without_a_record_nothing_stands_beside_the_output(
    tmp_path: Path, square_clip: Path
) -> None:
    enhance(square_clip, tmp_path / "out.mp4", replace(FUSED, record=RecordSettings(keep=False)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mkv", "out.mp4"]


def test_a_file_where_the_record_would_stand_is_not_lost(tmp_path: Path, square_clip: Path) -> None:
    taken = tmp_path / "out.mp4.json"
    taken.write_text("mine")
    with pytest.raises(OutputError, match=r"out\.mp4\.json: exists already.*--no-record"):
        enhance(square_clip, tmp_path / "out.mp4", FUSED)
    assert taken.read_text() == "mine"
    enhance(square_clip, tmp_path / "out.mp4", FUSED, overwrite=True)
    assert is_record(taken)


def test_a_record_that_could_not_be_written_is_written_by_the_same_command(
    tmp_path: Path, square_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a crash between the result and its record: nothing of the work is done again."""
    from videnhance.job.evidence import keep

    output = tmp_path / "out.mp4"
    old = tmp_path / "out.mp4.json"
    enhanced(square_clip, output, replace(FUSED, part=PartSettings(end="5f")))

    def full(path: Path, record: object) -> None:
        raise OutputError(f"{path}: no room")

    with monkeypatch.context() as patch:
        patch.setattr(keep, "write_record", full)
        with pytest.raises(OutputError, match="no room"):
            enhance(
                square_clip,
                output,
                FUSED,
                overwrite=True,
                origins={"restore.restorer": "preset mine"},
            )
    assert output.exists()
    assert not old.exists()  # no record stands beside what it is not of
    before = output.stat().st_mtime_ns
    resume(default_folder(output))
    assert output.stat().st_mtime_ns == before
    record = read_record(old)
    assert record.output.sha256 == sha256_of(output)
    assert list(unrolled(record.videos[0].tracks[0].strength)) == [1.0] * 40
    assert record.settings["restore.restorer"].source == "preset mine"
    assert not (tmp_path / "out.mp4.videnhance").exists()


def test_any_program_can_check_the_digest(tmp_path: Path, square_clip: Path) -> None:
    enhanced(square_clip, tmp_path / "out.mp4")
    content = record_path(tmp_path / "out.mp4").read_bytes()
    digest = json.loads(content)["digest"]
    assert hashlib.sha256(content[:-81]).hexdigest() == digest  # head -c -81 | sha256sum


def test_what_is_read_is_what_was_written(tmp_path: Path, square_clip: Path) -> None:
    record = enhanced(square_clip, tmp_path / "out.mp4")
    write_record(tmp_path / "again.json", record)
    assert read_record(tmp_path / "again.json") == record


def test_broken_records_are_told_in_one_line_with_the_cure(
    tmp_path: Path, square_clip: Path
) -> None:
    enhanced(square_clip, tmp_path / "out.mp4")
    path = record_path(tmp_path / "out.mp4")
    content = path.read_bytes()
    body = content[:-81]
    cases: list[tuple[bytes, str]] = [
        (content[:-100], "cannot be read as JSON"),
        (b"\xff\xfe", "cannot be read as JSON"),
        (b"[" * 100_000, "cannot be read as JSON"),
        (b'{"format": "other"}', "is no record of videnhance; name the file"),
        (b"[]", "is no record of videnhance"),
        (content.replace(b'"version": 1', b'"version": 2'), "is a record of version 2.*update to"),
        (content.replace(b'"version": 1', b'"version": 0'), "version 0.*read it with videnhance"),
        (
            content.replace(b'"fusion"', b'"identy"'),
            "does not fit its own digest: it was probably edited",
        ),
        (sealed(body.replace(b'"size": ', b'"size": "a", "b": ')), r"no valid record.*size"),
    ]
    for bad, said in cases:
        path.write_bytes(bad)
        with pytest.raises(InputError, match=said) as caught:
            read_record(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"none\.json: cannot be read .*check the name"):
        read_record(tmp_path / "none.json")


def test_a_file_of_that_name_stays_where_no_record_is_wanted(
    tmp_path: Path, square_clip: Path
) -> None:
    (tmp_path / "out.mp4.json").write_text("mine")
    quiet = replace(FUSED, record=RecordSettings(keep=False))
    enhance(square_clip, tmp_path / "out.mp4", quiet)
    enhance(square_clip, tmp_path / "out.mp4", quiet, overwrite=True)
    assert (tmp_path / "out.mp4.json").read_text() == "mine"


def test_a_preview_has_a_record_of_its_range_and_of_its_own_files(
    tmp_path: Path, square_clip: Path
) -> None:
    output = tmp_path / "look.mp4"
    make_preview(square_clip, output, replace(FUSED, part=PartSettings("10f", "20f")))
    record = read_record(record_path(output))
    assert record.kind == "preview"
    assert record.input.sha256 == sha256_of(square_clip)
    assert [file.name for file in record.outputs] == ["look.mp4", "look.png"]
    assert record.output.sha256 == sha256_of(output)
    assert record.outputs[1].pixels is not None
    assert record.preview == {"layout": "side", "seconds": 4.0, "at": None}
    assert record.settings["part.start"].value == "10f"
    (video,) = record.videos
    assert (video.start, video.stop, len(video.tracks[0])) == (10, 20, 10)
    states = {line.state for line in verify(Places(record_path(output)))}
    assert states == {"holds"}
    again = replay(Replay(Places(record_path(output), square_clip)))
    assert {line.state for line in again} == {"holds"}


def test_a_single_frame_has_a_record_too(tmp_path: Path, square_clip: Path) -> None:
    preview_frame(square_clip, tmp_path / "look.png", "12f", FUSED)
    path = record_path(tmp_path / "look.png")
    assert [file.name for file in read_record(path).outputs] == ["look.png"]
    again = list(replay(Replay(Places(path, square_clip))))
    assert {line.state for line in again} == {"holds"}
    assert again[-1].said == "look.png: its pixels are bit-equal"
    with pytest.raises(OutputError, match="exists already, and the record"):
        (tmp_path / "look.png").unlink()
        preview_frame(square_clip, tmp_path / "look.png", "12f", FUSED)


def test_every_video_of_a_file_stands_in_one_record(tmp_path: Path) -> None:
    source = write_videos(tmp_path / "in.mp4", [(192, 128), (96, 64)], count=12)
    wish = replace(FUSED, source=SourceSettings(stream="all"))
    record = enhanced(source, tmp_path / "out.mkv", wish)
    assert record.input.sha256 == sha256_of(source)
    assert [(v.stream, v.output_stream) for v in record.videos] == [(0, 0), (1, 1)]
    assert [s.frames.count for s in record.output.streams if s.frames] == [12, 12]
    assert record.settings["source.stream"].value == "all"
    assert [v.source_times.first for v in record.videos] == [0, 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("in.mp4", "out.mkv", "out.mkv.json"),
    ]
    found = list(verify(Places(record_path(tmp_path / "out.mkv"))))
    assert {line.state for line in found} == {"holds"}
    assert [line.said[:8] for line in found if line.what == "outside"] == ["stream 0", "stream 1"]
    again = list(replay(Replay(Places(record_path(tmp_path / "out.mkv"), source))))
    assert {line.state for line in again} == {"holds"}


def test_a_picture_is_recorded_by_its_pixels(tmp_path: Path) -> None:
    source = tmp_path / "in.png"
    write_png(source, square_frames(1)[0], {}, tmp_path / ".part")
    record = enhanced(source, tmp_path / "out.png", FUSED)
    assert record.output.pixels is not None
    assert record.output.streams == ()
    found = list(verify(Places(record_path(tmp_path / "out.png"))))
    assert {line.state for line in found} == {"holds"}
    assert [line.what for line in found] == ["record", "input", "output", "picture", "outside"]


def test_long_clips_have_small_records(tmp_path: Path) -> None:
    """Columns and runs: at 25 frames a second, a face costs less than a hundred bytes a frame."""
    clip = write_rgb(tmp_path / "in.mkv", square_frames(40))
    sizes = []
    for count in (20, 40):
        wish: Settings = replace(FUSED, part=PartSettings(end=f"{count}f"))
        enhance(clip, tmp_path / f"{count}.mp4", wish)
        sizes.append(record_path(tmp_path / f"{count}.mp4").stat().st_size)
    assert (sizes[1] - sizes[0]) / 20 < 100


def test_times_are_runs_of_steps() -> None:
    times = Times.of((0, 40, 80, 200, 240), "1/1000")
    assert times.steps == ((40, 2), (120, 1), (40, 1))
    assert times.pts == (0, 40, 80, 200, 240)
    assert runs_of(()) == ()
