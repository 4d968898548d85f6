"""Colour arithmetic against FFmpeg's own conversion and against exact algebra."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from tests.making.clips import picture
from videnhance.imaging.affine import scaling, translation
from videnhance.imaging.color import (
    enlarged,
    frame_to_plane,
    resize,
    rgb_to_samples,
    sample_rgb,
    samples_to_rgb,
    upright_rgb,
)
from videnhance.imaging.frames import Frame
from videnhance.media.info import upright_affine
from videnhance.media.reading.decoding import layout_of, planes_of

TURNED = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)


def frame_of(
    pix_fmt: str, *, full: bool = False, matrix: int = 1, size: tuple[int, int] = (64, 48)
) -> Frame:
    planes = tuple(plane.copy() for plane in planes_of(picture(3, *size, pix_fmt)))
    return Frame(0, 0, planes, layout_of(pix_fmt, full_range=full, matrix=matrix))


@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv444p10le", "gbrp", "gray"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 5, 9])
def test_whole_frame_to_rgb_equals_ffmpeg(pix_fmt: str, full: bool, matrix: int) -> None:
    picture_in = picture(3, 64, 48, pix_fmt)
    planes = planes_of(picture_in)
    if pix_fmt.startswith("yuv"):
        for plane in planes[1:]:  # some FFmpegs halve 4:4:4 chroma first: it must not vary along x
            plane[...] = plane[:, :1]
    reference = picture_in.reformat(
        format="rgb48le",
        src_colorspace=matrix,
        src_color_range="JPEG" if full or pix_fmt == "gbrp" else "MPEG",
        dst_color_range="JPEG",
    ).to_ndarray()
    if pix_fmt == "gray":
        full = True  # FFmpeg reads gray as full range whatever it is told
    frame = Frame(0, 0, planes, layout_of(pix_fmt, full_range=full, matrix=matrix))
    ours = sample_rgb(frame, scaling(1.0), (48, 64))
    assert np.abs(np.clip(ours, 0, 1) - reference / 65535.0).max() < 0.006


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p10le", "gbrp", "gray"])
def test_a_difference_in_rgb_becomes_the_same_difference_in_samples(pix_fmt: str) -> None:
    layout = layout_of(pix_fmt, full_range=False, matrix=1)
    there, back = samples_to_rgb(layout), rgb_to_samples(layout)
    planes = there.shape[1] - 1
    np.testing.assert_allclose(back @ there[:, :planes], np.eye(planes), atol=1e-12)


def test_chroma_lies_where_the_format_puts_it() -> None:
    """4:2:0, left siting: chroma sample (j, i) is at luma (2 j + 0.5, 2 i + 1) in pixels."""
    layout = layout_of("yuv420p", full_range=False, matrix=1)
    affine = frame_to_plane(layout, 1)
    np.testing.assert_allclose(affine @ [2 * 3 + 0.5, 2 * 5 + 1.0, 1.0], [3.5, 5.5])
    np.testing.assert_allclose(frame_to_plane(layout, 0) @ [7.0, 9.0, 1.0], [7.0, 9.0])


def ramp(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Chroma that rises across and down, in samples of 16 bits, at points in pixels."""
    return 20000.0 + 300.0 * x + 170.0 * y


@pytest.mark.parametrize("site", [(1, 2), (2, 2), (1, 1), (2, 1)])
def test_chroma_is_read_and_written_where_the_stream_sites_it(site: tuple[int, int]) -> None:
    """A chroma sample lies on the first luma sample of its group, or halfway to the next."""
    layout = layout_of("yuv420p16le", full_range=True, matrix=1, site=site)
    rows, columns = np.mgrid[:24, :32].astype(np.float64)
    x, y = (2 * n + (0.5 if s == 1 else 1.0) for n, s in zip((columns, rows), site, strict=True))
    chroma = np.rint(ramp(x, y)).astype(np.uint16)
    frame = Frame(0, 0, (np.full((48, 64), 30000, np.uint16), chroma, chroma), layout)
    seen = sample_rgb(frame, scaling(1.0), (48, 64)).astype(np.float64)
    # R = Y + 2 (1 - Kr) Cr and B = Y + 2 (1 - Kb) Cb: back to samples.
    rows, columns = np.mgrid[:48, :64] + 0.5
    for channel, weight in ((0, 0.2126), (2, 0.0722)):
        found = (seen[..., channel] - 30000 / 65535) / (2 * (1 - weight)) * 65535 + 32768
        # Cubic interpolation ripples on a ramp; half a pixel aside would be 150 or 85.
        assert abs((found - ramp(columns, rows))[2:-2, 2:-2].mean()) < 5.0

    class Same:
        def enlarge(self, images: list[np.ndarray]) -> list[np.ndarray]:
            return images

    back = enlarged(frame, 1, Same())  # type: ignore[arg-type]
    for plane in back.planes[1:]:
        assert abs((plane.astype(int) - chroma.astype(int))[2:-2, 2:-2].mean()) < 5.0


def test_sampling_moves_with_the_affine() -> None:
    frame = frame_of("yuv444p")
    whole = sample_rgb(frame, scaling(1.0), (48, 64))
    part = sample_rgb(frame, translation(10, 7), (20, 30))
    np.testing.assert_allclose(part, whole[7:27, 10:40], atol=1e-6)


def test_upright_picture_is_turned_as_the_matrix_says() -> None:
    frame = frame_of("gray")
    plain, size = upright_affine(64, 48, None, Fraction(1))
    assert size == (64, 48)
    straight = upright_rgb(frame, plain, (48, 64))
    turned, size = upright_affine(64, 48, TURNED, Fraction(1))
    assert size == (48, 64)
    np.testing.assert_array_equal(upright_rgb(frame, turned, (64, 48)), np.rot90(straight, -1))


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", "gray", "gbrp"])
def test_enlarging_keeps_colour_in_place(pix_fmt: str) -> None:
    """The enlarged frame, sampled at the old pixels' centres, shows the old picture."""
    frame = frame_of(pix_fmt)
    big = resize(frame, 2)
    assert (big.width, big.height) == (128, 96)
    assert big.planes[0].dtype == frame.planes[0].dtype
    before = sample_rgb(frame, scaling(1.0), (48, 64))
    # Target pixel (j + 0.5) of the old frame is at 2 j + 1 in the new one.
    after = sample_rgb(big, scaling(2.0), (48, 64))
    assert np.abs(after - before)[6:-6, 6:-6].max() < 0.02


def test_enlarging_an_odd_size_keeps_chroma_as_large_as_the_format_wants() -> None:
    frame = frame_of("yuv420p", size=(65, 47))
    big = resize(frame, 2)
    assert [plane.shape for plane in big.planes] == [(94, 130), (47, 65), (47, 65)]
