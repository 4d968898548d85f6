"""Writing a record: JSON that a person can read, columns on lines, and its own digest at the end.

The digest is the last entry: the SHA-256 of all bytes of the file before it. Any program can check
it, without reading JSON: `head -c -81 out.mp4.json | sha256sum`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from videnhance.evidence import SUFFIX
from videnhance.evidence.document import Record
from videnhance.files import written

OPENING, CLOSING = b',\n"digest": "', b'"\n}\n'
"""What stands before and after the digest, up to the end of the file."""
_SHORT = 96
"""Letters of JSON that are left on one line."""


def record_path(output: Path) -> Path:
    """Where the record of an output stands: beside it, under its whole name."""
    return output.with_name(f"{output.name}{SUFFIX}")


def write_record(path: Path, record: Record) -> None:
    """Write it completely or not at all; raises OutputError."""
    content = content_of(record)
    with written(path, path.with_name(f".{path.name}.part")) as part:
        part.write_bytes(content)


def content_of(record: Record) -> bytes:
    """The bytes of a record's file."""
    values = msgspec.to_builtins(record)
    body = "{\n" + ",\n".join(f"{_one(k)}: {_laid_out(v, 1)}" for k, v in values.items())
    return sealed(body.encode())


def sealed(body: bytes) -> bytes:
    """The bytes of a file that is `body`, an object that is not closed yet, and its digest."""
    return b"".join((body, OPENING, hashlib.sha256(body).hexdigest().encode(), CLOSING))


def _laid_out(value: Any, depth: int) -> str:
    """JSON in one line where that is short; else with an object's entries, and a list's objects, on
    lines of their own."""
    line = _one(value)
    if len(line) <= _SHORT:
        return line
    inner, outer = "\n" + " " * depth, "\n" + " " * (depth - 1)
    if isinstance(value, dict) and value:
        lines = (f"{_one(key)}: {_laid_out(entry, depth + 1)}" for key, entry in value.items())
        return "{" + inner + f",{inner}".join(lines) + outer + "}"
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], dict):
        lines = (_laid_out(entry, depth + 1) for entry in value)
        return "[" + inner + f",{inner}".join(lines) + outer + "]"
    return line


def _one(value: Any) -> str:
    return msgspec.json.encode(value).decode()
