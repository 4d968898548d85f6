"""Files of kinds that people report trouble with, byte for byte where no encoder makes them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.packet import Packet

from tests.making.clips import picture


def jumping_fragments(path: Path, whole: Path, at: int, seconds: Fraction) -> Path:
    """A clip in MP4 in fragments again, those from number `at` on later: their tfdt (ISO/IEC
    14496-12, 8.8.12) jumps, as after a pause of a recorder or in a stream that was joined late."""
    flags = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with av.open(str(whole)) as source, av.open(str(path), "w", format="mp4", options=flags) as out:
        routes = [out.add_stream_from_template(s, opaque=True) for s in source.streams]
        for packet in source.demux():
            if packet.size:
                packet.stream = routes[packet.stream_index]
                out.mux(packet)
        scales = {k + 1: 1 / Fraction(s.time_base or 1) for k, s in enumerate(out.streams)}
    data = bytearray(path.read_bytes())
    place, number = data.find(b"moof"), 0
    while place >= 0:
        end = place - 4 + struct.unpack_from(">I", data, place - 4)[0]
        track = data.find(b"tfhd", place, end)
        while track >= 0 and number >= at:
            (index,) = struct.unpack_from(">I", data, track + 8)
            time = data.find(b"tfdt", track, end)
            assert data[time + 4] == 1  # 64 bits
            (begin,) = struct.unpack_from(">Q", data, time + 8)
            struct.pack_into(">Q", data, time + 8, begin + int(seconds * scales[index]))
            track = data.find(b"tfhd", track + 4, end)
        place, number = data.find(b"moof", end), number + 1
    path.write_bytes(data)
    return path


def unknown_clusters(path: Path, live: Path) -> Path:
    """A live Matroska file again, its clusters of unknown size (RFC 9559, 5.1.3 and 25.1)."""
    data = bytearray(live.read_bytes())
    place = data.find(b"\x1f\x43\xb6\x75")
    while place >= 0:
        first = data[place + 4]
        width = 9 - first.bit_length()
        ones = (1 << 7 * width) - 1 | 1 << 7 * width
        size = int.from_bytes(data[place + 4 : place + 4 + width], "big") & ~(1 << 7 * width)
        data[place + 4 : place + 4 + width] = ones.to_bytes(width, "big")
        place = data.find(b"\x1f\x43\xb6\x75", place + 4 + width + size)
    path.write_bytes(data)
    return path


def joined(path: Path, parts: Sequence[Path]) -> Path:
    """Files one behind the other, as a recorder of a transport stream leaves a change of format."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def repeated(path: Path, form: str, pts: Iterable[int], base: Fraction, side: int = 16) -> Path:
    """One JPEG again and again, at these times: hours of video in a moment."""
    packet = encoded_jpeg(0, (side, side))
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = side, side, "yuvj420p"
        stream.codec_context.time_base = base
        stream.time_base = base
        for tick in pts:
            container.mux(_placed(packet, tick, base, stream))
    return path


def encoded_jpeg(index: int, size: tuple[int, int] = (64, 48), *, vendor: bool = False) -> bytes:
    """A moving picture as JPEG. `vendor`: with restart markers (ITU-T T.81, B.2.4.4) in every row
    of blocks, and 4000 bytes of a camera's own in APP4, where 0xFF 0xD9 (end of image) occurs."""
    rgb = picture(index, *size, "gbrp").to_ndarray(format="bgr24")
    options = [cv2.IMWRITE_JPEG_QUALITY, 90]
    if vendor:
        options += [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]
    data = cv2.imencode(".jpg", rgb, options)[1].tobytes()
    own = b"VNDR" + b"\xff\xd9\xff\xd8\xff\xda" * 666
    app4 = b"\xff\xe4" + struct.pack(">H", len(own) + 2) + own
    return data[:2] + app4 + data[2:] if vendor else data


def vendor_jpegs(path: Path, form: str, count: int = 12) -> Path:
    """A clip of such pictures, 25 a second."""
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for index in range(count):
            data = encoded_jpeg(index, vendor=True)
            container.mux(_placed(data, index, Fraction(1, 25), stream))
    return path


def _placed(data: bytes, tick: int, base: Fraction, stream: Any) -> Packet[Any]:
    packet: Packet[Any] = Packet(data)
    packet.pts = packet.dts = tick
    packet.time_base, packet.duration, packet.is_keyframe = base, 1, True
    packet.stream = stream
    return packet


def several_riffs(path: Path, *, chunks: int = 3, each: int = 5, hole: int = 1 << 30) -> Path:
    """An AVI of several RIFF chunks (OpenDML AVI File Format Extensions 1.02), `each` JPEGs in it,
    25 a second, and behind them a JUNK chunk of `hole` bytes that the disk does not store."""
    movies, index, number = [], [], 0
    for _ in range(chunks):
        frames = [encoded_jpeg(number + k) for k in range(each)]
        frames = [frame + b"\0" * (len(frame) % 2) for frame in frames]
        movies.append(frames)
        number += each
    with path.open("wb") as file:
        for riff, frames in enumerate(movies):
            start = file.tell()
            file.write(b"RIFF\0\0\0\0" + (b"AVIX" if riff else b"AVI "))
            if not riff:
                super_index = file.tell() + _write_header(file, number, chunks, frames[0])
            movi = file.tell()
            file.write(b"LIST\0\0\0\0movi")
            entries = []
            for frame in frames:
                entries.append((file.tell() + 8, len(frame)))
                file.write(b"00dc" + struct.pack("<I", len(frame)) + frame)
            file.write(b"JUNK" + struct.pack("<I", hole))
            file.seek(hole, 1)
            at = file.tell()
            body = b"".join(struct.pack("<II", a - movi, size) for a, size in entries)
            head = struct.pack("<HBBI4sQI", 2, 0, 1, len(entries), b"00dc", movi, 0)
            file.write(b"ix00" + struct.pack("<I", len(head) + len(body)) + head + body)
            index.append(struct.pack("<QII", at, len(head) + len(body) + 8, len(entries)))
            end = file.tell()
            _patch(file, movi + 4, end - movi - 8)
            if not riff:
                table = [(a - movi - 12, size) for a, size in entries]
                old = b"".join(struct.pack("<4sIII", b"00dc", 16, a, size) for a, size in table)
                file.write(b"idx1" + struct.pack("<I", len(old)) + old)
                end = file.tell()
            _patch(file, start + 4, end - start - 8)
        file.seek(super_index)
        file.write(b"".join(index))
    return path


def _write_header(file: Any, count: int, chunks: int, frame: bytes) -> int:
    """The hdrl list; how far behind its start the entries of the super index lie."""
    avih = struct.pack("<14I", 40000, 0, 0, 0x10, count, 0, 1, 0, 64, 48, 0, 0, 0, 0)
    strh = b"vidsMJPG" + struct.pack(
        "<IIIIIIIIIIhhhh", 0, 0, 0, 1, 25, 0, count, 0, 0, 0, 0, 0, 64, 48
    )
    strf = struct.pack("<IiiHH4sIiiII", 40, 64, 48, 1, 24, b"MJPG", 64 * 48 * 3, 0, 0, 0, 0)
    indx = struct.pack("<HBBI4s12x", 4, 0, 0, chunks, b"00dc") + bytes(16 * chunks)
    front = _chunk(b"strh", strh) + _chunk(b"strf", strf)
    strl = b"strl" + front + _chunk(b"indx", indx)
    odml = b"odml" + _chunk(b"dmlh", struct.pack("<I", count) + bytes(244))
    hdrl = b"hdrl" + _chunk(b"avih", avih) + _chunk(b"LIST", strl)
    place = 8 + len(hdrl) - 16 * chunks
    file.write(_chunk(b"LIST", hdrl + _chunk(b"LIST", odml)))
    return place


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def _patch(file: Any, at: int, value: int) -> None:
    here = file.tell()
    file.seek(at)
    file.write(struct.pack("<I", value))
    file.seek(here)


class _Bits:
    """Bits of an H.264 payload (ITU-T H.264, 7.2 and 9.1)."""

    def __init__(self) -> None:
        self.text = ""

    def u(self, width: int, value: int) -> None:
        self.text += f"{value:0{width}b}" if width else ""

    def ue(self, *values: int) -> None:
        for value in values:
            bits = f"{value + 1:b}"
            self.text += "0" * (len(bits) - 1) + bits

    def se(self, value: int) -> None:
        self.ue(2 * value - 1 if value > 0 else -2 * value)

    def align(self, bit: str = "0") -> None:
        self.text += bit * (-len(self.text) % 8)

    def raw(self, data: bytes) -> None:
        self.align()
        self.text += "".join(f"{byte:08b}" for byte in data)

    def unit(self, head: int) -> bytes:
        """A NAL unit with start code and emulation prevention."""
        self.text += "1"
        self.align()
        payload = int(self.text, 2).to_bytes(len(self.text) // 8, "big")
        kept, zeros = bytearray([head]), 0
        for byte in payload:
            if zeros >= 2 and byte <= 3:
                kept.append(3)
                zeros = 0
            kept.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return b"\0\0\0\1" + bytes(kept)


def coded_fields(frames: Sequence[np.ndarray]) -> list[bytes]:
    """H.264 whose pictures are fields (PAFF): an access unit for each, top before bottom. `frames`:
    (H, W) uint8 luma, H a multiple of 32, W of 16; every sample is kept (macroblocks of I_PCM)."""
    height, width = frames[0].shape
    sps = _Bits()
    for value in (77, 0, 30):  # Main profile
        sps.u(8, value)
    sps.ue(0, 0, 2, 2)  # id, 4 bits of frame_num, no order count, two reference frames
    sps.u(1, 0)
    sps.ue(width // 16 - 1, height // 32 - 1)
    sps.u(5, 0b00100)  # not only frames, no MBAFF, direct 8x8, no crop, no VUI
    pps = _Bits()
    pps.ue(0, 0)
    pps.u(2, 0)
    pps.ue(0, 0, 0)
    pps.u(3, 0)
    pps.se(0)
    pps.se(0)
    pps.se(0)
    pps.u(3, 0b100)  # deblocking is told for each slice
    units = []
    for number, frame in enumerate(frames):
        for bottom in (0, 1):
            is_first = number == bottom == 0
            bits = _Bits()
            bits.ue(0, 7, 0)  # an I slice
            bits.u(4, number % 16)
            bits.u(2, 2 | bottom)
            if is_first:
                bits.ue(0)
                bits.u(2, 0)
            else:
                bits.u(1, 0)
            bits.se(0)
            bits.ue(1)  # no deblocking
            field = frame[bottom::2]
            for row in range(0, height // 2, 16):
                for column in range(0, width, 16):
                    bits.ue(25)
                    block = field[row : row + 16, column : column + 16]
                    bits.raw(block.tobytes() + b"\x80" * 128)
            unit = bits.unit(0x65 if is_first else 0x61)
            head = sps.unit(0x67) + pps.unit(0x68) if is_first else b""
            units.append(b"\0\0\0\1\x09\x10" + head + unit)
    return units


def paff(path: Path, frames: Sequence[np.ndarray], form: str = "mpegts") -> Path:
    """A clip of `coded_fields`, 25 frames a second, a packet for each field."""
    height, width = frames[0].shape
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, unit in enumerate(coded_fields(frames)):
            packet = _placed(unit, number, Fraction(1, 50), stream)
            packet.is_keyframe = number == 0
            container.mux(packet)
    return path
