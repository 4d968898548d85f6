"""Jobs that several processes do together: plan, work, finish."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.making.clips import square_frames, write_rgb
from tests.making.detector import offer_squares
from tests.making.interrupted import LOSSLESS, PATIENCE, ROOT, SMALL, same, undisturbed
from videnhance import restorers
from videnhance.cli.job_status import status_facts, status_text
from videnhance.cli.session import session
from videnhance.errors import InputError, JobError, UsageError
from videnhance.files import sha256_of
from videnhance.job import job as job_module
from videnhance.job import plan
from videnhance.job.directory import claims as claims_module
from videnhance.job.directory.claims import Claims, beating
from videnhance.job.directory.folder import JobDirectory
from videnhance.job.directory.made_by import made_by_workers
from videnhance.job.directory.record import read_record
from videnhance.job.directory.seal import read_seal
from videnhance.job.job import Job
from videnhance.job.run import enhance
from videnhance.job.status import read_status
from videnhance.job.workers import like
from videnhance.job.workers import work as work_module
from videnhance.job.workers.begin import finish_job, plan_job
from videnhance.job.workers.paths import PathMap
from videnhance.job.workers.work import work


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, square_detector: str) -> None:
    """Segments of 8 frames, and the detector of the tests."""
    monkeypatch.setattr(plan, "SEGMENT_FRAMES", SMALL)


@pytest.fixture(scope="module")
def whole(written_squares: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return undisturbed(written_squares, tmp_path_factory.mktemp("whole"))


def planned(clip: Path, folder: Path, **more: Any) -> Path:
    """The directory of a job that is planned, whose output is folder/out.mkv."""
    return plan_job(clip, folder / "out.mkv", LOSSLESS, job_dir=folder / "work", **more).job


def commanded(*words: str | Path, hold: Path | None = None) -> subprocess.Popen[str]:
    """A command in a process of its own (tests/making/small_cli.py)."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.making.small_cli", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, **({"HOLD": str(hold)} if hold else {})},
    )


def ran(*words: str | Path) -> tuple[int, str]:
    """Exit code and words of a command that ends by itself."""
    process = commanded(*words)
    told = process.communicate(timeout=PATIENCE)[0]
    return process.returncode, told


# Claims


def test_only_one_has_a_claim_until_it_is_released(tmp_path: Path) -> None:
    claims = Claims(tmp_path / "claims")
    first = claims.take("render 3", 8)
    assert first is not None and claims.take("render 3", 8) is None
    assert claims.take("render 4", 8) is not None
    (seen, _) = claims.at_work()
    assert (seen.what, seen.frames, seen.process) == ("render 3", 8, os.getpid())
    first.release()
    assert claims.take("render 3", 8) is not None


def test_a_heartbeat_tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claims = Claims(tmp_path / "claims")
    claim = claims.take("render 3", 8)
    assert claim is not None
    for _ in range(2):
        claim.one()
    claim.began -= 4.0
    claim.beat()
    (seen,) = claims.at_work()
    assert seen.done == 2 and seen.frames_per_second == pytest.approx(0.5, rel=0.1)
    monkeypatch.setattr(claims_module, "BEAT", 0.01)
    os.utime(claim.path, (0, 0))
    with beating(claim):
        until = time.monotonic() + PATIENCE
        while claim.path.stat().st_mtime < 1 and time.monotonic() < until:
            time.sleep(0.01)
    assert not claim.path.exists()


def test_a_stale_claim_is_taken_over_and_its_owner_learns_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = Claims(tmp_path / "claims")
    old = claims.take("render 3", 8)
    assert old is not None
    age = time.time() - claims_module.STALE
    os.utime(old.path, (age + 20, age + 20))
    assert claims.take("render 3", 8) is None
    os.utime(old.path, (age - 20, age - 20))
    assert claims.at_work() == []
    new = claims.take("render 3", 8)
    assert new is not None and claims.take("render 3", 8) is None
    old.beat()
    assert old.lost.is_set()
    new.beat()
    assert not new.lost.is_set()
    old.release()  # not its own any more
    assert claims.take("render 3", 8) is None


def test_a_claim_of_a_process_that_is_gone_is_stale_at_once_here_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = Claims(tmp_path / "claims")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert claims.take("render 3", 8, worker=("here", gone.pid, claims_module.here())) is not None
    assert claims.take("render 4", 8, worker=("here", gone.pid, claims_module.here())) is not None
    assert claims.take("render 3", 8) is not None
    monkeypatch.setattr(claims_module, "here", lambda: "elsewhere")
    assert claims.take("render 4", 8) is None


def test_a_claim_cut_short_by_a_kill_is_only_judged_by_its_age(tmp_path: Path) -> None:
    claims = Claims(tmp_path / "claims")
    claims.folder.mkdir()
    path = claims.folder / "render-3"
    path.touch()
    assert claims.take("render 3", 8) is None
    os.utime(path, (0, 0))
    assert claims.take("render 3", 8) is not None


# In this process


@pytest.mark.usefixtures("small")
def test_workers_make_what_one_process_makes(
    tmp_path: Path, square_clip: Path, whole: Path
) -> None:
    job = planned(square_clip, tmp_path, keep_job=True)
    assert not list(job.glob("*/0*"))  # nothing is computed yet
    did = work(job)
    assert (did.frames, did.left, did.tracked) == (80, 0, True)
    assert not list((job / "claims").glob("[a-z]*"))
    summary = finish_job(job)
    same(whole, tmp_path / "out.mkv")
    assert summary.believed == 40
    made = list(made_by_workers(job))
    assert len(made) == 10 and {one.worker for one in made} == {did.worker}
    for one in made:
        seal = read_seal(job / one.file)
        assert seal is not None and (seal.content, seal.frames) == (one.sha256, one.frames)
        assert one.seconds > 0 and one.machine["OpenCV kernels"] and one.versions["libavcodec"]
    assert did.made == [replace(one) for one in sorted(made, key=did.made.index)]
    # A file that was made again is not that worker's any more.
    (job / made[0].file).write_bytes((job / made[1].file).read_bytes())
    assert len(list(made_by_workers(job))) == 9


@pytest.mark.usefixtures("small")
def test_an_array_of_single_segments_needs_nobody_to_wait(
    tmp_path: Path, square_clip: Path, whole: Path
) -> None:
    job = planned(square_clip, tmp_path)
    for number in range(5):
        did = work(job, segment=number)
        assert did.left == 4 - number or number == 4
        assert [one.file for one in did.made][:1] == [f"detections/{number:05}.npz"]
    # The last to look for faces made the tracks, and went on with its frames.
    assert [one.file for one in did.made] == ["detections/00004.npz", "segments/00004.mp4"]
    for number in (3, 0):
        assert [one.file for one in work(job, segment=number).made] == [f"segments/{number:05}.mp4"]
    for number in (-1, 5):
        with pytest.raises(UsageError, match="this job has 5 segments; give one from 0 to 4"):
            work(job, segment=number)
    assert finish_job(job).believed == 24  # and it does the rest
    same(whole, tmp_path / "out.mkv")
    assert not job.exists()


@pytest.mark.usefixtures("small")
def test_workers_render_from_given_tracks(tmp_path: Path, square_clip: Path, whole: Path) -> None:
    enhance(square_clip, tmp_path / "first.mkv", LOSSLESS, keep_job=True)
    tracks = tmp_path / "first.mkv.videnhance" / "tracks.json"
    ahead = plan_job(square_clip, tmp_path / "out.mkv", LOSSLESS, tracks=tracks)
    assert (ahead.detect, ahead.render, ahead.segments) == (0, 5, 5)
    assert [one.file[:4] for one in work(ahead.job).made] == ["segm"] * 5
    finish_job(ahead.job)
    same(whole, tmp_path / "out.mkv")


@pytest.mark.usefixtures("small")
def test_what_max_drift_allows_is_found_out_once(
    tmp_path: Path, square_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its ceilings are part of what a segment is made from."""
    wish = replace(LOSSLESS, restore=replace(LOSSLESS.restore, max_drift=1e-6))
    job = plan_job(square_clip, tmp_path / "out.mkv", wish).job
    asked: list[Job] = []

    def hold(job: Job) -> Job:
        asked.append(job)
        return replace(job, ceilings={1: 0.5})

    monkeypatch.setattr(work_module, "hold_drift", hold)
    work(job)
    assert len(asked) == 1
    assert read_record(job / "job.json").document["ceilings"] == {"1": 0.5}
    assert work(job).left == 0  # the same fingerprints


@pytest.mark.usefixtures("small")
def test_a_worker_that_would_give_other_bits_is_refused(
    tmp_path: Path, square_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = planned(square_clip, tmp_path)
    here = read_record(job / "job.json").machines[0]
    monkeypatch.setattr(
        job_module, "this_machine", lambda *_: {**here, "OpenCV kernels": "SSE *AVX2"}
    )
    with pytest.raises(JobError) as refused:
        work(job)
    told = str(refused.value)
    assert "would give other bits: OpenCV kernels: " in told and "SSE *AVX2 here" in told
    assert "--mixed-workers" in told and "\n" not in told
    did = work(job, segment=2, mixed_workers=True)
    assert "OpenCV kernels" in did.made[0].unlike
    monkeypatch.undo()
    monkeypatch.setattr(plan, "SEGMENT_FRAMES", SMALL)
    offer_squares(monkeypatch)
    monkeypatch.setitem(restorers.RESTORERS, restorers.AUTO, restorers.RESTORERS["fusion"])
    summary = finish_job(job)
    assert [note for note in summary.notes if "made by unlike workers" in note] == [
        f"made by unlike workers ({did.made[0].unlike}): detections/00002.npz"
    ]
    assert len(summary.made_on) == 3  # two machines, and the versions


def edited(job: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the record of a job as if it had been begun elsewhere."""
    record = read_record(job / "job.json")
    document = json.loads(json.dumps(record.document))
    change(document)
    replace(record, document=document).write(job / "job.json")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d["versions"].update(av="18.0.0"), "other bits: versions.av (18.0.0, now"),
        (lambda d: d.update(frames=41), "plans this job otherwise: frames (41, now 40); give"),
        (lambda d: d["encoding"].update(encoder="x"), "plans this job otherwise: encoding; give"),
        (
            lambda d: d["models"].update(parsenet={"sha256": "a"}),
            "has other weights for parsenet; give it those of the job with --weights",
        ),
    ],
)
def test_what_differs_is_named(
    tmp_path: Path, square_clip: Path, change: Callable[[dict[str, Any]], object], told: str
) -> None:
    job = planned(square_clip, tmp_path)
    edited(job, change)
    with pytest.raises(JobError) as refused:
        work(job)
    assert told in str(refused.value) and "\n" not in str(refused.value)
    assert f"worker on {os.uname().nodename}: " in str(refused.value)
    assert not list(job.glob("*/0*"))


@pytest.mark.usefixtures("small")
def test_networks_that_are_computed_otherwise_are_refused_even_if_mixed(
    tmp_path: Path, square_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = planned(square_clip, tmp_path)
    monkeypatch.setattr(like, "ways", lambda job: {"identity": ["torch f32 on cuda"]})
    with pytest.raises(JobError, match=r"on cuda here\), and would give other bits; name --dev"):
        work(job, mixed_workers=True)


@pytest.mark.usefixtures("small")
def test_a_source_under_another_path_is_known_by_its_content(
    tmp_path: Path, square_clip: Path, whole: Path
) -> None:
    job = planned(square_clip, tmp_path)
    for name in ("mounted", "other"):
        (tmp_path / name).mkdir()
    square_clip.rename(tmp_path / "mounted" / "in.mkv")
    write_rgb(tmp_path / "other" / "in.mkv", square_frames(40), audio="aac", codec="libx264")
    with pytest.raises(
        InputError, match=r"is not on this machine; say where .* --map-path FROM=TO"
    ):
        work(job)
    with pytest.raises(InputError, match=r"is not on this machine \(.*in.mkv in the job\); say"):
        work(job, maps=[PathMap(tmp_path, tmp_path / "nowhere")])
    with pytest.raises(InputError, match=r"other/in.mkv: is not the job's source .* SHA-256"):
        work(job, maps=[PathMap(tmp_path, tmp_path / "other")])
    assert work(job, maps=[PathMap(tmp_path, tmp_path / "mounted")]).left == 0
    (tmp_path / "mounted" / "in.mkv").rename(square_clip)
    finish_job(job)
    same(whole, tmp_path / "out.mkv")


def test_a_map_that_is_none_is_refused() -> None:
    assert PathMap.read("/a=/b") == PathMap(Path("/a"), Path("/b"))
    for text in ("/a", "=/b", "/a="):
        with pytest.raises(UsageError, match=f"--map-path {text}: must be FROM=TO, such as"):
            PathMap.read(text)


@pytest.mark.usefixtures("small")
def test_what_is_not_prepared_for_workers_is_refused(tmp_path: Path, square_clip: Path) -> None:
    with pytest.raises(JobError, match=r"is no job directory .* name one that does"):
        work(tmp_path)
    job = planned(square_clip, tmp_path)
    (job / "workers.json").unlink()
    with pytest.raises(JobError, match="is not prepared for workers; run videnhance plan with"):
        work(job)


@pytest.mark.usefixtures("small")
def test_threads_of_workers_are_those_that_were_asked_for(
    tmp_path: Path, square_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cv2

    before = cv2.getNumThreads()
    try:
        job = planned(square_clip, tmp_path, worker_cpus=3)
        cv2.setNumThreads(before)
        did = work(job, segment=0)
        assert did.made[0].machine["OpenCV threads"] == 3
    finally:
        cv2.setNumThreads(before)


@pytest.mark.usefixtures("small")
def test_asked_to_stop_a_worker_finishes_its_segment(
    tmp_path: Path, square_clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = planned(square_clip, tmp_path)
    with pytest.raises(typer.Exit) as ended, session(False, patient=True) as begun:
        begun.again = f"videnhance work {job}"
        work(job, stop=lambda: len(list(job.glob("segments/*.mp4"))) >= 2)
    assert ended.value.exit_code == 130
    assert capsys.readouterr().err.endswith(f"go on with: videnhance work {job}\n")
    assert len(list(job.glob("segments/*.mp4"))) == 2
    assert JobDirectory(job).claims.at_work() == []


# In processes of their own


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_two_workers_one_killed_in_the_middle_of_a_segment(
    tmp_path: Path, square_clip: Path
) -> None:
    out, held = tmp_path / "out.mp4", tmp_path / "held"
    job = tmp_path / "out.mp4.videnhance"
    held.mkdir()
    hold = held / "here"
    hold.touch()
    asked = ("--detector", "square", "--restorer", "held", "--quiet")
    assert ran("plan", square_clip, "-o", out, *asked) == (0, "")
    first = commanded("work", job, hold=hold)
    while not hold.with_suffix(".met").exists():
        assert first.poll() is None, first.communicate()
        time.sleep(0.01)
    status = read_status(job)
    (at_work,) = status.workers
    assert (at_work.what, at_work.process, at_work.frames) == ("render 1", first.pid, 8)
    assert f"worker    {at_work.worker}: render 1, " in status_text(status)
    assert "at work (1 worker)" in status_text(status)
    assert status_facts(status)["workers"][0]["works_on"] == "render 1"
    # One process alone, such as finish, is refused meanwhile; another worker is not.
    code, told = ran("finish", job)
    assert code == 6 and f"workers are still ({at_work.worker}) at work on this job" in told
    second = commanded("work", job)
    # all that the first does not hold is done, so the second waits for that alone
    while sum(step.segments - step.segments_done for step in read_status(job).steps) > 1:
        assert second.poll() is None, second.communicate()
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    told = second.communicate(timeout=PATIENCE)[0]
    assert second.returncode == 0 and "nothing is left: videnhance finish" in told, told
    made = {one.file: one.worker for one in made_by_workers(job)}
    assert made["segments/00001.mp4"].endswith(f":{second.pid}")
    assert len(made) == 10
    assert ran("finish", job, "--quiet") == (0, "")
    assert ran("enhance", square_clip, "-o", tmp_path / "whole.mp4", *asked) == (0, "")
    same(tmp_path / "whole.mp4", out)
    assert not job.exists() and sha256_of(out)
