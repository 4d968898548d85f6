"""What a file says of the software that wrote it: whether it may be a copy that was encoded again.

Recorders write files by chips and software of their own. A file that was written by a converter, an
editor or a screen recorder has lost what the recorder's had; work should start from that. Many
recorders use FFmpeg's libraries, too, so this is a hint and no proof.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

_KEYS = ("encoder", "encoded_by", "encoding_tool", "software", "com.apple.quicktime.software")
"""Keys of FFmpeg's metadata for it, in lower case."""
_CODERS = re.compile(rb"x26[45] (?:- core |\(build )\d+")
"""What x264 and x265 write of themselves into the first packets (as unregistered SEI)."""
_HEAD = 4
"""Packets in which that is looked for."""
_CONVERTS = re.compile(
    r"x26[45]|lav[cf]\d|libav|ffmpeg|handbrake|vlc|\bobs\b|adobe|premiere|davinci|vegas|final cut"
    r"|imovie|avidemux|virtualdub|bandicam|camtasia|fraps|shotcut|kdenlive|openshot|capcut"
    r"|inshot|movavi|screen|quicktime player|clipchamp|videnhance",
    re.IGNORECASE,
)


class Written:
    """Collects what a file says, while the first packets of a stream are read."""

    def __init__(self, container: InputContainer, stream: Stream) -> None:
        tags = chain(container.metadata.items(), stream.metadata.items())
        self._said = [value.strip() for key, value in tags if key.lower() in _KEYS]

    def heard(self, packets: Iterable[Packet[Any]]) -> Iterator[Packet[Any]]:
        """The packets, as they are."""
        for number, packet in enumerate(packets):
            if number < _HEAD and (found := _CODERS.search(bytes(packet))):
                self._said.append(found[0].decode().replace("- ", "").replace("(", ""))
            yield packet

    @property
    def by(self) -> tuple[str, ...]:
        """The names of the software, each once."""
        return tuple(dict.fromkeys(said for said in self._said if said))


def hint(written_by: Iterable[str]) -> str | None:
    """What a person should know of a file that says it was written by these; None: nothing."""
    names = [name for name in written_by if _CONVERTS.search(name)]
    if not names:
        return None
    return (
        f"the file says that it was written by {', '.join(names)}: if it is a copy that was "
        "encoded again, start from the recorder's own file"
    )
