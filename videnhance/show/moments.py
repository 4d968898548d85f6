"""Which moments of a video show its faces best: whole, large, sharp, frontal ones.

Scores compare faces of one video with each other; they are no measure of quality in themselves.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from videnhance.faces.alignment import crop_to_frame, eye_distance, fit_poses
from videnhance.imaging.affine import compose, invert
from videnhance.imaging.choice import first_of_best, spread
from videnhance.imaging.color import sample_rgb
from videnhance.imaging.frames import LUMA, FloatArray, Frame, Matrix
from videnhance.media.timeline import Timeline

Scores = npt.NDArray[np.float64]

LOOKS = 32
"""Frames looked at in a whole video: at 1280 pixels some five seconds on two cores."""
_REACH = 1500 * 1280 * 720
"""Pixels that may be decoded for them where keyframes are rare: 1500 frames of 720p, about what
the looks themselves cost."""

TIE, LEAST = 0.05, 2e-3
"""Share, and part of 1, by which two values may differ and still count as equal, so that the
earlier is taken: less than an eye can tell, and more than what processors, threads and versions
change."""

_CROP = 96
"""Side of the crop that sharpness is measured on: 24 pixels between the eyes."""
_BLUR = 2.0
"""Standard deviation in crop pixels of the blur before. Noise of 10 levels then adds under a tenth
to the measure of a sharp face, and noise of 25 levels on a face blurred by 4 pixels makes it still
no sharper than the face itself (seven clips; at 1.0 it came out up to eight times as sharp)."""
_INSIDE = slice(20, 76)
"""Rows and columns of the crop that are face: brows to mouth."""
_FLAT = 25.0
"""Variance of grey levels, 0..255, below which a face has no contrast to speak of."""
_LUMA = np.array(LUMA, np.float32) * 255
"""From RGB in 0..1 to grey levels."""

_SHARP = 0.004
"""Sharpness that is worth half: the middle of seven clips as recorded (0.003 to 0.011)."""
_LARGE = 32.0
"""Pixels between the eyes that are worth half: beyond, more pixels show less that is new."""
_WHOLE = 8
"""A face of which a tenth is cut off or covered is worth 0.43 of a whole one, and one of which a
fifth is, 0.17: what else may differ between two moments of a person seldom makes up for that."""
_NOSE = 0.45
"""How far the tip of the nose stands before the line between eyes and mouth, in distances between
the eyes: about 28 mm of 63."""


def sharpness(crop: FloatArray) -> float:
    """How much fine detail an aligned face shows, 0 and up.

    `crop`: (96, 96, 3) float32 RGB 0..1, of the alignment template's unit square, so that faces of
    all sizes compare; a small one, enlarged, has little detail, as it should. The variance of the
    Laplacian (Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR 2000) of
    the blurred luma, as a share of the luma's own, so that light and contrast do not count.
    """
    luma = cv2.GaussianBlur(np.asarray(crop @ _LUMA, np.float32), (0, 0), _BLUR)
    detail = cv2.Laplacian(luma, cv2.CV_32F)[_INSIDE, _INSIDE]
    return float(detail.var() / (luma[_INSIDE, _INSIDE].var() + _FLAT))


def frontalness(landmarks: npt.NDArray[np.floating]) -> Scores:
    """Squared cosine of the angle by which each face (N, 5, 2) is turned aside: 1 is frontal.

    In the face's own axes, from the eyes' middle to each eye and to the mouth's middle, the nose
    tip of a face turned by an angle lies _NOSE tan(angle) distances between the eyes off the
    middle; so a face that is tilted, near or far scores the same.
    """
    points = np.asarray(landmarks, np.float64).reshape(-1, 5, 2)
    eyes, mouth = points[:, :2].mean(axis=1), points[:, 3:].mean(axis=1)
    across, down, nose = points[:, 1] - points[:, 0], mouth - eyes, points[:, 2] - eyes
    area = _cross(across, down)
    seen = np.abs(area) > 1e-6
    aside = _cross(nose, down) / np.where(seen, area, 1.0)
    return np.where(seen, 1.0 / (1.0 + (aside / _NOSE) ** 2), 0.0)


def face_scores(
    landmarks: npt.NDArray[np.floating],
    scores: npt.NDArray[np.floating],
    seen: npt.NDArray[np.floating],
) -> Scores:
    """What is known of faces (N, 5, 2) without their pixels, (N,) in 0..1; best is 1.

    The product of the detector's score (N,), of frontalness, of the size, which saturates, and of
    the share of the face that can be `seen` (N,) (faces/visibility.py) to the power of _WHOLE.
    """
    landmarks = np.asarray(landmarks, np.float64).reshape(-1, 5, 2)
    eyes = eye_distance(fit_poses(landmarks))
    size = eyes / (eyes + _LARGE)
    whole = np.asarray(seen, np.float64) ** _WHOLE
    return np.asarray(scores, np.float64) * frontalness(landmarks) * size * whole


def seen_scores(
    frame: Frame,
    upright: Matrix,
    landmarks: npt.NDArray[np.floating],
    scores: npt.NDArray[np.floating],
    seen: npt.NDArray[np.floating],
) -> Scores:
    """`face_scores` of the faces of one frame, times their sharpness, which saturates too.

    `landmarks` (N, 5, 2) in upright pixels; `upright` is coded to upright pixels.
    """
    known = face_scores(landmarks, scores, seen)
    sharp = np.empty(len(known))
    for k, pose in enumerate(fit_poses(np.asarray(landmarks).reshape(-1, 5, 2))):
        to_frame = compose(invert(upright), crop_to_frame(pose, _CROP))
        sharp[k] = sharpness(sample_rgb(frame, to_frame, (_CROP, _CROP)))
    return known * sharp / (sharp + _SHARP)


def frame_value(scores: Scores) -> float:
    """What a frame with faces of these scores (N,) is worth looking at.

    The sum of squares: one good face tells more than several poor ones, two good ones tell more.
    """
    return float((np.asarray(scores) ** 2).sum())


def frames_to_look_at(timeline: Timeline, pixels: int) -> tuple[int, ...]:
    """About LOOKS frames of a video whose frames have `pixels` pixels, cheap to decode.

    Keyframes spread over the video, where it has enough. Else as many frames after each keyframe
    as it takes, but no further from it than a bounded number of frames: of a long video with a
    single keyframe only the beginning is seen, for all of it would have to be decoded.
    """
    keys = timeline.keyframes
    if len(keys) >= LOOKS:
        return tuple(sorted({keys[k] for k in spread(LOOKS, len(keys))}))
    reach = max(_REACH // (pixels * len(keys)), 1)
    found: set[int] = set()
    for key, border in zip(keys, [*keys[1:], len(timeline)], strict=True):
        stop = min(border, key + reach)
        count = LOOKS // len(keys)
        found.update(key + k * (stop - key) // count for k in range(count))
    return tuple(sorted(found))


def runs(timeline: Timeline, frames: Iterable[int]) -> list[tuple[int, ...]]:
    """The frames in groups that one pass of the decoder reaches: those after the same keyframe."""
    groups: dict[int, list[int]] = {}
    for index in sorted(frames):
        groups.setdefault(timeline.keyframe_before(index), []).append(index)
    return [tuple(group) for group in groups.values()]


def best_span(
    timeline: Timeline, values: Mapping[int, float], seconds: float
) -> tuple[int, int] | None:
    """Frames start..stop (half-open) of about `seconds` around the best of the frames seen.

    `values`: what each frame seen is worth (`frame_value`). Of all spans that have a seen frame in
    their middle, the one whose seen frames are worth most on average, the earliest of those that
    TIE calls equal; near the video's ends it moves inward. None where no frame is worth anything.
    """
    seen = sorted(values)
    if not seen or max(values.values()) <= 0:
        return None
    sums = np.concatenate([[0.0], np.cumsum([values[k] for k in seen])])
    spans = [span_around(timeline, k, seconds) for k in seen]
    worth = []
    for k, (start, stop) in zip(seen, spans, strict=True):
        first, last = bisect_left(seen, start), bisect_left(seen, stop)
        # A span is worth showing only where its middle is; the rest decides between the good.
        mean = (sums[last] - sums[first]) / max(last - first, 1)
        worth.append(mean if values[k] > 0 else 0.0)
    return spans[first_of_best(worth, share=TIE)]


def span_around(timeline: Timeline, index: int, seconds: float) -> tuple[int, int]:
    """Frames start..stop (half-open) of about `seconds`, `index` in the middle if there is room.

    At least one frame; never beyond the video.
    """
    base = float(timeline.time_base)
    end = timeline.pts[-1] + timeline.last_duration
    length = seconds / base
    start = timeline.pts[index] + timeline.duration_of(index) / 2 - length / 2
    start = max(min(start, end - length), timeline.pts[0])
    first = max(bisect_right(timeline.pts, start + 1e-6) - 1, 0)
    stop = bisect_left(timeline.pts, timeline.pts[first] + length - 1e-6)
    return first, max(stop, first + 1)


def best_moments(
    timeline: Timeline, values: Mapping[int, float], count: int, apart: float
) -> tuple[int, ...]:
    """Up to `count` frames of the highest values, at least `apart` seconds from each other.

    One after the other: of the frames far enough from those chosen before, the earliest whose value
    TIE calls equal to the best. In order of time.
    """
    chosen: list[int] = []
    left = sorted(values)
    while left and len(chosen) < count:
        chosen.append(left[first_of_best([values[k] for k in left], share=TIE, within=LEAST)])
        now = timeline.seconds(chosen[-1])
        left = [
            k for k in left if k != chosen[-1] and abs(timeline.seconds(k) - now) >= apart - 1e-9
        ]
    return tuple(sorted(chosen))


def rows_seen(scores: Sequence[float] | Scores) -> npt.NDArray[np.bool_]:
    """(n,) bool: the rows of a track's scores to choose moments from.

    Those with a detection, where the face was surely in sight; all, where there is none.
    """
    found = ~np.isnan(np.asarray(scores, np.float64))
    return found if found.any() else np.ones(len(found), bool)


def _cross(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
