"""The square of a face that a network takes: the crop itself, or another template's part of it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from videnhance.faces.alignment import RECOGNITION, TEMPLATE
from videnhance.imaging.affine import invert
from videnhance.imaging.frames import Matrix

Points = npt.NDArray[np.float64]

ARCFACE = (RECOGNITION + np.array([8.0, 0.0])) / 128.0
"""The template of networks that recognize faces, (5, 2) in the unit square, with 8 pixels more at
the left and right and 16 below, as FaceFusion has it ("arcface_128"). It shows less of the forehead
than ours."""

_FEATHER = 0.06
"""Share of the square's side over which its restored picture fades in."""


class Square(Protocol):
    """From a crop to what a network takes, and back."""

    side: int
    """Of the network's input, pixels."""

    def taken(self, crop: Tensor) -> Tensor:
        """(1, 3, side, side) in 0..1 of a crop (1, 3, S, S)."""
        ...

    def returned(self, restored: Tensor, crop: Tensor) -> Tensor:
        """(3, S, S) in 0..1, of a restored square (3, side, side) and the crop (1, 3, S, S)."""
        ...


class Whole:
    """The crop itself."""

    def __init__(self, side: int) -> None:
        self.side = side

    def taken(self, crop: Tensor) -> Tensor:
        return resized(crop, self.side).clamp(0.0, 1.0)

    def returned(self, restored: Tensor, crop: Tensor) -> Tensor:
        restored = restored.clamp(0.0, 1.0)
        if crop.shape[-1] <= self.side:
            return resized(restored[None], crop.shape[-1], mode="area")[0]
        return resized(restored[None], crop.shape[-1])[0].clamp(0.0, 1.0)


class Part:
    """The square in which another template's points lie where the face's are.

    Crops are aligned by our template (faces.alignment): the square is found from both templates
    alone. Beyond it the crop stays as it is.
    """

    def __init__(self, template: Points, side: int) -> None:
        """`template`: (5, 2) in the unit square."""
        self.side = side
        self.to_crop = square_in_crop(template)

    def taken(self, crop: Tensor) -> Tensor:
        if crop.shape[-1] > self.side:
            crop = resized(crop, self.side, mode="area")
        return _warped(crop, self.to_crop, self.side).clamp(0.0, 1.0)

    def returned(self, restored: Tensor, crop: Tensor) -> Tensor:
        back, size = invert(self.to_crop), crop.shape[-1]
        weight = _warped(_faded(self.side, restored), back, size, "bilinear", outside="zeros")[0]
        picture = _warped(restored[None], back, size)[0]
        return (crop[0] + weight * (picture - crop[0])).clamp(0.0, 1.0)


def square_in_crop(template: Points) -> Matrix:
    """The similarity (2, 3) from the unit square of a template to that of ours by which their
    points agree best (Umeyama, as alignment.fit_poses)."""
    a, b = (points @ np.array([1, 1j]) for points in (template, TEMPLATE))
    turn = ((b - b.mean()) * (a - a.mean()).conj()).sum() / (np.abs(a - a.mean()) ** 2).sum()
    shift = b.mean() - turn * a.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def resized(x: Tensor, side: int, mode: str = "bicubic") -> Tensor:
    """A picture (B, C, S, S) at another side."""
    if x.shape[-1] == side:
        return x
    exact = {} if mode == "area" else {"align_corners": False}
    return F.interpolate(x, (side, side), mode=mode, **exact)


def _warped(
    x: Tensor, affine: Matrix, side: int, mode: str = "bicubic", outside: str = "border"
) -> Tensor:
    """(1, C, side, side) of x (1, C, S, S). `affine` maps the unit square of what comes out to that
    of what goes in."""
    linear, shift = affine[:, :2], affine[:, 2]
    # torch's squares reach from -1 to 1
    moved = linear.sum(axis=1) + 2.0 * shift - 1.0
    theta = torch.as_tensor(np.column_stack([linear, moved])[None], dtype=x.dtype, device=x.device)
    grid = F.affine_grid(theta, [1, x.shape[1], side, side], align_corners=False)
    return F.grid_sample(x, grid, mode=mode, padding_mode=outside, align_corners=False)


def _faded(side: int, like: Tensor) -> Tensor:
    """(1, 1, side, side): 0 at the border, 1 from _FEATHER of the side inward."""
    place = (torch.arange(side, dtype=like.dtype, device=like.device) + 0.5) / side
    ramp = (torch.minimum(place, 1.0 - place) / _FEATHER).clamp(max=1.0)
    return (ramp[:, None] * ramp[None, :])[None, None]
