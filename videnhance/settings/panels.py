"""The boxes in which the command line's help, and docs/settings.md, show the settings, and which
commands take them."""

from __future__ import annotations

from videnhance.settings.table import Command, Panel

_RESULT: tuple[Command, ...] = ("enhance", "preview")
"""The commands that make a video."""
_PERSONS: tuple[Command, ...] = (*_RESULT, "portrait")
"""Those that work on persons."""

READING = Panel("How the source is read", in_files=False)
PART = Panel("A range of a video", in_files=False)
PERSONS = Panel("Some of the persons in it", in_files=False, commands=_PERSONS)
PICTURES = Panel("Pictures beside the video", in_files=False, commands=("enhance",))
PORTRAITS = Panel("Portraits: one picture of each person", commands=("enhance", "portrait"))
RECORD = Panel("The record beside the result", commands=_PERSONS)
RESTORING = Panel("What is done to a face, and how the result is encoded", commands=_PERSONS)
DETECTING = Panel("Where faces are looked for, and how they are followed")
CLEANING = Panel("What whole frames go through before anything looks at them")
FINISHING = Panel("What whole frames go through at the end", commands=_RESULT)
EVIDENCE = Panel("What says how a result was made", commands=_PERSONS)
SIGNING = Panel("The signature of a result (C2PA)", in_files=False, commands=("enhance",))
NETWORKS = Panel("What networks are computed with")


def panels_of(command: Command) -> tuple[Panel, ...]:
    """Those of a command, in the order of its help."""
    every = (value for value in globals().values() if isinstance(value, Panel))
    return tuple(panel for panel in every if command in panel.commands)
