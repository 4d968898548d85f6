"""Sideways, mirrored and stretched video: looked at upright, and played as it was."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.making.odd_clips import MATRICES, write_odd_clip
from videnhance import detectors
from videnhance.faces.tracklets import Faces
from videnhance.job.run import enhance
from videnhance.media.reading.source import probe
from videnhance.models.registry import Row
from videnhance.settings.groups import DetectSettings, OutputSettings, RestoreSettings, Settings

Picture = npt.NDArray[np.uint8]

SHOWN = {
    "none": lambda p: p,
    "rotate90": lambda p: np.rot90(p, -1),
    "rotate180": lambda p: np.rot90(p, 2),
    "rotate270": lambda p: np.rot90(p, 1),
    "hflip": lambda p: p[:, ::-1],
    "vflip": lambda p: p[::-1],
    "transpose": lambda p: np.swapaxes(p, 0, 1),
    "transverse": lambda p: np.swapaxes(p[::-1, ::-1], 0, 1),
}
"""What a player makes of the coded picture."""


class Witness:
    """Finds nothing, and keeps what it was shown."""

    batch = 1

    def __init__(self) -> None:
        self.seen: list[Picture] = []

    def detect(self, images: Sequence[Picture]) -> list[Faces]:
        self.seen += [image.copy() for image in images]
        return [Faces.none() for _ in images]


@pytest.fixture
def witness(monkeypatch: pytest.MonkeyPatch) -> Witness:
    found = Witness()
    monkeypatch.setitem(detectors.DETECTORS, "witness", Row(lambda loader: found))
    return found


def settings(codec: str = "ffv1") -> Settings:
    return Settings(
        detect=DetectSettings(detector="witness"),
        restore=RestoreSettings(restorer="identity"),
        output=OutputSettings(codec=codec),
    )


@pytest.mark.parametrize("aspect", [Fraction(1), Fraction(2), Fraction(1, 2)])
@pytest.mark.parametrize("shape", SHOWN)
def test_the_detector_sees_what_a_player_shows(
    tmp_path: Path, witness: Witness, shape: str, aspect: Fraction
) -> None:
    source = write_odd_clip(
        tmp_path / "in.mp4",
        codec="ffv1",
        pix_fmt="gray",
        times="one",
        size=(64, 40),
        matrix=MATRICES.get(shape),
        aspect=aspect,
    )
    plain = write_odd_clip(
        tmp_path / "plain.mp4", codec="ffv1", pix_fmt="gray", times="one", size=(64, 40)
    )
    enhance(plain, tmp_path / "plain.mkv", settings())
    coded = witness.seen[0].astype(float)
    witness.seen.clear()
    enhance(source, tmp_path / "out.mkv", settings())
    (seen,) = {image.shape: image for image in witness.seen}.values()
    wide = np.repeat(coded, aspect.numerator, axis=1)
    wide = wide[:, :: aspect.denominator] + wide[:, aspect.denominator - 1 :: aspect.denominator]
    wanted = SHOWN[shape](wide / 2)
    assert seen.shape == wanted.shape
    # Stretching interpolates; turning alone does not.
    assert np.abs(seen - wanted).max() <= (0 if aspect == 1 else 16)
    assert np.abs(seen - wanted).mean() <= (0 if aspect == 1 else 4)


@pytest.mark.usefixtures("witness")
@pytest.mark.parametrize("shape", MATRICES)
@pytest.mark.parametrize(
    ("codec", "suffix"), [("h264", ".mp4"), ("prores", ".mov"), ("h265", ".mkv"), ("av1", ".webm")]
)
def test_every_container_plays_it_as_it_was(
    tmp_path: Path, codec: str, suffix: str, shape: str
) -> None:
    source = write_odd_clip(
        tmp_path / "in.mov",
        codec="mjpeg",
        pix_fmt="yuvj422p",
        times="one",
        matrix=MATRICES[shape],
        aspect=Fraction(3, 2),
    )
    output = tmp_path / f"out{suffix}"
    enhance(source, output, settings(codec))
    found = probe(output)
    assert found.display_matrix == MATRICES[shape]
    assert found.sample_aspect_ratio == Fraction(3, 2)
    assert (found.width, found.height) == (64, 48)
