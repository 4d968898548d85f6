"""What the processor can, as far as libraries choose their kernels by it."""

from __future__ import annotations

import re
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_FEATURE = re.compile(r"(sse4|avx|fma|f16c|amx|asimd|neon|sve|sme|bf16|i8mm)[a-z0-9_]*")
_BF16 = {"avx512_bf16", "amx_bf16"}


def features() -> list[str]:
    """Those by which kernels are chosen, of the first processor, sorted; empty where the system
    does not list them."""
    try:
        text = _CPUINFO.read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return []
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return sorted(filter(_FEATURE.fullmatch, found[1].split())) if found else []


def multiplies_bf16() -> bool:
    """Whether OpenVINO gains from bf16: x86 with AVX-512 or AMX instructions for it. Not known off
    Linux, where f32 then only costs speed; on ARM OpenVINO has no bf16."""
    return not _BF16.isdisjoint(features())
