"""Names by which FFmpeg opens a file, and can open nothing else.

FFmpeg takes a name with a colon for a URL: 10:30:00.mp4, http:cam.mp4, concat:a.mp4. And it takes a
name that ends like a picture's and holds %03d for a whole row of them. Every `av.open` of the
package that is not of memory goes through `as_file`, and every source through `lone` besides.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PATTERNS = "%*?{"
"""Signs by which FFmpeg's image2 knows a row of pictures."""


def as_file(path: Path) -> str:
    """The name for FFmpeg: by its protocol for files, and absolute."""
    return f"file:{path.absolute()}"


def as_part(path: Path, begin: int, end: int) -> str:
    """The name of the bytes begin..end (half-open) of a file."""
    return f"subfile,,start,{begin},end,{end},,:{as_file(path)}"


@contextmanager
def lone(path: Path) -> Iterator[Path]:
    """A name of the file that is not a pattern; valid within the context."""
    if not any(sign in str(path.absolute()) for sign in _PATTERNS):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="videnhance-") as folder:
        link = Path(folder) / f"source{path.suffix}"
        link_or_copy(path, link)
        yield link


def link_or_copy(file: Path, link: Path) -> None:
    """Make a link to a file, or a copy where links cannot be made; raises OSError."""
    try:
        link.symlink_to(file.absolute())
    except OSError:  # on Windows, few users may make links
        shutil.copyfile(file, link)
