"""Pictures as a source: one in and PNG out, or many as the frames of a video."""

from __future__ import annotations

import hashlib
import io
import json
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.packet import Packet
from av.video.stream import VideoStream
from PIL import Image, ImageCms, ImageOps
from typer.testing import CliRunner

from tests.making.clips import decoded, square_frames, times, write_clip
from videnhance import Settings, enhance
from videnhance.cli.commands import app
from videnhance.errors import InputError, OutputError, UsageError
from videnhance.imaging.frames import Array
from videnhance.job.batch import inputs_of
from videnhance.job.run import resume
from videnhance.media.info import upright_affine
from videnhance.media.reading.pictures import files_of, matrix, natural, pictures_of, title_of
from videnhance.media.reading.source import probe
from videnhance.media.writing.png import read_picture, read_text
from videnhance.settings.groups import (
    DetectSettings,
    OutputSettings,
    PartSettings,
    RestoreSettings,
    SourceSettings,
)

SUFFIXES = (".png", ".tif", ".webp", ".jpg")


def texture(index: int, size: tuple[int, int] = (64, 48), channels: int = 3) -> Array:
    rng = np.random.default_rng(index)
    return rng.integers(0, 256, (size[1], size[0], channels)).astype(np.uint8)


def save(path: Path, rgb: Array, **options: object) -> Path:
    if path.suffix == ".webp":
        options["lossless"] = True
    Image.fromarray(np.asarray(rgb, np.uint8)).save(path, **options)  # type: ignore[arg-type]
    return path


@pytest.fixture
def wish(square_detector: str) -> Settings:
    return Settings(
        detect=DetectSettings(detector=square_detector, every=1),
        restore=RestoreSettings(restorer="identity"),
        output=OutputSettings(codec="ffv1"),
    )


@pytest.fixture
def row(tmp_path: Path) -> Path:
    """frames/7.png to frames/12.png: their names sort otherwise than their numbers."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(7, 13):
        save(folder / f"{number}.png", texture(number))
    return folder


def rgb_of(path: Path) -> list[Array]:
    """Frames of a G, B, R video as (H, W, 3)."""
    return [np.dstack([planes[2], planes[0], planes[1]]) for planes in decoded(path)]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_a_lossless_picture_goes_through_bit_for_bit(
    tmp_path: Path, wish: Settings, suffix: str
) -> None:
    rgb = texture(1)
    source = save(tmp_path / f"in{suffix}", rgb)
    summary = enhance(source, tmp_path / "out.png", wish)
    assert summary.frames == 1
    with Image.open(tmp_path / "out.png") as image:
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), rgb)
    assert read_text(tmp_path / "out.png")["Source"] == source.name
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted([source.name, "out.png", "out.png.json"])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_depth_grey_and_alpha_stay(
    tmp_path: Path, wish: Settings, suffix: str, channels: int, kind: type[np.integer]
) -> None:
    rng = np.random.default_rng(0)
    shape = (48, 64, channels) if channels > 1 else (48, 64)
    picture = rng.integers(0, np.iinfo(kind).max, shape, endpoint=True).astype(kind)
    cv2.imwrite(str(tmp_path / f"in{suffix}"), picture)
    enhance(tmp_path / f"in{suffix}", tmp_path / "out.png", wish)
    found = cv2.imread(str(tmp_path / "out.png"), cv2.IMREAD_UNCHANGED)
    assert found is not None
    assert found.dtype == kind
    np.testing.assert_array_equal(found, picture)


def test_a_jpeg_is_decoded_as_others_do(tmp_path: Path, wish: Settings) -> None:
    smooth = cv2.GaussianBlur(texture(3), (0, 0), 4.0)
    source = save(tmp_path / "in.jpg", smooth, quality=95, subsampling=0)
    enhance(source, tmp_path / "out.png", wish)
    with Image.open(source) as image, Image.open(tmp_path / "out.png") as ours:
        difference = np.asarray(image).astype(int) - np.asarray(ours).astype(int)
    assert np.abs(difference).max() <= 3  # a level of luma and chroma each, as IDCTs may differ


def test_a_lossy_webp_is_decoded_as_others_do(tmp_path: Path, wish: Settings) -> None:
    smooth = cv2.GaussianBlur(texture(3), (0, 0), 6.0)
    Image.fromarray(smooth).save(tmp_path / "in.webp", quality=95)
    enhance(tmp_path / "in.webp", tmp_path / "out.png", wish)
    with Image.open(tmp_path / "in.webp") as image, Image.open(tmp_path / "out.png") as ours:
        difference = np.asarray(image).astype(int) - np.asarray(ours.convert("RGB")).astype(int)
    assert np.abs(difference).mean() <= 1.5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_kept_and_faces_are_seen_upright(
    tmp_path: Path, wish: Settings, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Camera"
    rgb = cv2.GaussianBlur(texture(2), (0, 0), 3.0)
    source = save(tmp_path / "in.jpg", rgb, exif=exif, quality=98, subsampling=0)
    info = probe(source)
    with Image.open(source) as image:
        turned = ImageOps.exif_transpose(image)
        upright = np.asarray(turned)
    affine, size = upright_affine(64, 48, info.display_matrix, Fraction(1))
    assert size == turned.size
    # pixel centres, by the affine, fall on the pixels that Pillow moved there
    with Image.open(source) as image:
        stored = np.asarray(image)
    for x, y in ((0, 0), (63, 0), (10, 40)):
        u, v = affine @ (x + 0.5, y + 0.5, 1.0)
        np.testing.assert_array_equal(upright[int(v), int(u)], stored[y, x])
    enhance(source, tmp_path / "out.png", wish)
    with Image.open(tmp_path / "out.png") as ours:
        assert ours.size == (64, 48)
        assert ours.getexif().get(0x0112, 1) == orientation
        assert ours.getexif().get(0x010F) == "Camera"
    enhance(source, tmp_path / "out.mp4", Settings(restore=wish.restore, detect=wish.detect))
    assert probe(tmp_path / "out.mp4").display_matrix == info.display_matrix


def test_orientation_of_png_tiff_and_webp(tmp_path: Path, wish: Settings) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for suffix in (".png", ".tif", ".webp"):
        source = save(tmp_path / f"in{suffix}", texture(2), exif=exif)
        assert probe(source).display_matrix == matrix(0, 1, -1, 0)
        enhance(source, tmp_path / f"out{suffix}.png", wish)
        with Image.open(tmp_path / f"out{suffix}.png") as ours:
            assert ours.getexif().get(0x0112) == 6


def test_the_profile_of_a_picture_is_kept(tmp_path: Path, wish: Settings) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    source = save(tmp_path / "in.png", texture(2), icc_profile=profile)
    enhance(source, tmp_path / "out.png", wish)
    with Image.open(tmp_path / "out.png") as ours:
        assert ours.info["icc_profile"] == profile


@pytest.mark.parametrize("what", ["exif", "icc_profile"])
def test_video_of_pictures_that_say_more(tmp_path: Path, wish: Settings, what: str) -> None:
    """PyAV fails on these, or crashes the interpreter: none may be asked for side data."""
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = io.BytesIO()
    Image.fromarray(texture(1)).save(
        data,
        "JPEG",
        **{what: exif if what == "exif" else profile},
    )
    clip = tmp_path / "in.mov"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for index in range(4):
            packet = Packet(data.getvalue())
            packet.stream, packet.is_keyframe = stream, True
            packet.pts = packet.dts = index
            packet.time_base = Fraction(1, 25)
            container.mux(packet)
    assert enhance(clip, tmp_path / "out.mkv", wish).frames == 4


@pytest.mark.parametrize("name", ["frames", "frames/%d.png", "frames/*.png"])
def test_many_pictures_are_the_frames_of_a_video(
    tmp_path: Path, row: Path, wish: Settings, name: str
) -> None:
    save(row / ".hidden.png", texture(0))
    summary = enhance(tmp_path / name, tmp_path / "out.mkv", wish)
    assert summary.frames == 6
    assert times(tmp_path / "out.mkv") == [Fraction(k, 25) for k in range(6)]
    for number, found in zip(range(7, 13), rgb_of(tmp_path / "out.mkv"), strict=True):
        np.testing.assert_array_equal(found, texture(number))
    assert any("shown at 25 a second" in note for note in summary.notes)


def test_a_rate_can_be_given_and_any_codec(tmp_path: Path, row: Path, square_detector: str) -> None:
    wish = Settings(
        detect=DetectSettings(detector=square_detector), source=SourceSettings(fps="30000/1001")
    )
    enhance(row, tmp_path / "out.mp4", wish)
    assert times(tmp_path / "out.mp4") == [Fraction(1001 * k, 30000) for k in range(6)]


@pytest.mark.parametrize(
    ("pattern", "numbers"),
    [
        ("a%d.png", [1, 2, 10]),
        ("a%03d.png", [4, 5]),
        ("a%04d.png", [6]),
        ("a%02d.png", [10]),
    ],
)
def test_a_number_in_a_name_is_written_as_printf_does(
    tmp_path: Path, pattern: str, numbers: list[int]
) -> None:
    for name in ("a1", "a2", "a10", "a004", "a005", "a0006", "b1", "a1x"):
        save(tmp_path / f"{name}.png", texture(0))
    files = files_of(tmp_path / pattern)
    expected = {f"{pattern % n}" for n in numbers}
    if pattern == "a%d.png":
        expected |= {"a004.png", "a005.png", "a0006.png"}
    assert {file.name for file in files} == expected
    assert [int(file.stem[1:]) for file in files] == sorted(int(f.stem[1:]) for f in files)


def test_natural_order() -> None:
    names = ["img10.png", "IMG2.png", "img1.png", "b.png"]
    assert [p.name for p in sorted(map(Path, names), key=natural)] == [
        "b.png",
        "img1.png",
        "IMG2.png",
        "img10.png",
    ]


def test_faces_in_pictures_are_restored_and_a_range_is_a_range(
    tmp_path: Path, square_detector: str
) -> None:
    (tmp_path / "f").mkdir()
    frames = square_frames(12, noise=6.0)
    for index, frame in enumerate(frames):
        save(tmp_path / "f" / f"{index:05d}.png", frame)
    wish = Settings(
        detect=DetectSettings(detector=square_detector, every=1),
        output=OutputSettings(codec="ffv1"),
    )
    summary = enhance(tmp_path / "f" / "%05d.png", tmp_path / "out.mkv", wish)
    assert summary.faces == 12
    found = rgb_of(tmp_path / "out.mkv")
    for index, frame in enumerate(frames):
        assert (found[index] != frame).any()
        np.testing.assert_array_equal(found[index][:20], frame[:20])
    one = Settings(detect=wish.detect, output=wish.output, part=PartSettings(start="5f", end="6f"))
    enhance(tmp_path / "f", tmp_path / "one.png", one)
    np.testing.assert_array_equal(read_picture(tmp_path / "one.png"), found[5])
    assert read_text(tmp_path / "one.png")["Frame"] == "5"


def test_a_frame_of_a_video_as_a_picture(tmp_path: Path, square_detector: str) -> None:
    clip = write_clip(tmp_path / "in.mp4", matrix=matrix(0, 1, -1, 0), audio="aac")
    wish = Settings(
        detect=DetectSettings(detector=square_detector), part=PartSettings(start="3f", end="4f")
    )
    summary = enhance(clip, tmp_path / "out.png", wish)
    assert any("audio stream 1 is no part of a picture" in note for note in summary.notes)
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (64, 48)
        assert image.getexif()[0x0112] == 6
    with pytest.raises(UsageError, match="is one picture for 12 frames"):
        enhance(clip, tmp_path / "all.png", Settings(detect=wish.detect))


def test_pictures_that_do_not_decode_or_differ_in_size_are_told(
    tmp_path: Path, row: Path, wish: Settings
) -> None:
    (row / "9.png").write_bytes((row / "9.png").read_bytes()[:900])
    save(row / "11.png", texture(11, (32, 24)))
    summary = enhance(row, tmp_path / "out.mkv", wish)
    assert any("32x24" in note for note in summary.notes)
    assert any("damaged" in note or "lost" in note for note in summary.notes)
    found = rgb_of(tmp_path / "out.mkv")
    np.testing.assert_array_equal(found[0], texture(7))
    np.testing.assert_array_equal(found[-1], texture(12))
    with pytest.raises(InputError):
        enhance(row, tmp_path / "strict.mkv", Settings(source=SourceSettings(strict=True)))


def test_the_record_holds_all_pictures_and_a_changed_one_is_noticed(
    tmp_path: Path, row: Path, wish: Settings
) -> None:
    enhance(row, tmp_path / "out.mkv", wish, keep_job=True)
    job = tmp_path / "out.mkv.videnhance"
    record = json.loads((job / "job.json").read_text())
    files = files_of(row)
    listing = "".join(f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.name}\n" for f in files)
    assert record["source"]["sha256"] == hashlib.sha256(listing.encode()).hexdigest()
    assert record["source"]["size"] == sum(f.stat().st_size for f in files)
    assert resume(job).frames == 6
    save(row / "8.png", texture(99))
    (tmp_path / "out.mkv").unlink()
    with pytest.raises(Exception, match="the input's content"):
        resume(job)


@pytest.mark.parametrize(
    ("make", "name", "what"),
    [
        ({}, "frames", "is a folder without pictures"),
        ({"a.png": ".png", "b.jpg": ".jpg", "c.png": ".png"}, "frames", r"2 PNG and 1 JPEG"),
        ({}, "frames/%05d.png", "no picture has such a name"),
        ({}, "frames/*.png", "no picture has such a name"),
        ({"a.png": "text"}, "frames", "a.png: is no picture that can be read"),
    ],
)
def test_what_is_no_row_of_pictures(
    tmp_path: Path, make: dict[str, str], name: str, what: str
) -> None:
    (tmp_path / "frames").mkdir()
    for file, kind in make.items():
        if kind == "text":
            (tmp_path / "frames" / file).write_text("no picture")
        else:
            save(tmp_path / "frames" / file, texture(0))
    with pytest.raises(InputError, match=what):
        pictures_of(tmp_path / name)


@pytest.mark.parametrize("name", ["50%.png", "a%03d.png", "[1].png"])
def test_a_name_that_looks_like_a_pattern_is_the_file_that_is_there(
    tmp_path: Path, wish: Settings, name: str
) -> None:
    source = save(tmp_path / name, texture(4))
    enhance(source, tmp_path / "out.png", wish)
    np.testing.assert_array_equal(read_picture(tmp_path / "out.png"), texture(4))


def test_a_picture_is_known_by_what_it_holds(tmp_path: Path, wish: Settings) -> None:
    save(tmp_path / "a.png", texture(4)).rename(tmp_path / "a.jpg")
    enhance(tmp_path / "a.jpg", tmp_path / "out.png", wish)
    np.testing.assert_array_equal(read_picture(tmp_path / "out.png"), texture(4))
    frames = [Image.fromarray(np.asarray(texture(k))) for k in range(3)]
    frames[0].save(tmp_path / "moving.png", save_all=True, append_images=frames[1:])
    assert pictures_of(tmp_path / "moving.png") is None  # a video, as FFmpeg reads it
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match="no moving WebP"):
        pictures_of(tmp_path / "moving.webp")


def test_the_original_is_never_written_to(tmp_path: Path, row: Path, wish: Settings) -> None:
    for source in (row / "7.png", row):
        with pytest.raises(OutputError, match="is the input itself"):
            only = Settings(detect=wish.detect, part=PartSettings(end="1f"))
            enhance(source, row / "7.png", only, overwrite=True)
    frames = Settings(detect=wish.detect, output=OutputSettings(codec="ffv1", frames=str(row)))
    with pytest.raises(OutputError, match="holds the input"):
        enhance(row, tmp_path / "out.mkv", frames, overwrite=True)
    assert len(files_of(row)) == 6


def test_a_stopped_writing_leaves_nothing_under_the_name(
    tmp_path: Path, wish: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = save(tmp_path / "in.png", texture(1))
    monkeypatch.setattr("videnhance.job.steps.mux.read_picture", lambda path: texture(2))
    with pytest.raises(OutputError, match="is not as it was written"):
        enhance(source, tmp_path / "out.png", wish)
    assert not (tmp_path / "out.png").exists()
    monkeypatch.undo()


def test_batches_of_pictures_and_folders_of_them(tmp_path: Path, row: Path) -> None:
    out = tmp_path / "out"
    found = inputs_of([row], recursive=False, out_dir=out)
    assert [work.output.name for work in found] == [f"{k}.png" for k in range(7, 13)]
    save(row / "x.jpg", texture(0))
    found = inputs_of([row / "x.jpg"], recursive=False, out_dir=out)
    assert [work.output.name for work in found] == ["x.jpg.png"]
    found = inputs_of([row / "%d.png"], recursive=False, out_dir=out)
    assert [work.output.name for work in found] == ["frames.mkv"]
    write_clip(row / "clip.mp4")
    found = inputs_of([row], recursive=False, out_dir=out)
    assert [work.source.name for work in found] == ["clip.mp4"]  # pictures beside it are not asked


def test_files_of_a_row_are_named_after_its_folder(row: Path) -> None:
    assert title_of(row) == "frames"
    assert title_of(row / "%05d.png") == "frames"
    assert title_of(row / "7.png") == "7"


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "in.jpg", texture(0))
    run = CliRunner().invoke(app, ["enhance", "in.jpg", "-o", "out.png", "--restorer", "identity"])
    assert run.exit_code == 0, run.output
    assert "1 frame, " in run.output
    found = CliRunner().invoke(app, ["probe", "in.jpg"])
    assert "mjpeg" in found.output
