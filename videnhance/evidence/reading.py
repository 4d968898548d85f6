"""Reading a record: it is whole, of this version, and every entry is of its type."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from videnhance.errors import InputError, cure_of, line_of
from videnhance.evidence.document import FORMAT, VERSION, Record
from videnhance.evidence.writing import CLOSING, OPENING

_DIGITS = 64
_TRAILER = len(OPENING) + _DIGITS + len(CLOSING)


def read_record(path: Path) -> Record:
    """Raises InputError, with the cure, for a file that is no record, one of another version, and
    one that was edited or damaged."""
    content = _content(path)
    values = _values(path, content)
    version = values.get("version")
    if version != VERSION:
        newer = isinstance(version, int) and version > VERSION
        by = (values.get("versions") or {}) if isinstance(values.get("versions"), dict) else {}
        named = f"videnhance {by.get('videnhance', 'that made it')}"
        raise InputError(
            f"{path}: is a record of version {version}, and this videnhance reads {VERSION}; "
            + (f"update to {named} or later" if newer else f"read it with {named}")
        )
    if not is_whole(content):
        raise InputError(
            f"{path}: does not fit its own digest: it was probably edited or damaged; take the "
            "record as it was written"
        )
    try:
        record: Record = msgspec.convert(values, Record)
    except msgspec.ValidationError as error:
        raise InputError(
            f"{path}: is no valid record ({line_of(error)}); take the record as it was written"
        ) from error
    return record


def is_record(path: Path) -> bool:
    """Whether a file is a record, of whatever version and state."""
    try:
        _values(path, _content(path))
    except InputError:
        return False
    return True


def is_whole(content: bytes) -> bool:
    """Whether the bytes of a record's file fit the digest at their end."""
    body, trailer = content[:-_TRAILER], content[-_TRAILER:]
    digest = hashlib.sha256(body).hexdigest().encode()
    return trailer == b"".join((OPENING, digest, CLOSING))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        cure = cure_of(error, "check the name of the record, such as out.mp4.json")
        raise InputError(f"{path}: cannot be read ({error.strerror}); {cure}") from error


def _values(path: Path, content: bytes) -> dict[str, Any]:
    try:
        values = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(
            f"{path}: cannot be read as JSON ({line_of(error)}); take the record as it was written"
        ) from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise InputError(
            f"{path}: is no record of videnhance; name the file that stands beside a result, such "
            "as out.mp4.json"
        )
    return values
