"""Where damage ends: at a recovery point of intra refresh as at a keyframe; and where none is, at
the joint of two recordings in MPEG-TS."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet

from tests.making.clips import add_video, decoded, picture, write_clip
from tests.making.settings import UNCHANGED
from videnhance.job.run import enhance
from videnhance.media.reading.source import probe
from videnhance.media.repair.healing import _exp_golomb, _recovery_in, recovery_points
from videnhance.media.repair.recording import Recording, recording_of

PERIOD = 12


def write_refreshed(path: Path, frames: int = 60, codec: str = "libx264") -> Path:
    """Video of which a column of blocks is coded anew in each frame: no keyframe but the first."""
    refresh = f"intra-refresh=1:keyint={PERIOD}:bframes=0"
    name = "x264-params" if codec == "libx264" else "x265-params"
    options = {name: refresh if codec == "libx264" else refresh + ":log-level=error"}
    with av.open(str(path), "w") as container:
        stream = add_video(container, codec, (192, 128), options=options)
        for index in range(frames):
            container.mux(stream.encode(picture(index, 192, 128)))
        container.mux(stream.encode(None))
    return path


def without(source: Path, target: Path, first: int, stop: int) -> Path:
    """The source without some of its packets."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        route = new.add_stream_from_template(old.streams.video[0])
        for number, packet in enumerate(old.demux(video=0)):
            if packet.size and not first <= number < stop:
                packet.stream = route
                new.mux(packet)
    return target


def spoilt(source: Path, target: Path, number: int) -> Path:
    """The source with the end of one packet written over."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        route = new.add_stream_from_template(old.streams.video[0])
        for k, packet in enumerate(old.demux(video=0)):
            if packet.size:
                data = bytes(packet)
                whole = Packet(data if k != number else data[:-40] + bytes(range(40)))
                whole.pts, whole.dts, whole.time_base = packet.pts, packet.dts, packet.time_base
                whole.is_keyframe, whole.duration = packet.is_keyframe, packet.duration
                whole.stream = route
                new.mux(whole)
    return target


def thorough(path: Path) -> Recording:
    return recording_of(probe(path), thorough=True)


def kinds(recording: Recording) -> list[tuple[str, int]]:
    return [(finding.kind, finding.frames) for finding in recording.findings]


@pytest.mark.parametrize("suffix", [".ts", ".mp4", ".mkv"])
def test_what_follows_the_first_recovery_point_is_right(tmp_path: Path, suffix: str) -> None:
    whole = write_refreshed(tmp_path / f"in{suffix}")
    cut = without(whole, tmp_path / f"cut{suffix}", 0, PERIOD + 4)
    found = thorough(cut)
    assert found.examination is not None
    assert not found.examination.damaged
    ((kind, lost),) = kinds(found)
    assert kind == "lost"
    assert 0 < lost <= 2 * PERIOD
    frames = [f.planes[0].copy() for f in found.frames(0, len(found.timeline), "yuv420p")]
    for now, true in zip(frames, [d[0] for d in decoded(whole)][-len(frames) :], strict=True):
        np.testing.assert_array_equal(now, true)


@pytest.mark.parametrize("suffix", [".ts", ".mkv"])
def test_damage_reaches_to_where_the_picture_recovers(tmp_path: Path, suffix: str) -> None:
    whole = write_refreshed(tmp_path / f"in{suffix}")
    bad = spoilt(whole, tmp_path / f"bad{suffix}", 20)
    found = thorough(bad)
    assert found.examination is not None
    damaged = found.examination.damaged
    assert 20 in damaged
    assert damaged[-1] < 20 + 2 * PERIOD + 1
    true = [planes[0] for planes in decoded(whole)]
    told = set(damaged)
    for frame in found.frames(0, len(found.timeline), "yuv420p"):
        if frame.index not in told:
            np.testing.assert_array_equal(frame.planes[0], true[frame.index])


def test_recovery_points_are_found(tmp_path: Path) -> None:
    points = recovery_points(probe(write_refreshed(tmp_path / "in.mkv")))
    assert set(points) >= {PERIOD, 2 * PERIOD, 3 * PERIOD}
    assert all(0 < right - point < PERIOD for point, right in points.items() if point)
    assert recovery_points(probe(write_clip(tmp_path / "no.mkv", codec="mpeg4"))) == {}
    assert [_exp_golomb(bytes([b, 0]), signed=False) for b in (0x80, 0x40, 0x60, 9)] == [
        0,
        1,
        2,
        17,
    ]
    assert [_exp_golomb(bytes([b, 0]), signed=True) for b in (0x80, 0x40, 0x60, 9)] == [0, 1, 0, 9]
    assert _recovery_in(bytes.fromhex("06060209c480"), "h264") == 18
    assert _recovery_in(bytes.fromhex("4e0105010006020900"), "hevc") == 9  # after another message


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize("frames", [28, 29, 30, 31])
@pytest.mark.parametrize("bframes", ["0", "2"])
def test_nothing_is_damaged_where_two_recordings_are_joined(
    tmp_path: Path, frames: int, bframes: str
) -> None:
    parts = [
        write_clip(
            tmp_path / f"{k}.ts",
            pts=range(frames),
            options={"bf": bframes, "g": "10"},
            audio="mp2",
            rate=16000,
        )
        for k in range(2)
    ]
    source = tmp_path / "in.ts"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    summary = enhance(source, tmp_path / "out.mkv", UNCHANGED)
    assert not any("damaged" in note for note in summary.notes)
    both = [planes for part in parts for planes in decoded(part)]
    for one, other in zip(both, decoded(tmp_path / "out.mkv"), strict=True):
        assert all(np.array_equal(p, q) for p, q in zip(one, other, strict=True))


@pytest.mark.parametrize("gone", [0.3, 0.6, 0.97])
def test_a_packet_lost_in_a_frame_damages_it(tmp_path: Path, gone: float) -> None:
    """The same jump of the count, but within a frame; or at its end, where stuffing is missing."""
    clip = write_clip(tmp_path / "in.ts", pts=range(30), size=(320, 240), options={"g": "10"})
    data = clip.read_bytes()
    packets = [data[k : k + 188] for k in range(0, len(data), 188)]
    video = [k for k, p in enumerate(packets) if (p[1] & 31) << 8 | p[2] == 256]
    begins = [k for k in video if packets[k][1] & 0x40]
    first, after = begins[20], begins[21]
    inside = [k for k in video if first < k < after]
    lost = inside[int(gone * len(inside))]
    bad = tmp_path / "bad.ts"
    bad.write_bytes(b"".join(p for k, p in enumerate(packets) if k != lost))
    found = thorough(bad)
    assert found.examination is not None
    assert 20 in found.examination.damaged or 20 in found.examination.lost
    assert 19 not in found.examination.damaged
