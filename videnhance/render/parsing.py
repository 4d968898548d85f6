"""Parsing: which part of an aligned crop is face, by ParseNet, which labels every pixel.

The network, and how its labels become a mask, follow facexlib
(FaceRestoreHelper.paste_faces_to_input_image with use_parse); the network is originally from
PSFR-GAN (Chaofeng Chen and others, "Progressive Semantic-Aware Style Transformation for Blind Face
Restoration", CVPR 2021). It was trained on portraits (CelebAMask-HQ), which have no class for
things in front of a face: a hand or a microphone is left out only if it is not taken for skin.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from videnhance.errors import ModelError, line_of
from videnhance.imaging.frames import Crop, FloatArray
from videnhance.inference import PLAIN, Definition, Network
from videnhance.inference.devices import device_named
from videnhance.models.loading import check_state, load_state

CLASSES = (
    "background",
    "skin",
    "nose",
    "glasses",
    "left eye",
    "right eye",
    "left brow",
    "right brow",
    "left ear",
    "right ear",
    "mouth",
    "upper lip",
    "lower lip",
    "hair",
    "hat",
    "earring",
    "necklace",
    "neck",
    "cloth",
)
"""The meaning of each label, in the order of CelebAMask-HQ."""
NOT_FACE = frozenset({"background", "hat", "necklace", "neck", "cloth"})
"""Classes outside facexlib's mask; ours also excludes hair by default."""

_SIDE = 512
_SIGMA, _KERNEL = 11.0, (101, 101)  # pixels at 512; applied twice
_BORDER = 10  # pixels at 512 that stay 0, so that a mask ends inside its crop


def definition(path: Path, sha256: str | None = None) -> Definition:
    """The network with the published weights: RGB (B, 3, 512, 512) in [-1, 1] to scores
    (B, 19, 512, 512).

    To make it raises ModelError if keys are missing, unknown or of another shape, naming them.
    """

    def make() -> torch.nn.Module:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the package warns about its own code
            from facexlib.parsing.parsenet import ParseNet

        network: torch.nn.Module = ParseNet(in_size=_SIDE, out_size=_SIDE, parsing_ch=len(CLASSES))
        # counters from training: a file need not hold them, and nothing here reads them
        counters = {k: v for k, v in network.state_dict().items() if k.endswith("batches_tracked")}
        complete = {**counters, **load_state(path)}
        check_state(network, complete, path)
        network.load_state_dict(complete, strict=True)
        return _Scores(network)

    return Definition(
        "parsenet",
        ((1, 3, _SIDE, _SIDE),),
        PLAIN,
        make,
        weights=sha256,
        code=(__name__,),
        packages=("facexlib", "torch"),
    )


class _Scores(torch.nn.Module):
    """ParseNet without the picture that it also returns."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.network(x)[0]
        return scores


class Parser:
    """Masks of faces in aligned crops, by ParseNet."""

    def __init__(self, network: Network, *, hair: bool = False) -> None:
        """`network`: the compiled `definition`. `hair`: whether hair counts as face, as in
        facexlib."""
        self._network = network
        self._device = device_named(network.way.device)
        # on a CPU batches are no faster; on a GPU eight faces fit beside a restorer
        self._batch = 1 if network.way.on_cpu else 8
        outside = NOT_FACE if hair else NOT_FACE | {"hair"}
        self._values = np.array([name not in outside for name in CLASSES], np.float32)

    def labels(self, crops: Sequence[Crop]) -> list[npt.NDArray[np.uint8]]:
        """(512, 512) indices into CLASSES for each crop, (S, S, 3) float32 RGB 0..1.

        Raises ModelError if the network fails, for example for lack of memory.
        """
        return list(self._each(crops))

    def masks(self, crops: Sequence[Crop]) -> list[FloatArray]:
        """A mask (S, S) float32 for each crop, (S, S, 3) float32 RGB 0..1: 1 on the face, 0 around
        it, with a soft edge, and 0 at the crop's border.

        Raises ModelError if the network fails, for example for lack of memory.
        """
        found = zip(self._each(crops), crops, strict=True)
        return [self._feathered(labels, len(crop)) for labels, crop in found]

    def _each(self, crops: Sequence[Crop]) -> Iterator[npt.NDArray[np.uint8]]:
        for start in range(0, len(crops), self._batch):
            try:
                yield from self._run(crops[start : start + self._batch])
            except (RuntimeError, MemoryError) as error:
                raise ModelError(
                    f"parsenet: the network failed on {self._device} ({line_of(error)}); "
                    "use --devices cpu"
                ) from error

    @torch.inference_mode()
    def _run(self, crops: Sequence[Crop]) -> npt.NDArray[np.uint8]:
        x = torch.cat([self._to_side(crop) for crop in crops]).contiguous()
        scores = self._network((x - 0.5) / 0.5)[0]
        labels: npt.NDArray[np.uint8] = scores.argmax(1).to(torch.uint8).cpu().numpy()
        return labels

    def _to_side(self, crop: Crop) -> Tensor:
        x = torch.as_tensor(crop, device=self._device).permute(2, 0, 1)[None].clamp(0.0, 1.0)
        if len(crop) == _SIDE:
            return x
        return F.interpolate(x, (_SIDE, _SIDE), mode="bilinear", align_corners=False)

    def _feathered(self, labels: npt.NDArray[np.uint8], size: int) -> FloatArray:
        mask: FloatArray = self._values[labels]
        for _ in range(2):
            mask = cv2.GaussianBlur(mask, _KERNEL, _SIGMA)
        inside = np.zeros_like(mask)
        within = slice(_BORDER, -_BORDER)
        inside[within, within] = mask[within, within]
        resized: FloatArray = cv2.resize(inside, (size, size), interpolation=cv2.INTER_LINEAR)
        return np.clip(resized, 0.0, 1.0)
