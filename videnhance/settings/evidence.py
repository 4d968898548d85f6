"""Settings of what says that, and how, a result was enhanced."""

from __future__ import annotations

from dataclasses import dataclass

from videnhance.settings.panels import PICTURES, SIGNING
from videnhance.settings.table import setting
from videnhance.settings.text import FILE_PAIR

CORNERS = ("bottom-left", "bottom-right", "top-right", "top-left")
"""In the order in which one takes the place of another that a zone covers."""


@dataclass(frozen=True)
class EvidenceSettings:
    """What says that, and how, a result was enhanced (imaging.label, media.writing.marks)."""

    label: bool = setting(
        True,
        "--label",
        "AI: write into a corner of every frame that the faces are AI-restored.",
        may_remake=("render",),
    )
    """Only for restorers and upscalers that invent, and where there is something for them to do."""
    label_size: float = setting(
        3.0,
        "--label-size",
        "AI: height of the label's capitals, in percent of the picture's shorter side.",
        within=(1, 20),
        may_remake=("render",),
    )
    label_place: str = setting(
        "bottom-left",
        "--label-place",
        "AI: the label's corner: {choices}; the next one where a zone is.",
        choices=CORNERS,
        may_remake=("render",),
    )
    sign: tuple[str, str] | None = setting(
        None,
        "--sign",
        "Sign the result (C2PA) with a certificate chain and its key, both PEM.",
        form=FILE_PAIR,
        metavar="CERT KEY",
        panel=SIGNING,
    )
    """Needs the extra c2pa (media.writing.signing)."""
    invention: int = setting(
        0,
        "--invention",
        "AI: show beside the stills how far so many variations of each face spread (2 to 64).",
        within=(2, 64),
        or_else=(0,),
        panel=PICTURES,
    )
    """0 is none (render.invention)."""
