"""python -m videnhance"""

from __future__ import annotations

from videnhance.cli.commands import app

app(prog_name="videnhance")
