"""Restorers by name: a plain table, one row each, and what a restorer must offer.

To add one, write its module and its row: the help, the weights, the job's record and the notes to
the user follow from the row.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from videnhance.errors import UsageError, chosen
from videnhance.inference import (
    CODED,
    LARGE,
    ONNX_FACE,
    OPENVINO,
    PLAIN,
    STYLED,
    VIDEO,
    Definition,
    Traits,
)
from videnhance.models.registry import Row
from videnhance.settings.groups import AI_UPSCALERS, Settings

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from videnhance.faces.tracklets import CropWindow
    from videnhance.imaging.frames import FloatArray
    from videnhance.models.loader import Loader
    from videnhance.restorers.square import Square


class Restorer(Protocol):
    """Improves aligned crops.

    `radius`: neighbours wanted on each side of a crop; near a tracklet's ends there are fewer.
    `batch`: preferred number of windows per call; it may shrink if memory runs out.
    `invents`: whether its output can show detail that the clip does not, and so must be marked.
    The result for a window depends on that window alone, so it does not matter where a video is
    cut into segments.
    """

    name: str
    radius: int
    batch: int
    invents: bool

    def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
        """One crop per window: (S, S, 3) float32 RGB 0..1, of the centre crop's size.

        Raises ModelError, naming the tracklet and the frame that cannot be restored.
        """
        ...


@runtime_checkable
class Guarded(Protocol):
    """A restorer that holds back changes its input does not support."""

    def held_back(self) -> list[float | None]:
        """For each crop since the last call, the share of its pixels that was held back; None for
        crops that were not corrected at all."""
        ...


AUTO, FUSION = "auto", "fusion"
NO_AI = "VIDENHANCE_NO_AI"
"""The variable that forbids AI, for all who use a machine; not set, empty or 0, it does not."""


def _identity(loader: Loader) -> Restorer:
    from videnhance.restorers.identity import Identity

    return Identity()


def _fusion(loader: Loader) -> Restorer:
    from videnhance.restorers.fusion import Fusion

    return Fusion(coding=loader.coding, watch=loader.watch)


def _clarity(name: str, about: str) -> Row[Restorer]:
    def make(loader: Loader) -> Restorer:
        from videnhance.restorers.clarity import Clarity, definitions

        parts = [loader.compiled(part) for part in definitions(*loader.identified("clarity"))]
        return Clarity(
            name,
            parts,
            coding=loader.coding,
            always=name != AUTO,
            batch=loader.settings.compute.batch_size,
            watch=loader.watch,
        )

    return Row(make, "clarity", about, ("torch",), learned=True, traits=PLAIN)


def _gfpgan(weights: str, about: str = "") -> Row[Restorer]:
    def make(loader: Loader) -> Restorer:
        from videnhance.restorers.gfpgan import EXACT, build

        seed = loader.variation  # an ONNX file's noise is its own
        return _networked(
            weights,
            lambda state, path: build(state, path, seed),
            loader,
            code="gfpgan",
            also=(float(seed),) if seed else (),
            exact=EXACT,
        )

    facts = {"invents": True, "on_gpu": True, "copies": True}
    return Row(make, weights, about, ("torch",), traits=STYLED, **facts)


def _restoreformer(loader: Loader) -> Restorer:
    from videnhance.restorers.restoreformer import build

    return _networked("restoreformer", build, loader, code="restoreformer")


def _codeformer(loader: Loader) -> Restorer:
    from videnhance.restorers.codeformer import build

    fidelity = varied_fidelity(loader.settings.restore.fidelity, loader.variation)
    return _networked(
        "codeformer",
        lambda state, path: build(state, fidelity, path),
        loader,
        code="codeformer",
        also=(fidelity,),
    )


def _keep(loader: Loader) -> Restorer:
    from videnhance.models.loading import load_state
    from videnhance.restorers.clips import Clips
    from videnhance.restorers.keep import KeepRestorer, build

    (path, sha256), row = loader.identified("keep"), RESTORERS["keep"]
    definition = Definition(
        "keep",
        ((1, -1, 3, 512, 512),),
        row.traits or VIDEO,
        lambda: build(load_state(path), path),
        weights=sha256,
    )
    return Clips(KeepRestorer(loader.compiled(definition)))


def varied_fidelity(fidelity: float, variation: int) -> float:
    """CodeFormer's w for a variation: 0.1 more, 0.1 less, 0.2 more... within 0..1."""
    step = 0.1 * ((variation + 1) // 2)
    return min(max(fidelity + (step if variation % 2 else -step), 0.0), 1.0)


def _networked(
    name: str,
    build: Callable[[Mapping[str, Tensor], Path], Module],
    loader: Loader,
    *,
    code: str,
    also: tuple[float, ...] = (),
    exact: tuple[str, ...] = (),
) -> Restorer:
    """The restorer around the network that `build`, which is in the module `code`, makes from the
    weights called `name`; `also`: the settings that it is a function of; `exact`: as in its
    Definition. Where the user gives an ONNX file of it, it is the network in that file."""
    from videnhance.inference.onnx_file import is_onnx
    from videnhance.models.loading import load_state
    from videnhance.restorers.network import SIDE, NetworkRestorer

    (path, sha256), row = loader.identified(name), RESTORERS[name]
    if row.copies and is_onnx(path):
        return _from_onnx(name, loader, SIDE)
    definition = Definition(
        name,
        ((1, 3, SIDE, SIDE),),
        row.traits or LARGE,
        lambda: build(load_state(path), path),
        weights=sha256,
        also=also,
        code=(f"{__name__}.{code}", "videnhance.inference.convolution"),
        packages=row.packages,
        exact=exact,
    )
    compute = loader.settings.compute
    where = f"{name} {loader.device} {compute.precision}"
    batch = compute.batch_size or loader.batches.get(where, 0)
    restorer = NetworkRestorer(name, loader.compiled(definition), batch, loader.tell)
    if not compute.batch_size:
        loader.batches[where] = restorer.batch
    return restorer


def _from_onnx(name: str, loader: Loader, side: int, square: Square | None = None) -> Restorer:
    """The restorer around the network in an ONNX file, the weights called `name`."""
    from videnhance.inference.devices import found
    from videnhance.inference.onnx_file import definition
    from videnhance.restorers.network import NetworkRestorer

    (path, sha256), shape = loader.identified(name), [(1, 3, side, side)]
    cure = f"give the published file of {name}"
    network = loader.compiled(
        definition(name, path, shape, shapes=shape, traits=ONNX_FACE, weights=sha256, cure=cure)
    )
    wish = loader.execution
    if network.way.on_cpu and wish.backend != OPENVINO and found(wish.device) != "cpu":
        loader.tell(
            f"{name}: an ONNX file, which is computed on the processor; for {wish.device} install "
            "onnxruntime-gpu"
        )
    # its sizes are fixed: a batch would be computed one by one
    batch = loader.settings.compute.batch_size or 1
    return NetworkRestorer(name, network, batch, loader.tell, square)


def _onnx_row(weights: str, about: str = "", side: int = 512) -> Row[Restorer]:
    """A network that is published as an ONNX file."""

    def make(loader: Loader) -> Restorer:
        from videnhance.restorers.square import ARCFACE, Part

        return _from_onnx(weights, loader, side, Part(ARCFACE, side) if side == 256 else None)

    return Row(make, weights, about, ("torch",), invents=True, on_gpu=True, traits=ONNX_FACE)


def _defined_row(
    make: Callable[[Loader], Restorer],
    weights: str,
    about: str = "",
    *more: str,
    traits: Traits = CODED,
) -> Row[Restorer]:
    """A network that torch defines, by the package spandrel and `more`."""
    packages = ("torch", "spandrel", *more)
    return Row(make, weights, about, packages, invents=True, on_gpu=True, traits=traits)


RESTORERS: dict[str, Row[Restorer]] = {
    AUTO: _clarity(AUTO, "clarity where that measures nearer to the truth, else fusion"),
    FUSION: Row(_fusion, about="only what the clip itself holds"),
    "clarity": _clarity("clarity", "that, corrected by a network that comes with videnhance"),
    "identity": Row(_identity, about="change nothing"),
    "gfpgan": _gfpgan("gfpgan-1.4", "that is 1.4"),
    "gfpgan-1.2": _gfpgan("gfpgan-1.2"),
    "gfpgan-1.3": _gfpgan("gfpgan-1.3"),
    "gfpgan-1.4": _gfpgan("gfpgan-1.4"),
    "restoreformer": _defined_row(_restoreformer, "restoreformer"),
    "restoreformer++": _onnx_row("restoreformer++"),
    "gpen-256": _onnx_row("gpen-256", "small and quick; not for commercial use", side=256),
    "gpen-512": _onnx_row("gpen-512", "not for commercial use"),
    "codeformer": _defined_row(
        _codeformer, "codeformer", "not for commercial use", "spandrel_extra_arches"
    ),
    "keep": _defined_row(
        _keep,
        "keep",
        "sees 20 frames at once; not for commercial use",
        "spandrel_extra_arches",
        traits=VIDEO,
    ),
}


def is_learned(name: str) -> bool:
    """Whether the restorer of that name corrects by what a network learned (Row.learned)."""
    return name in RESTORERS and RESTORERS[name].learned


def more_than(name: str) -> str:
    """What changes more than the restorer of that name, for the user; nothing is to be said beside
    one that invents."""
    if name not in RESTORERS or RESTORERS[name].invents:
        return ""
    learned = f"--restorer {AUTO} changes more where that measures nearer to the truth, "
    return f"{'' if is_learned(name) else learned}--restorer gfpgan shows more, which it invents"


def create(loader: Loader) -> Restorer:
    """The restorer named in the settings, on the loader's device.

    Raises UsageError, listing the known names, or for one that is not allowed (`without_ai`), and
    ModelError.
    """
    without_ai(loader.settings)
    name = loader.settings.restore.restorer
    made = chosen("--restorer", name, RESTORERS).make(loader)
    if made.invents and (order := ai_forbidden_by(loader.settings)):
        raise _refused("--restorer", name, order, FUSION)
    return made


def ai_forbidden_by(settings: Settings) -> str:
    """What forbids that a network restores or enlarges: an option or a variable; empty where
    nothing does."""
    if settings.restore.no_ai:
        return "--no-ai"
    return NO_AI if os.environ.get(NO_AI, "0") not in ("", "0") else ""


def without_ai(settings: Settings) -> Settings:
    """The settings; where AI is forbidden, with fusion in place of auto, and saying so themselves.

    Raises UsageError where they name a restorer or an upscaler that is a network.
    """
    order = ai_forbidden_by(settings)
    if not order:
        return settings
    restore, upscaler = settings.restore, settings.output.upscaler
    row = RESTORERS.get(restore.restorer)
    if restore.restorer == AUTO:
        restore = replace(restore, restorer=FUSION)
    elif row is not None and (row.learned or row.invents):
        raise _refused("--restorer", restore.restorer, order, FUSION)
    if upscaler in AI_UPSCALERS:
        raise _refused("--upscaler", upscaler, order, "lanczos")
    return replace(settings, restore=replace(restore, no_ai=True))


def _refused(option: str, name: str, order: str, instead: str) -> UsageError:
    return UsageError(f"{option} {name}: is a network, which {order} forbids; name {instead}")
