"""The boxes in which the command line's help, and docs/settings.md, show the settings."""

from __future__ import annotations

from videnhance.settings.table import Panel

READING = Panel("How the source is read", in_files=False)
PART = Panel("A range of a video", in_files=False)
PERSONS = Panel("Some of the persons in it", in_files=False)
PICTURES = Panel("Pictures beside the video", in_files=False)
RESTORING = Panel("What is done to a face, and how the result is encoded")
DETECTING = Panel("Where faces are looked for, and how they are followed")
CLEANING = Panel("What whole frames go through before anything looks at them")
FINISHING = Panel("What whole frames go through at the end")
NETWORKS = Panel("What networks are computed with")
