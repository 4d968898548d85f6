"""Settings of what is done to a face."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite

from videnhance.errors import UsageError
from videnhance.settings.table import setting
from videnhance.settings.text import LIMIT

Limit = tuple[float, float] | None
"""(none, full): at `none` and beyond strength is 0, at `full` and beyond 1, between them it rises
smoothly; None: not judged."""


@dataclass(frozen=True)
class RestoreSettings:
    """What is done to a face (restorers, render)."""

    restorer: str = setting("auto", "--restorer", "{table}", table="restorers")
    no_ai: bool = setting(
        False,
        "--no-ai",
        "Let no network restore or enlarge: auto is fusion then, others are refused by name.",
        remakes=(),
        may_remake=("render",),
    )
    """So does the variable VIDENHANCE_NO_AI (restorers.without_ai). Networks that only find faces
    stay."""
    strength: float = setting(
        1.0, "--strength", "Blend of source (0) and restored face (1).", within=(0, 1)
    )
    ease: float = setting(
        0.2,
        "--ease",
        "Seconds over which strength rises and falls at a track's ends.",
        within=(0, 60),
        remakes=("render",),
        may_remake=("detect",),
    )
    fidelity: float = setting(
        0.5,
        "--fidelity",
        "codeformer: 0 is the prettiest face, 1 the one most like the source.",
        within=(0, 1),
    )
    """CodeFormer's w."""
    steady: float = setting(
        0.7,
        "--steady",
        "AI: hold made-up texture still from frame to frame, 0 to 1.",
        within=(0, 1),
    )
    """How far it is averaged along the track (steadiness.steady). Only for restorers that
    invent."""
    mask: str = setting(
        "ellipse",
        "--mask",
        "Where a face is painted: ellipse, box; by networks: parsing, or occlusion (not on hands).",
        choices=("ellipse", "box", "parsing", "occlusion"),
    )
    """"ellipse" from hairline to chin, "box" the whole crop, "parsing" what a network takes for
    face (parsing.Parser), "occlusion" the ellipse without what hides the face
    (occlusion.Occlusion)."""
    match_color: bool = setting(
        True, "--match-color", "AI: give a restored face the colours of its source."
    )
    """See imaging/color_match.py. Only for restorers that invent."""
    on_error: str = setting(
        "fail",
        "--on-error",
        "A face that cannot be restored: fail, or keep it as recorded.",
        choices=("fail", "keep"),
    )
    """"fail" ends the job, "keep" lists it."""
    drift: str = setting(
        "auto",
        "--drift",
        "Measure how far faces drift from their source: at moments, all, off; auto: all for AI.",
        choices=("auto", "moments", "all", "off"),
    )
    """See identity/drift.py."""
    max_drift: float | None = setting(
        None,
        "--max-drift",
        "Least strength that keeps a track's drift within this, else its faces are left alone.",
        within=(0, 2),
        may_remake=(),
        remakes=("render",),
    )
    """The largest of identity.drift.STRENGTHS that does, found before rendering."""


def _rising(option: str, limit: tuple[float, float]) -> None:
    none, full = limit
    if not (isfinite(none) and isfinite(full) and none < full):
        raise _in_wrong_order(option, limit, "below")


def _falling(option: str, limit: tuple[float, float]) -> None:
    none, full = limit
    if not (isfinite(none) and isfinite(full) and none > full):
        raise _in_wrong_order(option, limit, "above")


def _in_wrong_order(option: str, limit: tuple[float, float], order: str) -> UsageError:
    return UsageError(
        f"{option} {limit[0]:g},{limit[1]:g}: the first, where strength is 0, must be {order} the "
        "second, where it is full"
    )


@dataclass(frozen=True)
class GateLimits:
    """What holds a restorer that invents back (faces/gate.py), as (none, full).

    Raises UsageError where they are in the wrong order.

    Defaults follow what the networks were trained on: GFPGAN's training (TencentARC/GFPGAN,
    options/train_gfpgan_v1.yml) shrinks faces of 126 pixels between the eyes up to 8 times, so to
    16, and blurs them with sigma up to 10, which takes the sharpness of faces as recorded (eight
    clips, medians of 0.6 to 1) to 0.48 to 0.67.
    """

    eyes: Limit = setting(
        (8.0, 16.0),
        "--gate-eyes",
        "AI, all --gate options: where it is held back, as NONE,FULL (no strength, full strength) "
        "or off. Here by pixels between the eyes.",
        rule=_rising,
        form=LIMIT,
    )
    """In the source."""
    sharpness: Limit = setting(
        (0.22, 0.4),
        "--gate-sharpness",
        "By the sharpness of the face, 0 to 1.",
        rule=_rising,
        form=LIMIT,
    )
    """`sharpness.sharpness`. Tracks of eight clips: medians of 0.61 to 1, single frames from
    0.48."""
    turned: Limit = setting(
        (65.0, 45.0), "--gate-turned", "By the degrees it looks away.", rule=_falling, form=LIMIT
    )
    """`gate.turned_away`. A three-quarter view has about 40."""
    misfit: Limit = setting(
        (0.10, 0.05),
        "--gate-misfit",
        "By how little its landmarks are a face's.",
        rule=_falling,
        form=LIMIT,
    )
    """`gate.landmark_misfit`. Eight clips: 0.03 at most."""
    score: Limit = setting(
        (0.3, 0.5), "--gate-score", "By the detector's score, 0 to 1.", rule=_rising, form=LIMIT
    )
    """CenterFace gives sharp frontal faces 0.9, those of 6 pixels between the eyes 0.53 and
    more."""

    def __post_init__(self) -> None:
        for field in fields(self):
            field.metadata["setting"].check(getattr(self, field.name))
