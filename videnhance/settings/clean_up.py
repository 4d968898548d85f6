"""Settings of what is done to whole frames, before faces are restored and after."""

from __future__ import annotations

from dataclasses import dataclass

from videnhance.errors import UsageError
from videnhance.settings.table import setting
from videnhance.settings.text import PAIR

AUTO = ("off", "auto")


def _unfolded(option: str, lens: tuple[float, float]) -> None:
    """r (1 + k1 r^2 + k2 r^4) must grow all the way from the centre to the corners."""
    k1, k2 = lens
    squares = [k / 64 for k in range(65)]
    if k2:
        squares.append(min(max(-3 * k1 / (10 * k2), 0.0), 1.0))  # where the slope is least
    if not all(1 + 3 * k1 * s + 5 * k2 * s * s > 0 for s in squares):
        raise UsageError(
            f"{option} {k1:g},{k2:g}: would show parts of the picture twice; take K1 and K2 nearer "
            "to 0"
        )


@dataclass(frozen=True)
class CleanSettings:
    """What every frame goes through before anything looks at it, in this order (media.clean_up).

    With any of it, frames outside faces are no longer the source's.
    """

    deinterlace: str = setting(
        "off",
        "--deinterlace",
        "off; auto: where fields are combed; bwdif: whatever is found.",
        choices=("off", "auto", "bwdif"),
    )
    """"auto": where fields of different times are really combed; "bwdif": whatever is found."""
    rate: str = setting(
        "frame",
        "--deinterlace-rate",
        "A picture for each frame, or each field.",
        choices=("frame", "field"),
    )
    """"frame": one picture for each frame, at its time; "field": one for each field."""
    deblock: float = setting(
        0.0, "--deblock", "Smooth a codec's block borders first, 0 to 1.", within=(0, 1)
    )
    """How much steps at the borders of a codec's 8x8 blocks are smoothed."""
    denoise: float = setting(
        0.0, "--denoise", "Average over seven frames first, 0 to 1.", within=(0, 1)
    )
    """How different a pixel may be in the frames around to be averaged with them."""
    levels: str = setting(
        "off", "--levels", "auto: stretch a dark clip's tones first; off.", choices=AUTO
    )
    """"auto": black, white and middle tones of a dark clip are stretched, alike in all frames."""
    white_balance: str = setting(
        "off", "--white-balance", "auto: take away a tint first; off.", choices=AUTO
    )
    """"auto": a tint over the whole clip is taken away, alike in all frames."""
    lens: tuple[float, float] | None = setting(
        None,
        "--lens",
        "Straighten a lens first; barrels: K1 below 0.",
        within=(-1, 1),
        rule=_unfolded,
        form=PAIR,
        metavar="K1,K2",
    )
    """(k1, k2) of radial distortion, as FFmpeg's lenscorrection counts it: a point at r from the
    centre is taken from r (1 + k1 r^2 + k2 r^4), r = 1 at the corners. Barrels need negative k1."""


@dataclass(frozen=True)
class FinishSettings:
    """What every finished frame goes through before it is encoded (imaging.grading.graded)."""

    brightness: float = setting(0.0, "--brightness", "Of the result, -1 to 1.", within=(-1, 1))
    """Added to luma, in units of its whole range."""
    contrast: float = setting(
        1.0, "--contrast", "Of the result, 0 to 4; 1 leaves it.", within=(0, 4)
    )
    """Luma's distance from middle grey is multiplied by it."""
    saturation: float = setting(
        1.0, "--saturation", "Of the result, 0 to 4; 1 leaves it.", within=(0, 4)
    )
    """Chroma is multiplied by it."""
    sharpen: float = setting(0.0, "--sharpen", "The result, 0 to 3.", within=(0, 3))
    """How many times luma's fine detail is added once more."""

    @property
    def changes(self) -> bool:
        """Whether any of it is asked for."""
        return self != FinishSettings()
