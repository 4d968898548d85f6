"""Files that call their video's codec something else, or nothing; each made from a clip whose
pictures and times are known (flash.py)."""

from __future__ import annotations

import struct
from pathlib import Path

import av
from av.bitstream import BitStreamFilterContext

from tests.making.flash import write_flash

ENCODERS = {"h264": "libx264", "hevc": "libx265", "mpeg4": "mpeg4", "mjpeg": "mjpeg"}
NAMED = {
    ".avi": {"h264": b"H264", "hevc": b"HEVC", "mpeg4": b"FMP4", "mjpeg": b"MJPG"},
    ".mov": {"h264": b"avc1", "hevc": b"hev1", "mpeg4": b"mp4v", "mjpeg": b"jpeg"},
}
"""What FFmpeg's muxers call them."""


def plain(path: Path, codec: str) -> Path:
    """A clip that is called what it is."""
    return write_flash(path, ENCODERS[codec], "pcm_s16le")


def renamed(source: Path, codec: str, name: bytes) -> Path:
    """The clip with another name for its codec, wherever its header has one."""
    data, own = source.read_bytes(), NAMED[source.suffix][codec]
    assert own in data[:8192] or source.suffix == ".mov"
    path = source.with_name(f"renamed-{source.name}")
    path.write_bytes(data.replace(own, name))
    return path


def program_stream(source: Path, path: Path, codec: str, stream_type: int | None) -> Path:
    """The clip's video in a program stream with a map that says `stream_type`, or with none."""
    _copy(source, path, f"{codec}_mp4toannexb")
    if stream_type is not None:
        entries = b"".join(struct.pack(">BBH", stream_type, name, 0) for name in (0xE0, 0xE2))
        body = b"\xe0\xff" + struct.pack(">HH", 0, len(entries)) + entries + bytes(4)
        written = b"\0\0\1\xbc" + struct.pack(">H", len(body)) + body
        path.write_bytes(written + path.read_bytes())
    return path


def headless(source: Path, path: Path) -> Path:
    """H.264 as MP4 has it, copied into a program stream: without start codes and parameter sets,
    so that nothing can decode it."""
    return _copy(source, path, "null")


def bare(source: Path, path: Path, codec: str) -> Path:
    """The clip's video without a container."""
    return _copy(source, path, f"{codec}_mp4toannexb", codec)


def vfw(path: Path, name: bytes) -> Path:
    """The beginning of a Matroska file made from AVI: as much as tells the codec's name."""
    header = struct.pack("<IiiHH4s", 40, 64, 48, 1, 24, name) + bytes(20)
    path.write_bytes(b"\x1aE\xdf\xa3" + bytes(60) + b"V_MS/VFW/FOURCC\x63\xa2\xa8" + header)
    return path


def _copy(source: Path, path: Path, bitstream_filter: str, form: str = "mpeg") -> Path:
    with av.open(str(source)) as a, av.open(str(path), "w", format=form) as b:
        stream = b.add_stream_from_template(a.streams.video[0], opaque=True)
        through = BitStreamFilterContext(bitstream_filter, in_stream=a.streams.video[0])
        for packet in a.demux(video=0):
            for filtered in through.filter(packet if packet.size else None):
                filtered.stream = stream
                b.mux(filtered)
    return path
