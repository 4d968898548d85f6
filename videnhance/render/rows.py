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


PARSER: Row[Parser] = Row(_parser, "parsenet", packages=("torch", "facexlib"), traits=PLAIN)
"""For `--mask parsing`."""
PARSERS: dict[str, Row[Parser]] = {"parsing": PARSER}
"""The networks of `--mask`, by its values."""
UPSCALERS: dict[str, Row[Upscaler]] = {
    name: _realesrgan(name, factor) for name, factor in AI_UPSCALERS.items()
}
