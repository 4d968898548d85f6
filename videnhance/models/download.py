"""Download of one file: resumed after a break, verified, and on disk complete or not at all.

NAME.part        what has been received so far
NAME.part.json   the URL, and the server's mark (ETag) of the whole file

Ours, because no library resumes as safely: pooch starts over, hishel keeps only complete responses,
huggingface_hub resumes without checking whether the file is still the same. httpx or requests would
replace only the 70 lines from `_answer` on, and add packages that send what urllib sends.
"""

from __future__ import annotations

import json
import shutil
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from ipaddress import ip_address
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from videnhance import files
from videnhance.callbacks import Progress, Stop, never, silent
from videnhance.errors import ModelError, Stopped, cure_of, line_of
from videnhance.files import megabytes, sha256_of

_TRIES = 5
"""Consecutive failures after which the download is given up."""
_WORTH = 1 << 20
"""New bytes after which failures are counted from 0 again, so that a bad line still gets there."""
_PAUSE = 1.0
"""Seconds to wait after the first failure; twice as long after each further consecutive one."""
_SILENCE = 30.0
"""Seconds without a byte after which a connection counts as broken."""
_BLOCK = 1 << 18
_SPARE = 16 << 20
"""Bytes to leave free on the disk."""
_LARGEST = 4 << 30
"""Bytes after which to stop, if neither the catalogue nor the server declares a size."""
_ELSEWHERE = "try again later, or get the file elsewhere and give it with --weights FILE"


class _Broken(Exception):
    """A temporary failure: what was received is kept, and the download is tried again."""


@dataclass(frozen=True)
class _Part:
    """What has been received of a file so far, and the note that says of which file."""

    path: Path

    @property
    def note(self) -> Path:
        return self.path.with_name(self.path.name + ".json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def mark(self, url: str) -> str:
        """The server's mark of the whole file; "" if it is not known."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
            return str(note["mark"]) if note["url"] == url else ""
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def begin(self, url: str, mark: str) -> None:
        """Start an empty part of the file with this mark."""
        with self.path.open("wb"):
            pass
        self.note.write_text(json.dumps({"url": url, "mark": mark}), encoding="utf-8")

    def discard(self) -> None:
        for path in (self.path, self.note):
            path.unlink(missing_ok=True)


def fetch(
    url: str,
    target: Path,
    *,
    size: int | None,
    sha256: str,
    progress: Progress = silent,
    stop: Stop = never,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Fetch `url` into the file `target`, whose folder is made; one process at a time.

    `target` appears by one rename, after its length (`size` bytes, None if unknown) and SHA-256
    were found correct; until then, a file that is already there stays. After Ctrl-C, `stop` or a
    failure the received part stays, and the next call resumes from it. Raises ModelError if the
    file cannot be obtained, Stopped if `stop` returns true.
    """
    _require_safe(url, url)
    part = _Part(target.with_name(target.name + ".part"))
    with on_disk(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
    failures = farthest = 0
    restarted = False
    while True:
        try:
            resumed = _receive(url, part, size, progress, stop)
        except _Broken as fault:
            failures = 1 if part.size >= farthest + _WORTH else failures + 1
            farthest = max(farthest, part.size)
            if failures >= _TRIES:
                kept = ", goes on from there" if part.size else ""
                raise ModelError(
                    f"{url}: {fault}, {_TRIES} times in a row ({megabytes(part.size)} have come"
                    f"{kept}); {_ELSEWHERE}"
                ) from fault
            if stop():
                raise Stopped(f"{url}: stopped; the same command goes on") from fault
            pause(_PAUSE * 2 ** (failures - 1))
            continue
        with on_disk(target.parent):
            found = sha256_of(part.path, progress=lambda done: progress("hash", done, size or 0))
        if found == sha256:
            break
        part.discard()
        if restarted or not resumed:
            raise ModelError(
                f"{url}: what came is not the published file (SHA-256 {found}, published {sha256}) "
                f"and was thrown away; {_ELSEWHERE}"
            )
        restarted = True  # a power cut can leave a part of the right length with holes in it
    with on_disk(target.parent):
        files.rename(part.path, target)
        part.discard()


def _receive(url: str, part: _Part, size: int | None, progress: Progress, stop: Stop) -> bool:
    """Download the rest of the part. Returns whether it was resumed; raises _Broken."""
    mark = part.mark(url)
    have = part.size if mark else 0
    if size is not None and have == size:
        return True
    request = Request(url, headers={"User-Agent": "videnhance", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", mark)
    if size is not None:
        _require_room(part.path.parent, size - have)
    with _answer(request, part) as response:
        resumed = response.status == 206
        if resumed and not _continues(response, have, mark):
            part.discard()
            raise _Broken("the server answers with another part of the file than was asked for")
        have = have if resumed else 0
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdecimal() else None
        if None not in (size, total) and size != total:
            part.discard()
            raise ModelError(
                f"{url}: the server has {total} bytes, the published file {size}; {_ELSEWHERE}"
            )
        total = size if total is None else total
        if total is not None:
            _require_room(part.path.parent, total - have)
        with on_disk(part.path.parent):
            if not resumed:
                part.begin(url, _mark_of(response))
            file = part.path.open("ab")
        with file:
            progress("fetch", have, total or 0)
            # Ask for one byte too many: if it comes, the file is a different one.
            for block in _blocks(response, (_LARGEST if total is None else total) + 1 - have):
                with on_disk(part.path.parent):
                    file.write(block)
                    file.flush()
                have += len(block)
                progress("fetch", have, total or 0)
                if stop():
                    raise Stopped(
                        f"{url}: stopped; {megabytes(have)} have come, the same command goes on"
                    )
        if total is not None and have < total:
            raise _Broken(f"the connection broke off after {megabytes(have)}")
        if have > (_LARGEST if total is None else total):
            part.discard()
            raise ModelError(f"{url}: more came than the published file holds; {_ELSEWHERE}")
    return resumed


@contextmanager
def _answer(request: Request, part: _Part) -> Iterator[HTTPResponse]:
    """The server's response, 200 or 206; raises _Broken, or ModelError if retrying is no use."""
    url = request.full_url
    try:
        response = _opener(url).open(request, timeout=_SILENCE)
    except HTTPError as error:
        error.close()
        said = f"the server says {error.code}, {line_of(error.reason)}"
        if error.code == 416:  # the received part is longer than the server's file
            part.discard()
        if error.code in (408, 416, 425, 429) or error.code >= 500:
            raise _Broken(said) from error
        raise ModelError(f"{url}: {said}; {_ELSEWHERE}") from error
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise ModelError(
                f"{url}: the server's certificate is not believed ({reason.verify_message}); set "
                "SSL_CERT_FILE to your certificates, or give the file with --weights FILE"
            ) from error
        raise _Broken(f"cannot be reached ({line_of(reason)})") from error
    with response:
        if response.status not in (200, 206):
            raise ModelError(f"{url}: the server says {response.status}; {_ELSEWHERE}")
        yield response


def _blocks(response: HTTPResponse, limit: int) -> Iterator[bytes]:
    """The body as it arrives, at most `limit` bytes; raises _Broken."""
    try:
        while block := response.read1(min(_BLOCK, limit)):
            yield block
            limit -= len(block)
    except (OSError, HTTPException) as error:
        raise _Broken(f"the connection broke off ({line_of(error)})") from error


def _continues(response: HTTPResponse, have: int, mark: str) -> bool:
    """Whether a response 206 holds the bytes from `have` on, of the same file (RFC 9110, 14.4)."""
    now = _mark_of(response)
    begins = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
    return bool(have) and begins and now in ("", mark)


def _mark_of(response: HTTPResponse) -> str:
    """The mark for If-Range: a strong ETag, or the date (RFC 9110, 13.1.5); "" if there is none."""
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")


class _Redirects(HTTPRedirectHandler):
    """Follows redirects, but never from https to anything else."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        try:
            _require_safe(newurl, req.full_url)
        except ModelError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(url: str) -> OpenerDirector:
    # No proxy for addresses on this machine.
    return build_opener(_Redirects(), *([ProxyHandler({})] if _is_loopback(url) else []))


def _require_safe(url: str, origin: str) -> None:
    """Raises ModelError unless `url` is https, or both it and `origin` are on this machine."""
    scheme = urlsplit(url).scheme
    if scheme == "https" or (scheme == "http" and _is_loopback(url) and _is_loopback(origin)):
        return
    sent = "" if url == origin else f" (sent there by {origin})"
    raise ModelError(f"{url}: is not https{sent}, so nothing is fetched; {_ELSEWHERE}")


def _is_loopback(url: str) -> bool:
    parts = urlsplit(url)
    try:
        return parts.scheme == "http" and ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.scheme == "http" and parts.hostname == "localhost"


@contextmanager
def on_disk(folder: Path) -> Iterator[None]:
    """Turns an OSError from writing to the weights' folder into a ModelError."""
    try:
        yield
    except OSError as error:
        raise ModelError(
            f"{folder}: weights cannot be kept there ({error.strerror}); "
            f"{cure_of(error, 'set VIDENHANCE_MODELS to another folder')}"
        ) from error


def _require_room(folder: Path, needed: int) -> None:
    with on_disk(folder):
        free = shutil.disk_usage(folder).free
    if free < needed + _SPARE:
        raise ModelError(
            f"{folder}: the weights need {megabytes(needed)} and {megabytes(free)} are free; "
            "make room, or set VIDENHANCE_MODELS to another folder"
        )
