"""Clean-up of whole frames: exact where algebra says what is right, the same wherever it begins."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.making.clips import decoded, square_frames, times, write_rgb
from videnhance import Settings, enhance
from videnhance.errors import InputError, UsageError
from videnhance.imaging.color import rgb_to_samples, sample_rgb, samples_to_rgb
from videnhance.imaging.frames import FloatArray, Frame, PixelLayout
from videnhance.imaging.grading import (
    Tones,
    graded,
    measured_balance,
    measured_levels,
    straightened,
    toned,
)
from videnhance.media.clip import Clip, cleaned_up
from videnhance.media.reading.clean_up import UNFIT, Cleaning, _graph, _through
from videnhance.media.reading.coding import coding_of
from videnhance.media.reading.decoding import is_handled, layout_of, planes_of, read_frames
from videnhance.media.reading.interlacing import Luma, Scanning, first_field, verdict
from videnhance.media.reading.source import probe
from videnhance.media.repair.recording import recording_of
from videnhance.media.timeline import RecordedTimeline
from videnhance.settings.clean_up import CleanSettings, FinishSettings
from videnhance.settings.groups import DetectSettings, OutputSettings

LAYOUTS = [
    PixelLayout("yuv444p", "yuv", 8, (0, 0), False, (0.2126, 0.0722)),
    PixelLayout("yuv444p12le", "yuv", 12, (0, 0), True, (0.2627, 0.0593)),
    PixelLayout("gbrp10le", "gbr", 10, (0, 0), True, (0.299, 0.114)),
]
WHOLE = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def frame_of(rgb: tuple[float, float, float], layout: PixelLayout) -> Frame:
    """One colour, 0..1."""
    linear = rgb_to_samples(layout)
    samples = linear @ (np.array(rgb) - samples_to_rgb(layout)[:, -1])
    kind = np.uint8 if layout.depth == 8 else np.uint16
    planes = tuple(np.full((16, 16), round(s), kind) for s in samples)
    return Frame(0, 0, planes, layout)


def colour(frame: Frame) -> FloatArray:
    return np.asarray(sample_rgb(frame, WHOLE, (16, 16))[8, 8])


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.pix_fmt)
def test_levels_multiply_a_pixel_s_channels_alike(layout: PixelLayout) -> None:
    found = colour(toned(frame_of((0.3, 0.4, 0.2), layout), Tones(levels=(0.1, 0.6, 2.0))))
    kr, kb = layout.luma_weights
    luma = kr * 0.3 + (1 - kr - kb) * 0.4 + kb * 0.2
    ratio = ((luma - 0.1) / 0.5) ** 0.5 / luma
    np.testing.assert_allclose(found, np.array([0.3, 0.4, 0.2]) * ratio, atol=0.02)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.pix_fmt)
def test_white_balance_makes_a_tinted_grey_grey(layout: PixelLayout) -> None:
    tinted = frame_of((0.5, 0.4, 0.3), layout)
    gains = measured_balance([tinted])
    np.testing.assert_allclose(np.prod(gains), 1.0, atol=0.02)
    red, green, blue = colour(toned(tinted, Tones(balance=gains)))
    assert abs(red - green) < 0.02
    assert abs(blue - green) < 0.02


def test_levels_stretch_what_is_there() -> None:
    layout = PixelLayout("gray", "gray", 8, (0, 0), True, (0.299, 0.114))
    ramp = np.tile(np.linspace(26, 128, 256).astype(np.uint8), (256, 1))
    levels = measured_levels([Frame(0, 0, (ramp,), layout)])
    assert levels[:2] == pytest.approx((26 / 255, 128 / 255), abs=0.02)
    dark = measured_levels([Frame(0, 0, ((ramp // 4).astype(np.uint8),), layout)])
    assert dark[1] < 0.15
    grey = toned(Frame(0, 0, (ramp,), layout), Tones(levels, (1.5, 1.0, 0.7)))
    assert int(grey.planes[0].min()) <= 5
    assert int(grey.planes[0].max()) >= 250


@pytest.mark.parametrize("level", [0, 3, 128, 252, 255])
def test_levels_of_one_grey_stay_in_order(level: int) -> None:
    for full in (True, False):
        layout = PixelLayout("gray", "gray", 8, (0, 0), full, (0.299, 0.114))
        black, white, gamma = measured_levels(
            [Frame(0, 0, (np.full((64, 64), level, np.uint8),), layout)]
        )
        assert 0.0 <= black < white <= 1.0
        assert 1.0 <= gamma <= 3.0


def test_black_and_clipped_pixels_say_nothing_of_the_light() -> None:
    layout = LAYOUTS[0]
    for rgb in ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (1.0, 0.4, 0.3)):
        assert measured_balance([frame_of(rgb, layout)]) == (1.0, 1.0, 1.0)
    half = frame_of((0.3, 0.5, 0.6), layout)
    clipped = frame_of((1.0, 0.2, 0.0), layout)
    beside = tuple(np.hstack(pair) for pair in zip(half.planes, clipped.planes, strict=True))
    # a blend of the two lies between them
    found = measured_balance([replace(half, planes=beside)])
    assert found == pytest.approx(measured_balance([half]), rel=0.15)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.pix_fmt)
def test_grading_is_what_it_says(layout: PixelLayout) -> None:
    source = frame_of((0.5, 0.4, 0.3), layout)
    grey = colour(graded(source, FinishSettings(saturation=0.0)))
    kr, kb = layout.luma_weights
    luma = kr * 0.5 + (1 - kr - kb) * 0.4 + kb * 0.3
    np.testing.assert_allclose(grey, [luma] * 3, atol=0.01)
    found = colour(graded(source, FinishSettings(brightness=0.1, contrast=1.5)))
    moved = (luma - 0.5) * 1.5 + 0.6
    np.testing.assert_allclose(found, moved + 1.5 * (np.array([0.5, 0.4, 0.3]) - luma), atol=0.02)
    plain = graded(source, FinishSettings(sharpen=2.0))  # no detail, nothing to sharpen
    for one, other in zip(plain.planes, source.planes, strict=True):
        np.testing.assert_array_equal(one, other)


def test_sharpening_makes_edges_steeper() -> None:
    layout = PixelLayout("gray", "gray", 8, (0, 0), True, (0.299, 0.114))
    step = np.full((16, 32), 80, np.uint8)
    step[:, 16:] = 160
    soft = cv2.GaussianBlur(step, (0, 0), 2.0)
    sharp = graded(Frame(0, 0, (soft,), layout), FinishSettings(sharpen=1.5)).planes[0]
    steeper = np.diff(sharp[8].astype(int)).max() / np.diff(soft[8].astype(int)).max()
    # an edge blurred by 2, less 1.5 times its slope once blurred by 1.2 more
    assert steeper == pytest.approx(1 + 1.5 * (1 - 2.0 / np.hypot(2.0, 1.2)), rel=0.06)


@pytest.mark.parametrize("shift", [(0, 0), (1, 1)])
def test_a_straightened_lens_puts_points_where_the_model_has_them(shift: tuple[int, int]) -> None:
    """A dot at r (1 + k1 r^2) is shown at r; chroma's lies with luma's."""
    layout = PixelLayout("yuv420p", "yuv", 8, shift, True, (0.299, 0.114))
    width, height, k1 = 320, 240, -0.2
    centre = np.array([160.0, 120.0])
    shown = np.array([250.0, 60.0])
    squared = ((shown - centre) ** 2).sum() / (centre**2).sum()
    recorded = centre + (shown - centre) * (1 + k1 * squared)
    planes = []
    for k in range(3):
        x, y = shift if k else (0, 0)
        ys, xs = np.indices((height >> y, width >> x))
        # chroma's samples lie left in their pairs, and halfway down
        px = xs * 2**x + 0.5
        py = (ys + 0.5) * 2**y
        away = (px - recorded[0]) ** 2 + (py - recorded[1]) ** 2
        planes.append((40 + 180 * np.exp(-away / 60.0)).astype(np.uint8))
    found = straightened(Frame(0, 0, tuple(planes), layout), (k1, 0.0))
    for k, plane in enumerate(found.planes):
        right, down = shift if k else (0, 0)
        weight = np.clip(plane.astype(float) - 60, 0, None)
        rows, columns = np.indices(plane.shape)
        at = np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()
        seen = np.array([at[0] * 2**right + 0.5, (at[1] + 0.5) * 2**down])
        np.testing.assert_allclose(seen, shown, atol=0.8)


def moving(count: int, height: int = 120, speed: float = 6.0) -> list[FloatArray]:
    """Luma of a textured bar that moves to the right."""
    ys, xs = np.indices((height, 160))
    frames = []
    for k in range(count):
        bar = 120.0 * (np.abs((xs - 20 - speed * k) % 160 - 40) < 14) + 20 * np.sin(ys / 9.0) + 60
        frames.append(cv2.GaussianBlur(bar.astype(np.float32), (0, 0), 0.8))
    return [np.asarray(frame, np.float32) for frame in frames]


def woven(fields: list[FloatArray], order: str) -> list[FloatArray]:
    """Frames of two successive pictures each."""
    frames = []
    for one, other in zip(fields[::2], fields[1::2], strict=True):
        frame = one.copy()
        if order == "tff":
            frame[1::2] = other[1::2]
        else:
            frame[::2] = other[::2]
        frames.append(frame)
    return frames


def write_gray(path: Path, lumas: list[FloatArray]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 160, lumas[0].shape[0], "yuv420p"
        for luma in lumas:
            picture = np.full((luma.shape[0] * 3 // 2, 160), 128, np.uint8)
            picture[: len(luma)] = np.clip(np.rint(luma), 0, 255)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
        container.mux(stream.encode(None))
    return path


def scanned(frames: list[Luma]) -> Scanning:
    return Scanning.of(verdict(*frames[k - 1 : k + 2]) for k in range(1, len(frames) - 1))


@pytest.mark.parametrize("order", ["tff", "bff"])
def test_combed_frames_are_told_and_which_field_is_first(order: str) -> None:
    plain, combed = moving(12), woven(moving(24, speed=3.0), order)
    assert scanned(plain) == Scanning(0, 0, 10)
    assert scanned(combed) == (Scanning(10, 0, 0) if order == "tff" else Scanning(0, 10, 0))
    assert first_field(combed) == order
    assert first_field(plain[:1]) is None


@pytest.mark.parametrize("sigma", [4.0, 8.0, 16.0])
def test_noise_is_no_comb(sigma: float) -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, sigma, (14, 120, 160)).astype(np.float32)
    assert not scanned([a + b for a, b in zip(moving(14), noise, strict=True)]).is_interlaced
    assert not scanned([np.full((120, 160), 90, np.float32) + grain for grain in noise]).combed


@pytest.mark.parametrize(
    ("tff", "bff", "progressive", "interlaced"),
    [
        (8, 0, 12, True),  # film at 3:2: two frames of five are woven
        (0, 20, 0, True),
        (2, 0, 0, False),  # too few to tell
        (3, 0, 20, False),
        (6, 3, 0, False),  # now this field, now that: chance
    ],
)
def test_some_combed_frames_do_not_make_a_clip_interlaced(
    tff: int, bff: int, progressive: int, interlaced: bool
) -> None:
    assert Scanning(tff, bff, progressive).is_interlaced == interlaced


@pytest.mark.parametrize("height", [1, 2, 5, 6])
def test_pictures_of_few_lines_tell_nothing_and_do_no_harm(height: int) -> None:
    frames = [np.full((height, 8), 255.0 * (k % 2), np.float32) for k in range(6)]
    assert not scanned(frames).is_interlaced


@pytest.mark.parametrize("order", ["tff", "bff"])
def test_auto_deinterlaces_what_is_interlaced_and_nothing_else(tmp_path: Path, order: str) -> None:
    truth = moving(24, speed=3.0)
    clip = write_gray(tmp_path / "in.mkv", woven(truth, order))
    recorded = recording_of(probe(clip))
    timeline = recorded.timeline
    wish = CleanSettings(deinterlace="auto")
    ready = cleaned_up(recorded, wish, "yuv420p")
    assert ready.cleaning == Cleaning(order=order)
    assert ready.timeline == timeline
    first = "top" if order == "tff" else "bottom"
    assert ready.notes[0].startswith(f"deinterlaced by bwdif, {first} field first (")
    frames = list(ready.frames(0, len(timeline)))
    assert [frame.pts for frame in frames] == list(timeline.pts)
    for k in range(2, 10):
        found = frames[k].planes[0].astype(np.float32)
        assert np.abs(found - truth[2 * k]).mean() < 2.0  # the field shown first, at its time

    plain = write_gray(tmp_path / "plain.mkv", moving(12))
    ready = cleaned_up(recording_of(probe(plain)), wish, "yuv420p")
    assert ready.cleaning is None
    assert len(ready.notes) == 1
    assert ready.notes[0].startswith(
        "not deinterlaced: no fields of different times were found (0 of "
    )


def test_every_field_can_be_a_picture_of_its_own(tmp_path: Path, square_detector: str) -> None:
    truth = moving(24, speed=3.0)
    clip = write_gray(tmp_path / "in.mkv", woven(truth, "tff"))
    wish = Settings(
        detect=DetectSettings(detector=square_detector),
        clean=CleanSettings(deinterlace="auto", rate="field"),
        output=OutputSettings(codec="ffv1"),
    )
    summary = enhance(clip, tmp_path / "out.mp4", wish)
    assert summary.frames == 24
    found = decoded(tmp_path / "out.mp4")
    for k in range(4, 20):
        assert np.abs(found[k][0].astype(np.float32) - truth[k]).mean() < 2.5
    steps = np.diff([float(t) for t in times(tmp_path / "out.mp4")])
    np.testing.assert_allclose(steps, 0.02, atol=0.0011)  # Matroska's milliseconds


def test_a_timeline_of_fields_is_halfway_and_cannot_be_decoded_by(tmp_path: Path) -> None:
    timeline = RecordedTimeline(Fraction(1, 1000), (7, 40, 41, 90), (0, 2), 30)
    fields = timeline.fields()
    assert fields.time_base == Fraction(1, 2000)
    assert fields.pts == (14, 47, 80, 81, 82, 131, 180, 210)
    assert fields.keyframes == (0, 4)
    assert not isinstance(fields, RecordedTimeline)
    recorded = recording_of(probe(write_gray(tmp_path / "in.mkv", moving(4))))
    clip = Clip(recorded, "yuv420p", Cleaning(order="tff", fields=True))
    assert clip.timeline == recorded.timeline.fields()
    assert clip.rate == 50
    # mypy calls an ignore that is not needed an error: the two kinds of timeline cannot be mixed.
    read_frames(clip.info, clip.timeline, 0, 1, clip.pix_fmt)  # type: ignore[arg-type]
    coding_of(clip.info, clip.timeline)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "cleaning",
    [
        Cleaning(denoise=0.4),
        Cleaning(order="tff", deblock=0.5, denoise=0.3),
        Cleaning(order="bff", fields=True, denoise=0.3, lens=(-0.1, 0.0)),
        Cleaning(levels=(0.1, 0.9, 1.2), balance=(1.1, 1.0, 0.9)),
    ],
)
def test_a_frame_is_the_same_wherever_reading_begins(tmp_path: Path, cleaning: Cleaning) -> None:
    rng = np.random.default_rng(0)
    noisy = [luma + rng.normal(0, 8, luma.shape).astype(np.float32) for luma in moving(40)]
    recorded = recording_of(probe(write_gray(tmp_path / "in.mkv", noisy)))
    clip = Clip(recorded, "yuv420p", cleaning)
    timeline = clip.timeline
    assert len(timeline) == (80 if cleaning.fields else 40)
    whole = list(clip.frames(0, len(timeline)))
    assert [frame.index for frame in whole] == list(range(len(timeline)))
    for start, stop in ((0, 5), (13, 14), (20, 27), (len(timeline) - 3, len(timeline))):
        part = list(clip.frames(start, stop))
        assert [frame.index for frame in part] == list(range(start, stop))
        for frame in part:
            for a, b in zip(frame.planes, whole[frame.index].planes, strict=True):
                np.testing.assert_array_equal(a, b)


def test_denoising_removes_noise_and_no_motion(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = moving(12)
    noisy = [luma + rng.normal(0, 6, luma.shape).astype(np.float32) for luma in truth]
    recorded = recording_of(probe(write_gray(tmp_path / "in.mkv", noisy)))
    for frame in list(Clip(recorded, "yuv420p", Cleaning(denoise=0.3)).frames(0, 12))[4:8]:
        before = float(np.square(noisy[frame.index] - truth[frame.index]).mean())
        after = float(np.square(frame.planes[0].astype(np.float32) - truth[frame.index]).mean())
        assert after < 0.5 * before


def test_faces_are_found_in_cleaned_frames_and_segments_leave_no_trace(
    tmp_path: Path, square_detector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write_rgb(tmp_path / "in.mkv", square_frames(30))
    wish = Settings(
        detect=DetectSettings(detector=square_detector, every=1),
        clean=CleanSettings(denoise=0.2, lens=(-0.05, 0.0)),
        finish=FinishSettings(saturation=0.5),
        output=OutputSettings(codec="ffv1"),
    )
    summary = enhance(clip, tmp_path / "whole.mkv", wish)
    assert summary.faces == 30
    assert any("pixels outside faces differ" in note for note in summary.notes)
    monkeypatch.setattr("videnhance.job.plan.SEGMENT_FRAMES", 7)
    enhance(clip, tmp_path / "cut.mkv", wish)
    for one, other in zip(
        decoded(tmp_path / "whole.mkv"), decoded(tmp_path / "cut.mkv"), strict=True
    ):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("depth", [10, 12])
def test_grey_of_any_depth_is_deinterlaced_at_its_own(depth: int) -> None:
    layout = PixelLayout(f"gray{depth}le", "gray", depth, (0, 0), True, (0.299, 0.114))
    top = (1 << depth) - 1
    truth = [np.rint(luma * (top / 255.0)).clip(0, top) for luma in moving(12, speed=3.0)]
    frames = [
        Frame(k, k, (luma.astype(np.uint16),), layout)
        for k, luma in enumerate(woven([np.asarray(t, np.float32) for t in truth], "tff"))
    ]
    graph = _graph([("bwdif", "mode=send_field:parity=tff:deint=all")], frames[0])
    found = [
        planes[0]
        for frame in (*frames, None)
        for planes in _through(graph, frame, layout, None)  # type: ignore[arg-type]
    ]
    assert len(found) == 12
    for k in range(2, 10):
        assert found[k].max() <= top
        np.testing.assert_array_equal(found[k][k % 2 :: 2], truth[k][k % 2 :: 2])
        assert np.abs(found[k] - truth[k]).mean() < 2.5 * top / 255


@pytest.mark.parametrize("size", [(2, 2), (6, 4), (33, 17)])
def test_tiny_pictures_are_cleaned_or_refused(
    tmp_path: Path, square_detector: str, size: tuple[int, int]
) -> None:
    width, height = size
    rng = np.random.default_rng(0)
    clip = write_rgb(
        tmp_path / "in.mkv",
        [rng.integers(0, 255, (height, width, 3)).astype(np.uint8) for _ in range(4)],
    )
    wish = Settings(
        detect=DetectSettings(detector=square_detector),
        clean=CleanSettings(
            deinterlace="bwdif", denoise=0.2, deblock=0.4, levels="auto", white_balance="auto"
        ),
    )
    if height > 4:
        assert enhance(clip, tmp_path / "out.mkv", wish).frames == 4
        return
    with pytest.raises(InputError, match=f"cannot clean up pictures of {width}x{height}"):
        enhance(clip, tmp_path / "out.mkv", wish)
    assert not (tmp_path / "out.mkv").exists()


@pytest.mark.parametrize(
    ("wish", "what"),
    [
        (CleanSettings(deinterlace="yes"), "--deinterlace yes: takes off, auto, bwdif"),
        (CleanSettings(denoise=2.0), "--denoise 2: takes 0 to 1"),
        (CleanSettings(lens=(3.0, 0.0)), "--lens 3: takes -1 to 1"),
        (CleanSettings(lens=(-0.5, 0.0)), "--lens -0.5,0: would show parts of the picture twice"),
        (CleanSettings(lens=(-1.0, 0.4)), "--lens -1,0.4: would show parts of the picture twice"),
        (FinishSettings(contrast=-1.0), "--contrast -1: takes 0 to 4"),
        (FinishSettings(brightness=2.0), "--brightness 2: takes -1 to 1"),
    ],
)
def test_wrong_wishes(wish: CleanSettings | FinishSettings, what: str) -> None:
    group = "clean" if isinstance(wish, CleanSettings) else "finish"
    with pytest.raises(UsageError, match=what):
        replace(Settings(), **{group: wish}).check()  # type: ignore[arg-type]


UNCHANGING = {
    "bwdif": "deint=interlaced",
    "deblock": "alpha=0:beta=0:gamma=0:delta=0",
    "atadenoise": ":".join(f"{k}a=0:{k}b=0" for k in range(3)),
}
"""Options by which a filter leaves these frames as they are."""


@pytest.mark.parametrize("name", sorted(UNCHANGING))
def test_libavfilter_takes_every_format_as_it_is_but_those_named(name: str) -> None:
    """It would convert silently what a filter does not take: seen in noise that does not stay."""
    every = {form.name for form in av.codec.Codec("rawvideo", "w").video_formats or []}
    every |= {form.name for form in av.codec.Codec("ffv1", "w").video_formats or []}
    changed = set()
    rng = np.random.default_rng(0)
    for pix_fmt in sorted(filter(is_handled, every)):
        layout = layout_of(pix_fmt, full_range=False, matrix=1)
        shapes = [plane.shape for plane in planes_of(av.VideoFrame(66, 50, pix_fmt))]
        kind = np.uint8 if layout.depth == 8 else np.uint16
        planes = tuple(rng.integers(0, 1 << layout.depth, s).astype(kind) for s in shapes)
        frames = [Frame(k, k, planes, layout) for k in range(6)]
        graph = _graph([(name, UNCHANGING[name])], frames[0])
        info = None
        found = [
            result
            for frame in (*frames, None)
            for result in _through(graph, frame, layout, info)  # type: ignore[arg-type]
        ]
        assert len(found) == 6
        if any((a != b).any() for a, b in zip(found[3], planes, strict=True)):
            changed.add(pix_fmt)
    assert changed <= UNFIT[name]  # other builds may take more
