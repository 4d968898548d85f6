#!/usr/bin/env bash
# The fast tests with the oldest release of each dependency that pyproject.toml allows; other
# arguments are pytest's. It installs gigabytes into a temporary folder, and takes Python 3.11.
#
#     scripts/check_lower_bounds.sh [tests/imaging ...]
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export TMPDIR=$folder
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet -c tests/lower-bounds.txt -e ".[dev]"
"$folder/venv/bin/python" -m pytest -m "not slow" "$@"
