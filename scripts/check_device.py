"""Checks and times everything on this machine's GPU (or on its processor) in one call.

    python scripts/check_device.py [--out FOLDER]

First the whole test suite, whose device tests then run on the GPU, too; then bench_restore.py on
every device there is. The logs and the figures (bench.json) are left in the folder. Exits with the
worse of both.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run(log: Path, *command: str) -> int:
    """The exit code of a command whose output goes to a log and, its end, here."""
    with log.open("wb") as file:
        code = subprocess.run(
            [sys.executable, *command], cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, check=False
        ).returncode
    print(f"$ python {' '.join(command)}  (exit code {code})")
    print("\n".join(log.read_text(errors="replace").splitlines()[-25:]), flush=True)
    return code


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("check"))
    out: Path = parser.parse_args().out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    codes = [
        run(out / "tests.log", "-m", "pytest", "-q"),
        run(out / "bench.log", "scripts/bench_restore.py", "--json", str(out / "bench.json")),
    ]
    sys.exit(max(codes))


if __name__ == "__main__":
    main()
