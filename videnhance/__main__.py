"""python -m videnhance"""

from videnhance.cli import app

app(prog_name="videnhance")
