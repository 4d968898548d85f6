"""Settings that many tests share."""

from __future__ import annotations

from videnhance.settings.groups import DetectSettings, OutputSettings, RestoreSettings, Settings

UNCHANGED = Settings(
    detect=DetectSettings(detector="square"),
    restore=RestoreSettings(restorer="identity"),
    output=OutputSettings(codec="ffv1"),
)
"""A whole job whose frames come out as they went in, bit for bit."""
