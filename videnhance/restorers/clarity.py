"""Clarity, the network that ships with the package: fusion's result, corrected by what was learned.

A small residual network gets the fused crop and the frames it was made of, registered to it, and
adds a correction. It was trained for fidelity alone (squared error, no adversary): where it cannot
know, it returns the mean of what is likely, so it blurs rather than invents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from videnhance.errors import ModelError, line_of
from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.frames import LUMA, FloatArray
from videnhance.imaging.optical_flow import enlarge, shrink
from videnhance.inference import EXACT, MOST, PLAIN, Definition, Network
from videnhance.media.info import UNKNOWN_CODING, Coding
from videnhance.models.loading import check_state, load_state
from videnhance.restorers.correction import CELL, PLANES, STEPS, Change, corrections, observed
from videnhance.restorers.fusion import Fusion
from videnhance.restorers.strength import strength_of
from videnhance.stopwatch import Stopwatch

if TYPE_CHECKING:
    from torch import nn

_ALLOWED = 4.0
"""Multiple of the noise variance by which a result may differ from the recording: twice the noise's
deviation."""
_NEAR = 2
"""Noise is measured on neighbours up to this many frames away: others register less well."""
_LEAST, _UNKNOWN = (0.3 / 255.0) ** 2, (0.75 / 255.0) ** 2
"""Variance that is always present, from 8-bit steps and the warp to the crop; and the variance
assumed if the quantizer is not known."""


def support(crop: FloatArray, planes: FloatArray, zoom: float, coding: Coding) -> FloatArray:
    """How far the input supports a result, 0..1, per source pixel (N, N).

    The result is shrunk to the source's size. Where it differs from the recorded frame by no more
    than noise (how frames differ from each other, plus what the codec rounded off) it is fully
    supported; beyond that, support falls in proportion to the difference. `planes`: from
    `observed`.
    """
    size = max(round(len(crop) / zoom), 8)
    luma = np.asarray(crop @ np.array(LUMA, np.float32), np.float32)
    away = _local(shrink(luma - planes[3], size))
    noise = noise_of(planes, zoom) + rounding(coding)
    return np.asarray(
        np.minimum(np.sqrt(_ALLOWED * noise / np.maximum(away, 1e-12)), 1.0), np.float32
    )


def rounding(coding: Coding) -> float:
    """The variance (where white is 1) of what the codec rounded off.

    H.264's step doubles with every six of its quantizer, and is 1 at 4 (ITU-T H.264, 8.5); rounding
    to a step leaves a twelfth of its square. Half a step is used, as measured on faces: most of
    their change from frame to frame is rounded to nothing, and predicted well.
    """
    if coding.quantizer is None:
        return _UNKNOWN
    step = float(np.exp2((coding.quantizer - 4.0) / 6.0)) / 255.0
    return _LEAST + (step / 2.0) ** 2 / 12.0


def noise_of(planes: FloatArray, zoom: float) -> FloatArray:
    """The variance of noise around each source pixel (N, N), from how frames differ."""
    size = max(round(planes.shape[-1] / zoom), 8)
    others = [
        _local(shrink(plane - planes[3], size))
        for plane, step in zip(planes[3:], STEPS, strict=True)
        if 0 < abs(step) <= _NEAR
    ]
    # half, because each of the two frames contributes its own noise to the difference
    return np.asarray(np.median(np.stack(others), axis=0) / 2.0, np.float32)


def _local(difference: FloatArray) -> FloatArray:
    """The mean square around each pixel."""
    return np.asarray(cv2.GaussianBlur(difference * difference, (0, 0), 1.0), np.float32)


def definitions(path: Path, sha256: str | None = None) -> tuple[Definition, Definition]:
    """The network with the weights of a file, in its two parts: `prepared` and the rest
    (correction_network.py).

    To make the second raises ModelError for weights of another network.
    """

    def prepare() -> nn.Module:
        from videnhance.restorers.correction_network import Prepared

        return Prepared()

    def make() -> nn.Module:
        from videnhance.restorers.correction_network import Changing, Correction

        state = load_state(path)
        network = Correction.shaped(state)
        check_state(network, state, path)
        network.load_state_dict({key: value.float() for key, value in state.items()})
        return Changing(network)

    code = ("videnhance.restorers.correction", "videnhance.restorers.correction_network")
    places = PLANES * CELL * CELL + 4
    planes = ((1, PLANES, -1, -1), (1,), (1,))
    return (
        Definition(
            "clarity-in", planes, EXACT, prepare, weights="", code=code, packages=("torch",)
        ),
        Definition(
            "clarity",
            ((1, places, -1, -1),),
            PLAIN,
            make,
            weights=sha256,
            code=code,
            packages=("torch",),
            channels_last=True,
        ),
    )


def change_by(prepare: Network, network: Network) -> Change:
    """Both parts, compiled, in turn."""

    def change(planes: FloatArray, zoom: FloatArray, quantizer: FloatArray) -> FloatArray:
        (x,) = prepare(planes, zoom, quantizer)
        (found,) = network(x)
        return np.asarray(found, np.float32)

    return change


@dataclass(frozen=True)
class _Seen:
    """A fused crop, the network's input planes (none where nothing is corrected), and how much of
    the correction it gets."""

    crop: FloatArray
    planes: FloatArray
    zoom: float
    strength: float


class Clarity:
    """Fusion, then the network, then the guard that holds back unsupported changes.

    Use one object per video, as for Fusion.
    """

    invents = False

    def __init__(
        self,
        name: str,
        parts: Sequence[Network],
        *,
        coding: Coding = UNKNOWN_CODING,
        always: bool = True,
        batch: int = 0,
        watch: Stopwatch | None = None,
    ) -> None:
        """`parts`: the compiled `definitions`. `coding`: how the video was coded. `always`: correct
        every face in full; otherwise by how much clarity measures better than fusion (strength.py).

        `batch`: windows per pass; 0 chooses. `watch` counts the stages "register", "fuse",
        "network" and "guard"."""
        self.name, self._coding, self._always = name, coding, always
        self._watch = watch or Stopwatch()
        self._fusion = Fusion(coding=coding, watch=self._watch)
        self.radius = self._fusion.radius
        prepare, network = parts
        self._change = change_by(prepare, network)
        # a CPU gains nothing from more, and with 1 the result depends on nothing but the window
        self.batch = batch or (1 if network.way.on_cpu else MOST)
        self._held_back: list[float | None] = []

    def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
        """The corrected centre crop of each window, (S, S, 3) float32 RGB.

        Raises ModelError if the network fails, for example for lack of memory."""
        found: list[FloatArray] = []
        for first in range(0, len(windows), self.batch):
            with self._watch.stage("network"):
                found += self._restore(windows[first : first + self.batch])
        return found

    def held_back(self) -> list[float | None]:
        """For each crop since the last call, the share of pixels that the guard held back by more
        than half; None for crops left to fusion."""
        shares, self._held_back = self._held_back, []
        return shares

    def _restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
        seen = [self._see(window) for window in windows]
        due = [item for item in seen if item.strength > 0.0]
        try:
            changes = iter(
                corrections(
                    self._change,
                    [item.planes for item in due],
                    [item.zoom for item in due],
                    self._coding.quantizer,
                )
            )
        except (RuntimeError, MemoryError) as error:
            raise ModelError(
                f"{self.name}: the network failed ({line_of(error)}); use --devices cpu, "
                "a smaller --batch-size, or --restorer fusion"
            ) from error
        return [self._guarded(item, next(changes) if item.strength else None) for item in seen]

    def _see(self, window: CropWindow) -> _Seen:
        side = len(window.crops[window.centre])
        least, most = (
            strength_of(side, window.zoom, None if self._always else self._coding, noise)
            for noise in (0.0, np.inf)
        )
        if most == 0.0:  # whatever the noise, as for large faces
            (crop,) = self._fusion.restore([window])
            return _Seen(crop, np.empty(0, np.float32), window.zoom, 0.0)
        fused = self._fusion.fuse(window)
        planes = observed(fused)
        if least < most:
            noise = float(np.sqrt(np.mean(noise_of(planes, window.zoom))))
            least = strength_of(side, window.zoom, self._coding, noise)
        return _Seen(fused.crop, planes, window.zoom, least)

    def _guarded(self, seen: _Seen, change: FloatArray | None) -> FloatArray:
        """The fused crop plus as much of the change as the recording supports."""
        if change is None:
            self._held_back.append(None)
            return seen.crop
        change = np.asarray(np.float32(seen.strength) * change, np.float32)
        with self._watch.stage("guard"):
            supported = support(seen.crop + change, seen.planes, seen.zoom, self._coding)
        self._held_back.append(float((supported < 0.5).mean()))
        weight = enlarge(supported, len(change))[..., None]
        return np.asarray(seen.crop + weight * change, np.float32)
