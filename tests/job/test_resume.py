"""Jobs that are stopped, killed, crowded, starved or spoilt: finished work is kept and believed."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from tests.making import small_cli
from tests.making.clips import largest_file, square_frames, times, write_rgb
from tests.making.interrupted import LOSSLESS, PATIENCE, ROOT, SMALL, same, undisturbed
from videnhance.errors import InputError, JobError, OutputError, Stopped
from videnhance.evidence.reading import read_record
from videnhance.evidence.writing import record_path
from videnhance.faces.detection import Detections
from videnhance.files import sha256_of
from videnhance.job import plan
from videnhance.job.directory import entering
from videnhance.job.directory.folder import JobDirectory, default_folder
from videnhance.job.run import detect_tracks, enhance, resume
from videnhance.job.status import read_status
from videnhance.job.steps import detect as detect_step
from videnhance.job.steps import track as track_step
from videnhance.settings.groups import DetectSettings, RestoreSettings


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, square_detector: str) -> None:
    """Segments of 8 frames, and the detector of the tests."""
    monkeypatch.setattr(plan, "SEGMENT_FRAMES", SMALL)


@pytest.fixture
def clip(square_clip: Path) -> Path:
    return square_clip


@pytest.fixture(scope="module")
def whole(written_squares: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return undisturbed(written_squares, tmp_path_factory.mktemp("whole"))


def stamps(folder: Path, pattern: str) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in sorted(folder.glob(pattern))}


def stop_after(folder: Path, pattern: str, count: int) -> object:
    """A `stop` that asks once so many files are there."""
    return lambda: len(list(folder.glob(pattern))) >= count


# In other processes


COMMAND = [sys.executable, "-m", "tests.making.small_cli"]


def start(*arguments: str | Path, hold: Path | None = None) -> subprocess.Popen[bytes]:
    command = [*COMMAND, *map(str, arguments)]
    pipe = subprocess.PIPE
    environment = {**os.environ, "HOLD": str(hold)} if hold else None
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, cwd=ROOT, env=environment)


def ran(*arguments: str | Path) -> tuple[int, bytes, bytes]:
    """Exit code, stdout and stderr of a command that ends by itself."""
    process = start(*arguments)
    said, told = process.communicate(timeout=PATIENCE)
    return process.returncode, said, told


def asked(clip: Path, out: Path, *more: str) -> list[str | Path]:
    return ["enhance", clip, "-o", out, "--detector", "square", "--restorer", "held", *more]


@pytest.fixture
def hold(tmp_path: Path) -> Path:
    """A file that keeps a process in its second segment for as long as it is there."""
    folder = tmp_path / "held"
    folder.mkdir()
    path = folder / "here"
    path.touch()
    return path


def until_held(process: subprocess.Popen[bytes], hold: Path) -> None:
    while not hold.with_suffix(".met").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


@pytest.mark.slow
def test_killed_at_twenty_random_moments(tmp_path: Path) -> None:
    clip = write_rgb(tmp_path / "in.mp4", square_frames(64), codec="libx264", audio="aac")
    whole = tmp_path / "whole.mp4"
    out, told = tmp_path / "out.mp4", tmp_path / "told"
    # Forked from one that has imported everything, so that a kill meets work, not imports.
    forked = multiprocessing.get_context("forkserver")
    forked.set_forkserver_preload(["tests.making.small_cli", "videnhance.job.run", "tqdm"])

    def begin(target: Path) -> ForkServerProcess:
        arguments = [str(each) for each in asked(clip, target)]
        process = forked.Process(target=small_cli.main, args=(arguments, told))
        process.start()
        return process

    began = time.monotonic()
    first = begin(whole)
    first.join(PATIENCE)
    assert (first.exitcode, told.read_bytes()) == (0, b"")
    takes = time.monotonic() - began
    chance = random.Random(3)
    killed = finished = 0
    while killed < 20 or finished == 0:
        # After the twentieth kill it may finish.
        limit = chance.uniform(0.1, 1.0) * takes if killed < 20 else PATIENCE
        began = time.monotonic()
        process = begin(out)
        process.join(limit)
        if process.exitcode is None:
            process.kill()
            process.join()
            killed += 1
            if not out.exists() or (default_folder(out) / "job.json").exists():
                continue
        else:
            assert (process.exitcode, told.read_bytes()) == (0, b"")
            # Whatever else the machine did at first: the kills must not all come too late.
            takes = min(takes, time.monotonic() - began)
        same(whole, out)
        finished += killed == 20
        record = record_path(out)
        # Only when it is there does the job's directory go.
        assert read_record(record).output.sha256 == sha256_of(out)
        record.unlink()
        out.unlink()
        shutil.rmtree(default_folder(out), ignore_errors=True)  # killed in its last moment
    told.unlink()
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["in.mp4", "whole.mp4", "whole.mp4.json"]


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_finishes_the_segment_in_hand(
    tmp_path: Path, clip: Path, hold: Path, signum: int
) -> None:
    out, folder = tmp_path / "out.mp4", tmp_path / "out.mp4.videnhance"
    process = start(*asked(clip, out), hold=hold)
    until_held(process, hold)
    process.send_signal(signum)
    hold.unlink()
    said, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, told
    assert said == b""
    assert f"videnhance resume {folder}".encode() in told
    assert sorted(p.name for p in (folder / "segments").glob("*.mp4*")) == [
        "00000.mp4",
        "00001.mp4",
    ]
    assert not out.exists()
    assert b"render    2 of 5 segments, 16 of 40 frames" in ran("status", folder)[1]
    assert ran("resume", folder, "--quiet") == (0, b"", b"")
    assert ran(*asked(clip, tmp_path / "whole.mp4"))[0] == 0
    same(tmp_path / "whole.mp4", out)
    assert not folder.exists()


@pytest.mark.slow
def test_asked_twice_it_drops_the_segment_in_hand(tmp_path: Path, clip: Path, hold: Path) -> None:
    out, folder = tmp_path / "out.mp4", tmp_path / "out.mp4.videnhance"
    process = start(*asked(clip, out), hold=hold)
    until_held(process, hold)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    told = process.stderr.readline() + process.stderr.readline()
    assert b"finishing the segment in hand" in told
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 130
    assert b"videnhance resume" in told
    assert [p.name for p in (folder / "segments").glob("*.mp4*")] == ["00000.mp4"]
    assert ran("resume", folder)[0] == 0
    assert len(times(out)) == 40


@pytest.mark.slow
def test_a_second_process_is_refused_with_the_holder_s_number(
    tmp_path: Path, clip: Path, hold: Path
) -> None:
    out, folder = tmp_path / "out.mp4", tmp_path / "out.mp4.videnhance"
    first = start(*asked(clip, out), hold=hold)
    until_held(first, hold)
    for command in (asked(clip, out), ["resume", folder]):
        code, _, told = ran(*command)
        assert code == 6, told
        assert f"process {first.pid} works on this job".encode() in told
    assert f"process {first.pid}".encode() in ran("status", folder)[1]
    hold.unlink()
    assert first.communicate()[1] == b""
    assert len(times(out)) == 40


# In this process


@pytest.mark.usefixtures("small")
def test_a_job_goes_on_where_it_was(
    tmp_path: Path, clip: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, folder = tmp_path / "out.mkv", tmp_path / "elsewhere"
    for pattern in ("detections/*.npz", "segments/*.mp4"):
        with pytest.raises(Stopped) as stopped:
            enhance(clip, out, LOSSLESS, job_dir=folder, stop=stop_after(folder, pattern, 2))  # type: ignore[arg-type]
        assert stopped.value.job == folder
        assert len(list(folder.glob(pattern))) == 2
    kept = stamps(folder, "*/*")
    seen = []
    monkeypatch.setattr(track_step, "tracks_of", None)  # the tracks are there already
    enhance(
        clip,
        out,
        LOSSLESS,
        job_dir=folder,
        keep_job=True,
        progress=lambda step, done, total: seen.append((step, done, total)),
    )
    assert kept.items() <= stamps(folder, "*/*").items()
    assert [s for s in seen if s[0] == "detect"] == [("detect", 40, 40)]
    assert next(s for s in seen if s[0] == "render") == ("render", 16, 40)
    same(whole, out)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("harm", ["none", "first"])
def test_the_detection_size_stays_the_one_it_was_begun_with(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    """Elsewhere a survey may choose another one."""
    tracks, folder = tmp_path / "tracks.json", tmp_path / "work"
    monkeypatch.setattr(detect_step, "survey", lambda *_: 128)
    with pytest.raises(Stopped):
        detect_tracks(
            clip,
            tracks,
            LOSSLESS,
            job_dir=folder,
            stop=stop_after(folder, "detections/*.npz", 2),  # type: ignore[arg-type]
        )
    begun = sorted(folder.glob("detections/*.npz"))
    if harm == "first":
        begun[0].write_bytes(b"spoilt")
    monkeypatch.setattr(detect_step, "survey", None)
    detect_tracks(clip, tracks, LOSSLESS, job_dir=folder, keep_job=True)
    files = sorted(folder.glob("detections/*.npz"))
    assert len(files) > len(begun)
    assert {Detections.load(file).long_side for file in files} == {128}


@pytest.mark.usefixtures("small")
def test_a_finished_job_has_nothing_to_do(tmp_path: Path, clip: Path) -> None:
    out = tmp_path / "out.mkv"
    first = enhance(clip, out, LOSSLESS, keep_job=True)
    assert first.job is not None
    assert read_status(first.job).finished
    stamp = out.stat().st_mtime_ns
    again = enhance(clip, out, LOSSLESS, keep_job=True)
    assert out.stat().st_mtime_ns == stamp
    assert (again.frames, again.faces, again.tracks) == (first.frames, first.faces, first.tracks)
    # As a kill between the output's rename and the directory's removal leaves it:
    resume(first.job)
    assert out.stat().st_mtime_ns == stamp
    out.write_bytes(b"another file of that name")
    with pytest.raises(OutputError, match="exists already"):
        enhance(clip, out, LOSSLESS)


@pytest.mark.usefixtures("small")
def test_other_settings_are_refused_by_name(tmp_path: Path, clip: Path) -> None:
    out = tmp_path / "out.mkv"
    enhance(clip, out, LOSSLESS, keep_job=True)
    folder = default_folder(out)
    before = stamps(folder, "**/*")
    other = replace(LOSSLESS, restore=RestoreSettings(strength=0.5, restorer="identity"))
    with pytest.raises(JobError) as refused:
        enhance(clip, out, other, overwrite=True)
    for words in ("--strength (1.0, now 0.5)", "--restorer (auto, now identity)", "--restart"):
        assert words in str(refused.value)
    assert "--job-dir" in str(refused.value)
    with pytest.raises(JobError, match=r"kind \(enhance, now detect\)"):
        detect_tracks(clip, tmp_path / "t.json", LOSSLESS, job_dir=folder)
    assert stamps(folder, "**/*") == before
    enhance(clip, tmp_path / "two.mkv", other, job_dir=tmp_path / "two")


@pytest.mark.usefixtures("small")
def test_another_input_is_refused(tmp_path: Path, clip: Path) -> None:
    out = tmp_path / "out.mkv"
    enhance(clip, out, LOSSLESS, keep_job=True)
    content = bytearray(clip.read_bytes())
    moved = tmp_path / "moved.mkv"
    moved.write_bytes(content)
    out.unlink()
    enhance(moved, out, LOSSLESS, keep_job=True)  # the same content, wherever it lies
    pictures = square_frames(40)
    pictures[20][100, 100] += 9
    write_rgb(clip, pictures, audio="aac")
    with pytest.raises(JobError, match="the input's"):
        enhance(clip, out, LOSSLESS, overwrite=True)


@pytest.mark.usefixtures("small")
def test_restart_uses_what_still_fits(tmp_path: Path, clip: Path) -> None:
    out = tmp_path / "out.mkv"
    half = replace(LOSSLESS, restore=RestoreSettings(strength=0.5))
    enhance(clip, tmp_path / "half.mkv", half)
    enhance(clip, out, LOSSLESS, keep_job=True)
    folder = default_folder(out)
    looks, segments = stamps(folder, "detections/*"), stamps(folder, "segments/*")
    seen = []
    enhance(
        clip,
        out,
        half,
        overwrite=True,
        keep_job=True,
        restart=True,
        progress=lambda step, done, total: seen.append((step, done)),
    )
    assert stamps(folder, "detections/*") == looks
    assert [s for s in seen if s[0] == "detect"] == [("detect", 40)]
    assert not stamps(folder, "segments/*").items() & segments.items()
    same(tmp_path / "half.mkv", out)
    sparse = replace(half, detect=DetectSettings(detector="square", every=4))
    enhance(clip, out, sparse, overwrite=True, keep_job=True, restart=True)
    assert not stamps(folder, "detections/*").items() & looks.items()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("harm", ["cut", "flip", "foreign", "unsealed", "empty"])
def test_a_spoilt_segment_is_noticed_and_made_again(
    tmp_path: Path, clip: Path, whole: Path, harm: str
) -> None:
    out, folder = tmp_path / "out.mkv", tmp_path / "out.mkv.videnhance"
    with pytest.raises(Stopped):
        enhance(clip, out, LOSSLESS, stop=stop_after(folder, "segments/*.mp4", 3))  # type: ignore[arg-type]
    spoilt, kept = folder / "segments" / "00001.mp4", folder / "segments" / "00002.mp4"
    content = bytearray(spoilt.read_bytes())
    if harm == "cut":
        spoilt.write_bytes(content[: len(content) // 2])
    elif harm == "flip":
        content[len(content) // 2] ^= 1
        spoilt.write_bytes(content)
    elif harm == "foreign":  # whole and sealed, but of another place in the video
        spoilt.write_bytes(kept.read_bytes())
    elif harm == "unsealed":
        spoilt.write_bytes(content[:-100])
    else:
        spoilt.write_bytes(b"")
    stamp = kept.stat().st_mtime_ns
    summary = enhance(clip, out, LOSSLESS, keep_job=True)
    same(whole, out)
    assert kept.stat().st_mtime_ns == stamp
    if harm != "foreign":
        assert any("00001.mp4 was spoilt" in note for note in summary.notes)
        assert any("00001.mp4 was spoilt" in line for line in read_status(folder).failures)


@pytest.mark.usefixtures("small")
def test_spoilt_detections_are_made_again(tmp_path: Path, clip: Path, whole: Path) -> None:
    out, folder = tmp_path / "out.mkv", tmp_path / "out.mkv.videnhance"
    with pytest.raises(Stopped):
        enhance(clip, out, LOSSLESS, stop=stop_after(folder, "detections/*.npz", 4))  # type: ignore[arg-type]
    one = folder / "detections" / "00001.npz"
    content = bytearray(one.read_bytes())
    content[-400] ^= 4
    one.write_bytes(content)
    (folder / "detections" / "00002.npz").write_bytes(content[:70])
    enhance(clip, out, LOSSLESS)
    same(whole, out)


@pytest.mark.usefixtures("small")
def test_tracks_edited_inside_a_job_are_not_overwritten(tmp_path: Path, clip: Path) -> None:
    out, folder = tmp_path / "out.mkv", tmp_path / "out.mkv.videnhance"
    with pytest.raises(Stopped):
        enhance(clip, out, LOSSLESS, stop=stop_after(folder, "segments/*.mp4", 1))  # type: ignore[arg-type]
    tracks = folder / "tracks.json"
    edited = tracks.read_text().replace('"id": 1', '"id": 7')
    tracks.write_text(edited)
    with pytest.raises(JobError, match="--tracks"):
        enhance(clip, out, LOSSLESS)
    assert tracks.read_text() == edited


@pytest.mark.slow
@pytest.mark.usefixtures("square_detector")
def test_a_full_disk_in_each_step(tmp_path: Path) -> None:
    """Every step's file is larger than those before it, so that a limit meets one step after
    another."""
    clip = write_rgb(tmp_path / "in.mkv", square_frames(400), audio="aac")
    whole, out = tmp_path / "whole.mkv", tmp_path / "out.mkv"
    kept, folder = default_folder(whole), default_folder(out)
    rarely = replace(LOSSLESS, detect=replace(LOSSLESS.detect, every=4))
    enhance(clip, whole, rarely, keep_job=True)
    sizes = [
        (kept / "job.json").stat().st_size,
        max(p.stat().st_size for p in (kept / "detections").iterdir()),
        (kept / "tracks.json").stat().st_size,
        max(p.stat().st_size for p in (kept / "segments").iterdir()),
        whole.stat().st_size,
    ]
    assert sizes == sorted(sizes)
    there = ["job.json", "detections/00001.npz", "tracks.json", "segments/00001.mp4"]
    for k, size in enumerate(sizes):
        with largest_file(size - 150), pytest.raises(OutputError) as full:
            enhance(clip, out, rarely)
        assert "cannot be written" in str(full.value) or "disk may be full" in str(full.value)
        assert "make room" in str(full.value)
        assert not out.exists()
        assert [(folder / name).exists() for name in there] == [k > 1 and j < k for j in range(4)]
        assert not list(tmp_path.rglob("*.part"))
    enhance(clip, out, rarely)
    same(whole, out)
    assert not folder.exists()


@pytest.mark.usefixtures("small")
def test_free_space_is_looked_at_before_and_while_it_works(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, folder = tmp_path / "out.mkv", tmp_path / "out.mkv.videnhance"
    free = [1000]
    real = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: real._replace(free=free[0]))
    with pytest.raises(OutputError, match="make room"):
        enhance(clip, out, LOSSLESS)
    assert not folder.exists()

    def shrink(step: str, done: int, total: int) -> None:
        free[0] = 1000 if step == "render" and done == 12 else free[0]

    free[0] = real.free
    with pytest.raises(OutputError, match="the next segment needs about"):
        enhance(clip, out, LOSSLESS, progress=shrink)
    assert len(list((folder / "segments").glob("*.mp4*"))) == 2
    assert "the next segment" in read_status(folder).failures[-1]
    free[0] = real.free
    assert resume(folder).frames == 40


@pytest.mark.usefixtures("small")
def test_an_input_that_grows_meanwhile_is_noticed(tmp_path: Path, clip: Path) -> None:
    def grow(step: str, done: int, total: int) -> None:
        if step == "render" and done == 30:
            with clip.open("ab") as file:
                file.write(b"more")

    summary = enhance(clip, tmp_path / "out.mkv", LOSSLESS, progress=grow)
    assert any("the source still grew while it was worked on" in note for note in summary.notes)
    assert summary.frames == 40


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("more", [b"", b"more"])
def test_an_input_that_is_changed_meanwhile_is_refused(
    tmp_path: Path, clip: Path, more: bytes
) -> None:
    def change(step: str, done: int, total: int) -> None:
        if step == "render" and done == 30:
            data = bytearray(clip.read_bytes())
            data[-20] ^= 1  # in place, and, with more, where the file also grows
            clip.write_bytes(data + more)

    with pytest.raises(InputError, match="was changed while"):
        enhance(clip, tmp_path / "out.mkv", LOSSLESS, progress=change)
    assert not (tmp_path / "out.mkv").exists()


@pytest.mark.usefixtures("small")
def test_an_input_that_is_moved_meanwhile_is_named(tmp_path: Path, clip: Path) -> None:
    def move(step: str, done: int, total: int) -> None:
        if step == "render" and done == total:
            clip.rename(tmp_path / "moved.mkv")

    with pytest.raises(InputError, match="is gone since"):
        enhance(clip, tmp_path / "out.mkv", LOSSLESS, progress=move)


@pytest.mark.usefixtures("small")
def test_a_folder_with_other_files_is_not_taken_for_a_job(tmp_path: Path, clip: Path) -> None:
    holiday = tmp_path / "holiday"
    holiday.mkdir()
    (holiday / "photo.jpg").write_bytes(b"precious")
    with pytest.raises(JobError, match="holds other files"):
        enhance(clip, tmp_path / "out.mkv", LOSSLESS, job_dir=holiday, restart=True)
    with pytest.raises(JobError, match="no job directory"):
        resume(holiday)
    with pytest.raises(JobError, match="no job directory"):
        read_status(tmp_path / "nowhere")
    # What is put into a job's directory later is left there.
    enhance(clip, tmp_path / "out.mkv", LOSSLESS, job_dir=tmp_path / "job", keep_job=True)
    (tmp_path / "job" / "notes.txt").write_text("mine")
    enhance(clip, tmp_path / "out.mkv", LOSSLESS, job_dir=tmp_path / "job")
    assert [p.name for p in (tmp_path / "job").iterdir()] == ["notes.txt"]
    assert (holiday / "photo.jpg").read_bytes() == b"precious"


@pytest.mark.usefixtures("small")
def test_detecting_is_a_job_too(tmp_path: Path, clip: Path) -> None:
    out = tmp_path / "t.json"
    folder = default_folder(out)
    with pytest.raises(Stopped):
        detect_tracks(clip, out, LOSSLESS, stop=stop_after(folder, "detections/*.npz", 2))  # type: ignore[arg-type]
    found = read_status(folder)
    assert (found.kind, found.steps[0].frames_done, found.steps[0].frames) == ("detect", 16, 40)
    assert found.seconds_left is not None
    assert resume(folder).output.name == "t.json"
    assert not folder.exists()
    enhance(clip, tmp_path / "direct.mkv", LOSSLESS)
    seen = []
    enhance(
        clip,
        tmp_path / "given.mkv",
        LOSSLESS,
        tracks=out,
        progress=lambda step, done, total: seen.append(step),
    )
    assert "detect" not in seen
    same(tmp_path / "direct.mkv", tmp_path / "given.mkv")


def test_no_process_is_left_holding_the_lock(tmp_path: Path) -> None:
    folder = JobDirectory(tmp_path)
    with entering.held(folder):
        assert entering.holder(folder) == os.getpid()
    assert entering.holder(folder) is None


# What is not the job's own


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ["output.mkv", "output", "tracks.json", "sub/out.mkv"])
def test_a_result_never_goes_with_the_job(tmp_path: Path, clip: Path, name: str) -> None:
    folder = tmp_path / "job"
    (folder / "sub").mkdir(parents=True)
    with pytest.raises(JobError, match="the output lies in the job's own directory"):
        enhance(clip, folder / name, LOSSLESS, job_dir=folder)
    with pytest.raises(JobError, match="the output lies in"):
        detect_tracks(clip, folder / name, LOSSLESS, job_dir=folder)
    inside = folder / "output.mkv"
    shutil.copy(clip, inside)
    with pytest.raises(JobError, match="the input lies in"):
        enhance(inside, tmp_path / "out.mkv", LOSSLESS, job_dir=folder)
    assert inside.read_bytes() == clip.read_bytes()


@pytest.mark.usefixtures("small")
def test_given_tracks_never_go_with_the_job(tmp_path: Path, clip: Path) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    mine = folder / "tracks.json"
    detect_tracks(clip, tmp_path / "t.json", LOSSLESS)
    shutil.move(tmp_path / "t.json", mine)
    with pytest.raises(JobError, match="--tracks lies in"):
        enhance(clip, tmp_path / "out.mkv", LOSSLESS, job_dir=folder, tracks=mine)
    with pytest.raises(JobError, match="holds other files"):
        enhance(clip, tmp_path / "out.mkv", LOSSLESS, job_dir=folder)
    assert mine.exists()


@pytest.mark.parametrize("names", [["output.mkv"], ["tracks.json"], ["output"], ["lock", "a.mp4"]])
def test_a_folder_is_no_job_for_a_name_in_it(
    tmp_path: Path, clip: Path, names: list[str], square_detector: str
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in names:
        (folder / name).write_text("precious")
    with pytest.raises(JobError, match="holds other files"):
        enhance(clip, tmp_path / "out.mkv", LOSSLESS, job_dir=folder)
    assert sorted(p.name for p in folder.iterdir()) == sorted(names)


@pytest.mark.usefixtures("small")
def test_what_lies_among_segments_is_left_there(tmp_path: Path, clip: Path) -> None:
    folder = tmp_path / "job"
    enhance(clip, tmp_path / "out.mkv", LOSSLESS, job_dir=folder, keep_job=True)
    (folder / "segments" / "mine.mp4").write_text("precious")
    enhance(clip, tmp_path / "out.mkv", LOSSLESS, job_dir=folder)
    assert [str(p.relative_to(folder)) for p in folder.rglob("*")] == [
        "segments",
        "segments/mine.mp4",
    ]


@pytest.mark.usefixtures("small")
def test_restart_does_not_cost_edited_tracks(tmp_path: Path, clip: Path) -> None:
    out, folder = tmp_path / "out.mkv", tmp_path / "job"
    enhance(clip, out, LOSSLESS, job_dir=folder, keep_job=True)
    tracks = folder / "tracks.json"
    edited = tracks.read_text().replace(
        '"zones": []', '"zones": [{"x0": 0, "y0": 0, "x1": 8, "y1": 8}]'
    )
    assert edited != tracks.read_text()
    tracks.write_text(edited)
    out.unlink()
    with pytest.raises(JobError, match="if you edited it"):
        enhance(clip, out, LOSSLESS, job_dir=folder, restart=True)
    assert tracks.read_text() == edited
    tracks.rename(tmp_path / "mine.json")
    enhance(clip, out, LOSSLESS, job_dir=folder, restart=True, tracks=tmp_path / "mine.json")
    assert out.exists()


@pytest.mark.usefixtures("small")
def test_names_that_cannot_be_are_said_so(tmp_path: Path, clip: Path) -> None:
    with pytest.raises(OutputError, match="the name is too long; choose one of 244 bytes"):
        enhance(clip, tmp_path / f"{'x' * 247}.mkv", LOSSLESS)
    long = tmp_path / f"{'x' * 240}.mkv"
    enhance(clip, long, LOSSLESS)
    assert long.exists()
    with pytest.raises(OutputError, match="is a folder"):
        enhance(clip, "/", LOSSLESS)
    code, _, told = ran("enhance", clip, "-o", tmp_path / f"{'x' * 300}.mkv")
    assert code == 4 and told.count(b"\n") == 1 and b"too long" in told


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", ["enhance", "detect"])
def test_a_file_that_takes_the_output_s_name_meanwhile_is_kept(
    tmp_path: Path, clip: Path, kind: str
) -> None:
    out = tmp_path / ("out.mkv" if kind == "enhance" else "out.json")

    def intrude(step: str, done: int, total: int) -> None:
        if step == "detect" and done == total:
            out.write_text("precious")

    run = enhance if kind == "enhance" else detect_tracks
    with pytest.raises(OutputError, match="written by something else meanwhile"):
        run(clip, out, LOSSLESS, progress=intrude)
    assert out.read_text() == "precious"
    out.unlink()
    run(clip, out, LOSSLESS)
    assert out.exists() and not default_folder(out).exists()


def test_notes_that_are_spoilt_are_no_error(tmp_path: Path, clip: Path, small: None) -> None:
    out = tmp_path / "out.mkv"
    enhance(clip, out, LOSSLESS, keep_job=True)
    folder = default_folder(out)
    (folder / "failures.jsonl").write_bytes(b'\xff\n{"when": "now", "error": "x"}\n')
    assert read_status(folder).failures == ("now x",)
    (folder / "finished.json").write_text("[]")
    with pytest.raises(OutputError, match="exists already"):
        enhance(clip, out, LOSSLESS)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("harm", ["gone", "cut"])
def test_a_segment_without_its_report_is_made_again(tmp_path: Path, clip: Path, harm: str) -> None:
    """What became of its faces would be missing in the summary."""
    out, folder = tmp_path / "out.mkv", tmp_path / "job"
    enhance(clip, out, LOSSLESS, job_dir=folder, keep_job=True)
    before = stamps(folder / "segments", "*.mp4")
    report = folder / "segments" / "00001.json"
    report.unlink() if harm == "gone" else report.write_text(report.read_text()[:5])
    out.unlink()
    enhance(clip, out, LOSSLESS, job_dir=folder, keep_job=True)
    after = stamps(folder / "segments", "*.mp4")
    assert [name for name in before if before[name] != after[name]] == ["00001.mp4"]
    assert report.exists()
