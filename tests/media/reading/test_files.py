"""Reading, writing and joining: times, samples, tags and every other stream."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import av.logging
import cv2
import numpy as np
import pytest
from av.codec.hwaccel import hwdevices_available
from av.stream import Disposition

from tests.making.clips import UNEVEN, decoded, packets, picture, times, write_clip
from tests.making.passing import through
from tests.making.timelines import read_timeline
from videnhance.errors import ContainerError, InputError, UsageError
from videnhance.media.info import ColorTags
from videnhance.media.reading.decoding import read_frames, to_frame
from videnhance.media.reading.hwaccel import decodes_by
from videnhance.media.reading.source import open_source, probe
from videnhance.media.writing.codecs import (
    CODECS,
    codec_named,
    container_for,
    encoder_options,
)
from videnhance.media.writing.formats import require_encoder
from videnhance.media.writing.segment import Encoding, SegmentWriter
from videnhance.media.writing.streams import plan_copying

HERE = sorted(name for name, codec in CODECS.items() if codec.needs is None)
"""The codecs that every machine has."""
TURNED = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)


@pytest.mark.parametrize("length", [3, 6, 100])
@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_uneven_times_with_b_frames_survive_segments(
    tmp_path: Path, codec: str, length: int
) -> None:
    base = Fraction(1, 1000)
    source = write_clip(tmp_path / "in.mp4", pts=[1000 + t for t in UNEVEN], time_base=base)
    through(source, tmp_path / "out.mp4", codec=codec, length=length, preset="veryfast")
    # The output begins at 0, whatever the source's clock reads.
    expected = [time - 1 for time in times(source)]
    assert times(tmp_path / "out.mp4") == expected
    with av.open(str(tmp_path / "out.mp4")) as container:
        dts = [p.dts for p in container.demux(video=0) if p.size and p.dts is not None]
        assert dts == sorted(set(dts))
        assert len(dts) == len(UNEVEN)
        assert container.streams.video[0].time_base == base
    assert len(decoded(tmp_path / "out.mp4")) == len(UNEVEN)
    with av.open(str(tmp_path / "out.mp4")) as container:
        # Decoders give pictures in the order of display, whatever the times on them.
        shown = [Fraction(frame.pts or 0) * base for frame in container.decode(video=0)]
    assert shown == expected


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_times_survive_in_every_container(tmp_path: Path, suffix: str) -> None:
    source = write_clip(tmp_path / "in.mkv", pts=UNEVEN, time_base=Fraction(1, 1000))
    out = tmp_path / f"out{suffix}"
    through(source, out, length=6, preset="veryfast")
    assert times(out) == times(source)


def test_a_name_may_be_text(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "in.mkv")
    assert probe(str(clip)) == probe(clip)


def test_messages_of_ffmpeg_are_not_passed_on_while_a_source_is_open(tmp_path: Path) -> None:
    """Else a thread of the decoder and whoever closes it can wait for each other for ever; some
    releases of torchvision ask for messages when they are imported."""
    source = write_clip(tmp_path / "in.mp4")
    try:
        av.logging.set_level(av.logging.ERROR)
        with open_source(source):
            assert av.logging.get_level() is None
    finally:
        av.logging.set_level(None)


def test_time_base_with_a_numerator(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.avi", codec="mpeg4", time_base=Fraction(1001, 30000))
    info = probe(source)
    assert info.time_base == Fraction(1001, 30000)
    through(source, tmp_path / "out.mp4", length=5)
    assert times(tmp_path / "out.mp4") == times(source)


@pytest.mark.parametrize(
    "pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv422p10le", "gray", "bgr0", "bgra"]
)
def test_lossless_output_is_bit_equal(tmp_path: Path, pix_fmt: str) -> None:
    source = write_clip(tmp_path / "in.mkv", codec="ffv1", pix_fmt=pix_fmt)
    through(source, tmp_path / "out.mkv", codec="ffv1", length=5)
    before, after = decoded(source), decoded(tmp_path / "out.mkv")
    assert len(before) == len(after) == 12
    for one, other in zip(before, after, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("codec", HERE)
def test_colour_tags_are_kept_by_every_codec(tmp_path: Path, codec: str) -> None:
    tags = (1, 5, 5, 6) if codec == "prores" else (2, 5, 5, 6)  # ProRes knows no full range
    source = write_clip(tmp_path / "in.mp4", color=tags)
    out = tmp_path / ("out.mov" if codec == "prores" else "out.mkv")
    through(source, out, codec=codec)
    assert probe(out).color == ColorTags(*tags)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_geometry_and_colour_tags_are_kept(tmp_path: Path, suffix: str) -> None:
    source = write_clip(
        tmp_path / "in.mp4", matrix=TURNED, aspect=Fraction(16, 11), color=(2, 5, 5, 6)
    )
    out = tmp_path / f"out{suffix}"
    through(source, out)
    before, after = probe(source), probe(out)
    assert before.display_matrix == TURNED
    assert after.display_matrix == TURNED
    assert after.sample_aspect_ratio == Fraction(16, 11)
    assert after.color == before.color == ColorTags(2, 5, 5, 6)
    assert after.upright_size == (48, round(64 * 16 / 11))


def test_a_mirrored_picture_stays_mirrored(tmp_path: Path) -> None:
    mirror = (-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    source = write_clip(tmp_path / "in.mp4", matrix=mirror)
    through(source, tmp_path / "out.mp4")
    after = probe(tmp_path / "out.mp4")
    assert after.mirrored
    assert after.rotation in (0, 180)
    assert after.display_matrix is not None
    assert after.display_matrix[:2] == (-65536, 0)


@pytest.mark.parametrize(
    ("audio", "inside", "outside"),
    [("aac", ".mp4", ".mkv"), ("pcm_s16le", ".mkv", ".mov"), ("pcm_alaw", ".mov", ".mov")],
)
def test_audio_packets_are_copied(tmp_path: Path, audio: str, inside: str, outside: str) -> None:
    source = write_clip(tmp_path / f"in{inside}", audio=audio, pts=tuple(range(50)))
    out = tmp_path / f"out{outside}"
    through(source, out, preset="ultrafast")
    before, after = packets(source, "audio"), packets(out, "audio")
    if audio.startswith("pcm"):  # MOV has no packets of PCM, only samples: the reader cuts them
        before, after = [b"".join(before)], [b"".join(after)]
    assert after == before
    assert len(b"".join(after)) > 1000
    assert times(out) == times(source)


def test_audio_that_does_not_fit_is_refused_and_says_where_it_would(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mov", audio="pcm_mulaw")
    with pytest.raises(ContainerError, match=r"\.mp4 cannot hold audio .*pcm_mulaw.*name .*\.mov"):
        through(source, tmp_path / "out.mp4")


def test_metadata_chapters_and_subtitles_are_copied(tmp_path: Path) -> None:
    plain = write_clip(tmp_path / "plain.mkv", audio="aac", pts=tuple(range(50)))
    source = tmp_path / "in.mkv"
    captions = tmp_path / "text.srt"
    captions.write_text("1\n00:00:00,500 --> 00:00:01,400\nA person enters\n\n")
    with (
        av.open(str(plain)) as a,
        av.open(str(captions)) as text,
        av.open(str(source), "w") as b,
    ):
        routes = [b.add_stream_from_template(s, opaque=True) for s in (*a.streams, *text.streams)]
        routes[1].metadata["language"] = "deu"
        b.metadata["title"] = "Camera 4"
        base = Fraction(1, 1000)
        b.set_chapters(
            [{"id": 1, "start": 0, "end": 900, "time_base": base, "metadata": {"title": "Door"}}]
        )
        for packet in [*text.demux(), *a.demux()]:
            if packet.size:
                own = packet.stream.type == "subtitle"
                packet.stream = routes[2] if own else routes[packet.stream_index]
                b.mux(packet)
    through(source, tmp_path / "out.mkv", preset="ultrafast")
    with av.open(str(tmp_path / "out.mkv")) as out:
        assert out.metadata["title"] == "Camera 4"
        assert out.streams[1].metadata["language"] == "deu"
        assert [c["metadata"] for c in out.chapters()] == [{"title": "Door"}]
        assert [s.type for s in out.streams] == ["video", "audio", "subtitle"]
    assert packets(tmp_path / "out.mkv", "subtitle") == packets(source, "subtitle")
    dropped = plan_copying(probe(source), "mp4", "h264").dropped
    assert len(dropped) == 1
    assert "subtitle stream 2 (subrip) does not fit into .mp4" in dropped[0]
    assert ".mkv" in dropped[0]


def test_a_cover_picture_stays_one_or_is_named_as_left_out(tmp_path: Path) -> None:
    plain = write_clip(tmp_path / "plain.mkv")
    source = tmp_path / "in.mkv"
    _, jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 128, np.uint8))
    with av.open(str(plain)) as a, av.open(str(source), "w") as b:
        video = b.add_stream_from_template(a.streams.video[0], opaque=True)
        b.add_attachment("cover.jpg", "image/jpeg", jpeg.tobytes())
        for packet in a.demux(video=0):
            if packet.size:
                packet.stream = video
                b.mux(packet)
    assert probe(source).stream == 0
    through(source, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as out:
        assert len(out.streams.video) == 2
        assert out.streams.video[1].disposition & Disposition.attached_pic
    (note,) = plan_copying(probe(source), "matroska", "h264").dropped
    assert "video stream 1 (mjpeg) does not fit into .mkv" in note
    assert ".mp4" in note


def test_reading_from_the_middle_gives_the_same_frames(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", pts=tuple(range(40)), options={"g": "10", "bf": "2"})
    info = probe(source)
    timeline = read_timeline(info)
    whole = [f.planes[0].copy() for f in read_frames(info, timeline, 0, 40, "yuv420p")]
    for start, stop in ((13, 17), (20, 21), (39, 40)):
        part = list(read_frames(info, timeline, start, stop, "yuv420p"))
        assert [f.index for f in part] == list(range(start, stop))
        assert [f.pts for f in part] == list(timeline.pts[start:stop])
        for frame in part:
            np.testing.assert_array_equal(frame.planes[0], whole[frame.index])


def test_a_source_that_cannot_seek_is_read_from_the_top(tmp_path: Path) -> None:
    path = tmp_path / "in.gif"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("gif", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb8"
        for index in range(12):
            container.mux(stream.encode(picture(index, 64, 48).reformat(format="rgb8")))
        container.mux(stream.encode(None))
    info = probe(path)
    timeline = read_timeline(info)
    assert [f.index for f in read_frames(info, timeline, 7, 9, "bgra")] == [7, 8]


def test_a_failed_segment_leaves_nothing_behind(tmp_path: Path) -> None:
    encoding = Encoding(
        *("libx264", "mp4", {}, "yuv420p", 64, 48, Fraction(1, 25), Fraction(25), None, ColorTags())
    )
    writer = SegmentWriter(tmp_path / "00000.mp4", encoding, 0)
    with pytest.raises(KeyError), writer:
        raise KeyError("in the body")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("codec", "crf", "preset", "what"),
    [
        ("divx", None, None, "unknown; choose from h264"),
        ("h264", 99, None, "takes 0"),
        ("ffv1", 20, None, "no rate factor"),
        ("h264", None, "quick", "takes ultrafast"),
        ("prores", None, "fast", "has no presets"),
    ],
)
def test_wrong_codec_options(codec: str, crf: int | None, preset: str | None, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        codec_named(codec, crf, preset)


@pytest.mark.parametrize("name", ["out.flv", "out", "out.xyz"])
def test_unknown_containers(name: str) -> None:
    with pytest.raises(UsageError, match=r"\.mp4, \.m4v, \.mov, \.mkv, \.webm, \.avi"):
        container_for(Path(name))


@pytest.mark.parametrize("codec", HERE)
def test_every_codec_makes_a_file_that_decodes(tmp_path: Path, codec: str) -> None:
    source = write_clip(tmp_path / "in.mp4")
    out = tmp_path / ("out.mov" if codec == "prores" else "out.mkv")
    through(source, out, codec=codec, length=6)
    assert len(decoded(out)) == 12
    assert [round(float(t), 3) for t in times(out)] == [round(k / 25, 3) for k in range(12)]


def refusal(ask: Callable[[], object]) -> str | None:
    """What a machine without the device says; None on one that has it."""
    try:
        ask()
    except UsageError as error:
        return str(error)
    return None


@pytest.mark.parametrize("codec", sorted(set(CODECS) - set(HERE)))
def test_a_gpu_s_codec_works_or_is_refused_with_the_cure(tmp_path: Path, codec: str) -> None:
    refused = refusal(lambda: require_encoder(codec, CODECS[codec]))
    if refused is not None:
        assert re.fullmatch(rf"--codec {codec}: .*needs an NVIDIA GPU.*; use h264", refused)
        return
    source = write_clip(tmp_path / "in.mp4", size=(320, 240))
    through(source, tmp_path / "out.mkv", codec=codec, length=6)
    assert len(decoded(tmp_path / "out.mkv")) == 12


def test_gpu_codecs_take_their_own_name_of_quality() -> None:
    row = codec_named("h264_nvenc", 25, "p7")
    options = encoder_options(row, 25, "p7")
    assert (options["cq"], options["preset"]) == ("25", "p7")
    assert "crf" not in options
    with pytest.raises(UsageError, match="takes p1, p2"):
        codec_named("h264_nvenc", None, "medium")


def test_decoding_by_a_gpu_works_or_is_refused_with_the_cure(tmp_path: Path) -> None:
    info = probe(write_clip(tmp_path / "in.mp4", size=(320, 240)))
    assert decodes_by(info, "off") is None
    found = decodes_by(info, "auto")
    for name in hwdevices_available():
        refused = refusal(lambda name=name: decodes_by(info, name))  # type: ignore[misc]
        if refused is None:
            found = name
        else:
            assert re.fullmatch(rf"--hwaccel {name}: not usable \(.+\); .*auto", refused)
    with pytest.raises(UsageError, match=r"--hwaccel opencl: not usable \(not in this build"):
        decodes_by(info, "opencl")
    if found is not None:
        timeline = read_timeline(info)
        there = read_frames(info, timeline, 0, 12, "yuv420p", hwaccel=found)
        for one, other in zip(read_frames(info, timeline, 0, 12, "yuv420p"), there, strict=True):
            for a, b in zip(one.planes, other.planes, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("gpu", "own"), [("nv12", "yuv420p"), ("p010le", "yuv420p10le")])
def test_frames_as_a_gpu_gives_them_keep_every_sample(gpu: str, own: str) -> None:
    frame = picture(3, 64, 48, own)
    frame.color_range, frame.colorspace = 1, 1
    turned = frame.reformat(format=gpu)
    turned.color_range, turned.colorspace = 1, 1
    for one, other in zip(
        to_frame(frame, 0, 0, own).planes, to_frame(turned, 0, 0, own).planes, strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_an_odd_size_keeps_its_size(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mkv", codec="ffv1", size=(65, 47))
    through(source, tmp_path / "out.mp4")
    after = probe(tmp_path / "out.mp4")
    assert (after.width, after.height) == (65, 47)


def test_raw_streams_without_times_are_refused_with_the_cure(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "in.mp4")
    raw = tmp_path / "in.h264"
    with av.open(str(clip)) as a, av.open(str(raw), "w", format="h264") as b:
        stream = b.add_stream_from_template(a.streams.video[0], opaque=True)
        for packet in a.demux(video=0):
            if packet.size:
                packet.stream = stream
                b.mux(packet)
    with pytest.raises(InputError, match="no time"):
        read_timeline(probe(raw))
