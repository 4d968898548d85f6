"""The figures by which restorers are judged against the truth, and the picture of it.

Crops are (S, S, 3) float32 RGB, nominally 0..1; errors are judged as a player shows them, clipped
to 0..1. All figures are over the face's elliptic mask, whose weights are (S, S) float32 0..1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from skimage.metrics import structural_similarity

from videnhance.identity.embedding import LEAST_EYES, distance
from videnhance.imaging.compositing import ellipse_mask
from videnhance.imaging.frames import FloatArray

Apart = dict[int, list[float]]
Embed = Callable[[Sequence[FloatArray]], npt.NDArray[np.float32]]
"""As identity.embedding.Embedder.embed."""

BICUBIC = "bicubic"
BLOCK = 16
_WORSE = 1.05
_UNSEEN = (0.25 / 255.0) ** 2
"""A block is made worse where its squared error grows by more than the factor and by more than the
square of a quarter of an 8-bit level: less is chance, which nobody sees."""
_GMSD = 170.0 / 255.0**2
"""The authors' constant, for luma of 0..1."""


@dataclass(frozen=True)
class Shown:
    """One face in one frame: the truth, and the crop by each restorer, bicubic among them.

    `eyes`: pixels between the eyes in the degraded clip."""

    tracklet: int
    frame: int
    eyes: float
    truth: FloatArray
    crops: Mapping[str, FloatArray]


@dataclass(frozen=True)
class Figures:
    """Of one restorer on one clip and degradation: means over the crops, and beside them the same
    with bicubic as zero.

    `psnr` in dB. `ssim`: Wang et al. 2004, on luma. `gmsd`: gradient magnitude similarity deviation
    (Xue et al. 2014) on luma, a perceptual distance without weights; 0 is alike, less is better.
    `flicker`: rms change of the error from frame to frame, as a ratio to bicubic's; None where no
    two frames follow each other or bicubic has none. `worst_gain`: dB over bicubic of the worst
    crop, of `worst_track` in `worst_frame`. `worse_blocks`: share of blocks of 16 x 16 whose error
    grew. `milliseconds`: for a face and frame, the median. `eyes`: pixels, median over the crops.

    `ids`: distance between the embeddings of crop and truth (identity/identity.md), 0 is alike;
    `sigma_ids`: its standard deviation along a track, so how much it jitters. Of the crops with
    at least LEAST_EYES pixels between the eyes; None where there are none, or nothing embeds.
    """

    clip: str
    degradation: str
    restorer: str
    eyes: float
    crops: int
    psnr: float
    psnr_gain: float
    ssim: float
    ssim_gain: float
    gmsd: float
    gmsd_change: float
    flicker: float | None
    worst_gain: float
    worst_track: int
    worst_frame: int
    worse_blocks: float
    milliseconds: float
    ids: float | None = None
    ids_change: float | None = None
    sigma_ids: float | None = None


@dataclass(frozen=True)
class Overall:
    """Of one restorer on one degradation: means over the clips, and the clip it gains least on.

    `nearer` of `embedded` clips have a smaller distance to the truth's embedding than bicubic."""

    degradation: str
    restorer: str
    clips: int
    psnr_gain: float
    ssim_gain: float
    gmsd_change: float
    flicker: float | None
    least_gain: float
    least_clip: str
    worst_gain: float
    worse_blocks: float
    milliseconds: float
    ids: float | None = None
    ids_change: float | None = None
    sigma_ids: float | None = None
    nearer: int = 0
    embedded: int = 0


def judged(
    clip: str,
    degradation: str,
    shown: Sequence[Shown],
    milliseconds: Mapping[str, float],
    embed: Embed | None = None,
) -> list[Figures]:
    """Figures of every restorer; `shown` in the order of tracklets, then of frames."""
    plain = _rows(shown, BICUBIC)
    apart = distances(shown, embed) if embed is not None else {}
    return [
        replace(
            _figures(clip, degradation, name, shown, plain, milliseconds.get(name, 0.0)),
            **_identity(apart, name),
        )
        for name in shown[0].crops
    ]


def distances(shown: Sequence[Shown], embed: Embed) -> dict[str, Apart]:
    """By restorer and track, from each crop's embedding to that of its truth, in order of frames;
    without faces that are too small for it."""
    found: dict[str, Apart] = {}
    for item in shown:
        if item.eyes < LEAST_EYES:
            continue
        truth, *crops = embed([item.truth, *item.crops.values()])
        for name, crop in zip(item.crops, crops, strict=True):
            own = found.setdefault(name, {}).setdefault(item.tracklet, [])
            own.append(distance(crop, truth))
    return found


def _identity(apart: Mapping[str, Apart], name: str) -> dict[str, Any]:
    """The fields of Figures that follow from the distances."""
    if name not in apart:
        return {}
    means = {key: float(np.mean(list(chain(*apart[key].values())))) for key in (name, BICUBIC)}
    spreads = [np.var(values) for values in apart[name].values() for _ in values]
    return {
        "ids": means[name],
        "ids_change": means[name] - means[BICUBIC],
        "sigma_ids": float(np.sqrt(np.mean(spreads))),
    }


def overall(figures: Sequence[Figures]) -> list[Overall]:
    """One for each degradation and restorer, in the order they came in."""
    groups: dict[tuple[str, str], list[Figures]] = {}
    for row in figures:
        groups.setdefault((row.degradation, row.restorer), []).append(row)
    found = []
    for (degradation, restorer), rows in groups.items():
        least = min(rows, key=lambda row: row.psnr_gain)
        flicker = [row.flicker for row in rows if row.flicker is not None]
        changes = [row.ids_change for row in rows if row.ids_change is not None]
        found.append(
            Overall(
                degradation=degradation,
                restorer=restorer,
                clips=len(rows),
                psnr_gain=float(np.mean([row.psnr_gain for row in rows])),
                ssim_gain=float(np.mean([row.ssim_gain for row in rows])),
                gmsd_change=float(np.mean([row.gmsd_change for row in rows])),
                flicker=float(np.mean(flicker)) if flicker else None,
                least_gain=least.psnr_gain,
                least_clip=least.clip,
                worst_gain=min(row.worst_gain for row in rows),
                worse_blocks=float(np.mean([row.worse_blocks for row in rows])),
                milliseconds=float(np.mean([row.milliseconds for row in rows])),
                ids=_mean(row.ids for row in rows),
                ids_change=_mean(changes),
                sigma_ids=_mean(row.sigma_ids for row in rows),
                nearer=sum(change < 0 for change in changes),
                embedded=len(changes),
            )
        )
    return found


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _figures(
    clip: str,
    degradation: str,
    name: str,
    shown: Sequence[Shown],
    plain: npt.NDArray[np.float64],
    milliseconds: float,
) -> Figures:
    rows = plain if name == BICUBIC else _rows(shown, name)
    means, gains = rows.mean(axis=0), rows.mean(axis=0) - plain.mean(axis=0)
    gain = rows[:, 0] - plain[:, 0]
    worst = shown[int(gain.argmin())]
    return Figures(
        clip=clip,
        degradation=degradation,
        restorer=name,
        eyes=float(np.median([item.eyes for item in shown])),
        crops=len(shown),
        psnr=float(means[0]),
        psnr_gain=float(gains[0]),
        ssim=float(means[1]),
        ssim_gain=float(gains[1]),
        gmsd=float(means[2]),
        gmsd_change=float(gains[2]),
        flicker=flicker(shown, name),
        worst_gain=float(gain.min()),
        worst_track=worst.tracklet,
        worst_frame=worst.frame,
        worse_blocks=float(np.mean([worse_blocks(item, name) for item in shown])),
        milliseconds=milliseconds,
    )


def _rows(shown: Sequence[Shown], name: str) -> npt.NDArray[np.float64]:
    """(crops, 3): PSNR, SSIM and GMSD."""
    rows = []
    for item in shown:
        image, weight = np.clip(item.crops[name], 0, 1), ellipse_mask(len(item.truth))
        rows.append([f(image, item.truth, weight) for f in (psnr, ssim, gmsd)])
    return np.array(rows)


def psnr(image: FloatArray, truth: FloatArray, weight: FloatArray) -> float:
    """In dB for a peak of 1; 120 for what is alike."""
    squared = float((((image - truth) ** 2).mean(axis=2) * weight).sum(dtype=np.float64))
    return float(-10 * np.log10(max(squared / float(weight.sum(dtype=np.float64)), 1e-12)))


def ssim(image: FloatArray, truth: FloatArray, weight: FloatArray) -> float:
    """On luma, Gaussian window of sigma 1.5, averaged over the mask."""
    _, full = structural_similarity(
        _luma(image),
        _luma(truth),
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    return float((full * weight).sum() / weight.sum())


def gmsd(image: FloatArray, truth: FloatArray, weight: FloatArray) -> float:
    """At half size and with Prewitt's gradients, as the authors have it; over the mask."""
    one, other = (_gradient(x) for x in (image, truth))
    alike = (2 * one * other + _GMSD) / (one**2 + other**2 + _GMSD)
    share = cv2.resize(weight, alike.shape[::-1], interpolation=cv2.INTER_AREA)
    mean = (alike * share).sum() / share.sum()
    return float(np.sqrt(((alike - mean) ** 2 * share).sum() / share.sum()))


def flicker(shown: Sequence[Shown], name: str) -> float | None:
    """As Figures has it."""
    changes = [
        (_change(one, other, name), _change(one, other, BICUBIC))
        for one, other in pairwise(shown)
        if one.tracklet == other.tracklet and other.frame == one.frame + 1
    ]
    after, before = np.array(changes).reshape(-1, 2).sum(axis=0)
    return float(np.sqrt(after / before)) if before > 0 else None


def worse_blocks(item: Shown, name: str) -> float:
    """Share of the blocks, among those mostly within the mask, whose error grew."""
    side = len(item.truth) // BLOCK
    after, before, weight = (
        cv2.resize(x, (side, side), interpolation=cv2.INTER_AREA)
        for x in (
            (_error(item, name) ** 2).mean(axis=2),
            (_error(item, BICUBIC) ** 2).mean(axis=2),
            ellipse_mask(len(item.truth)),
        )
    )
    worse = (after > _WORSE * before) & (after - before > _UNSEEN)
    return float(worse[weight > 0.5].mean())


def picture(rows: Sequence[tuple[str, Shown]], side: int = 256) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB: a row for each, its crops side by side and the truth last."""
    pictures = []
    for label, item in rows:
        tiles = []
        for name, crop in [*item.crops.items(), ("truth", item.truth)]:
            tile = cv2.resize(np.clip(crop, 0, 1) * 255, (side, side), interpolation=cv2.INTER_AREA)
            tile = np.ascontiguousarray(np.rint(tile).astype(np.uint8))
            for text, top in ((name, 0), (label, side - 16)):
                tile[top : top + 16] //= 3
                place = (4, top + 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4
                cv2.putText(tile, text, *place, (255, 255, 255), 1, cv2.LINE_AA)
            tiles.append(tile)
        pictures.append(np.hstack(tiles))
    return np.vstack(pictures)


def _change(one: Shown, other: Shown, name: str) -> float:
    """Mean squared difference of the errors."""
    weight = ellipse_mask(len(one.truth))[..., None]
    change = (_error(other, name) - _error(one, name)) * weight
    return float((change.astype(np.float64) ** 2).mean())


def _error(item: Shown, name: str) -> FloatArray:
    return np.asarray(np.clip(item.crops[name], 0, 1) - item.truth, np.float32)


def _luma(image: FloatArray) -> FloatArray:
    return np.asarray(cv2.cvtColor(np.asarray(image, np.float32), cv2.COLOR_RGB2GRAY), np.float32)


def _gradient(image: FloatArray) -> FloatArray:
    luma = _luma(image)
    half = cv2.resize(luma, (len(luma) // 2, len(luma) // 2), interpolation=cv2.INTER_AREA)
    kernel = np.array([[1.0, 0.0, -1.0]] * 3) / 3.0
    x, y = (cv2.filter2D(half, cv2.CV_32F, k) for k in (kernel, kernel.T))
    return np.asarray(np.hypot(x, y), np.float32)
