"""The tables of what masks faces (`--mask`) and of what enlarges frames (`--upscaler`).

Like those of detectors and restorers they import nothing heavy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from videnhance.inference import LARGE, ONNX_FILE, PLAIN
from videnhance.models.registry import Row
from videnhance.settings.groups import AI_UPSCALERS

if TYPE_CHECKING:
    from videnhance.imaging.frames import Crop, FloatArray
    from videnhance.models.loader import Loader
    from videnhance.render.upscaling import Upscaler


class Masker(Protocol):
    """Finds where a face is to be painted."""

    def masks(self, crops: Sequence[Crop]) -> list[FloatArray]:
        """A mask (S, S) float32 0..1 for each crop as recorded, (S, S, 3) float32 RGB 0..1; raises
        ModelError."""
        ...


def _parser(loader: Loader) -> Masker:
    from videnhance.render.parsing import Parser, definition

    return Parser(loader.compiled(definition(*loader.identified("parsenet"))))


def _occlusion(loader: Loader) -> Masker:
    from videnhance.render.occlusion import Occlusion, definition

    return Occlusion(loader.compiled(definition(*loader.identified("xseg"))))


def _realesrgan(name: str, factor: int) -> Row[Upscaler]:
    def make(loader: Loader) -> Upscaler:
        from videnhance.render.upscaling import Upscaler, definition

        network = loader.compiled(definition(*loader.identified(name), factor))
        return Upscaler(network, factor)

    return Row(make, name, packages=("torch", "spandrel"), traits=LARGE)


def _compact(loader: Loader) -> Upscaler:
    from videnhance.render.upscaling import Upscaler, compact_definition

    network = loader.compiled(compact_definition(*loader.identified("realesr-general-x4v3")))
    return Upscaler(network, AI_UPSCALERS["realesr-general-x4v3"])


MASKERS: dict[str, Row[Masker]] = {
    "parsing": Row(_parser, "parsenet", packages=("torch", "facexlib"), traits=PLAIN),
    "occlusion": Row(_occlusion, "xseg", traits=ONNX_FILE),
}
"""The networks of `--mask`, by its values."""
UPSCALERS: dict[str, Row[Upscaler]] = {
    "realesrgan-x2": _realesrgan("realesrgan-x2", AI_UPSCALERS["realesrgan-x2"]),
    "realesrgan-x4": _realesrgan("realesrgan-x4", AI_UPSCALERS["realesrgan-x4"]),
    "realesr-general-x4v3": Row(
        _compact, "realesr-general-x4v3", packages=("torch", "spandrel"), traits=LARGE
    ),
}
"""Of `--upscaler`; settings.groups.AI_UPSCALERS has the same names."""
