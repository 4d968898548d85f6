"""verify: what holds is said line by line, and five ways of tampering are found."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from tests.making.clips import decoded, packets, square_frames, write_rgb
from tests.making.detector import offer_squares
from tests.making.recorded import FUSED, LOSSLESS, enhanced
from videnhance.errors import InputError
from videnhance.evidence.document import Record, Weights
from videnhance.evidence.reading import read_record
from videnhance.evidence.verify import Places, Statement, verify
from videnhance.evidence.writing import record_path, sealed, write_record
from videnhance.files import sha256_of
from videnhance.job.run import detect_tracks, enhance
from videnhance.models.catalog import BUNDLED
from videnhance.settings.groups import CleanSettings, FinishSettings, PartSettings

pytestmark = pytest.mark.usefixtures("square_detector")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with in.mkv, with sound, and what was made of it, lossless and lossy, recorded."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        offer_squares(patch)
        source = write_rgb(folder / "in.mkv", square_frames(16, noise=6.0), audio="aac")
        enhanced(source, folder / "out.mkv", LOSSLESS)
        enhanced(source, folder / "out.mp4", FUSED)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """The same, the test's own."""
    return Path(shutil.copytree(made, tmp_path / "own"))


def lines(
    folder: Path, name: str = "out.mkv", input: Path | None = None, output: Path | None = None
) -> list[Statement]:
    return list(verify(Places(record_path(folder / name), input, output)))


def wrong(found: list[Statement]) -> dict[str, str]:
    return {line.what: line.said for line in found if line.state != "holds"}


def test_what_was_not_touched_holds(folder: Path) -> None:
    found = lines(folder)
    assert wrong(found) == {}
    assert [line.what for line in found] == [
        *("record", "input", "output", "video", "frames", "times", "sound", "outside"),
    ]
    assert found[-1].said == "outside the masks every sample of 16 frames equals the input's"


def test_a_lossy_output_is_as_near_as_its_codec(folder: Path) -> None:
    found = lines(folder, "out.mp4")
    assert wrong(found) == {}
    assert found[-1].said.startswith("outside the masks PSNR ")


def test_one_byte_in_the_output_is_found(folder: Path) -> None:
    path = folder / "out.mkv"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "out.mkv was changed: its SHA-256 is" in wrong(lines(folder))["output"]


def rewritten(path: Path, change: Callable[[int, np.ndarray], np.ndarray]) -> None:
    """Decode and encode a lossless video with each frame's luma changed; sound is copied."""
    other = path.with_name("other.mkv")
    with av.open(str(path)) as source, av.open(str(other), "w") as target:
        own, sound = source.streams.video[0], source.streams.audio[0]
        video = target.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = own.width, own.height, own.pix_fmt
        video.time_base = own.time_base
        copied = target.add_stream_from_template(sound)
        count = 0
        for packet in source.demux():
            if packet.stream is sound and packet.size:
                packet.stream = copied
                target.mux(packet)
                continue
            for frame in packet.decode() if packet.stream is own else ():
                assert isinstance(frame, av.VideoFrame)
                planes = frame.to_ndarray()
                fresh = av.VideoFrame.from_ndarray(change(count, planes), format=frame.format.name)
                fresh.pts, fresh.time_base = frame.pts, frame.time_base
                count += 1
                target.mux(video.encode(fresh))
        target.mux(video.encode())
    other.replace(path)


def test_a_frame_replaced_is_found_and_named(folder: Path) -> None:
    before: list[np.ndarray] = []

    def change(index: int, planes: np.ndarray) -> np.ndarray:
        before.append(planes)
        return before[3] if index == 9 else planes

    rewritten(folder / "out.mkv", change)
    found = wrong(lines(folder))
    assert found["frames"] == "stream 0: 1 of 16 frames are not those recorded: 9"
    assert (
        "outside the masks 1 of 16 frames differ from the input, most frame 9" in found["outside"]
    )
    assert "output" in found


def test_paint_outside_the_masks_is_found_even_where_the_record_was_made_for_it(
    folder: Path,
) -> None:
    """A record of what was not made so: the output is as recorded, but not as the input says."""

    def change(index: int, planes: np.ndarray) -> np.ndarray:
        planes[2, 2] += index == 5
        return planes

    rewritten(folder / "out.mkv", change)
    assert "outside the masks 1 of 16 frames differ" in wrong(lines(folder))["outside"]


def test_an_edited_record_is_found(folder: Path) -> None:
    path = record_path(folder / "out.mkv")
    text = path.read_text()
    path.write_text(text.replace('"value":"fusion"', '"value":"fusiom"'))
    with pytest.raises(InputError, match="does not fit its own digest: it was probably edited"):
        lines(folder)


def test_a_record_sealed_anew_does_not_fit_what_is_there(folder: Path) -> None:
    path = record_path(folder / "out.mkv")
    body = path.read_bytes()[:-81]
    place = body.index(b'"sha256": "') + len(b'"sha256": "')
    path.write_bytes(sealed(body[:place] + b"0" * 8 + body[place + 8 :]))
    assert "is another file" in wrong(lines(folder))["input"]


def test_sound_that_was_swapped_is_found(folder: Path) -> None:
    other = write_rgb(folder / "other.mkv", square_frames(16), audio="aac")
    quiet = [bytes(len(packet)) for packet in packets(other, "audio")]
    path, swapped = folder / "out.mkv", folder / "swapped.mkv"
    with av.open(str(path)) as source, av.open(str(swapped), "w") as target:
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        number = 0
        for packet in source.demux():
            if not packet.size:
                continue
            if packet.stream.type == "audio":
                fresh = av.Packet(quiet[number])
                number += 1
                fresh.pts, fresh.dts, fresh.time_base = packet.pts, packet.dts, packet.time_base
                fresh.duration = packet.duration
                fresh.stream = streams[packet.stream_index]
                target.mux(fresh)
            else:
                packet.stream = streams[packet.stream_index]
                target.mux(packet)
    swapped.replace(path)
    found = wrong(lines(folder))
    assert found.keys() == {"output", "sound"}
    assert found["sound"] == "stream 1 (audio, aac) was changed: its packets are not those recorded"


def test_other_weights_are_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = record_path(folder / "out.mkv")
    (folder / "weights.pth").write_bytes(b"those used")
    used = sha256_of(folder / "weights.pth")
    known = Weights(used, "weights.pth", True, "MIT", "faces")

    def told(record: Record) -> Record:
        return replace(record, method=replace(record.method, weights={"clarity": known}))

    write_record(path, told(read_record(path)))
    monkeypatch.setitem(BUNDLED, "clarity", folder / "weights.pth")
    assert wrong(lines(folder)) == {}
    (folder / "weights.pth").write_bytes(b"others")
    assert "clarity: weights.pth is another file" in wrong(lines(folder))["weights"]
    monkeypatch.setitem(BUNDLED, "clarity", folder / "none.pth")
    assert "clarity: not on this machine, so not compared" in wrong(lines(folder))["weights"]


def test_what_is_missing_or_another_is_told_with_the_cure(folder: Path, tmp_path: Path) -> None:
    (folder / "in.mkv").rename(folder / "moved.mkv")
    found = wrong(lines(folder))
    assert found["input"] == "in.mkv is not there; name it with --input"
    assert found["outside"] == "not compared outside the masks: the input is not there"
    assert wrong(lines(folder, input=folder / "moved.mkv")) == {}
    assert "is another file" in wrong(lines(folder, input=folder / "out.mp4"))["input"]
    (folder / "out.mkv").rename(tmp_path / "elsewhere.mkv")
    found = wrong(lines(folder, input=folder / "moved.mkv"))
    assert found["output"].endswith("put it there, or name it with --output")
    there = lines(folder, input=folder / "moved.mkv", output=tmp_path / "elsewhere.mkv")
    assert wrong(there) == {}


def test_an_input_that_grew_since_is_what_it_was(folder: Path) -> None:
    """As a recording in progress, which was enhanced as far as it was there."""
    with (folder / "in.mkv").open("ab") as file:
        file.write(bytes(1000))
    found = lines(folder)
    assert wrong(found) == {}
    assert "(it grew)" in found[1].said


def test_a_record_of_settings_unknown_here_is_compared_as_far_as_it_goes(folder: Path) -> None:
    path = record_path(folder / "out.mkv")
    record = read_record(path)
    fresh = {**record.settings, "restore.new": record.settings["restore.strength"]}
    write_record(path, replace(record, settings=fresh))
    found = wrong(lines(folder))
    assert found.keys() == {"outside"}
    assert "the record has the setting restore.new" in found["outside"]


def test_an_output_cut_short_is_told(folder: Path) -> None:
    path = folder / "out.mkv"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = wrong(lines(folder))
    assert {"output", "video", "frames"} <= found.keys()


def test_masks_are_where_frames_were_painted(folder: Path) -> None:
    """The test of the tests: the frames do differ, but inside the masks only."""
    pairs = zip(decoded(folder / "in.mkv"), decoded(folder / "out.mkv"), strict=True)
    assert all((one[0] != other[0]).any() for one, other in pairs)


CHANGED = {
    "enlarged": replace(LOSSLESS, output=replace(LOSSLESS.output, scale=2)),
    "sharpened": replace(LOSSLESS, finish=FinishSettings(sharpen=0.5, contrast=1.1)),
    "cleaned": replace(LOSSLESS, clean=CleanSettings(denoise=0.3, levels="auto")),
    "fields": replace(LOSSLESS, clean=CleanSettings(deinterlace="bwdif", rate="field")),
    "box": replace(LOSSLESS, restore=replace(LOSSLESS.restore, mask="box")),
    "chosen": replace(LOSSLESS, part=PartSettings(skip=(1,))),
}


@pytest.mark.parametrize("how", CHANGED)
def test_frames_that_are_changed_as_a_whole_are_made_again(made: Path, how: str) -> None:
    """Outside the masks, every sample is what clean-up, enlargement and grading make of the
    input."""
    output = made / f"{how}.mkv"
    enhanced(made / "in.mkv", output, CHANGED[how])
    found = lines(made, output.name)
    assert wrong(found) == {}
    assert found[-1].said.startswith("outside the masks every sample of ")


def test_a_zone_is_outside_of_every_mask(made: Path) -> None:
    """Where a zone lies in a mask, the frame is the input's, and a change there is found."""
    detect_tracks(made / "in.mkv", made / "tracks.json", LOSSLESS)
    text = (made / "tracks.json").read_text()
    zone = '"zones": [{"x0": 50, "y0": 50, "x1": 70, "y1": 60}]'
    (made / "tracks.json").write_text(text.replace('"zones": []', zone))
    enhance(made / "in.mkv", made / "zoned.mkv", LOSSLESS, tracks=made / "tracks.json")
    assert wrong(lines(made, "zoned.mkv")) == {}

    def change(index: int, planes: np.ndarray) -> np.ndarray:
        planes[55, 60] ^= index == 5
        return planes

    rewritten(made / "zoned.mkv", change)
    assert "1 of 16 frames differ" in wrong(lines(made, "zoned.mkv"))["outside"]


def test_a_turned_clip_and_ten_bits_are_compared_too(tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    quarter = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    write_rgb(source, square_frames(6), pix_fmt="yuv420p10le", matrix=quarter)
    enhanced(source, tmp_path / "out.mkv", LOSSLESS)
    assert wrong(lines(tmp_path)) == {}


def test_a_damaged_input_is_examined_as_it_was_then(tmp_path: Path) -> None:
    source = write_rgb(tmp_path / "in.mp4", square_frames(40), codec="libx264", options={"g": "8"})
    content = bytearray(source.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(40)
    source.write_bytes(content)
    record = enhanced(source, tmp_path / "out.mkv", LOSSLESS)
    assert record.videos[0].findings
    assert wrong(lines(tmp_path)) == {}
