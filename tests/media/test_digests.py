"""Digests of frames and packets: those that FFmpeg's own hash muxer prints."""

from __future__ import annotations

import hashlib
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from tests.making.clips import write_clip
from videnhance.errors import InputError
from videnhance.files import sha256_of
from videnhance.media.digests import source_sha256, streams_of, video_of
from videnhance.media.writing.png import encoded_png


def hashed(path: Path, index: int, target: Path, *, decoded: bool) -> str:
    """As `ffmpeg -i PATH -map 0:INDEX [-c copy] -f hash -hash sha256 TARGET` has it."""
    options = {"hash": "sha256"}
    with (
        av.open(str(path)) as source,
        av.open(str(target), "w", format="hash", options=options) as t,
    ):
        stream = source.streams[index]
        if not decoded:
            copied = t.add_stream_from_template(stream)
            for packet in source.demux(stream):
                if packet.size:
                    packet.stream = copied
                    t.mux(packet)
        else:
            raw = None
            for frame in source.decode(stream):
                assert isinstance(frame, VideoFrame)
                if raw is None:
                    raw = t.add_stream("rawvideo", rate=25)
                    raw.width, raw.height = frame.width, frame.height
                    raw.pix_fmt = frame.format.name
                t.mux(raw.encode(frame))
            assert raw is not None
            t.mux(raw.encode())
    return target.read_text().strip().partition("=")[2]


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", "gray", "gbrp10le", "bgr0"])
def test_frames_and_packets_are_hashed_as_ffmpeg_does(tmp_path: Path, pix_fmt: str) -> None:
    clip = write_clip(
        tmp_path / "in.mkv", codec="ffv1", pix_fmt=pix_fmt, size=(65, 49), audio="aac"
    )
    video, sound = streams_of(clip, (0,))
    assert video.frames is not None
    assert video.frames.sha256 == hashed(clip, 0, tmp_path / "frames", decoded=True)
    assert video.packets_sha256 == hashed(clip, 0, tmp_path / "packets", decoded=False)
    assert sound.packets_sha256 == hashed(clip, 1, tmp_path / "sound", decoded=False)
    assert sound.frames is None
    assert (len(video.frames.crc32), video.frames.pix_fmt) == (12, pix_fmt)
    assert (video.frames.width, video.frames.height) == (65, 49)


def test_frames_are_hashed_in_the_order_shown(tmp_path: Path) -> None:
    """B-frames are stored in another."""
    clip = write_clip(tmp_path / "in.mp4", codec="libx264", options={"bf": "3", "g": "12"})
    (video,) = streams_of(clip, (video_of(clip, 0),))
    assert video.frames is not None
    assert list(video.frames.pts) == sorted(video.frames.pts)
    assert video.frames.sha256 == hashed(clip, 0, tmp_path / "frames", decoded=True)


def test_a_row_of_pictures_is_hashed_as_sha256sum_prints_it(tmp_path: Path) -> None:
    folder = tmp_path / "row"
    folder.mkdir()
    names = ["a1.png", "a2.png", "a10.png"]

    for number, name in enumerate(names):
        picture = np.full((4, 4, 3), number, np.uint8)
        (folder / name).write_bytes(encoded_png(folder / name, picture, {}))
    printed = "".join(f"{sha256_of(folder / name)}  {name}\n" for name in names)
    told: list[tuple[int, int]] = []
    digest = source_sha256(folder, lambda done, total: told.append((done, total)))
    assert digest == hashlib.sha256(printed.encode()).hexdigest()
    assert told[-1][0] == told[-1][1]


def test_what_is_no_video_is_told(tmp_path: Path) -> None:
    path = tmp_path / "none.mp4"
    path.write_text("no video")
    with pytest.raises(InputError, match="cannot be read to its end"):
        streams_of(path, ())
    with pytest.raises(InputError, match="take the file as it was written"):
        video_of(path, 0)
