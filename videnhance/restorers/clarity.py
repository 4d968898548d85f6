"""The network that ships with the package: fusion's result, corrected by what was learned.

A small residual network is shown the fused crop and, registered to it, the frames that it was made
of, and adds a correction. It was trained for fidelity alone (the squared error, no adversary), so
that where it does not know it gives the mean of what may be: it blurs, it does not invent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from videnhance.errors import ModelError
from videnhance.faces.alignment import eye_distance
from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.frames import FloatArray
from videnhance.imaging.optical_flow import enlarge, shrink
from videnhance.media.info import UNTOLD, Coding
from videnhance.models.devices import device_named
from videnhance.models.loading import check_state
from videnhance.models.running import line_of
from videnhance.restorers.correction import LUMA, STEPS, Correction, corrections, observed
from videnhance.restorers.fusion import Fusion
from videnhance.restorers.network import MOST

SIZES = (7.0, 10.0, 60.0, 80.0)
"""Pixels between the eyes: below the first and above the last fusion measures better, between the
others the correction counts in full. As all that follow, ramps, so that nothing flickers at a
border."""
SMALL = (24.0, 22.0)
QUANTIZER = (21.0, 30.0)
RATE = (0.14, 0.1)
QUIET = (5.0 / 255.0, 7.0 / 255.0)
"""From nothing to all of the correction. Faces that are not SMALL, in video that was finely coded
(which the quantizer of H.264 tells, of other codecs the bits a pixel) and that is not noisy, are
good as they are: fusion measures better there."""
_ALLOWED = 4.0
"""Variances of noise by which a result may differ from what was recorded: twice its deviation."""
_NEAR = 2
"""Frames up to which neighbours tell noise: those beyond are less well registered."""
_LEAST, _UNTOLD = (0.3 / 255.0) ** 2, (0.75 / 255.0) ** 2
"""Variance that is always there: 8-bit steps, and the warp to the crop. And where the quantizer is
not told."""


def strength_of(side: int, zoom: float, coding: Coding, noise: float = 0.0) -> float:
    """How much of the correction a face gets whose crop of `side` enlarges it `zoom` times, in
    video of this `coding` with `noise` (deviation, 0..1)."""
    eyes = float(eye_distance(np.array([0.0, 0.0, np.log(side / zoom), 0.0])))
    size = min(_ramp(eyes, *SIZES[:2]), _ramp(eyes, *SIZES[:1:-1]))
    if coding.quantizer is not None:
        coarse = _ramp(coding.quantizer, *QUANTIZER)
    else:
        coarse = _ramp(coding.bits, *RATE)
    return size * max(_ramp(eyes, *SMALL), coarse, _ramp(noise, *QUIET))


def _ramp(value: float, zero: float, one: float) -> float:
    return min(max((value - zero) / (one - zero), 0.0), 1.0)


def support(crop: FloatArray, planes: FloatArray, zoom: float, coding: Coding) -> FloatArray:
    """How far the input supports a result, 0..1, per source pixel (N, N).

    The result is made as small as the source again. Where it then differs from the frame that was
    recorded by no more than noise, which is how frames differ from each other and what the codec
    rounded off, it is supported wholly; beyond that, as much less as it differs more. `planes`: as
    `observed` gives them.
    """
    size = max(round(len(crop) / zoom), 8)
    luma = np.asarray(crop @ np.array(LUMA, np.float32), np.float32)
    away = _local(shrink(luma - planes[3], size))
    noise = noise_of(planes, zoom) + rounding(coding)
    return np.asarray(
        np.minimum(np.sqrt(_ALLOWED * noise / np.maximum(away, 1e-12)), 1.0), np.float32
    )


def rounding(coding: Coding) -> float:
    """The variance (of 0..1) of what the codec rounded off.

    The step of H.264 doubles with every six of its quantizer, and is 1 at 4 (ITU-T H.264, 8.5);
    rounding to a step leaves a twelfth of its square. Half a step is what is found in faces: most
    of what they change from frame to frame is rounded to nothing, and predicted well.
    """
    if coding.quantizer is None:
        return _UNTOLD
    step = float(np.exp2((coding.quantizer - 4.0) / 6.0)) / 255.0
    return _LEAST + (step / 2.0) ** 2 / 12.0


def noise_of(planes: FloatArray, zoom: float) -> FloatArray:
    """The variance of noise around each source pixel (N, N), by how frames differ."""
    size = max(round(planes.shape[-1] / zoom), 8)
    others = [
        _local(shrink(plane - planes[3], size))
        for plane, step in zip(planes[3:], STEPS, strict=True)
        if 0 < abs(step) <= _NEAR
    ]
    # of two frames each has its share of the difference
    return np.asarray(np.median(np.stack(others), axis=0) / 2.0, np.float32)


def _local(difference: FloatArray) -> FloatArray:
    """The mean square around each pixel."""
    return np.asarray(cv2.GaussianBlur(difference * difference, (0, 0), 1.0), np.float32)


@dataclass(frozen=True)
class _Seen:
    """A fused crop, what is known of it, and how much of a correction it gets."""

    crop: FloatArray
    planes: FloatArray
    zoom: float
    strength: float


class Clarity:
    """Fusion, then the network, then the guard.

    One object serves one video, as Fusion's.
    """

    invents = False

    def __init__(
        self,
        name: str,
        state: Mapping[str, Tensor],
        device: str = "cpu",
        *,
        coding: Coding = UNTOLD,
        always: bool = True,
        batch: int = 0,
        path: Path = Path("clarity"),
    ) -> None:
        """In video of this `coding`. Unless `always`, only faces are corrected for which it
        measures better than fusion: SIZES, SMALL, QUANTIZER, RATE, QUIET.

        `batch`: windows in one pass; 0 chooses.

        Raises ModelError for weights of another network."""
        self.name, self._coding, self._always = name, coding, always
        self._fusion = Fusion()
        self.radius = self._fusion.radius
        network = Correction()
        check_state(network, state, path)
        network.load_state_dict({key: value.float() for key, value in state.items()})
        network = network.eval().requires_grad_(False).to(device_named(device))
        self._network = network.to(memory_format=torch.channels_last)
        # a processor gains nothing from more, and its results then depend on nothing but the window
        self.batch = batch or (1 if device_named(device).type == "cpu" else MOST)
        self._held_back: list[float | None] = []

    def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
        """The centre crop of each window, (S, S, 3) float32 RGB.

        Raises ModelError where the network fails, for want of memory, say."""
        found: list[FloatArray] = []
        for first in range(0, len(windows), self.batch):
            found += self._restore(windows[first : first + self.batch])
        return found

    def held_back(self) -> list[float | None]:
        """The share of pixels that the guard held back by more than half, of each crop since it was
        asked last; None of those left to fusion."""
        shares, self._held_back = self._held_back, []
        return shares

    def _restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
        seen = [self._see(window) for window in windows]
        due = [item for item in seen if item.strength > 0.0]
        try:
            changes = iter(
                corrections(
                    self._network,
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
        fused = self._fusion.fuse(window)
        planes = observed(fused)
        strength = 1.0
        if not self._always:
            noise = float(np.sqrt(np.mean(noise_of(planes, window.zoom))))
            strength = strength_of(len(fused.crop), window.zoom, self._coding, noise)
        return _Seen(fused.crop, planes, window.zoom, strength)

    def _guarded(self, seen: _Seen, change: FloatArray | None) -> FloatArray:
        """The fused crop with as much of the change as the recording supports."""
        if change is None:
            self._held_back.append(None)
            return seen.crop
        supported = support(seen.crop + change, seen.planes, seen.zoom, self._coding)
        self._held_back.append(float((supported < 0.5).mean()))
        weight = seen.strength * enlarge(supported, len(change))[..., None]
        return np.asarray(seen.crop + weight * change, np.float32)
