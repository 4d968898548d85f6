"""Sound that PyAV refuses in Matroska: every codec that WAV has a number for, bit for bit."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet

from tests.making.clips import packets, picture
from tests.making.passing import through
from videnhance.errors import ContainerError
from videnhance.media.reading.source import packets_of, probe
from videnhance.media.writing.mux import Cut
from videnhance.media.writing.streams import plan_copying

RATES = {
    "adpcm_ima_wav": (8000, None),
    "adpcm_ms": (8000, None),
    "adpcm_yamaha": (8000, None),
    "g722": (16000, None),
    "g723_1": (8000, 6300),
    "g726": (8000, 32000),
    "wmav1": (16000, 32000),
    "wmav2": (48000, 64000),
}
"""Samples and bits a second of codecs that are in AVI."""


def clip_with(path: Path, codec: str, *, seconds: int = 2, channels: int = 1) -> Path:
    """A clip of 25 small frames a second, and a tone of the codec as long."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height = 64, 48
        rate, bits = RATES[codec]
        sound = container.add_stream(codec, rate=rate)
        assert isinstance(sound, AudioStream)
        sound.codec_context.layout = {1: "mono", 2: "stereo"}[channels]
        if bits:
            sound.codec_context.bit_rate = bits
        for index in range(25 * seconds):
            container.mux(video.encode(picture(index, 64, 48)))
        container.mux(video.encode(None))
        wave = (np.sin(np.arange(seconds * rate) ** 1.1 / 5) * 8000).astype(np.int16)
        frame = AudioFrame.from_ndarray(
            wave.repeat(channels)[None], format="s16", layout=sound.codec_context.layout.name
        )
        frame.sample_rate, frame.pts = rate, 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


def clip_with_gsm(path: Path, *, tag: int = 0x31) -> Path:
    """Two seconds with GSM 06.10 in blocks of 65 bytes, for which FFmpeg has no encoder: the blocks
    are written as PCM, and described anew. `tag`: the number of the codec."""
    random = np.random.default_rng(1)
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height = 64, 48
        sound = container.add_stream("pcm_u8", rate=8000, layout="mono")
        for index in range(50):
            container.mux(video.encode(picture(index, 64, 48)))
        container.mux(video.encode(None))
        for index in range(50):
            block = Packet(random.integers(0, 256, 65, np.uint8).tobytes())
            block.stream, block.pts, block.dts = sound, index * 65, index * 65
            block.time_base, block.duration = Fraction(1, 8000), 65
            container.mux(block)
    data = bytearray(path.read_bytes())
    strh = data.index(b"auds", data.index(b"strh")) - 8
    # Scale, rate, start and length: 320 samples for each of 50 chunks; then, in place of bytes a
    # sample, that chunks vary.
    struct.pack_into("<IIII", data, strh + 8 + 20, 320, 8000, 0, 50)
    struct.pack_into("<I", data, strh + 8 + 44, 0)
    strf = data.index(b"strf", strh)
    struct.pack_into("<HHIIHH", data, strf + 8, tag, 1, 8000, 1625, 65, 0)
    path.write_bytes(data)
    return path


def sound_of(path: Path) -> tuple[str, int, int, list[float], bytes]:
    """Codec, samples a second, channels, seconds at which each packet begins, decoded samples."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        found = stream.codec_context
        said = (str(found.codec.canonical_name), found.sample_rate, found.layout.nb_channels)
        begins = [float((p.pts or 0) * p.time_base) for p in packets_of(container, stream)]
    with av.open(str(path)) as container:
        decoded = b"".join(bytes(plane) for f in container.decode(audio=0) for plane in f.planes)
    return *said, begins, decoded


@pytest.mark.parametrize("codec", RATES)
def test_what_wav_can_name_goes_into_matroska_bit_for_bit(tmp_path: Path, codec: str) -> None:
    source, out = clip_with(tmp_path / "in.avi", codec), tmp_path / "out.mkv"
    through(source, out, preset="ultrafast")
    assert packets(out, "audio") == packets(source, "audio")
    before, after = sound_of(source), sound_of(out)
    assert after[:3] == before[:3]
    assert after[:3] == (av.Codec(codec, "r").canonical_name, RATES[codec][0], 1)
    assert after[4] == before[4]
    assert len(after[3]) == len(before[3])
    assert np.abs(np.subtract(after[3], before[3])).max() < 0.001
    # Where its last packet begins follows from how it was made, whatever a reader says.
    assert 1.7 < after[3][-1] < 2.1
    # And from Matroska, where it is a source.
    through(out, tmp_path / "again.mkv", preset="ultrafast", cut=Cut(10, 40))
    assert sound_of(tmp_path / "again.mkv")[:3] == after[:3]
    assert set(packets(tmp_path / "again.mkv", "audio")) <= set(packets(source, "audio"))


@pytest.mark.parametrize("codec", ["adpcm_ima_wav", "adpcm_ms", "wmav2"])
def test_two_channels_of_it_too(tmp_path: Path, codec: str) -> None:
    source, out = clip_with(tmp_path / "in.avi", codec, channels=2), tmp_path / "out.mkv"
    through(source, out, preset="ultrafast")
    assert packets(out, "audio") == packets(source, "audio")
    assert sound_of(out)[2] == 2
    assert sound_of(out)[4] == sound_of(source)[4]


def test_gsm_that_no_encoder_makes(tmp_path: Path) -> None:
    source, out = clip_with_gsm(tmp_path / "in.avi"), tmp_path / "out.mkv"
    through(source, out, preset="ultrafast")
    assert packets(out, "audio") == packets(source, "audio")
    assert sound_of(out)[:3] == ("gsm_ms", 8000, 1)
    assert sound_of(out)[3] == pytest.approx([k * 0.04 for k in range(50)], abs=0.0006)
    assert sound_of(out)[4] == sound_of(source)[4]


def test_sound_that_ffmpeg_does_not_know_is_called_that(tmp_path: Path) -> None:
    source = clip_with_gsm(tmp_path / "in.avi", tag=0x9999)
    with pytest.raises(ContainerError, match=r"FFmpeg does not know .* stream 1.*--audio none"):
        plan_copying(probe(source), "matroska", "h264")
    assert plan_copying(probe(source), "matroska", "h264", "none").kept == ()
