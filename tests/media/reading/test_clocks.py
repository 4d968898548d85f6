"""Frames of AVI have no times but their place in the file: one that is not found there moves no
other."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.making.clips import (
    add_sound,
    add_video,
    decoded,
    packets,
    sound_times,
    times,
    write_clip,
)
from tests.making.settings import UNCHANGED
from videnhance.job.run import enhance
from videnhance.media.reading.source import open_source, packets_of


def spoilt(source: Path, target: Path, name: bytes, number: int) -> Path:
    """The file with the header of one chunk, and what follows it, written over."""
    data = bytearray(source.read_bytes())
    at = data.index(b"movi")
    for _ in range(number + 1):
        at = data.index(name, at + 1)
    data[at : at + 40] = bytes(range(40))
    target.write_bytes(data)
    return target


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("codec", ["mjpeg", "mpeg4"])
def test_a_frame_that_is_not_found_moves_no_other(tmp_path: Path, codec: str) -> None:
    source = write_clip(
        tmp_path / "in.avi",
        pts=range(30),
        codec=codec,
        pix_fmt="yuvj420p" if codec == "mjpeg" else "yuv420p",
        options={"g": "5"},
        audio="pcm_s16le",
        block=600,
    )
    bad = spoilt(source, tmp_path / "bad.avi", b"00dc", 20)  # with mpeg4, a keyframe
    assert len(times(bad)) == 29
    out = tmp_path / "out.mkv"
    notes = enhance(bad, out, UNCHANGED).notes
    told = [n for n in notes if "from 0.800 to 0.840 s not in the file" in n]
    assert told
    assert not any("cut off" in note for note in notes)
    whole, shown = times(source), times(out)
    assert len(shown) == 29
    good = decoded(source)
    for time, planes in zip(shown, decoded(out), strict=True):
        k = min(range(30), key=lambda k: abs(whole[k] - time))
        assert abs(whole[k] - time) <= Fraction(1, 1000)
        if k < 20 or k >= 25:  # the next keyframe
            assert all(np.array_equal(p, q) for p, q in zip(good[k], planes, strict=True))
    assert b"".join(packets(out, "audio")) == b"".join(packets(source, "audio"))


SOUNDS = ["libmp3lame", "pcm_mulaw", "pcm_s16le", "pcm_s24le", "adpcm_ima_wav", "ac3"]


def write_sound(path: Path, audio: str) -> Path:
    """1.6 s of video with sound in pieces as long as a frame or, of some codecs, longer."""
    rate = 8000 if audio in ("libmp3lame", "pcm_mulaw", "adpcm_ima_wav") else 48000
    with av.open(str(path), "w") as container:
        video = add_video(container, "mjpeg", pix_fmt="yuvj420p")
        sound = add_sound(container, audio, rate)
        found = []
        for index in range(40):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 3 * index, np.uint8))
            frame.pts, frame.time_base = index, Fraction(1, 25)
            found += video.encode(frame)
            wave = np.sin(np.arange(index * rate // 25, (index + 1) * rate // 25) / 5) * 8000
            tone = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None, :], "s16", "mono")
            tone.sample_rate, tone.pts = rate, index * rate // 25
            found += sound.encode(tone)
        found += [*video.encode(None), *sound.encode(None)]
        found.sort(key=lambda p: (p.dts if p.dts is not None else p.pts or 0) * p.time_base)
        container.mux(found)
    return path


def placed(path: Path) -> dict[bytes, Fraction]:
    """Packets of sound, to when they are heard, as the rest of videnhance is told."""
    with open_source(path) as source:
        found = list(packets_of(source, source.streams.audio[0]))
        return {bytes(p): (p.pts or 0) * Fraction(p.time_base or 0) for p in found}


@pytest.mark.parametrize("audio", SOUNDS)
@pytest.mark.parametrize("indexed", [True, False])
def test_sound_of_a_file_that_is_whole_stays_where_ffmpeg_has_it(
    tmp_path: Path, audio: str, indexed: bool
) -> None:
    source = write_sound(tmp_path / "in.avi", audio)
    if not indexed:  # as a recorder leaves it whose power is cut
        data = source.read_bytes()
        source.write_bytes(data[: data.rindex(b"idx1")])
    assert list(placed(source).values()) == sound_times(source)


@pytest.mark.parametrize("audio", SOUNDS)
def test_a_piece_of_sound_that_is_not_found_moves_no_other(tmp_path: Path, audio: str) -> None:
    source = write_sound(tmp_path / "in.avi", audio)
    whole = dict(zip(packets(source, "audio"), sound_times(source), strict=True))
    rest = placed(spoilt(source, tmp_path / "bad.avi", b"01wb", 3))
    kept = {data: time for data, time in rest.items() if data in whole}
    assert len(whole) - 8 < len(kept) < len(whole)
    assert max(kept.values()) == max(whole.values())
    assert all(time == whole[data] for data, time in kept.items())


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("audio", [a for a in SOUNDS if not a.startswith("adpcm")])
def test_the_output_has_the_rest_of_the_sound_in_its_place(tmp_path: Path, audio: str) -> None:
    source = write_sound(tmp_path / "in.avi", audio)
    bad = spoilt(source, tmp_path / "bad.avi", b"01wb", 9)
    out = tmp_path / "out.mkv"
    enhance(bad, out, UNCHANGED)
    one = dict(zip(packets(source, "audio"), sound_times(source), strict=True))
    other = dict(zip(packets(out, "audio"), sound_times(out), strict=True))
    assert len(one) - 3 < len(other) < len(one) or audio.startswith("pcm")
    assert max(other.values()) > Fraction(6, 5)
    for data, time in other.items():
        assert abs(time - one[data]) <= Fraction(1, 1000)


@pytest.mark.parametrize(
    ("audio", "size"), [*((a, 4) for a in SOUNDS), ("pcm_s24le", 3000), ("adpcm_ima_wav", 3000)]
)
def test_a_wrong_length_in_the_index_moves_nothing(tmp_path: Path, audio: str, size: int) -> None:
    source = write_sound(tmp_path / "in.avi", audio)
    whole = placed(source)
    data = bytearray(source.read_bytes())
    at = data.rindex(b"idx1")
    for _ in range(6):
        at = data.index(b"01wb", at + 1)
    struct.pack_into("<I", data, at + 12, size)
    source.write_bytes(data)
    assert placed(source) == whole


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("rate", [33_570_432, 100])
def test_pcm_sounds_at_the_rate_of_its_format(tmp_path: Path, suffix: str, rate: int) -> None:
    source = write_sound(tmp_path / "in.avi", "pcm_s16le")
    whole = placed(source)
    data = bytearray(source.read_bytes())
    at = data.index(b"auds")
    struct.pack_into("<II", data, at + 20, 1, rate)  # dwScale, dwRate
    source.write_bytes(data)
    tick = max(Fraction(1, rate), Fraction(1, 1000))
    for data_, time in placed(source).items():
        assert abs(time - whole[data_]) <= tick
    out = tmp_path / f"out{suffix}"
    summary = enhance(source, out, UNCHANGED)
    assert summary.check is not None
    assert b"".join(packets(out, "audio")) == b"".join(whole)
