"""The command line: parses, calls the public API, prints."""

from __future__ import annotations

from videnhance.cli.commands import app

__all__ = ["app"]
