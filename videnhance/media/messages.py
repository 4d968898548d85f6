"""FFmpeg's messages, which are not heard here: errors say what went wrong."""

from __future__ import annotations

import av.logging


def leave_unheard() -> None:
    """Have PyAV pass no messages on, as it does from the start.

    Where it does, the thread of a decoder that has something to tell waits for Python's lock, which
    whoever closes the decoder holds while waiting for that thread: for ever. torchvision, up to
    0.25, asks for messages when it is imported.
    """
    av.logging.set_level(None)
