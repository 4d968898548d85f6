#!/usr/bin/env bash
# All tests as on lesser processors: first without AVX and with one thread, then with AVX2 at most
# and two threads. Last digits then differ, and no test may hang on them. Other arguments are
# pytest's. It takes minutes, and the Python of the environment, or $PYTHON.
#
# OpenVINO cannot be limited so: with ONEDNN_MAX_CPU_ISA it still asks for what the processor has,
# and fails on bf16 and on layers that enlarge.
#
#     scripts/check_processors.sh [tests/imaging ...]
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python}

kernels() { # those of OpenCV for this processor whose names match, as OPENCV_CPU_DISABLE takes them
    "$python" -c 'import re, sys, cv2
names = re.findall(r"(?<=\*)(\S+)(?!\S)", cv2.getCPUFeaturesLine())
print(",".join(n for n in names if re.match(sys.argv[1], n) and n[-1] not in "?-"))' "$1"
}

as_on() { # kernels of ATen; those of OpenCV that are not to be used; threads; pytest's
    local without threads=$3
    without=$(kernels "$2")
    echo "== ATen $1, OpenCV without $without, threads: $threads"
    ATEN_CPU_CAPABILITY=$1 OPENCV_CPU_DISABLE=$without \
        OMP_NUM_THREADS=$threads OPENCV_FOR_THREADS_NUM=$threads \
        "$python" -m pytest "${@:4}"
}

failed=0
as_on default 'AVX|FP16' 1 "$@" || failed=1
as_on avx2 'AVX512' 2 "$@" || failed=1
exit $failed
