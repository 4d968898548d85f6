"""The same job on a Ray cluster: two nodes of this machine, which are real processes of Ray."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import cv2
import pytest

from tests.making import small_cli
from tests.making.detector import SquareDetector
from tests.making.interrupted import PATIENCE, ROOT, SMALL, same
from tests.making.store import BUCKET, Store, serving
from videnhance import detectors, restorers
from videnhance.errors import JobError, OutputError, UsageError, VidenhanceError
from videnhance.job import job as job_module
from videnhance.job import plan
from videnhance.job.directory import machine
from videnhance.job.directory.folder import JobDirectory, default_folder
from videnhance.job.directory.made_by import made_by_workers
from videnhance.job.run import enhance, resume
from videnhance.job.status import read_status
from videnhance.job.steps.segments import SegmentFile
from videnhance.job.workers.on_ray import MOST_DEATHS, RayCrew, _Work
from videnhance.job.workers.paths import PathMap
from videnhance.media.timeline import Segment
from videnhance.models.registry import Row
from videnhance.settings.groups import DetectSettings, OutputSettings, RestoreSettings, Settings

pytestmark = [
    # Ray's own, of some of its releases.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
WISH = Settings(
    detect=DetectSettings(detector="square", every=1),
    restore=RestoreSettings(restorer="held"),
    output=OutputSettings(codec="ffv1"),
)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What small_cli offers, in this process."""
    fusion = restorers.RESTORERS["fusion"]
    monkeypatch.setattr(plan, "SEGMENT_FRAMES", SMALL)
    monkeypatch.setitem(detectors.DETECTORS, "square", Row(lambda loader: SquareDetector()))
    for name in ("held", restorers.AUTO):
        monkeypatch.setitem(restorers.RESTORERS, name, fusion)
    small_cli.offer()


@pytest.fixture(scope="module")
def hold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """While this file is there, workers of the cluster stay in their second segment."""
    return tmp_path_factory.mktemp("held") / "here"


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with pytest.MonkeyPatch.context() as patch, serving(patch) as found:
        yield found


@pytest.fixture(scope="module")
def cluster(hold: Path, store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two nodes, on each of which one worker fits; its head has no room for any."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLD", str(hold))
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("VIDENHANCE_CACHE", str(tmp_path_factory.mktemp("cache") / "compiled"))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        found = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
        )
        for _ in range(2):
            found.add_node(num_cpus=1, wait=False)
        found.wait_for_nodes()
        yield found
        found.shutdown()


@pytest.fixture
def crew(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[RayCrew]:
    before = cv2.getNumThreads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with RayCrew(cluster.address, worker_cpus=1, prepare=small_cli.offer) as connected:
        yield connected
    cv2.setNumThreads(before)


@pytest.fixture(scope="module")
def whole(written_squares: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process makes of the clip."""
    path = tmp_path_factory.mktemp("whole") / "whole.mkv"
    done = commanded(written_squares, path)
    assert (done.communicate(timeout=PATIENCE)[0], done.returncode) == ("", 0)
    return path


def commanded(source: Path, output: Path, *words: str) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    wish = ("--detector", "square", "--restorer", "held", "--codec", "ffv1", "--detect-every", "1")
    command = [sys.executable, "-m", "tests.making.small_cli", "enhance", source, "-o", output]
    return subprocess.Popen(
        [*map(str, command), *wish, *words, "--quiet"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )


def at_second_segment(job: Path) -> int | None:
    """The process that works on the second segment to render, if one does."""
    if not (job / "job.json").exists():
        return None
    found = [one.process for one in read_status(job).workers if one.what == "render 1"]
    return found[0] if found else None


def parents(process: int) -> Iterator[int]:
    """A process, its parent, and so on."""
    while process > 1:
        yield process
        status = Path(f"/proc/{process}/status").read_text()
        process = int(status.partition("PPid:")[2].split()[0])


def while_held(hold: Path, job: Path, act: Callable[[int], object]) -> Callable[[], bool]:
    """A `stop` that never stops, and calls `act` with the process that is held, once."""
    hold.touch()
    acted: list[int] = []

    def stop() -> bool:
        if not acted and (process := at_second_segment(job)) is not None:
            acted.append(process)
            act(process)
            hold.unlink()
        return False

    return stop


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_a_worker_killed_and_a_node_lost_in_the_middle(
    tmp_path: Path, square_clip: Path, whole: Path, cluster: Any, crew: RayCrew, hold: Path
) -> None:
    out, folder = tmp_path / "out.mkv", tmp_path / "work"
    asked: dict[str, Any] = {"job_dir": folder, "keep_job": True, "crew": crew}
    killed: list[int] = []
    seen: list[tuple[str, int, int]] = []

    def kill(process: int) -> None:
        killed.append(process)
        os.kill(process, signal.SIGKILL)

    summary = enhance(
        square_clip,
        out,
        WISH,
        stop=while_held(hold, folder, kill),
        progress=lambda *told: seen.append(told),
        **asked,
    )
    same(whole, out)
    assert len(killed) == 1 and summary.frames == 40
    made = list(made_by_workers(folder))
    assert len(made) == 10 and os.getpid() not in {int(one.worker.split(":")[1]) for one in made}
    assert f":{killed[0]}" not in next(m.worker for m in made if m.file == "segments/00001.mp4")
    assert {one.machine["OpenCV threads"] for one in made} == {1}
    assert [told for told in seen if told[0] == "render"][-1] == ("render", 40, 40)
    assert "a worker died over render 1" in "".join(read_status(folder).failures)
    assert read_status(folder).workers == ()

    def lose(process: int) -> None:
        above = set(parents(process))
        for node in list(cluster.worker_nodes):
            if node.all_processes["raylet"][0].process.pid in above:
                cluster.remove_node(node, allow_graceful=False)

    for path in folder.glob("segments/*.mp4"):
        path.unlink()
    out.unlink()
    (tmp_path / "out.mkv.json").unlink()
    enhance(square_clip, out, WISH, stop=while_held(hold, folder, lose), **asked)
    same(whole, out)
    assert len(cluster.worker_nodes) == 1
    cluster.add_node(num_cpus=1)


def disguise() -> None:
    """A worker on which OpenCV computes by other kernels."""
    small_cli.offer()
    before = machine.this_machine
    changed = {"OpenCV kernels": "other"}
    vars(job_module)["this_machine"] = lambda *how: {**before(*how), **changed}


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_workers_that_differ_are_refused_or_recorded(
    tmp_path: Path, square_clip: Path, crew: RayCrew, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.mkv"
    asked: dict[str, Any] = {"job_dir": tmp_path / "work", "keep_job": True, "crew": crew}
    crew._prepare = disguise
    with pytest.raises(JobError) as refused:
        enhance(square_clip, out, WISH, **asked)
    assert "would give other bits: OpenCV kernels: " in str(refused.value)
    assert "other here" in str(refused.value) and "\n" not in str(refused.value)
    crew._mixed = True
    summary = enhance(square_clip, out, WISH, **asked)
    (note,) = (note for note in summary.notes if "made by unlike workers" in note)
    assert "OpenCV kernels: " in note and note.endswith("segments/00000.mp4 and 4 more")
    monkeypatch.setattr("videnhance.job.workers.on_ray._PATIENCE", 0.0)
    crew._cpus = 2
    with pytest.raises(JobError, match=r"no machine has 2 processors for a worker; add one"):
        enhance(square_clip, tmp_path / "more.mkv", WISH, crew=crew)


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_a_job_s_folder_that_workers_do_not_see(
    tmp_path: Path, square_clip: Path, crew: RayCrew, whole: Path
) -> None:
    out = tmp_path / "out.mkv"
    crew._maps = (PathMap(tmp_path, tmp_path / "elsewhere"),)
    with pytest.raises(VidenhanceError, match=r"in.mkv: is not on this machine \(.* --map-path"):
        enhance(square_clip, out, WISH, crew=crew)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "in.mkv").symlink_to(square_clip)
    with pytest.raises(JobError, match=r"the job's directory, is not there .*; put it where all"):
        enhance(square_clip, out, WISH, crew=crew)
    (tmp_path / "elsewhere" / out.name).with_suffix(".mkv.videnhance").symlink_to(
        default_folder(out)
    )
    enhance(square_clip, out, WISH, crew=crew)
    same(whole, out)


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_workers_that_share_no_folder_do_it_through_a_bucket_that_fails_now_and_then(
    tmp_path: Path,
    square_clip: Path,
    cluster: Any,
    crew: RayCrew,
    store: Store,
    whole: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, place = tmp_path / "out.mkv", f"s3://{BUCKET}/shared"
    crew._share = place
    store.asked.clear()
    store.fails = lambda number: number % 7 == 0
    summary = enhance(square_clip, out, WISH, crew=crew, keep_job=True)
    same(whole, out)
    assert summary.frames == 40 and len(list(made_by_workers(default_folder(out)))) == 10
    kept = [p for m, p, _ in store.asked if m == "PUT" and "/shared/jobs/" in p]
    assert len({path.rpartition(".")[0] for path in kept}) == 10
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    assert not s3fs.S3FileSystem().exists(f"{place}/jobs")  # what came through is taken out
    store.fails = lambda number: False
    store.denied = "/shared/jobs/"
    with pytest.raises(OutputError, match=r"/shared/jobs/.*: access is denied .* check the rights"):
        enhance(square_clip, tmp_path / "more.mkv", WISH, crew=crew)
    store.denied = "no such thing"


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_the_command_is_stopped_then_killed_and_goes_on_without_ray(
    tmp_path: Path, square_clip: Path, whole: Path, cluster: Any, hold: Path
) -> None:
    """The last of this module: the cluster is gone at its end, as if its head had died."""
    out = tmp_path / "out.mkv"
    folder = default_folder(out)
    with_ray = ("--ray", cluster.address, "--worker-cpus", "1")

    def held() -> subprocess.Popen[str]:
        hold.touch()
        process = commanded(square_clip, out, *with_ray)
        until = time.monotonic() + PATIENCE
        while at_second_segment(folder) is None:
            assert process.poll() is None and time.monotonic() < until, process.communicate()
            time.sleep(0.05)
        return process

    process = held()
    worker = at_second_segment(folder)
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 130
    assert "dropping the segments in hand" in told
    assert f"finished work is kept; go on with: videnhance resume {folder}" in told
    assert read_status(folder).workers == ()
    until = time.monotonic() + PATIENCE
    while Path(f"/proc/{worker}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{worker}").exists()  # its work is cancelled
    assert not (folder / "segments" / "00001.mp4").exists()
    process = held()
    process.kill()
    process.communicate()
    hold.unlink()
    cluster.shutdown()
    assert not out.exists()
    resume(folder)
    same(whole, out)


# Without a cluster


class Dead:
    """Of the package ray, what is asked when a worker has died."""

    class exceptions:
        RayActorError = ConnectionError
        RayTaskError = RecursionError

    @staticmethod
    def put(value: object) -> object:
        return value

    @staticmethod
    def get(call: object) -> object:
        raise ConnectionError("The actor died")


def test_a_segment_over_which_workers_keep_dying_is_given_up(tmp_path: Path) -> None:
    counted: list[int] = []
    count = SimpleNamespace(more=counted.append)
    job = SimpleNamespace(directory=JobDirectory(tmp_path))
    file = SegmentFile(Segment(4, 32, 40), tmp_path / "00004.mp4", "f")
    work: Any = _Work(Dead, "render", job, [file], count, 0, SimpleNamespace(key="k", share=None))  # type: ignore[arg-type]
    for death in range(1, MOST_DEATHS):
        work.give(MagicMock())
        (call,) = work.busy
        work.busy[call].counted = 5
        assert work._ended(call) is None
        assert list(work.waiting) == [file] and counted == [-5] * death
    work.give(MagicMock())
    with pytest.raises(JobError, match=r"^render 4: 3 workers died over it \(the last: The actor"):
        work._ended(*work.busy)
    assert len(read_failures(tmp_path)) == MOST_DEATHS


def read_failures(folder: Path) -> list[str]:
    return JobDirectory(folder).failures.read_text().splitlines()


def refusal(address: str) -> str:
    with pytest.raises(UsageError) as refused, RayCrew(address):
        pass
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_an_address_that_is_none_or_does_not_answer() -> None:
    for address in ("somewhere", "ray://127.0.0.1:10001", "127.0.0.1:", ":6379"):
        assert refusal(address).startswith(f"--ray {address}: must be auto, local, or HOST:PORT")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert refusal(f"127.0.0.1:{port}").startswith(
        f"--ray 127.0.0.1:{port}: does not answer (Connection refused); give the address that"
    )
    assert refusal("127.0.0.1:99999").startswith("--ray 127.0.0.1:99999: does not answer (")


def test_where_ray_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert refusal("auto").endswith('install it: pip install "videnhance[ray]", or leave --ray out')


def test_where_no_cluster_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def none(**how: Any) -> None:
        raise ConnectionError("Could not find any running Ray instance.\nPlease specify")

    monkeypatch.setattr(ray, "init", none)
    before = signal.getsignal(signal.SIGTERM)
    told = refusal("auto")
    assert told.startswith("--ray auto: no Ray cluster can be joined (Could not find any running")
    assert told.endswith("start one on this machine (ray start), or use local")
    assert signal.getsignal(signal.SIGTERM) is before
