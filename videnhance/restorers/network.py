"""Runs a face network on aligned crops: batches, sizes, lack of memory.

All these networks take (B, 3, S, S) RGB in [-1, 1] and return the same shape.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from videnhance.errors import ModelError, UsageError, line_of
from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.frames import Crop
from videnhance.inference import MOST, Network, is_memory
from videnhance.inference.devices import device_named
from videnhance.restorers.square import Square, Whole

SIDE = 512
"""Side of most networks' input, pixels."""


class NetworkRestorer:
    """A restorer around a network that maps (B, 3, S, S) RGB in [-1, 1] to the same.

    Smaller crops are enlarged to S, which is 512 unless `square` says otherwise (bicubic), and the
    result is shrunk again (area). If a batch does not fit into memory, this and later batches are
    halved; `say` gets one line about it.
    """

    radius = 0
    invents = True

    def __init__(
        self,
        name: str,
        network: Network,
        batch: int = 0,
        say: Callable[[str], None] | None = None,
        square: Square | None = None,
    ) -> None:
        """`batch`: crops per pass; 0 chooses. Raises UsageError for one below 0."""
        self.name, self._network = name, network
        self._say = say or _warn
        self._square = square or Whole(SIDE)
        if batch < 0:
            raise UsageError(f"--batch-size {batch}: below 0; give 1 or more, or 0 to choose")
        self._device = device_named(network.way.device)
        self._pads = network.way.compile  # a batch of another length would be compiled again
        # on 2 CPU cores batches of 4 took 1.4 times as long per face as one by one
        self.batch = batch or (1 if network.way.on_cpu else MOST)
        if not batch and self.batch > 1:
            self.batch = self._fitting(MOST)

    def restore(self, windows: Sequence[CropWindow]) -> list[Crop]:
        """One crop per window: (S, S, 3) float32 RGB 0..1, the centre crop's size and array type.

        Raises ModelError, naming the tracklet and the frame, if memory does not suffice even for
        one face, or if the network returns NaN or infinity.
        """
        restored: list[Crop] = []
        while len(restored) < len(windows):
            batch = windows[len(restored) : len(restored) + self.batch]
            outputs = self._try(batch)
            if outputs is None:
                self.batch = max(len(batch) // 2, 1)
                self._say(
                    f"{self.name}: not enough memory for {len(batch)} faces at once; "
                    f"going on with {self.batch}"
                )
                continue
            restored.extend(outputs)
        return restored

    def _try(self, windows: Sequence[CropWindow]) -> list[Crop] | None:
        """The restored crops, or None if that many do not fit into memory."""
        crops = [window.crops[window.centre] for window in windows]
        try:
            outputs = self._run(crops + crops[-1:] * (self._wanted(len(crops)) - len(crops)))
            restored = [self._to_crop(y, x) for x, y in zip(crops, outputs, strict=False)]
            # last, because it waits for the GPU: results handed on are finished for every stream
            finite = torch.isfinite(outputs).flatten(1).all(1).tolist()
        except (RuntimeError, MemoryError) as error:
            reason = error if not is_memory(error) else None
        else:
            for window, is_finite in zip(windows, finite, strict=False):
                if not is_finite:
                    raise ModelError(
                        f"{self.name}: {_place(window)}: the network returned no numbers (NaN or "
                        f"infinity); use --precision f32, or leave the face out with "
                        f"--skip {window.tracklet}"
                    )
            return restored
        # only after the `except` block are the error and the failed pass's tensors released
        self._network.free()
        if reason is not None:
            raise ModelError(
                f"{self.name}: {_place(windows[0])}: the network failed ({line_of(reason)}); "
                f"use --devices cpu --precision f32"
            ) from reason
        if len(windows) > 1:
            return None
        cure = "close other programs" if self._device.type == "cpu" else "use --devices cpu"
        raise ModelError(
            f"{self.name}: {_place(windows[0])}: not enough memory for one face; {cure}"
        )

    def _wanted(self, crops: int) -> int:
        return self.batch if self._pads else crops

    def _run(self, crops: Sequence[Crop]) -> Tensor:
        """(B, 3, S, S) float32 RGB, nominally 0..1 and not clamped, on the device."""
        with torch.inference_mode():
            x = torch.cat([self._square.taken(_tensor(crop, self._device)) for crop in crops])
            (found,) = self._network(x * 2.0 - 1.0)
            restored: Tensor = (found + 1.0) / 2.0
        return restored

    def _to_crop(self, y: Tensor, like: Crop) -> Crop:
        """`y` (3, S, S) as (S, S, 3), with the size and array type of the input crop `like`."""
        with torch.inference_mode():
            y = self._square.returned(y, _tensor(like, self._device)).permute(1, 2, 0)
            return y if isinstance(like, Tensor) else y.contiguous().cpu().numpy()

    def _fitting(self, most: int) -> int:
        """The largest power of two, up to `most`, that fits into memory.

        Found before the first face, not while running: a face's last digits depend on its batch,
        and a resumed job must give the same result as one that was not interrupted.
        """
        fits, count = 1, 2
        while count <= most:
            try:
                self._run([np.zeros((SIDE, SIDE, 3), np.float32)] * count)
            except (RuntimeError, MemoryError) as error:
                if not is_memory(error):
                    raise ModelError(
                        f"{self.name}: the network failed on {self._device} ({line_of(error)}); "
                        f"use --devices cpu"
                    ) from error
                break
            fits, count = count, 2 * count
        self._network.free()
        return fits


def _tensor(crop: Crop, device: torch.device) -> Tensor:
    """The crop as (1, 3, S, S) on the device; a tensor there already is not copied."""
    return torch.as_tensor(crop, device=device).permute(2, 0, 1)[None]


def _place(window: CropWindow) -> str:
    return f"tracklet {window.tracklet}, frame {window.frames[window.centre]}"


def _warn(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=3)
