"""Claims: who works on which segment, where several processes share a job's directory.

A claim is a file of the folder `claims`, made by exclusive creation, and so by one process only.
It says who works; its time of change is a heartbeat. A claim whose heart has stopped is stale, and
may be taken over. Nothing hangs on that being right: two that make the same segment put the same
bits in place, each by one rename.

Ages are read on the file system's own clock, so that machines may disagree about the time. On the
same machine it is also seen that a process is gone.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from videnhance.errors import OutputError, cure_of, line_of
from videnhance.files import lock

BEAT, STALE = 5.0, 60.0
"""Seconds between heartbeats, and without one after which a claim is stale: more than a file server
takes to come back, and than any of its clients keeps an old time of change."""
_ROOM = 512
"""Bytes of a claim: all are of one length, so that one write replaces another."""


def here() -> str:
    """This machine, as far as its processes see each other."""
    name = socket.gethostname()
    try:
        return f"{name} {Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return name


def this_process() -> tuple[str, int, str]:
    """Host, process and machine."""
    return socket.gethostname(), os.getpid(), here()


@dataclass(frozen=True)
class Claimed:
    """What a claim says."""

    what: str
    """Step and segment, such as "render 3"; "track"."""
    host: str
    process: int
    frames: int
    """Of the segment."""
    done: int
    """Those of them that were done at the last heartbeat."""
    seconds: float
    """Since the work on the segment began, at the last heartbeat."""
    age: float
    """Seconds since the last heartbeat."""
    stale: bool

    @property
    def worker(self) -> str:
        return f"{self.host}:{self.process}"

    @property
    def frames_per_second(self) -> float | None:
        return self.done / self.seconds if self.done and self.seconds else None


@dataclass
class Claim:
    """A claim of ours, while we work on what it names."""

    path: Path
    what: str
    frames: int
    host: str
    process: int
    here: str = field(default_factory=here)
    """The machine of that process."""
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    began: float = field(default_factory=time.monotonic)
    done: int = 0
    lost: threading.Event = field(default_factory=threading.Event)
    """Set once somebody else has taken it over."""

    def one(self) -> None:
        """One more frame is done."""
        self.done += 1

    def beat(self) -> None:
        """A heartbeat; the claim is lost where another stands in its place."""
        try:
            with self.path.open("r+b") as file:
                if json.loads(file.read()).get("token") != self.token:
                    self.lost.set()
                    return
                file.seek(0)
                file.write(self.text())
        except FileNotFoundError:
            self.lost.set()
        except (OSError, ValueError):
            pass  # a server that is away for a moment; the claim grows old meanwhile

    def text(self) -> bytes:
        content = {
            "what": self.what,
            "host": self.host,
            "process": self.process,
            "here": self.here,
            "frames": self.frames,
            "done": self.done,
            "seconds": round(time.monotonic() - self.began, 3),
            "token": self.token,
        }
        return json.dumps(content).encode().ljust(_ROOM)

    def release(self) -> None:
        with suppress(OSError, ValueError):
            if json.loads(self.path.read_bytes()).get("token") == self.token:
                self.path.unlink()


class Claims:
    """The claims of a job's directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def take(
        self,
        what: str,
        frames: int = 0,
        worker: tuple[str, int, str] | None = None,
    ) -> Claim | None:
        """A claim on it; None where another has one that is not stale. `worker`: host, process and
        machine (`here`) of whoever does the work, if not this process. Raises OutputError."""
        name = "-".join(what.split())
        claim = Claim(self.folder / name, what, frames, *(worker or this_process()))
        try:
            self.folder.mkdir(exist_ok=True)
            if _created(claim):
                return claim
            found = self._read(claim.path)
            if found is not None and not found.stale:
                return None
            held = lock(self.folder / ".takeover")
            if held is None:
                return None
            try:  # one at a time; and it may have been taken over since
                found = self._read(claim.path)
                if found is not None and not found.stale:
                    return None
                claim.path.unlink(missing_ok=True)
                return claim if _created(claim) else None
            finally:
                os.close(held)
        except OSError as error:
            raise OutputError(
                f"{claim.path}: cannot be written ({line_of(error)}); "
                f"{cure_of(error, 'look whether the job is still there')}"
            ) from error

    def names(self) -> set[str]:
        """What there are claims on, stale or not."""
        return {path.name.replace("-", " ") for path in self.folder.glob("[a-z]*")}

    def at_work(self) -> list[Claimed]:
        """All claims that are not stale, by name."""
        found = (self._read(path) for path in sorted(self.folder.glob("[a-z]*")))
        return [claim for claim in found if claim is not None and not claim.stale]

    def remove(self) -> None:
        """Remove all of them."""
        for path in (*self.folder.glob("[a-z]*"), self.folder / ".takeover", self.folder / ".now"):
            path.unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()

    def _read(self, path: Path) -> Claimed | None:
        """None where there is none, or it cannot be told whose it is."""
        try:
            # Opened, not only looked at: clients of a file server then ask it for the time.
            with path.open("rb") as file:
                content, changed = file.read(), os.fstat(file.fileno()).st_mtime
        except OSError:
            return None
        age = max(self._now() - changed, 0.0)
        try:
            said = json.loads(content)
            is_gone = said["here"] == here() and not _is_running(int(said["process"]))
            return Claimed(
                what=str(said["what"]),
                host=str(said["host"]),
                process=int(said["process"]),
                frames=int(said["frames"]),
                done=int(said["done"]),
                seconds=float(said["seconds"]),
                age=age,
                stale=age > STALE or is_gone,
            )
        except (ValueError, LookupError, TypeError):  # killed as it made it
            return Claimed(path.name.replace("-", " "), "", 0, 0, 0, 0.0, age, age > STALE)

    def _now(self) -> float:
        """The time on the file system's clock; on ours where nothing can be written."""
        probe = self.folder / ".now"
        try:
            probe.write_bytes(b"")
            os.utime(probe)
            return probe.stat().st_mtime
        except OSError:
            return time.time()


@contextmanager
def beating(claim: Claim, tell: Callable[[Claim], None] = lambda claim: None) -> Iterator[Claim]:
    """Holds a claim while the body works, with a heartbeat, and then releases it. `tell` is called
    at each."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT):
            claim.beat()
            tell(claim)

    thread = threading.Thread(target=beat, name="videnhance-heartbeat", daemon=True)
    thread.start()
    try:
        yield claim
    finally:
        over.set()
        thread.join()
        claim.release()


def _created(claim: Claim) -> bool:
    """Whether the claim's file was made, and not there before; raises OSError."""
    try:
        with claim.path.open("xb") as file:
            file.write(claim.text())
        return True
    except FileExistsError:
        return False


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True
