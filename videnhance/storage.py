"""Object storage (s3://, gs://, ...) by fsspec: whole files, parts of them, and what goes wrong.

A storage that fails now and then is asked again; what will not get better by that is said in one
line. Nothing of fsspec is imported before a URL is used.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from videnhance.errors import InputError, OutputError, UsageError, line_of
from videnhance.files import written

T = TypeVar("T")

TRIES = 6
"""How often a request is made, before its failure is the command's."""
_FIRST_PAUSE = 0.2
"""Seconds before the second try; twice as many before each further one."""
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
"""What of videnhance is to be installed for a scheme."""
_URL = re.compile(r"([a-z][a-z0-9+.-]*):/+(.+)", re.IGNORECASE)
_FINAL = ("NoCredentialsError", "ParamValidationError", "NoSuchBucket", "InvalidAccessKeyId")
"""Names of errors that another try does not mend."""


def url_of(text: str | Path) -> str | None:
    """The URL that a text is, or was before it became a path, which keeps one slash of two; None
    for the name of a file."""
    found = _URL.fullmatch(str(text))
    if found is None or found[1].lower() not in _EXTRAS:
        return None
    return f"{found[1].lower()}://{found[2]}"


@dataclass(frozen=True)
class Stored:
    """A file in object storage, or what will be one."""

    url: str

    @property
    def name(self) -> str:
        """The last part of the URL; empty for that of a folder."""
        return self.url.rpartition("/")[2]

    def beside(self, name: str) -> Stored:
        return Stored(f"{self.url.rpartition('/')[0]}/{name}")

    def size(self) -> int | None:
        """Bytes; None where there is no such file. Raises InputError."""
        try:
            return int(self._tried(lambda fs: fs.size(self.url), InputError))
        except FileNotFoundError:
            return None

    def read(self, begin: int, end: int) -> bytes:
        """Its bytes begin..end (half-open); raises InputError."""

        def all_of_it(fs: Any) -> bytes:
            found: bytes = fs.cat_file(self.url, start=begin, end=end)
            if len(found) != end - begin:
                raise OSError(f"{len(found)} of {end - begin} bytes came")
            return found

        return self._there(all_of_it)

    def fetch(self, path: Path) -> None:
        """Copy it to a file, which appears whole; raises InputError, OutputError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with written(path) as part:
            self._there(lambda fs: fs.get_file(self.url, str(part)))

    def put(self, path: Path) -> None:
        """Make it a copy of a file. Its name appears once all of it is there, as object storages
        have it. Raises OutputError."""
        self._tried(lambda fs: fs.put_file(str(path), self.url), OutputError)

    def remove(self) -> None:
        """Raises OutputError; no error where it is gone."""
        if self.size() is not None:
            self._tried(lambda fs: fs.rm_file(self.url), OutputError)

    def _there(self, ask: Callable[[Any], T]) -> T:
        try:
            return self._tried(ask, InputError)
        except FileNotFoundError:
            raise InputError(
                f"{self.url}: is not there; name a file in a bucket that exists"
            ) from None

    def _tried(self, ask: Callable[[Any], T], kind: type[InputError] | type[OutputError]) -> T:
        """What `ask` returns of the file system, if need be of several tries. Raises FileNotFound-
        Error, and `kind` for all else."""
        fs = _file_system(self.url)
        for number in range(TRIES):
            try:
                return ask(fs)
            except FileNotFoundError:
                if kind is InputError:
                    raise
                raise OutputError(
                    f"{self.url}: cannot be written, as there is no such bucket; create it, or "
                    "name another"
                ) from None
            except PermissionError as error:
                raise kind(
                    f"{self.url}: access is denied ({line_of(error)}); check the rights of these "
                    "credentials on the bucket, or use others"
                ) from error
            except Exception as error:
                if type(error).__name__ in _FINAL:
                    raise kind(
                        f"{self.url}: access failed ({line_of(error)}); give credentials for it as "
                        "its other programs take them (environment, ~/.aws)"
                    ) from error
                if number == TRIES - 1:
                    raise kind(
                        f"{self.url}: failed {TRIES} times ({line_of(error)}); run the same "
                        "command again once the storage answers"
                    ) from error
                fs.invalidate_cache()
                time.sleep(_FIRST_PAUSE * 2**number)
        raise AssertionError


def _file_system(url: str) -> Any:
    scheme = url.partition(":")[0]
    try:
        import fsspec

        return fsspec.filesystem(scheme)
    except (ImportError, ValueError) as error:
        extra = _EXTRAS.get(scheme, "s3")
        raise UsageError(
            f"{url}: the package for {scheme}:// is not installed ({line_of(error)}); install it: "
            f'pip install "videnhance[{extra}]"'
        ) from error
