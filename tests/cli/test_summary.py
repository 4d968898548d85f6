"""Each sentence of the summary is true: it is made from what was done and compared.

The truth is read from the output by other means than the package's, where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.making.clips import decoded, packets, square_frames, write_clip, write_rgb
from videnhance import Settings, detect_tracks, detectors, enhance, make_preview, restorers, resume
from videnhance.cli.report import preview_text, summary_text
from videnhance.errors import ModelError
from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.frames import FloatArray
from videnhance.job.summary import ESTIMATE, Summary
from videnhance.media.check.frames import Check
from videnhance.models.registry import Row
from videnhance.settings.groups import (
    DetectSettings,
    OutputSettings,
    PartSettings,
    RestoreSettings,
)

FRAMES = 8


class Failing:
    """Restores nothing in frames from `ok` on."""

    name = "failing"
    radius = 0
    batch = 1
    invents = False

    def __init__(self, ok: int) -> None:
        self.ok = ok

    def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
        if any(w.frames[w.centre] >= self.ok for w in windows):
            raise ModelError("no more")
        return [w.crops[w.centre] - np.float32(0.2) for w in windows]


class Inventing(Failing):
    name = "inventing"
    invents = True


@pytest.fixture
def wish(square_detector: str) -> Settings:
    return Settings(
        detect=DetectSettings(detector=square_detector, every=1),
        restore=RestoreSettings(restorer="identity"),
        output=OutputSettings(codec="ffv1"),
    )


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rgb(tmp_path_factory.mktemp("told") / "in.mkv", square_frames(FRAMES))


def with_restorer(
    monkeypatch: pytest.MonkeyPatch, wish: Settings, made: Failing, on_error: str = "keep"
) -> Settings:
    monkeypatch.setitem(restorers.RESTORERS, made.name, Row(lambda loader: made))
    return replace(wish, restore=RestoreSettings(restorer=made.name, on_error=on_error))


def told(summary: Summary, beginning: str) -> str:
    """The only line of a summary that begins so, without its beginning."""
    (line,) = [k for k in summary_text(summary).splitlines() if k.startswith(f"  {beginning}")]
    return line.removeprefix(f"  {beginning}")


def test_where_the_result_is(tmp_path: Path, clip: Path, wish: Settings) -> None:
    lines = summary_text(enhance(clip, tmp_path / "out", wish)).splitlines()
    assert Path(lines[0]) == tmp_path / "out.mkv"
    assert len(decoded(Path(lines[0]))) == FRAMES


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (PartSettings(), "8 frames, 8 with faces; 8 faces in 1 track"),
        (PartSettings("2f", "5f"), "3 of 8 frames, 3 with faces; 3 faces in 1 track"),
        (PartSettings("2f", "3f"), "1 of 8 frames, 1 with faces; 1 face in 1 track"),
        (PartSettings(skip=(1,)), "8 frames, 0 with faces that were chosen; 0 faces in 0 tracks"),
    ],
)
def test_how_many_frames_and_faces(
    tmp_path: Path, clip: Path, wish: Settings, part: PartSettings, words: str
) -> None:
    summary = enhance(clip, tmp_path / "out.mkv", replace(wish, part=part))
    assert summary_text(summary).splitlines()[1] == f"  {words}"
    assert len(decoded(tmp_path / "out.mkv")) == summary.frames


@pytest.mark.parametrize("ok", [0, 5, FRAMES])
def test_how_many_faces_were_restored(
    tmp_path: Path, clip: Path, wish: Settings, monkeypatch: pytest.MonkeyPatch, ok: int
) -> None:
    settings = with_restorer(monkeypatch, wish, Failing(ok))
    summary = enhance(clip, tmp_path / "out.mkv", settings, keep_job=True)
    before, after = decoded(clip), decoded(tmp_path / "out.mkv")
    same = [
        all(np.array_equal(*k) for k in zip(*f, strict=True))
        for f in zip(before, after, strict=True)
    ]
    assert same == [k >= ok for k in range(FRAMES)]
    line = summary_text(summary).splitlines()[1]
    assert line.endswith("in 1 track" if ok == FRAMES else f"in 1 track, {ok} of them restored")
    assert (ESTIMATE in summary_text(summary)) == (ok > 0)
    # Of a job that had ended nothing is known but that it was checked.
    again = resume(tmp_path / "out.mkv.videnhance")
    assert again.restored is None
    assert summary_text(again).splitlines()[1].endswith("in 1 track")


def test_what_found_the_faces(tmp_path: Path, clip: Path, wish: Settings) -> None:
    tracks = tmp_path / "t.json"
    summary = detect_tracks(clip, tracks, wish)
    assert told(summary, "detector ") == "square; restorer none: tracks only"
    assert "checked" not in summary_text(summary)
    assert ESTIMATE not in summary_text(summary)

    def none(loader: object) -> object:
        raise AssertionError("looked for faces")

    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(detectors.DETECTORS, "square", Row(none))
        given = enhance(clip, tmp_path / "out.mkv", wish, tracks=tracks)
    assert "  tracks as given, no detector; restorer identity" in summary_text(given)


def test_by_what_method(
    tmp_path: Path, clip: Path, wish: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = enhance(clip, tmp_path / "a.mkv", wish)
    assert told(identity, "detector ").endswith("identity: a dry run, no face was restored")
    assert ESTIMATE not in summary_text(identity)
    fusion = replace(wish, restore=RestoreSettings(restorer="fusion"))
    own = enhance(clip, tmp_path / "b.mkv", fusion)
    assert told(own, "detector ").endswith("fusion: only what the clip itself holds")
    settings = with_restorer(monkeypatch, wish, Inventing(FRAMES))
    invented = enhance(clip, tmp_path / "c.mkv", settings)
    assert "inventing: AI restoration, it shows detail the clip does not hold" in (
        told(invented, "detector ")
    )
    assert ESTIMATE in summary_text(invented)


def test_what_an_earlier_run_had_finished(
    tmp_path: Path, wish: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("videnhance.job.plan.SEGMENT_FRAMES", 4)
    clip = write_rgb(tmp_path / "in.mkv", square_frames(FRAMES))
    failing = with_restorer(monkeypatch, wish, Failing(6), on_error="fail")
    with pytest.raises(ModelError):
        enhance(clip, tmp_path / "out.mkv", failing)
    monkeypatch.setitem(restorers.RESTORERS, "failing", Row(lambda loader: Failing(FRAMES)))
    summary = enhance(clip, tmp_path / "out.mkv", failing)
    assert re.search(
        r"^  [\d.]+ s \([\d.]+ frames/s\), 4 frames were finished before$",
        summary_text(summary),
        re.MULTILINE,
    )


SOUND = re.compile(r"8 frames at their times, 0\.320 s(?:; (.*))?")


@pytest.mark.parametrize(
    ("codecs", "into", "audio", "words"),
    [
        (("aac",), ".mkv", "copy", "{0} packets of sound unchanged, in sync within X"),
        (("aac",), ".mkv", "none", None),
        ((), ".mkv", "copy", None),
        (
            ("pcm_s16le",),
            ".mov",
            "copy",
            "the samples of 1 stream of sound unchanged, in sync within X",
        ),
        (
            ("pcm_alaw",),
            ".mp4",
            "aac",
            "1 stream of sound encoded anew, in sync within X at both ends",
        ),
        (
            ("aac", "pcm_alaw"),
            ".mp4",
            "aac",
            "{0} packets of sound unchanged, in sync within X; "
            "1 stream of sound encoded anew, in sync within X at both ends",
        ),
        (
            ("aac", "pcm_s16le"),
            ".mkv",
            "copy",
            "{0} packets of sound and the samples of 1 stream of sound unchanged, in sync within X",
        ),
    ],
)
def test_what_was_compared_of_sound(
    tmp_path: Path,
    wish: Settings,
    codecs: tuple[str, ...],
    into: str,
    audio: str,
    words: str | None,
) -> None:
    source = with_sounds(tmp_path, codecs)
    out = tmp_path / f"out{into}"
    settings = replace(wish, output=OutputSettings(audio=audio, preset="ultrafast"))
    summary = enhance(source, out, settings)
    found = SOUND.fullmatch(told(summary, "checked: "))
    assert found is not None
    said = None if found[1] is None else re.sub(r"\d+\.\d ms", "X", found[1])
    copied = set(packets(source, "audio")) & set(packets(out, "audio"))
    assert ("unchanged" in (said or "")) == bool(copied or into == ".mov")
    if words is not None:
        with av.open(str(out)) as container:
            first = container.streams.audio[0]
            equal = sum(bytes(packet) in copied for packet in container.demux(first))
        assert said == words.format(equal)
    else:
        assert said is None


def with_sounds(folder: Path, codecs: Sequence[str]) -> Path:
    """A clip of FRAMES frames with a stream of sound for each codec."""
    pts = tuple(range(FRAMES))
    files = [
        write_clip(folder / f"{k}.mov", pts=pts, audio=codec)
        for k, codec in enumerate(codecs or (None,))
    ]
    path = folder / "in.mov"
    with ExitStack() as stack:
        out = stack.enter_context(av.open(str(path), "w"))
        sources = [stack.enter_context(av.open(str(file))) for file in files]
        taken = [
            (k, s) for k, c in enumerate(sources) for s in c.streams if k == 0 or s.type == "audio"
        ]
        routes = {(k, s.index): out.add_stream_from_template(s, opaque=True) for k, s in taken}
        for k, source in enumerate(sources):
            for packet in source.demux():
                if packet.size and (k, packet.stream_index) in routes:
                    packet.stream = routes[k, packet.stream_index]
                    out.mux(packet)
    return path


def test_what_is_said_of_a_picture(tmp_path: Path, clip: Path, wish: Settings) -> None:
    settings = replace(wish, part=PartSettings("2f", "3f"))
    summary = enhance(clip, tmp_path / "out.png", settings)
    assert told(summary, "checked: ") == "every pixel is read back as it was made"


NOTHING = Check(1, 0.04, sounds=0, sound_packets=0, offset=0.0)


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (NOTHING, "1 frame at its time, 0.040 s"),
        (replace(NOTHING, sounds=1), "1 frame at its time, 0.040 s"),
        (
            replace(NOTHING, sounds=2, sound_packets=1, offset=0.0123),
            "; 1 packet of sound unchanged, in sync within 12.3 ms",
        ),
        (
            replace(NOTHING, sounds=1, encoded=2, encoded_offset=0.0123, offset=0.5),
            "; 2 streams of sound encoded anew, in sync within 12.3 ms at both ends",
        ),
        (replace(NOTHING, sounds=1, repaired=3), "; 3 packets of sound had no good times"),
        (replace(NOTHING, sounds=1, silence=0.25), "; pauses of 0.250 s are silence"),
        (
            replace(NOTHING, sounds=1, left_out=2),
            "; 2 packets of sound that begin too early left out",
        ),
    ],
)
def test_each_figure_of_the_check_has_its_words(check: Check, words: str) -> None:
    """That the figures are right is tested beside what counts them."""
    text = summary_text(replace(blank(), check=check))
    whole = "1 frame at its time, 0.040 s" + words if words[0] == ";" else words
    assert f"  checked: {whole}\n" in text + "\n"


def blank() -> Summary:
    return Summary(
        *(Path("out.mkv"), 1, 0, 1, 1, 0, 0, 0, 0, 1.0, {}, {}, None, None, False, (), None)
    )


def test_each_note_is_a_line_and_a_kept_job_is_named(
    tmp_path: Path, clip: Path, wish: Settings
) -> None:
    settings = replace(wish, output=replace(wish.output, stills=str(tmp_path / "stills")))
    summary = enhance(clip, tmp_path / "out.mkv", settings, keep_job=True)
    count = len(list((tmp_path / "stills").iterdir()))
    assert told(summary, "note: ") == f"{count} stills in {tmp_path / 'stills'}"
    kept = Path(told(summary, "job kept in "))
    assert (kept / "job.json").is_file()
    assert "job kept" not in summary_text(enhance(clip, tmp_path / "b.mkv", wish))


def test_a_preview_says_what_it_shows(
    tmp_path: Path, clip: Path, wish: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = with_restorer(monkeypatch, wish, Failing(0))
    settings = replace(settings, part=PartSettings("2f", "6f"), output=OutputSettings())
    found = make_preview(clip, tmp_path / "a.mp4", settings)
    lines = preview_text(found).splitlines()
    assert lines[:2] == [str(tmp_path / "a.mp4"), str(tmp_path / "a.png")]
    assert lines[2] == ("  frames 2 to 5, 0.08 to 0.24 s; 4 faces in 1 track, 0 of them restored")
    assert lines[3] == "  detector square; restorer failing: only what the clip itself holds"
    assert lines[4].endswith("the whole video: too few frames to tell")
    assert ESTIMATE not in lines
    assert len(decoded(tmp_path / "a.mp4")) == 4
    assert found.end_seconds - found.start_seconds == pytest.approx(float(Fraction(4, 25)))
