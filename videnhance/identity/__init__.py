"""Who is who, as far as a number can tell: embeddings of faces, drift, and tracks of one person.

Distances between faces of one clip, never a verdict, and never a comparison with pictures from
outside the clip: that is identification, which this tool does not do.

EMBEDDERS is the table of the networks that embed faces. To add one, write its row here, its Chips
in embedding.py and its weights in models/catalog.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from videnhance.errors import chosen
from videnhance.inference import EXACT, ONNX_FILE
from videnhance.models.registry import Row

if TYPE_CHECKING:
    from videnhance.identity.embedding import Embedder
    from videnhance.models.loader import Loader
    from videnhance.settings.groups import Settings


def _dlib(loader: Loader) -> Embedder:
    from videnhance.identity.definitions import dlib
    from videnhance.identity.embedding import DLIB, Embedder

    return Embedder(loader.compiled(dlib(*loader.identified(DLIB.name))), DLIB)


def _of_file(weights: str, about: str) -> Row[Embedder]:
    def make(loader: Loader) -> Embedder:
        from videnhance.identity.definitions import of_file
        from videnhance.identity.embedding import FILES, Embedder

        chips = FILES[weights]
        return Embedder(loader.compiled(of_file(chips, *loader.identified(weights))), chips)

    return Row(make, weights, about, traits=ONNX_FILE)


EMBEDDERS: dict[str, Row[Embedder]] = {
    "dlib": Row(_dlib, "identity", "ships", packages=("torch",), traits=EXACT),
    "sface": _of_file("sface", "39 MB"),
    "adaface": _of_file("adaface", "92 MB, learned from poor pictures, too"),
}
"""What persons and drift are measured with, by the name for `--identity-model`."""


def embedder_row(settings: Settings) -> Row[Embedder]:
    """The row that the settings name. Raises UsageError, listing the known names."""
    return chosen("--identity-model", settings.models.identity, EMBEDDERS)
