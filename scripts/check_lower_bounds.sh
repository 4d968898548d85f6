#!/usr/bin/env bash
# Both commands of the README with the oldest Python and the oldest release of each dependency that
# pyproject.toml allows: the sample is enhanced, then the tests are run; arguments are pytest's. It
# installs gigabytes into a temporary folder, and takes the Python of $PYTHON or python3.11.
#
#     scripts/check_lower_bounds.sh [tests/imaging ...]
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export TMPDIR=$folder
"${PYTHON:-python3.11}" -m venv "$folder/venv"
export PATH="$folder/venv/bin:$PATH"
python -m pip install --quiet --upgrade pip
python -m pip install --quiet -c tests/lower-bounds.txt ".[dev]"
videnhance enhance samples/cctv.mp4 -o "$folder/cctv_enhanced.mp4"
python -m pytest "$@"
