"""What is said of a picture beside its samples, from any container and codec to any other."""

from __future__ import annotations

import zlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.video.stream import VideoStream

from tests.making.clips import times, write_clip
from tests.making.odd_clips import HDR10, Sound, cropped, frames_of, write_odd_clip
from tests.making.timelines import read_timeline
from videnhance.job.run import enhance
from videnhance.media.info import PictureTags
from videnhance.media.reading.decoding import read_frames
from videnhance.media.reading.matroska import (
    FILLER,
    Element,
    elements_of,
    encoded,
    with_tags,
    write_aspect,
)
from videnhance.media.reading.source import probe
from videnhance.settings.groups import DetectSettings, OutputSettings, RestoreSettings, Settings

MASTERED = (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329, 1000.0, 0.005)
"""What HDR10 says: x265 counts chromaticity in 1/50000 and luminance in 1/10000."""
SAID = PictureTags(chroma=(1, 1), mastering=MASTERED, light=(1000, 400))


def settings(codec: str, scale: int = 1) -> Settings:
    return Settings(
        detect=DetectSettings(detector="square"),
        restore=RestoreSettings(restorer="identity"),
        output=OutputSettings(codec=codec, scale=scale),
    )


def with_header(path: Path, clip: Path, said: PictureTags, name: str | None = None) -> None:
    """The clip again, copied packet for packet under a header that says `said`."""
    with av.open(str(clip)) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        with with_tags(stream, said) as template:
            copy = target.add_stream_from_template(template, opaque=True)
        copy.time_base = stream.time_base
        if name is not None:
            copy.metadata["title"] = name
        for packet in source.demux(stream):
            if packet.size:
                packet.stream = copy
                target.mux(packet)


@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 16382, 16383, 70000])
def test_elements_survive_being_written(size: int) -> None:
    elements = [Element(0x54B0, b"\1"), Element(0x18538067, bytes(size)), Element(0xEC, b"")]
    assert elements_of(encoded(elements)) == elements


def test_static_hdr_metadata_is_read_from_stream_and_header(tmp_path: Path) -> None:
    source = write_odd_clip(
        tmp_path / "in.ts", codec="libx265", pix_fmt="yuv420p10le", options=HDR10
    )
    said = probe(source).picture
    assert said.mastering == pytest.approx(MASTERED)
    assert replace(said, mastering=MASTERED) == SAID
    plain = write_odd_clip(tmp_path / "plain.mkv", codec="ffv1", pix_fmt="yuv420p10le")
    assert probe(plain).picture == PictureTags()
    with_header(tmp_path / "said.mkv", plain, SAID)
    assert probe(tmp_path / "said.mkv").picture == SAID


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize(
    ("codec", "suffix", "chroma"),
    [
        ("h264", ".mp4", (1, 1)),
        ("h265", ".mkv", (1, 1)),
        ("h265", ".mov", (1, 1)),
        ("av1", ".mp4", (1, 1)),
        ("av1", ".webm", (1, 1)),
        ("ffv1", ".mkv", (1, 1)),
        ("ffv1", ".mp4", None),  # MP4 has no word for it, nor has the codec
        ("prores", ".mov", None),  # 4:2:2
    ],
)
def test_every_codec_and_container_says_it_too(
    tmp_path: Path, codec: str, suffix: str, chroma: tuple[int, int] | None
) -> None:
    plain = write_odd_clip(
        tmp_path / "plain.mkv", codec="ffv1", pix_fmt="yuv420p10le", color=(1, 9, 9, 16)
    )
    with_header(tmp_path / "in.mkv", plain, SAID)
    output = tmp_path / f"out{suffix}"
    enhance(tmp_path / "in.mkv", output, settings(codec))
    found = probe(output)
    assert found.picture.mastering == pytest.approx(MASTERED, abs=1e-5)
    assert found.picture.light == SAID.light
    assert found.picture.chroma == chroma
    assert (found.color.matrix, found.color.primaries, found.color.transfer) == (9, 9, 16)
    frame = frames_of(output)[0]  # which in ProRes says so itself
    assert (frame.colorspace, frame.color_primaries, frame.color_trc) == (9, 9, 16)


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_the_stream_itself_says_what_it_was_mastered_on(tmp_path: Path, codec: str) -> None:
    plain = write_odd_clip(tmp_path / "plain.mkv", codec="ffv1", pix_fmt="yuv420p10le")
    with_header(tmp_path / "in.mkv", plain, SAID)
    enhance(tmp_path / "in.mkv", tmp_path / "out.mkv", settings(codec))
    with (
        av.open(str(tmp_path / "out.mkv")) as source,
        av.open(str(tmp_path / "bare.ts"), "w", format="mpegts") as target,
    ):
        copy = target.add_stream_from_template(source.streams.video[0], opaque=True)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = copy
                target.mux(packet)
    found = probe(tmp_path / "bare.ts").picture
    assert found.mastering == pytest.approx(MASTERED)
    assert found.light == SAID.light


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("into", ["mkv>mp4", "mp4>mkv"])
def test_what_players_leave_out_stays_left_out(tmp_path: Path, into: str, scale: int) -> None:
    before, after = into.split(">")
    plain = write_odd_clip(tmp_path / f"plain.{before}", codec="ffv1", pix_fmt="yuv444p")
    source, output = tmp_path / f"in.{before}", tmp_path / f"out.{after}"
    with_header(source, plain, PictureTags(crop=(2, 4, 6, 9)))
    enhance(source, output, settings("ffv1", scale))
    assert probe(source).picture.crop == (2, 4, 6, 9)
    assert probe(output).picture.crop == tuple(n * scale for n in (2, 4, 6, 9))
    assert frames_of(output)[0].width == 64 * scale


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_stream_cropped_on_the_left_has_its_declared_size(tmp_path: Path, codec: str) -> None:
    clip = write_odd_clip(tmp_path / "whole.ts", codec=codec, pix_fmt="yuv420p", size=(96, 80))
    source = cropped(tmp_path / "in.ts", clip, 6, 4, 2, 0)
    assert (probe(source).width, probe(source).height) == (88, 76)
    enhance(source, tmp_path / "out.mkv", settings("ffv1"))
    for whole, kept in zip(frames_of(clip), frames_of(tmp_path / "out.mkv"), strict=True):
        assert (kept.to_ndarray()[:76] == whole.to_ndarray()[4:80, 6:94]).all()


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("aspect", [Fraction(16, 11), Fraction(10, 11), Fraction(3, 2)])
@pytest.mark.parametrize(("codec", "suffix"), [("ffv1", ".mkv"), ("h264", ".mkv"), ("av1", ".mkv")])
def test_matroska_shows_pixels_as_wide_as_they_were(
    tmp_path: Path, codec: str, suffix: str, aspect: Fraction
) -> None:
    source = write_odd_clip(
        tmp_path / "in.ts", codec="mpeg2video", pix_fmt="yuv420p", sounds=[Sound("mp2")]
    )
    copy = write_clip(tmp_path / "in.mp4", aspect=aspect, audio="aac")
    for path in (copy, source):
        enhance(path, tmp_path / f"{path.suffix[1:]}{suffix}", settings(codec))
    output = tmp_path / f"mp4{suffix}"
    assert probe(output).sample_aspect_ratio == aspect
    assert times(output) == times(copy)
    with av.open(str(output)) as container:
        assert "title" not in container.streams.video[0].metadata
        assert len(list(container.decode(audio=0))) > 0
    assert probe(tmp_path / f"ts{suffix}").sample_aspect_ratio == 1


def test_the_name_of_a_track_stays(tmp_path: Path) -> None:
    plain = write_odd_clip(tmp_path / "plain.mkv", codec="ffv1", pix_fmt="yuv420p")
    path = tmp_path / "named.mkv"
    with_header(path, plain, PictureTags(crop=(0, 0, 8, 0)), "Door é" + FILLER)
    size = path.stat().st_size
    write_aspect(path, Fraction(4, 3), ratio=True)
    assert path.stat().st_size == size
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert isinstance(stream, VideoStream)
        assert stream.metadata["title"] == "Door é"
        assert stream.sample_aspect_ratio == Fraction(4, 3)
        assert len(list(container.decode(stream))) == 6
    _, segment = elements_of(path.read_bytes())
    tracks = dict(elements_of(segment.data))[0x1654AE6B]
    summed, track, void = elements_of(tracks)
    assert [e.id for e in (summed, track, void)] == [0xBF, 0xAE, 0xEC]
    assert not any(void.data)
    assert summed.data == zlib.crc32(tracks[6:]).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "suffix", "site"),
    [
        ("libx264", "yuv420p", ".mp4", (1, 2)),
        ("mjpeg", "yuvj420p", ".avi", (2, 2)),
        ("mpeg1video", "yuv420p", ".mpg", (2, 2)),
    ],
)
def test_frames_know_where_their_chroma_lies(
    tmp_path: Path, codec: str, pix_fmt: str, suffix: str, site: tuple[int, int]
) -> None:
    source = write_odd_clip(tmp_path / f"in{suffix}", codec=codec, pix_fmt=pix_fmt)
    info = probe(source)
    (frame,) = read_frames(info, read_timeline(info), 0, 1, "yuv420p")
    assert frame.layout.chroma_site == site
