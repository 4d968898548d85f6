"""On what the last digits of a result depend besides its record: the processor, and threads.

Libraries choose their kernels by the processor's features, and share sums among threads; rounding
then differs in the last digits. The same bits are promised on one machine only. That is no part of
a fingerprint: a job may go on elsewhere, which is then told.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from typing import Any

from videnhance.inference.processor import features

Machine = Mapping[str, Any]
"""The facts, as plain JSON values by name."""

_NAMED = 3


def this_machine(backends: Iterable[str], devices: Iterable[str] = ()) -> Machine:
    """The machine that this process runs on.

    `backends`: those that compute the job's networks; `devices`: torch's names of the devices they
    run on. Torch is asked only where it computes, as loading it takes seconds. OpenVINO's results
    do not depend on the number of its threads.
    """
    import cv2

    facts: dict[str, Any] = {
        "system": f"{platform.system()} {platform.machine()}",
        "processor features": features(),
        # Those that the library was built for: "*" is used, "?" is not there, "-" was disabled.
        "OpenCV kernels": cv2.getCPUFeaturesLine(),
        "OpenCV threads": cv2.getNumThreads(),
    }
    if "torch" in backends:
        import torch

        facts["torch kernels"] = torch.backends.cpu.get_cpu_capability()
        facts["torch threads"] = torch.get_num_threads()
        graphics = [d for d in devices if d.startswith("cuda") and torch.cuda.is_available()]
        facts["GPUs"] = sorted({torch.cuda.get_device_name(d) for d in graphics})
    return facts


def unlike(there: Machine, here: Machine) -> str:
    """In what two machines differ, in a few words; empty where they do not."""
    return ", ".join(
        _told(name, there.get(name), here.get(name))
        for name in (*here, *(name for name in there if name not in here))
        if there.get(name) != here.get(name)
    )


def machine_text(machine: Machine) -> str:
    """A machine in one line, for a person."""
    told = {name: value for name, value in machine.items() if name != "processor features"}
    return ", ".join(
        f"{name} {_plain(value)}" if name != "system" else str(value)
        for name, value in told.items()
        if value not in ([], None)
    )


def _told(name: str, there: Any, here: Any) -> str:
    if isinstance(there, list) and isinstance(here, list) and name == "processor features":
        parts = [
            f"{_few(sorted(set(one) - set(other)))} only {where}"
            for one, other, where in ((there, here, "there"), (here, there, "here"))
            if set(one) - set(other)
        ]
        return " and ".join(parts)
    return f"{name}: {_plain(there)} there, {_plain(here)} here"


def _few(names: list[str]) -> str:
    more = len(names) - _NAMED
    return " ".join(names[:_NAMED]) + (f" and {more} more features" if more > 0 else "")


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return " and ".join(map(str, value)) or "none"
    return "unknown" if value is None else str(value)
