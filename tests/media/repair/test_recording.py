"""Odd times and damage: what is repaired, what is left out, what is told, and that it is always the
same, wherever reading begins."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from av.packet import Packet
from av.video.frame import VideoFrame

from tests.making.clips import decoded, packets, square_frames, times, write_clip, write_rgb
from tests.making.records import changed, fingerprints, recorded
from tests.making.timelines import read_timeline
from videnhance.errors import DamagedError, InputError, Stopped, TruncatedError, UsageError
from videnhance.faces.track_file import read_tracks
from videnhance.job import plan
from videnhance.job.preview.make import make_preview
from videnhance.job.run import detect_tracks, enhance, resume
from videnhance.media.opening import open_clip
from videnhance.media.reading import numbered
from videnhance.media.reading.source import packets_of, probe
from videnhance.media.repair import examination as examine_module
from videnhance.media.repair import recording as condition_module
from videnhance.media.repair.examination import Examination
from videnhance.media.repair.recording import Recording, examination_in, recording_of
from videnhance.media.repair.scan import plain_timeline, scan
from videnhance.settings.groups import (
    DetectSettings,
    OutputSettings,
    RestoreSettings,
    Settings,
    SourceSettings,
    rate_of,
)

GOPS = {"g": "10", "bf": "2", "sc_threshold": "0"}
"""A keyframe every ten frames."""
MADE = Settings(
    detect=DetectSettings(detector="square", every=1),
    restore=RestoreSettings(restorer="identity"),
    output=OutputSettings(codec="ffv1"),
)


def rewritten(
    source: Path,
    target: Path,
    *,
    spoil: Sequence[int] = (),
    leave_out: Sequence[int] = (),
    pts: Sequence[int] | None = None,
    form: str | None = None,
    annexb: bool = False,
) -> Path:
    """The packets of the video, some spoilt from their 12th byte on, some left out, at `pts`."""
    with av.open(str(source)) as a, av.open(str(target), "w", format=form) as b:
        stream = b.add_stream_from_template(a.streams.video[0], opaque=True)
        found = [packet for packet in a.demux(video=0) if packet.size]
        if annexb:
            bits = BitStreamFilterContext("h264_mp4toannexb", a.streams.video[0], stream)
            found = [part for packet in found for part in bits.filter(packet)]
        for number, packet in enumerate(found):
            if number in leave_out:
                continue
            if number in spoil:
                data = bytearray(bytes(packet))
                data[12 : len(data) // 2] = bytes(255 - byte for byte in data[12 : len(data) // 2])
                spoilt: Packet[Any] = Packet(bytes(data))
                spoilt.pts, spoilt.dts, spoilt.time_base = packet.pts, packet.dts, packet.time_base
                spoilt.is_keyframe, spoilt.duration = packet.is_keyframe, packet.duration
                packet = spoilt
            if pts is not None:
                packet.pts = packet.dts = pts[number]
            packet.stream = stream
            b.mux(packet)
    return target


def planes(found: Recording, start: int = 0, stop: int | None = None) -> list[list[np.ndarray]]:
    """Of the frames start..stop, copied."""
    last = len(found.timeline) if stop is None else stop
    frames = list(found.frames(start, last, found.info.pix_fmt))
    assert [frame.index for frame in frames] == list(range(start, last))
    assert [frame.pts for frame in frames] == list(found.timeline.pts[start:last])
    return [[plane.copy() for plane in frame.planes] for frame in frames]


def equal(one: Sequence[Sequence[np.ndarray]], other: Sequence[Sequence[np.ndarray]]) -> bool:
    return len(one) == len(other) and all(
        np.array_equal(p, q)
        for a, b in zip(one, other, strict=True)
        for p, q in zip(a, b, strict=True)
    )


def examined(path: Path) -> Recording:
    return recording_of(probe(path), thorough=True)


def same_from_everywhere(found: Recording) -> list[list[np.ndarray]]:
    """The frames, after reading them from every third on and over again."""
    whole = planes(found)
    for start in range(0, len(whole), 3):
        stop = min(start + 5, len(whole))
        assert equal(planes(found, start, stop), whole[start:stop]), start
    return whole


def kinds(found: Recording) -> list[str]:
    return [finding.kind for finding in found.findings]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """50 frames of H.264 with B-frames, a keyframe every ten, 25 a second."""
    path = tmp_path_factory.mktemp("condition") / "in.mkv"
    return write_clip(path, pts=range(50), codec="libx264", options={**GOPS, "crf": "12"})


# Times


def test_a_plain_file_is_not_decoded(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(condition_module, "examine", None)
    found = recording_of(probe(clip))
    assert found.timeline == read_timeline(probe(clip))
    assert (found.findings, found.examination, found.as_json()) == ((), None, None)


@pytest.mark.parametrize("fps", [None, "12.5", "30000/1001"])
def test_a_raw_stream_gets_its_times_from_a_rate(
    tmp_path: Path, clip: Path, fps: str | None
) -> None:
    raw = rewritten(clip, tmp_path / "in.h264", form="h264", annexb=True)
    found = recording_of(probe(raw), SourceSettings(fps=fps))
    step = 1 / rate_of(fps or "25")  # libx264 writes its rate into the stream
    assert [t * found.timeline.time_base for t in found.timeline.pts] == [
        k * step for k in range(50)
    ]
    assert found.timeline.last_duration * found.timeline.time_base == step
    assert kinds(found) == ["rate"]
    assert equal(same_from_everywhere(found), decoded(clip))


def test_a_rate_that_nobody_tells_is_asked_for(tmp_path: Path) -> None:
    options = {"x265-params": "log-level=error:vui-timing-info=0"}
    raw = tmp_path / "in.hevc"
    with av.open(str(raw), "w", format="hevc") as container:
        stream = container.add_stream("libx265", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for image in square_frames(6, size=(64, 48)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode(None))
    with pytest.raises(InputError, match=r"carry no times.*--fps RATE, such as 25"):
        recording_of(probe(raw))
    assert len(recording_of(probe(raw), SourceSettings(fps="5", strict=True)).timeline) == 6


def test_a_rate_is_refused_where_times_are_good(clip: Path) -> None:
    with pytest.raises(UsageError, match=r"--fps 25: all frames .* have times of their own"):
        recording_of(probe(clip), SourceSettings(fps="25"))


@pytest.mark.parametrize("text", ["0", "-25", "fast", "1/0", "1e9"])
def test_rates_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="--fps"):
        Settings(source=SourceSettings(fps=text)).check()


def test_times_of_decoding_as_avi_stores_them_are_sorted(tmp_path: Path, clip: Path) -> None:
    path = write_clip(tmp_path / "in.avi", pts=range(50), options={**GOPS, "crf": "12"})
    found = recording_of(probe(path), SourceSettings(strict=True))  # as AVI is meant, so not odd
    assert found.examination is not None  # packets alone mislead
    assert found.timeline.pts == tuple(range(50))
    assert kinds(found) == ["order"]
    assert equal(same_from_everywhere(found), decoded(clip))


def test_repeated_times_are_spread_and_a_rate_may_replace_them(tmp_path: Path) -> None:
    good = write_clip(tmp_path / "good.mkv", codec="ffv1")
    wrong = (40, 80, 120, 120, 200, 240, 280, 320, 360, 400, 440, 480)
    path = rewritten(good, tmp_path / "in.mkv", pts=wrong)
    assert times(path) == sorted(Fraction(t, 1000) for t in wrong)
    found = recording_of(probe(path))
    assert found.timeline.pts == tuple(range(40, 520, 40))
    (finding,) = found.findings
    assert (finding.kind, finding.frames, finding.start) == ("times", 1, 0.12)
    assert equal(same_from_everywhere(found), decoded(good))
    even = recording_of(probe(path), SourceSettings(fps="30"))
    base = even.timeline.time_base
    assert [t * base for t in even.timeline.pts] == [
        Fraction(40, 1000) + Fraction(k, 30) for k in range(12)
    ]
    with pytest.raises(InputError, match=r"1 frames repeat.*leave --strict out"):
        recording_of(probe(path), SourceSettings(strict=True))


def test_a_gap_in_an_even_rate_is_told_and_kept(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "in.mp4", pts=[*range(12), *range(40, 52)])
    found = recording_of(probe(path), SourceSettings(strict=True))
    assert found.timeline.pts == (*range(12), *range(40, 52))
    (finding,) = found.findings
    assert (finding.kind, finding.start, finding.end, finding.frames) == ("gap", 0.48, 1.6, 28)
    uneven = write_clip(tmp_path / "vfr.mp4", pts=[0, 1, 4, 5, 9, 14, 30, 31])
    assert recording_of(probe(uneven)).findings == ()


# Damage


def test_damage_is_kept_and_told_up_to_the_next_keyframe(tmp_path: Path, clip: Path) -> None:
    path = rewritten(clip, tmp_path / "in.mkv", spoil=(21,))
    with pytest.raises(DamagedError, match="--strict"):
        planes(recording_of(probe(path)))
    found = examined(path)
    assert found.timeline.pts == read_timeline(probe(clip)).pts
    assert kinds(found) == ["damaged"]
    (finding,) = found.findings
    assert finding.end == 1.2  # the keyframe after is frame 30
    assert 0.8 < (finding.start or 0) <= 0.96
    whole, sound = same_from_everywhere(found), decoded(clip)
    first = round((finding.start or 0) * 25)
    assert finding.frames == 30 - first
    assert equal(whole[:first], sound[:first])
    assert equal(whole[30:], sound[30:])
    assert not equal(whole[first:30], sound[first:30])


def test_two_places_of_damage_are_decoded_apart(tmp_path: Path, clip: Path) -> None:
    path = rewritten(clip, tmp_path / "in.mkv", spoil=(12, 31, 32))
    found = examined(path)
    assert found.examination is not None
    alone = [e.packet for e in found.examination.decoding.entries if e.isolated]
    assert alone == [10, 30]
    assert [e.packet for e in found.examination.decoding.entries] == [0, 10, 20, 30, 40]
    whole, sound = same_from_everywhere(found), decoded(clip)
    for start, stop in ((0, 10), (20, 30), (40, 50)):
        assert equal(whole[start:stop], sound[start:stop])
    spans = [(f.start or 0, f.end or 0) for f in found.findings if f.kind == "damaged"]
    assert len(spans) == 2
    assert 0.4 <= spans[0][0] < spans[0][1] == 0.8
    assert 1.2 <= spans[1][0] < spans[1][1] == 1.6


def test_what_is_found_only_from_the_middle_of_a_file_is_left_out(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As of a damaged ASF of the fuzzer's, of which FFmpeg reads more packets after a seek.
    path = rewritten(clip, tmp_path / "in.mkv", spoil=(46,))

    def with_more(info: Any, entry: Any, *rest: Any) -> Iterator[VideoFrame]:
        frame = None
        for frame in numbered.frames_of(info, entry, *rest):
            yield frame
        if entry is not None and frame is not None:
            frame.pts = 50
            yield frame

    monkeypatch.setattr(examine_module, "frames_of", with_more)
    found = examined(path)
    assert found.examination is not None
    assert max(found.examination.decoding.packets) == 49
    assert [e.packet for e in found.examination.decoding.entries] == [0, 10, 20, 30, 40]


@pytest.mark.parametrize("spoilt", [False, True])
def test_the_last_frame_is_shown_as_long_as_is_declared(tmp_path: Path, spoilt: bool) -> None:
    good = write_clip(tmp_path / "good.mov", pts=range(10), codec="mjpeg", pix_fmt="yuvj420p")
    path = tmp_path / "in.mov"
    options = {"video_track_timescale": "25"}
    with av.open(str(good)) as a, av.open(str(path), "w", options=options) as b:
        stream = b.add_stream_from_template(a.streams.video[0], opaque=True)
        for number, own in enumerate(p for p in a.demux(video=0) if p.size):
            packet: Packet[Any] = own
            if number == 9:
                packet = Packet(b"no picture at all") if spoilt else own
                packet.pts, packet.dts, packet.time_base = own.pts, own.dts, own.time_base
                packet.is_keyframe, packet.duration = True, 5 * (own.duration or 0)
            packet.stream = stream
            b.mux(packet)
    assert recording_of(probe(path)).timeline.last_duration == 5
    found = examined(path).timeline
    assert (len(found), found.last_duration) == ((9, 1) if spoilt else (10, 5))


def test_a_length_that_no_container_holds_is_that_of_other_frames(clip: Path) -> None:
    # As of an FLV of the fuzzer's: a damaged rate of frames made each 248 days long.
    info, found = probe(clip), scan(probe(clip))
    long = replace(found, packets=tuple(p._replace(duration=1 << 34) for p in found.packets))
    good = plain_timeline(info, found)
    assert plain_timeline(info, long).last_duration == good.last_duration == good.duration_of(0)


def test_what_does_not_decode_is_left_out_and_told(tmp_path: Path) -> None:
    good = write_clip(tmp_path / "good.mkv", pts=range(20), codec="mjpeg", pix_fmt="yuvj420p")
    path = tmp_path / "in.mkv"
    with av.open(str(good)) as a, av.open(str(path), "w") as b:
        stream = b.add_stream_from_template(a.streams.video[0], opaque=True)
        for number, packet in enumerate(p for p in a.demux(video=0) if p.size):
            if number in (7, 8, 15):
                noise: Packet[Any] = Packet(b"no picture at all")
                noise.pts, noise.dts, noise.time_base = packet.pts, packet.dts, packet.time_base
                noise.is_keyframe = True
                packet = noise
            packet.stream = stream
            b.mux(packet)
    found = examined(path)
    kept = [k for k in range(20) if k not in (7, 8, 15)]
    assert found.timeline.pts == tuple(40 * k for k in kept)
    assert [(f.kind, f.start, f.end, f.frames) for f in found.findings] == [
        ("lost", 0.28, 0.36, 2),
        ("lost", 0.6, 0.64, 1),
    ]
    sound = decoded(good)
    assert equal(same_from_everywhere(found), [sound[k] for k in kept])


@pytest.mark.parametrize(("codec", "missing"), [("mpeg2video", 4), ("mpeg4", 1)])
def test_a_stream_that_begins_amid_a_gop_begins_with_its_keyframe(
    tmp_path: Path, codec: str, missing: int
) -> None:
    # Of MPEG-4, what is left of the first GOP decodes somehow, and lends itself to the B-frames
    # before the next keyframe.
    good = write_clip(
        tmp_path / "good.mkv", pts=range(30), codec=codec, options={"g": "10", "bf": "2"}
    )
    path = rewritten(good, tmp_path / "in.mkv", leave_out=range(missing))
    found = examined(path)
    shown = [Fraction(t) * found.timeline.time_base for t in found.timeline.pts]
    before = read_timeline(probe(good))
    first = before.keyframes[1]
    assert shown == [Fraction(t) * before.time_base for t in before.pts[first:]]
    assert set(kinds(found)) == {"lost"}
    assert equal(same_from_everywhere(found), decoded(good)[first:])


@pytest.mark.parametrize("codec", ["mpeg2video", "libx264"])
def test_packets_that_are_not_there(tmp_path: Path, codec: str) -> None:
    good = write_clip(
        tmp_path / "good.mkv", pts=range(50), codec=codec, options={**GOPS, "bf": "2"}
    )
    before = read_timeline(probe(good)).pts
    path = rewritten(good, tmp_path / "in.mkv", leave_out=range(20, 26))
    found = examined(path)
    # A decoder may show what is left out of order: such a frame is told to be where it never was.
    moved = [(f.start or 0, f.end or 0) for f in found.findings if f.kind == "times"]
    for pts in set(found.timeline.pts) - set(before):
        assert any(start <= pts / 1000 <= end for start, end in moved), pts
    assert len(found.timeline) < len(before)
    assert {"gap", "lost"} & set(kinds(found))
    # Every frame that is missing is told, as lost or as not in the file.
    told = [(f.start or 0, f.end or 0) for f in found.findings if f.kind in ("gap", "lost")]
    for pts in set(before) - set(found.timeline.pts):
        second = (pts - before[0]) / 1000
        assert any(start - 1e-6 <= second < end for start, end in told), second
    same_from_everywhere(found)


def test_open_gops_are_read_the_same_from_everywhere(tmp_path: Path, clip: Path) -> None:
    options = {"x265-params": "log-level=error:keyint=10:min-keyint=10:bframes=3:open-gop=1"}
    good = write_clip(tmp_path / "good.mkv", pts=range(40), codec="libx265", options=options)
    plain = recording_of(probe(good))
    assert equal(same_from_everywhere(plain), decoded(good))
    found = examined(good)
    assert found.findings == ()
    assert equal(same_from_everywhere(found), decoded(good))


def test_a_file_that_is_cut_off_goes_as_far_as_it_goes(tmp_path: Path, clip: Path) -> None:
    path = tmp_path / "cut.mkv"
    path.write_bytes(clip.read_bytes()[: clip.stat().st_size * 6 // 10])
    found = recording_of(probe(path))
    assert kinds(found)[-1] == "cut off"
    count = len(found.timeline)
    assert 15 < count < 45
    assert found.timeline.pts == read_timeline(probe(clip)).pts[:count]
    assert found.findings[-1].end == pytest.approx(2.0, abs=0.05)  # as was declared
    same_from_everywhere(found)
    with pytest.raises(TruncatedError, match=r"cut off.*--strict"):
        recording_of(probe(path), SourceSettings(strict=True))


def two_sizes(tmp_path: Path) -> Path:
    """Raw H.264: the square, 16 frames at 192x128, then the next 16 at 96x64."""
    images = square_frames(32)
    path = tmp_path / "in.h264"
    with path.open("wb") as joined:
        for part, size in ((images[:16], (192, 128)), (images[16:], (96, 64))):
            one = tmp_path / "part.h264"
            with av.open(str(one), "w", format="h264") as container:
                stream = container.add_stream("libx264", rate=25, options={"crf": "12"})
                stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
                for index, image in enumerate(part):
                    frame = av.VideoFrame.from_ndarray(image).reformat(*size, "yuv420p")
                    frame.pts, frame.time_base = index, Fraction(1, 25)
                    container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
            joined.write(one.read_bytes())
    return path


def test_another_size_is_scaled_and_faces_stay_in_place(
    tmp_path: Path, square_detector: str
) -> None:
    path = two_sizes(tmp_path)
    found = recording_of(probe(path))
    assert len(found.timeline) == 32
    assert [(f.kind, f.start, f.frames) for f in found.findings] == [
        ("rate", None, 0),
        ("size", 0.64, 16),
    ]
    assert "96x64 yuv420p, made 192x128" in found.findings[1].text
    assert {plane[0].shape for plane in same_from_everywhere(found)} == {(128, 192)}
    detect_tracks(path, tmp_path / "tracks.json", MADE)
    (track,) = read_tracks(tmp_path / "tracks.json", open_clip(path)).tracklets
    assert (track.start, track.stop) == (0, 32)
    centres = track.poses[:, 0]
    # The square moves by half a pixel a frame, through the change too.
    np.testing.assert_allclose(np.diff(centres), 0.5, atol=0.25)
    with pytest.raises(InputError, match="96x64"):
        recording_of(probe(path), SourceSettings(strict=True))


def test_what_an_examination_found_survives_a_record(tmp_path: Path, clip: Path) -> None:
    path = rewritten(clip, tmp_path / "in.mkv", spoil=(21,))
    found = examined(path)
    kept = json.loads(json.dumps(found.as_json()))
    known = examination_in(kept)
    assert known is not None
    assert known == found.examination
    assert recording_of(probe(path), known=known) == found
    assert examination_in({"examination": {"packets": 3}}) is None
    assert examination_in(None) is None
    # What was found in another file does not count.
    assert recording_of(probe(clip), known=replace(known, packets=7)).examination is None


def test_a_rate_is_in_every_fingerprint(tmp_path: Path, clip: Path, square_detector: str) -> None:
    raw = rewritten(clip, tmp_path / "in.h264", form="h264", annexb=True)
    one, other = (
        fingerprints(recorded(raw, replace(MADE, source=SourceSettings(fps=fps))))
        for fps in ("25", "30")
    )
    assert changed(one, other) == {"look", "track", "render"}


# Whole jobs


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    good = tmp_path / "good.mkv"
    write_rgb(good, square_frames(40), codec="libx264", options={**GOPS, "crf": "12"})
    return rewritten(good, tmp_path / "in.mkv", spoil=(21,))


def test_a_damaged_file_is_enhanced_the_same_stopped_or_not(
    tmp_path: Path, damaged: Path, square_detector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "SEGMENT_FRAMES", 8)
    looked: list[Path] = []
    examine = examine_module.examine

    def counted(info: object, *rest: object) -> Examination:
        looked.append(damaged)
        return examine(info, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(condition_module, "examine", counted)
    whole = enhance(damaged, tmp_path / "whole.mkv", MADE)
    assert len(looked) == 1
    assert whole.frames == 40
    assert any("damaged, or built on damaged" in note for note in whole.notes)
    found = examined(damaged)
    assert equal(decoded(tmp_path / "whole.mkv"), planes(found))
    assert times(tmp_path / "whole.mkv") == [Fraction(k, 25) for k in range(40)]

    looked.clear()
    out, folder = tmp_path / "out.mkv", tmp_path / "job"
    with pytest.raises(Stopped):
        stop = lambda: len([*folder.glob("segments/*.mp4")]) >= 2  # noqa: E731
        enhance(damaged, out, MADE, job_dir=folder, keep_job=True, stop=stop)
    assert json.loads((folder / "job.json").read_text())["condition"]["findings"]
    resume(folder)
    assert len(looked) == 1
    assert equal(decoded(out), decoded(tmp_path / "whole.mkv"))
    with pytest.raises(DamagedError):
        enhance(damaged, tmp_path / "no.mkv", replace(MADE, source=SourceSettings(strict=True)))
    assert not (tmp_path / "no.mkv").exists()


def test_a_raw_stream_is_enhanced_at_its_rate(tmp_path: Path, square_detector: str) -> None:
    good = tmp_path / "good.mkv"
    write_rgb(good, square_frames(12), codec="libx264", options={**GOPS, "crf": "12"})
    raw = rewritten(good, tmp_path / "in.h264", form="h264", annexb=True)
    out = tmp_path / "out.mp4"
    wish = replace(MADE, source=SourceSettings(fps="30000/1001"))
    assert enhance(raw, out, wish).frames == 12
    assert times(out) == [Fraction(1001 * k, 30000) for k in range(12)]
    assert equal(decoded(out), decoded(good))


def test_a_preview_of_a_damaged_file(tmp_path: Path, damaged: Path, square_detector: str) -> None:
    found = make_preview(damaged, tmp_path / "preview.mp4", MADE, seconds=1.0)
    assert found.video is not None
    assert found.video.exists()
    assert any("damaged" in note for note in found.notes)


# Sound beside it


def with_sound(tmp_path: Path) -> Path:
    """Two seconds in MPEG-TS, with AAC that carries its header in every packet."""
    path = tmp_path / "sound.ts"
    options = {**GOPS, "crf": "12"}
    return write_rgb(path, square_frames(50), codec="libx264", options=options, audio="aac")


def test_sound_with_a_broken_header_is_left_out_and_told(
    tmp_path: Path, square_detector: str
) -> None:
    path = with_sound(tmp_path)
    sound = packets(path, "audio")
    data = bytearray(path.read_bytes())
    data[data.index(sound[5][:20]) + 1] = 0
    path.write_bytes(data)
    out = tmp_path / "out.mkv"
    told = enhance(path, out, MADE).notes
    (finding,) = recording_of(probe(path)).findings
    assert told[0] == finding.text
    assert finding.kind == "sound"
    # The sixth packet of 1024 samples at 8000 a second; the picture begins at its own time.
    assert finding.start == pytest.approx(float(5 * Fraction(1024, 8000) - times(path)[0]))
    kept = packets(out, "audio")  # without the headers of 7 bytes
    assert kept[:5] == [packet[7:] for packet in sound[:5]]
    assert set(kept) < {packet[7:] for packet in sound}
    with pytest.raises(InputError, match="packets are damaged"):
        recording_of(probe(path), SourceSettings(strict=True))


def test_a_clock_that_is_set_back_moves_sound_as_it_moves_the_picture(
    tmp_path: Path, square_detector: str
) -> None:
    path = with_sound(tmp_path)
    twice = tmp_path / "twice.ts"
    twice.write_bytes(path.read_bytes() * 2)
    out = tmp_path / "out.mkv"
    told = enhance(twice, out, MADE).notes
    assert any("the clock is set back at 2.000 s" in note for note in told)
    first, shown = times(path), times(out)
    assert len(shown) == 100
    for k, time in enumerate(shown):
        assert abs(time - (first[k % 50] + 2 * (k // 50))) <= Fraction(1, 2000)
    one, both = packets(path, "audio"), packets(out, "audio")
    assert both == [packet[7:] for packet in one * 2]
    with av.open(str(out)) as container:
        begins = [Fraction(p.pts or 0, 1000) for p in container.demux(audio=0) if p.size]
    again = begins[len(one) :]
    assert again[0] > begins[len(one) - 1]  # the sound before reaches beyond its picture
    for early, late in zip(begins[1 : len(one)], again[1:], strict=True):
        assert abs(late - early - 2) <= Fraction(1, 500)


@pytest.mark.parametrize("kind", ["h264", "mkv", "ts"])
def test_only_the_part_that_is_asked_for_is_read(
    tmp_path: Path, clip: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = rewritten(clip, tmp_path / f"in.{kind}", annexb=kind != "mkv")
    found = examined(path)
    read: list[int] = []
    real = packets_of

    def counted(*given: Any) -> Iterator[Packet[Any]]:
        for packet in real(*given):
            read.append(packet.size)
            yield packet

    monkeypatch.setattr(numbered, "packets_of", counted)
    frames = planes(found, 45, 50)
    assert len(read) < 20
    # Where a file does not hold the entry at its place, it is read from the top.
    assert found.timeline.decoding is not None
    moved = tuple(replace(entry, place=7) for entry in found.timeline.decoding.entries)
    lost = replace(found.timeline, decoding=replace(found.timeline.decoding, entries=moved))
    assert equal(planes(replace(found, timeline=lost), 45, 50), frames)


def test_sound_that_begins_long_after_the_header_does_not_end_the_reading(
    tmp_path: Path, square_detector: str
) -> None:
    """PyAV's demuxer fails at the end of a file in which a stream appeared after opening."""
    clip = write_clip(tmp_path / "in.flv", pts=range(400))
    body = b"\x2f" + bytes(50)  # MP3, as FLV's audio tags say it (E.4.2)
    late = (15_990).to_bytes(3, "big") + bytes(4)
    tag = b"\x08" + len(body).to_bytes(3, "big") + late + body
    clip.write_bytes(clip.read_bytes() + tag + (len(body) + 11).to_bytes(4, "big"))
    wish = Settings(
        detect=DetectSettings(detector=square_detector, every=50),
        restore=RestoreSettings(restorer="identity"),
    )
    assert enhance(clip, tmp_path / "out.mkv", wish).frames == 400
