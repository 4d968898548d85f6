"""`--ray`: segments are computed by workers of a Ray cluster; all else runs in this process.

Ray decides where a worker runs, keeps it there and tells when it is gone. What is to be made, by
whom, and again after a worker's death, is decided here, so that no segment is ever in two hands.
Nothing is kept in Ray: the job's directory alone says what is done, and the same command goes on
from it, with Ray or without.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from videnhance.errors import JobError, VidenhanceError, line_of
from videnhance.job.directory.claims import BEAT, Claim
from videnhance.job.directory.made_by import MadeBy
from videnhance.job.job import Job
from videnhance.job.steps.crew import Costly
from videnhance.job.steps.segments import FrameCount, SegmentFile
from videnhance.job.workers.like import limit_threads
from videnhance.job.workers.paths import PathMap
from videnhance.job.workers.ray_cluster import connected, imported
from videnhance.job.workers.ray_worker import RayWorker, Sent, Task
from videnhance.job.workers.share import Share, read_prefix

MOST_DEATHS = 3
"""Workers that may die over one segment, before that is taken for its fault."""
_LOOK = 0.5
"""Seconds between looks at what workers do."""
_PATIENCE = 60.0
"""Seconds to wait for a machine on which a worker fits: a cluster may be growing."""


@dataclass
class _Busy:
    """A worker, and what it has in hand."""

    worker: Any
    file: SegmentFile
    counted: int = 0
    claim: Claim | None = None
    asked: Any = None
    """Its progress, where that was asked for and is not there yet."""
    beat: float = 0.0


class RayCrew:
    """Computes segments on a Ray cluster. As a context manager it stays connected for several jobs,
    and its workers, with their networks, stay for the steps of a job."""

    def __init__(
        self,
        address: str = "auto",
        *,
        worker_cpus: int = 0,
        maps: Sequence[PathMap] = (),
        mixed_workers: bool = False,
        share: str | None = None,
        source: str | None = None,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        """`address`: HOST:PORT of a cluster; "auto": the one that this machine is part of; "local":
        a new one, of this machine alone. `worker_cpus`: threads of each worker, and `num_cpus` that
        it takes of its machine; 0: as many as this process computes in. `maps`, `mixed_workers`: as
        for `work`. `share`: URL of a folder in object storage through which workers get the source
        and give segments back, if they share no folder; `source`: that of the source, where it lies
        there already. `prepare` is called once in each worker.

        Raises UsageError where Ray is not installed, or the address does not answer, once it is
        used.
        """
        self.address = address
        self._cpus, self._maps, self._mixed = worker_cpus, tuple(maps), mixed_workers
        self._share, self._source = read_prefix(share) if share else None, source
        self._prepare = prepare
        self._ray: Any = None
        self._is_ours = False
        self._idle: list[Any] = []
        self._starting: list[tuple[Any, Any]] = []
        """The call that is answered once it is there, and the worker."""
        self._failed = 0
        self._needs: dict[str, Any] = {}

    def __enter__(self) -> RayCrew:
        if self._cpus:
            limit_threads(self._cpus)
        self._ray = imported()
        if not self._ray.is_initialized():
            connected(self._ray, self.address)
            self._is_ours = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._dismiss_all()
        if self._is_ours:
            self._ray.shutdown()
        self._ray, self._is_ours = None, False

    def make(
        self,
        step: Costly,
        job: Job,
        left: Sequence[SegmentFile],
        count: FrameCount,
        long_side: int = 0,
    ) -> None:
        """As steps.crew.Crew has it. Raises JobError where workers are refused, keep dying, or find
        no machine."""
        if self._ray is None:
            with self:
                self._make(step, job, left, count, long_side)
        else:
            self._make(step, job, left, count, long_side)

    def _make(
        self,
        step: Costly,
        job: Job,
        left: Sequence[SegmentFile],
        count: FrameCount,
        long_side: int,
    ) -> None:
        share = Share.of(job, self._share, self._source) if self._share else None
        sent = Sent.of(job, uuid.uuid4().hex, self._maps, mixed=self._mixed, share=share)
        self._fit(sent)
        job.directory.claims.remove()  # of workers of a command that was killed
        work = _Work(self._ray, step, job, left, count, long_side, sent)
        try:
            while work.is_left:
                job.monitor.pause()
                self._fill(self._wanted(work) - len(work.busy))
                while self._idle and work.waiting:
                    work.give(self._idle.pop())
                self._idle += work.look([call for call, _ in self._starting])
                self._idle += self._started()
        finally:  # whatever is in hand is dropped
            self._dismiss([busy.worker for busy in work.busy.values()])
            work.release()

    def _fill(self, wanted: int) -> None:
        """Have so many workers that are idle, or on their way. Those that are not needed any more,
        as a machine is gone, are not waited for."""
        missing = wanted - len(self._idle) - len(self._starting)
        for _ in range(missing):
            worker = self._new_worker()
            self._starting.append((worker.progress.remote(), worker))
        while missing < 0 and self._starting:
            self._dismiss([self._starting.pop()[1]])
            missing += 1

    def _started(self) -> list[Any]:
        """Those that have come; raises JobError where none can."""
        calls = [call for call, _ in self._starting]
        ready = self._ray.wait(calls, num_returns=len(calls), timeout=0)[0] if calls else []
        come, self._starting = (
            [(call, worker) for call, worker in self._starting if (call in ready) is is_here]
            for is_here in (True, False)
        )
        found = []
        for call, worker in come:
            try:
                self._ray.get(call)
                found.append(worker)
                self._failed = 0
            except self._ray.exceptions.RayError as error:
                self._failed += 1
                if self._failed >= MOST_DEATHS:
                    raise JobError(
                        f"--ray {self.address}: workers cannot start ({line_of(error)}); install "
                        "the same videnhance on all machines of the cluster"
                    ) from error
        return found

    def _fit(self, sent: Sent) -> None:
        """What a worker takes of its machine; where that has changed, all are new."""
        ways = " ".join(way for own in sent.ways.values() for way in own)
        needs: dict[str, Any] = {
            "num_cpus": self._cpus or int(sent.begun_on.get("OpenCV threads") or 1),
            "num_gpus": 1 if "cuda" in ways else 0,
        }
        if needs != self._needs:
            self._dismiss_all()
            self._needs = needs

    def _wanted(self, work: _Work) -> int:
        """How many workers there should be now: as many as fit on the machines, and are needed."""
        return min(self._fitting(), len(work.waiting) + len(work.busy))

    def _fitting(self) -> int:
        until = time.monotonic() + _PATIENCE
        cpus, gpus = self._needs["num_cpus"], self._needs["num_gpus"]
        while True:
            found = 0
            for node in self._ray.nodes():
                has = node["Resources"] if node["Alive"] else {}
                fits = has.get("CPU", 0) // cpus
                found += int(min(fits, has.get("GPU", 0) // gpus) if gpus else fits)
            if found:
                return found
            if time.monotonic() > until:
                raise JobError(
                    f"--ray {self.address}: no machine has {cpus} processors"
                    f"{' and a GPU' if gpus else ''} for a worker; add one, or give "
                    "--worker-cpus fewer"
                )
            time.sleep(_LOOK)

    def _new_worker(self) -> Any:
        remote = self._ray.remote(RayWorker)
        # It is not begun again by Ray: what it had in hand is given away here. Two calls at once:
        # its work, and the question how far it is.
        options = {**self._needs, "max_restarts": 0, "max_concurrency": 2}
        return remote.options(**options).remote(self._prepare)

    def _dismiss_all(self) -> None:
        """Those that have nothing in hand."""
        self._dismiss([*self._idle, *(worker for _, worker in self._starting)])
        self._idle, self._starting = [], []

    def _dismiss(self, workers: Sequence[Any]) -> None:
        for worker in workers:
            with suppress(Exception):  # it may be gone, or all of Ray
                self._ray.kill(worker)


class _Work:
    """The files of one step: those that wait, and those in hand."""

    def __init__(
        self,
        ray: Any,
        step: Costly,
        job: Job,
        left: Sequence[SegmentFile],
        count: FrameCount,
        long_side: int,
        sent: Sent,
    ) -> None:
        self.waiting = deque(left)
        self.busy: dict[Any, _Busy] = {}
        self._ray, self._step, self._job, self._count = ray, step, job, count
        self._long_side = long_side
        self._deaths: Counter[int] = Counter()
        self._key, self._sent, self._share = sent.key, ray.put(sent), sent.share

    @property
    def is_left(self) -> bool:
        return bool(self.waiting or self.busy)

    def give(self, worker: Any) -> None:
        """Give a worker the next file."""
        file = self.waiting.popleft()
        task = Task(self._step, file, self._long_side)
        self.busy[worker.make.remote([self._sent], self._key, task)] = _Busy(worker, file)

    def look(self, other: Sequence[Any]) -> list[Any]:
        """Wait a little for workers to end, or one of the `other` calls; those are returned that
        have ended."""
        calls = [*self.busy, *other]
        if not calls:
            time.sleep(_LOOK)
            return []
        ended, _ = self._ray.wait(calls, num_returns=1, timeout=_LOOK)
        mine = [call for call in ended if call in self.busy]
        free = [worker for call in mine if (worker := self._ended(call)) is not None]
        for busy in self.busy.values():
            self._ask(busy)
        return free

    def release(self) -> None:
        """Take back all claims."""
        for busy in self.busy.values():
            if busy.claim is not None:
                busy.claim.release()

    def _ended(self, call: Any) -> Any | None:
        """The worker of a call that has ended, None where it is gone. Raises the errors of its
        work."""
        busy = self.busy.pop(call)
        file = busy.file
        try:
            made = self._ray.get(call)
        except self._ray.exceptions.RayActorError as error:
            self._count.more(-busy.counted)
            self._deaths[file.segment.index] += 1
            self._job.directory.note_failure(
                f"a worker died over {self._step} {file.segment.index}: {line_of(error)}"
            )
            if self._deaths[file.segment.index] >= MOST_DEATHS:
                raise JobError(
                    f"{self._step} {file.segment.index}: {MOST_DEATHS} workers died over it (the "
                    f"last: {line_of(error)}); look at the memory of their machines and at Ray's "
                    "logs, then run the same command again, or leave --ray out"
                ) from error
            self.waiting.appendleft(file)
            return None
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from error  # what the worker's own code raised
        finally:
            if busy.claim is not None:
                busy.claim.release()
        if isinstance(made, VidenhanceError):
            raise made
        self._believe(made, file)
        self._count.more(len(file.segment) - busy.counted)
        return busy.worker

    def _believe(self, made: MadeBy, file: SegmentFile) -> None:
        """Raises JobError where the file is not here as its worker says it made it."""
        if self._share is not None:
            self._share.take(self._job.directory, made)
        found = self._job.directory.done(file.path, file.fingerprint)
        if found is None or found.content != made.sha256:
            raise JobError(
                f"{file.path}: is not here as {made.worker} made it; its job's directory must be "
                "the same one on all machines: name it with --job-dir or --map-path FROM=TO"
            )

    def _ask(self, busy: _Busy) -> None:
        """How far a worker is, without waiting for it: for the bars, and for `status`."""
        if busy.asked is None:
            busy.asked = busy.worker.progress.remote()
        answered, _ = self._ray.wait([busy.asked], timeout=0)
        if not answered:
            return
        try:
            who, done = self._ray.get(busy.asked)
        except Exception:  # it is gone, as its work will tell
            return
        busy.asked = None
        done = min(done, len(busy.file.segment))
        self._count.more(done - busy.counted)
        busy.counted = done
        if busy.claim is None:
            what = f"{self._step} {busy.file.segment.index}"
            busy.claim = self._job.directory.claims.take(what, len(busy.file.segment), who)
        elif time.monotonic() - busy.beat > BEAT / 5:
            busy.claim.done, busy.beat = done, time.monotonic()
            busy.claim.beat()
