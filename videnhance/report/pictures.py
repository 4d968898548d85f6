"""The pictures of a report, encoded so that the page holds them: lossless, so that a face is shown
by the very pixels that were recorded."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import cv2
import numpy as np
from PIL import Image

from videnhance.imaging.frames import Array, Frame
from videnhance.imaging.lettering import Picture as Pixels
from videnhance.media.clip import Clip
from videnhance.report.model import Change, Moment, Picture, View
from videnhance.show.pairs import upright_at
from videnhance.show.sheet import Place, cell

GAIN = 8
"""Times that a difference is enlarged to be seen: what fusion changes is mostly under 16 levels of
255. The same for all pictures, so that they compare."""
SEEN = 8
"""Levels of 255 from which a change of a single pixel counts as one that can be seen."""
LARGEST = 384
"""Side in pixels from which on a face is shown smaller than it was recorded, and said to be: what
tells persons apart is then seen all the same, and a page of many stays small enough to send."""
VIEW_WIDTH = 960
"""Pixels of a whole frame's width, at most."""
_QUALITY = 82
"""Of whole frames, which are only for pointing at things."""


def lossless(pixels: Array) -> Picture:
    """(H, W, 3) RGB or (H, W) grey, uint8, every pixel kept (WebP)."""
    return _encoded(Image.fromarray(pixels).convert("RGB"), "webp", lossless=True, method=4)


def shrunk(pixels: Array, longest: int) -> Pixels:
    """At most `longest` pixels a side, by area; itself where it is no larger."""
    height, width = pixels.shape[:2]
    share = longest / max(height, width)
    if share >= 1:
        return np.asarray(pixels, np.uint8)
    size = max(round(width * share), 1), max(round(height * share), 1)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def lossy(pixels: Pixels) -> Picture:
    """For pictures that nobody compares."""
    return _encoded(Image.fromarray(pixels), "webp", quality=_QUALITY, method=4)


def eight_bits(picture: Array) -> Pixels:
    """A picture of 8 or 16 bits in 8."""
    if picture.dtype == np.uint8:
        return np.asarray(picture, np.uint8)
    return np.asarray(np.rint(picture.astype(np.float32) / 257.0).astype(np.uint8))


def difference(before: Pixels, after: Pixels) -> tuple[Picture, Change]:
    """How far two pictures of one size lie apart, black where they are equal.

    Of each pixel the largest of its three differences, GAIN times, from black over red to white
    (OpenCV's "inferno", by Smith and van der Walt, which is read in grey as well).
    """
    apart = cv2.absdiff(before, after).max(axis=2)
    mapped = np.minimum(apart.astype(np.int32) * GAIN, 255).astype(np.uint8)
    ramp = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_INFERNO)
    image = Image.fromarray(mapped)
    image.putpalette(ramp[:, 0, ::-1].tobytes())
    change = Change(float(apart.mean()), int(apart.max()), float((apart > SEEN).mean()))
    return _encoded(image, "png", optimize=True), change


def moment(
    before: Frame,
    after: Frame,
    clips: tuple[Clip, Clip],
    place: Place,
    scale: int,
    seconds: float,
    eyes: float,
) -> Moment:
    """A face as it was recorded and as it is in the result, which is `scale` times as large.

    Both by their own pixels, unless they are larger than LARGEST.
    """
    own, large = replace(place, factor=1.0), replace(place, factor=float(scale))
    native = cell(before, clips[0].info.upright, own)
    result = cell(after, clips[1].info.upright, large, scale)
    enlarged = native if scale == 1 else cell(before, clips[0].info.upright, large)
    pictured, change = difference(shrunk(enlarged, LARGEST), shrunk(result, LARGEST))
    return Moment(
        frame=before.index,
        seconds=seconds,
        eyes=eyes,
        original=lossless(shrunk(native, LARGEST)),
        result=lossless(shrunk(result, LARGEST)),
        difference=pictured,
        change=change,
    )


def view(
    frame: Frame,
    clip: Clip,
    seconds: float,
    boxes: tuple[tuple[int, float, float, float, float], ...],
) -> View:
    """A whole frame, upright, with the boxes of the faces in it."""
    width, height = clip.info.upright_size
    share = min(VIEW_WIDTH / width, 1.0)
    size = max(round(height * share), 1), max(round(width * share), 1)
    return View(frame.index, seconds, lossy(upright_at(frame, clip, size)), boxes)


def _encoded(image: Image.Image, form: str, **options: object) -> Picture:
    file = io.BytesIO()
    image.save(file, form.upper(), **options)
    text = base64.b64encode(file.getvalue()).decode("ascii")
    return Picture(f"data:image/{form};base64,{text}", image.width, image.height)
