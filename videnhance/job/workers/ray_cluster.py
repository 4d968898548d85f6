"""Joining a Ray cluster, or starting one of this machine alone."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from typing import Any

from videnhance.errors import UsageError, line_of

_ANSWER = 5.0
"""Seconds within which the address of a cluster must answer."""


def imported() -> Any:
    """The package ray; raises UsageError."""
    # Ray reports how it is used to its makers unless told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            f"--ray: the package ray cannot be loaded ({line_of(error)}); install it: pip install "
            '"videnhance[ray]", or leave --ray out'
        ) from error
    return ray


def connected(ray: Any, address: str) -> None:
    """Connect this process; raises UsageError where no cluster answers."""
    if address not in ("auto", "local"):
        host, colon, port = address.rpartition(":")
        if "//" in address or not (colon and host and port.isdecimal()):
            raise UsageError(
                f"--ray {address}: must be auto, local, or HOST:PORT of a cluster's head, run on "
                "one of its machines"
            )
        try:
            socket.create_connection((host, int(port)), timeout=_ANSWER).close()
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"--ray {address}: does not answer ({line_of(error)}); give the address that "
                "`ray start --head` printed, or use auto or local"
            ) from error
    more = {"include_dashboard": False} if address == "local" else {}
    in_main = threading.current_thread() is threading.main_thread()
    handlers = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)} if in_main else {}
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
            **more,
        )
    except Exception as error:
        raise UsageError(
            f"--ray {address}: no Ray cluster can be joined ({line_of(error)}); start one on this "
            "machine (ray start), or use local"
        ) from error
    finally:  # Ray takes signals over; they are the command's
        for signum, handler in handlers.items():
            signal.signal(signum, handler)
