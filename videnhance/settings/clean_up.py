"""Settings of what is done to whole frames, before faces are restored and after."""

from __future__ import annotations

from dataclasses import dataclass, fields

from videnhance.errors import UsageError

DEINTERLACE = ("off", "auto", "bwdif")
RATES = ("frame", "field")
AUTO = ("off", "auto")

OPTIONS = {
    "clean.deinterlace": "--deinterlace",
    "clean.rate": "--deinterlace-rate",
    "clean.deblock": "--deblock",
    "clean.denoise": "--denoise",
    "clean.levels": "--levels",
    "clean.white_balance": "--white-balance",
    "clean.lens": "--lens",
    "finish.brightness": "--brightness",
    "finish.contrast": "--contrast",
    "finish.saturation": "--saturation",
    "finish.sharpen": "--sharpen",
}
"""The option of the command line that sets each field, for messages."""


@dataclass(frozen=True)
class CleanSettings:
    """What every frame goes through before anything looks at it, in this order (media.clean_up).

    With any of it, frames outside faces are no longer the source's.
    """

    deinterlace: str = "off"
    """"auto": where fields of different times are really combed; "bwdif": whatever is found."""
    rate: str = "frame"
    """"frame": one picture for each frame, at its time; "field": one for each field."""
    deblock: float = 0.0
    """0..1: how much steps at the borders of a codec's 8x8 blocks are smoothed."""
    denoise: float = 0.0
    """0..1: how different a pixel may be in the frames around to be averaged with them."""
    levels: str = "off"
    """"auto": black, white and middle tones of a dark clip are stretched, alike in all frames."""
    white_balance: str = "off"
    """"auto": a tint over the whole clip is taken away, alike in all frames."""
    lens: tuple[float, float] | None = None
    """(k1, k2) of radial distortion, as FFmpeg's lenscorrection counts it: a point at r from the
    centre is taken from r (1 + k1 r^2 + k2 r^4), r = 1 at the corners. Barrels need negative k1."""

    def check(self) -> None:
        """Raises UsageError naming the option and what it takes."""
        for name, value, choices in (
            ("deinterlace", self.deinterlace, DEINTERLACE),
            ("rate", self.rate, RATES),
            ("levels", self.levels, AUTO),
            ("white_balance", self.white_balance, AUTO),
        ):
            if value not in choices:
                option = OPTIONS[f"clean.{name}"]
                raise UsageError(f"{option} {value}: takes {', '.join(choices)}")
        _within("clean.deblock", self.deblock, 0.0, 1.0)
        _within("clean.denoise", self.denoise, 0.0, 1.0)
        for k in self.lens or ():
            _within("clean.lens", k, -1.0, 1.0)
        if self.lens is not None and not _is_unfolded(*self.lens):
            raise UsageError(
                f"--lens {self.lens[0]:g},{self.lens[1]:g}: would show parts of the picture twice; "
                "take K1 and K2 nearer to 0"
            )


@dataclass(frozen=True)
class FinishSettings:
    """What every finished frame goes through before it is encoded (cleaning.graded)."""

    brightness: float = 0.0
    """-1..1: added to luma, in units of its whole range."""
    contrast: float = 1.0
    """0..4: luma's distance from middle grey is multiplied by it."""
    saturation: float = 1.0
    """0..4: chroma is multiplied by it."""
    sharpen: float = 0.0
    """0..3: how many times luma's fine detail is added once more."""

    @property
    def changes(self) -> bool:
        """Whether any of it is asked for."""
        return self != FinishSettings()

    def check(self) -> None:
        """Raises UsageError naming the option and what it takes."""
        limits = {"brightness": (-1.0, 1.0), "sharpen": (0.0, 3.0)}
        for field in fields(self):
            low, high = limits.get(field.name, (0.0, 4.0))
            _within(f"finish.{field.name}", getattr(self, field.name), low, high)


def _is_unfolded(k1: float, k2: float) -> bool:
    """Whether r (1 + k1 r^2 + k2 r^4) grows all the way from the centre to the corners."""
    squares = [k / 64 for k in range(65)]
    if k2:
        squares.append(min(max(-3 * k1 / (10 * k2), 0.0), 1.0))  # where the slope is least
    return all(1 + 3 * k1 * s + 5 * k2 * s * s > 0 for s in squares)


def _within(field: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UsageError(f"{OPTIONS[field]} {value:g}: takes {low:g} to {high:g}")
