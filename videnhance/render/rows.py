"""The tables of what masks faces (`--mask`) and of what enlarges frames (`--upscaler`).

Like those of detectors and restorers they import nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from videnhance.inference import LARGE, PLAIN
from videnhance.models.registry import Row
from videnhance.settings.groups import AI_UPSCALERS

if TYPE_CHECKING:
    from videnhance.models.loader import Loader
    from videnhance.render.parsing import Parser
    from videnhance.render.upscaling import Upscaler


def _parser(loader: Loader) -> Parser:
    from videnhance.render.parsing import Parser, definition

    return Parser(loader.compiled(definition(*loader.identified("parsenet"))))


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


PARSER: Row[Parser] = Row(_parser, "parsenet", packages=("torch", "facexlib"), traits=PLAIN)
"""For `--mask parsing`."""
PARSERS: dict[str, Row[Parser]] = {"parsing": PARSER}
"""The networks of `--mask`, by its values."""
UPSCALERS: dict[str, Row[Upscaler]] = {
    "realesrgan-x2": _realesrgan("realesrgan-x2", AI_UPSCALERS["realesrgan-x2"]),
    "realesrgan-x4": _realesrgan("realesrgan-x4", AI_UPSCALERS["realesrgan-x4"]),
    "realesr-general-x4v3": Row(
        _compact, "realesr-general-x4v3", packages=("torch", "spandrel"), traits=LARGE
    ),
}
"""Of `--upscaler`; settings.groups.AI_UPSCALERS has the same names."""
