"""Upscaling of whole pictures by Real-ESRGAN's networks (RRDBNet, SRVGGNetCompact), tile by tile.

Xintao Wang and others, "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic
Data", ICCVW 2021. The networks come from spandrel, RRDBNet with other keys. They are, bit for bit,
those of the authors' basicsr package, without the training programs that importing basicsr loads (2
seconds). They invent texture, also in faces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from videnhance.errors import ModelError, UsageError, line_of
from videnhance.imaging.frames import FloatArray
from videnhance.inference import LARGE, Definition, Network, is_memory
from videnhance.models.loading import fill, load_state

if TYPE_CHECKING:
    from torch import nn

TILE = 256
"""Side of a tile in source pixels: about 1.5 GB of memory at scale 4 in float32."""
OVERLAP = 32
"""Context around the kept part of a tile, in source pixels; the authors' program uses 10."""
_LAYERS = {"0": "conv_first", "3": "conv_up1", "6": "conv_up2", "8": "conv_hr", "10": "conv_last"}
"""The published names of the layers that spandrel numbers."""


@dataclass(frozen=True)
class _Span:
    """One side of a tile: the pixels that are read, and those that are kept; half-open."""

    start: int
    stop: int
    kept_start: int
    kept_stop: int


@dataclass(frozen=True)
class _Tile:
    image: int
    rows: _Span
    columns: _Span

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start


class Upscaler:
    """Makes pictures `scale` times as wide and high, on one device."""

    def __init__(
        self,
        network: Network,
        scale: int,
        *,
        tile: int = TILE,
        overlap: int = OVERLAP,
        batch: int = 0,
    ) -> None:
        """`network`: the compiled `definition` of that scale. `tile`, `overlap`: in source pixels,
        even. `batch`: tiles per pass; 0 chooses. Raises UsageError for impossible numbers."""
        if scale not in (2, 4):
            raise UsageError(f"upscaling by {scale}: there is no network for it; choose 2 or 4")
        if tile % 2 or overlap % 2 or overlap < 0 or tile <= 2 * overlap:
            raise UsageError(
                f"tiles of {tile} pixels with an overlap of {overlap}: give even numbers, the tile "
                "more than twice the overlap"
            )
        if batch < 0:
            raise UsageError(f"batches of {batch} tiles: give 1 or more, or 0 to choose")
        self.scale = scale
        self._tile, self._overlap = tile, overlap
        self._network = network
        self._batch = batch or (1 if network.way.on_cpu else 4)

    def enlarge(self, images: Sequence[FloatArray]) -> list[FloatArray]:
        """Each (H, W, 3) float32 RGB 0..1 enlarged to (H * scale, W * scale, 3), clamped.

        Besides the results it needs memory for one batch of tiles, whatever the pictures' size.
        Raises ModelError if not even one tile fits into memory, or if the network returns NaN or
        infinity.
        """
        padded = [_even(image) if self.scale == 2 else image for image in images]
        results = [
            np.empty((image.shape[0] * self.scale, image.shape[1] * self.scale, 3), np.float32)
            for image in images
        ]
        waiting = [tile for k, image in enumerate(padded) for tile in self._tiles(k, image)]
        while waiting:
            size = next(
                (n for n, tile in enumerate(waiting) if tile.shape != waiting[0].shape),
                len(waiting),
            )
            batch = waiting[: min(size, self._batch)]
            outputs = self._try(padded, batch)
            if outputs is None:
                self._batch = len(batch) // 2
                continue
            for tile, output in zip(batch, outputs, strict=True):
                self._keep(results[tile.image], tile, output)
            waiting = waiting[len(batch) :]
        return results

    def _tiles(self, index: int, image: FloatArray) -> Iterator[_Tile]:
        for rows in _spans(image.shape[0], self._tile, self._overlap):
            for columns in _spans(image.shape[1], self._tile, self._overlap):
                yield _Tile(index, rows, columns)

    def _keep(self, result: FloatArray, tile: _Tile, output: FloatArray) -> None:
        """Copy the part of a tile's output that is not context to its place in the result."""
        s, rows, columns = self.scale, tile.rows, tile.columns
        place = result[
            rows.kept_start * s : rows.kept_stop * s, columns.kept_start * s : columns.kept_stop * s
        ]
        top = (rows.kept_start - rows.start) * s
        left = (columns.kept_start - columns.start) * s
        # the padding that makes a side even lies outside the result
        place[:] = output[top : top + place.shape[0], left : left + place.shape[1]]

    def _try(self, images: Sequence[FloatArray], tiles: Sequence[_Tile]) -> FloatArray | None:
        """Tiles of one shape enlarged, (B, h, w, 3) RGB 0..1; None if memory is too small."""
        crops = [
            images[tile.image][
                tile.rows.start : tile.rows.stop, tile.columns.start : tile.columns.stop
            ]
            for tile in tiles
        ]
        try:
            outputs = self._run(np.stack(crops))
        except (RuntimeError, MemoryError) as error:
            reason = error if not is_memory(error) else None
        else:
            if not np.isfinite(outputs).all():
                raise ModelError(
                    "upscaling: the network returned no numbers (NaN or infinity); "
                    "use --precision f32"
                )
            return np.clip(outputs, 0.0, 1.0)
        # only after the `except` block are the error and the failed pass's tensors released
        self._network.free()
        if reason is not None:
            raise ModelError(
                f"upscaling: the network failed on {self._network.way.device} ({line_of(reason)}); "
                "use --devices cpu --precision f32"
            ) from reason
        if len(tiles) == 1:
            raise ModelError(
                f"upscaling: not enough memory for one tile of {self._tile} pixels; use "
                "--devices cpu, or --upscaler lanczos"
            )
        return None

    def _run(self, crops: FloatArray) -> FloatArray:
        (found,) = self._network(np.ascontiguousarray(crops.transpose(0, 3, 1, 2)))
        return np.ascontiguousarray(found.transpose(0, 2, 3, 1))


def definition(
    path: Path, sha256: str | None, scale: int, *, blocks: int = 23, features: int = 64
) -> Definition:
    """The network with the published weights: RGB (B, 3, H, W) 0..1 to the same `scale` (2 or 4)
    times as wide and high.

    `blocks`, `features`: its size, by default of the published ones. To make it raises ModelError
    if keys are missing, unknown or of another shape, naming them.
    """
    # For scale 2, each square of 2 x 2 pixels first becomes one pixel of 12 values; then scale 4.
    halved = {"in_nc": 12, "shuffle_factor": 2} if scale == 2 else {}

    def make() -> nn.Module:
        import torch
        from spandrel.architectures.ESRGAN import ESRGAN

        with torch.device("meta"):
            network: nn.Module = ESRGAN(num_filters=features, num_blocks=blocks, **halved)
        fill(network, load_state(path), path, _published)
        return network

    return _defined(f"realesrgan-x{scale}", make, sha256)


def compact_definition(
    path: Path, sha256: str | None, *, convolutions: int = 32, features: int = 64
) -> Definition:
    """The small network (SRVGGNetCompact) with the published weights: RGB (B, 3, H, W) 0..1 to 4
    times as wide and high.

    `convolutions`, `features`: its size, by default that of realesr-general-x4v3. To make it raises
    ModelError like `definition`.
    """

    def make() -> nn.Module:
        import torch
        from spandrel.architectures.Compact import Compact

        with torch.device("meta"):
            network: nn.Module = Compact(num_feat=features, num_conv=convolutions)
        fill(network, load_state(path), path)
        return network

    return _defined("realesr-compact-x4", make, sha256)


def _defined(name: str, make: Callable[[], nn.Module], sha256: str | None) -> Definition:
    return Definition(
        name,
        ((1, 3, -1, -1),),
        LARGE,
        make,
        weights=sha256,
        code=(__name__, "videnhance.inference.convolution"),
        packages=("spandrel", "torch"),
    )


def _published(key: str) -> str:
    """The published files' key for the weight that spandrel calls `key`."""
    key = re.sub(r"^model\.1\.sub\.(\d+)\.RDB(\d)\.(conv\d)\.0\.", r"body.\1.rdb\2.\3.", key)
    key = re.sub(r"^model\.1\.sub\.\d+\.", "conv_body.", key)
    return re.sub(r"^model\.(\d+)\.", lambda found: f"{_LAYERS[found[1]]}.", key)


def _even(image: FloatArray) -> FloatArray:
    """The image with reflected rows and columns added to make sides even, as in Real-ESRGAN."""
    height, width = image.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return image
    padded: FloatArray = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="reflect")
    return padded


def _spans(length: int, tile: int, overlap: int) -> list[_Span]:
    """Cut a side into spans of one length; the last is shifted back to end with the picture.

    The network pads with zeros at a tile's edge. Only at the picture's own edges does that reach
    what is kept, as it would without tiles; everywhere else there is context.
    """
    if length <= tile:
        return [_Span(0, length, 0, length)]
    starts = [*range(0, length - tile, tile - 2 * overlap), length - tile]
    kept = [0, *(start + overlap for start in starts[1:]), length]
    return [
        _Span(start, start + tile, first, last)
        for start, (first, last) in zip(starts, pairwise(kept), strict=True)
    ]
