"""Why a source cannot be read: what was observed, the likely cause as likely, and the cure."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection
from pathlib import Path

from videnhance.errors import InputError, line_of
from videnhance.media.reading.boxes import KINDS, boxes
from videnhance.media.reading.recoding import CODED

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)", re.DOTALL)
_LISTS = (b"#EXTM3U", b"ffconcat", b"v=0\n", b"v=0\r\n", b"[playlist]", b"[Reference]", b"<?xml")
"""Beginnings of files that name others: HLS, lists for FFmpeg, SDP, playlists of players, DASH."""


def refuse_no_file(path: Path) -> None:
    """Raises InputError for what is no file with content: nothing, a URL, a pipe, a device."""
    if not os.path.lexists(path):
        raise InputError(_absent(path))
    if not path.exists():
        raise InputError(f"{path}: is a link that leads nowhere; name the file itself")
    mode, size = path.stat().st_mode, path.stat().st_size
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(
            f"{path}: is a pipe or a device, which cannot be read twice; save it to a file first, "
            "and name that"
        )
    if size == 0:
        raise InputError(f"{path}: is empty (0 bytes); copy it again from its source")


def _absent(path: Path) -> str:
    if path == Path("-"):
        return (
            f"{path}: standard input is a pipe, which cannot be read twice; save it to a file "
            "first, and name that"
        )
    address = address_of(path)
    if address is None:
        return f"{path}: no such file; check the name and the folder"
    if address.lower().startswith("file:"):
        return f"{address}: there is no file of this name; name it as a path: {address[7:]}"
    return (
        f"{address}: looks like a URL, and only files are read; download or record it first, and "
        "name the file"
    )


def address_of(path: Path) -> str | None:
    """The URL that a path looks like, where nothing is at that path; else None."""
    found = _URL.fullmatch(str(path))
    if found is None or os.path.lexists(path) or path.parent.is_dir():
        return None
    scheme, rest = found.groups()  # of several slashes, a path keeps one
    return f"{scheme}://{'/' if scheme.lower() == 'file' else ''}{rest}"


def unreadable(path: Path, error: Exception) -> InputError:
    """The error for a file that FFmpeg or the system does not open."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
            kinds = [kind for kind, _, _ in boxes(file, 0, path.stat().st_size)]
    except PermissionError:
        return InputError(f"{path}: may not be read; check its permissions")
    except OSError as refused:
        said = line_of(refused)
        return InputError(f"{path}: cannot be read ({said}); copy it to another disk and try that")
    said = line_of(error)
    if head[4:8] in KINDS and b"moov" not in kinds:
        return InputError(
            f"{path}: an MP4 or MOV whose index (moov) is missing: probably the recording or the "
            "copy was cut off; copy it again from its source"
        )
    if head[4:8] in KINDS or head.startswith(b"\x1aE\xdf\xa3"):
        kind = "an MP4 or MOV" if head[4:8] in KINDS else "a Matroska file"
        return InputError(
            f"{path}: begins like {kind}, but FFmpeg cannot read it ({said}): probably it is cut "
            "off or damaged; copy it again from its source"
        )
    if head.lstrip(b"\xef\xbb\xbf").startswith(_LISTS):
        return InputError(f"{path}: is a list of other files or addresses; name the video itself")
    return InputError(
        f"{path}: no video FFmpeg can read ({said}): probably something else, or a recorder's own "
        "format; name a video file, or export it as MP4 or AVI by the recorder's software"
    )


def no_video(path: Path, kinds: Collection[str]) -> InputError:
    """The error for a file that holds streams of these kinds only."""
    if not kinds:
        return InputError(
            f"{path}: FFmpeg finds no streams in it: probably it is cut off or damaged; copy it "
            "again from its source"
        )
    return InputError(
        f"{path}: holds no video ({', '.join(sorted(kinds))} only), as far as FFmpeg sees; name a "
        "video file, or what its video is coded in with --input-codec"
    )


class UnknownCodingError(InputError):
    """No picture was found in a video stream; another codec may show some."""

    def __init__(self, path: Path, said: str, taken_for: str) -> None:
        super().__init__(f"{path}: {said}")
        self.taken_for = taken_for
        """What the file, or FFmpeg, calls the codec."""


def unknown_coding(
    path: Path, codec: str | None, observed: str, name: str | None
) -> UnknownCodingError:
    """The error where no picture is found.

    `codec`: FFmpeg's name of what it takes the video for, None if it does not know; `observed`: in
    words; `name`: what the file's header calls the codec, if it does.
    """
    choices = ", ".join(CODED)
    if codec is None:
        called = f"calls its video {name}, a codec" if name else "has video of a codec"
        return UnknownCodingError(
            path,
            f"the file {called} that FFmpeg does not know; name what it is coded in with "
            f"--input-codec ({choices})",
            name or "nothing",
        )
    return UnknownCodingError(
        path,
        f"FFmpeg takes its video for {codec}, and {observed}: it may be of another codec (name it "
        f"with --input-codec: {choices}), or be damaged or cut off near its start (copy it again "
        "from its source)",
        codec,
    )


def misnamed(path: Path, codec: str) -> InputError:
    """The error where no picture is found in what is read as `codec` because the user said so."""
    return InputError(
        f"{path}: no picture is found in its video read as {codec} (--input-codec): it may be of "
        "another codec, or lack the codec's header, without which nothing decodes; name another "
        "codec, or export the recording again"
    )
