"""Batches: which files are taken, what they become, and how the run goes on after a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.making.clips import write_clip
from videnhance.errors import ContainerError, InputError, OutputError, Stopped, UsageError
from videnhance.job.batch import (
    BatchItem,
    BatchResult,
    State,
    closing_table,
    exit_code_of,
    inputs_of,
    run_batch,
)
from videnhance.job.summary import Summary
from videnhance.media.reading.source import probe
from videnhance.media.writing.codecs import CONTAINERS, container_for
from videnhance.media.writing.streams import plan_copying


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def taken(
    folder: Path, *arguments: str, recursive: bool = False, out: str = "out"
) -> list[tuple[str, str]]:
    """(source, output) below `folder`, which is the working directory."""
    items = inputs_of(arguments, recursive=recursive, out_dir=folder / out)
    return [(str(w.source), w.output.relative_to(folder / out).as_posix()) for w in items]


def refusal(*arguments: str, recursive: bool = False, out: str = "out") -> str:
    with pytest.raises(UsageError) as caught:
        inputs_of(arguments, recursive=recursive, out_dir=Path(out))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def summary(source: Path, output: Path, *, frames: int = 12, seconds: float = 1.0) -> Summary:
    return Summary(
        output=output,
        frames=frames,
        start=0,
        all_frames=frames,
        looked=frames,
        frames_with_faces=0,
        faces=0,
        tracks=1,
        believed=0,
        seconds=seconds,
        steps={},
        stages={},
        detector="centerface",
        restorer="identity",
        invents=False,
        notes=(),
        job=None,
    )


def items(*names: str) -> list[BatchItem]:
    return [BatchItem(Path(name), Path("out") / name) for name in names]


def states(results: Sequence[BatchResult]) -> list[str]:
    return [result.state for result in results]


class TestInputs:
    def test_files_keep_order_and_name(self, here: Path) -> None:
        touch(here, "b.mp4", "a.MOV", "notes.txt")
        assert taken(here, "b.mp4", "a.MOV", "missing.mkv", "notes.txt") == [
            ("b.mp4", "b.mp4"),
            ("a.MOV", "a.MOV"),
            ("missing.mkv", "missing.mkv"),
            ("notes.txt", "notes.txt.mkv"),
        ]

    @pytest.mark.parametrize("suffix", CONTAINERS)
    def test_suffixes_of_our_containers_are_kept(self, here: Path, suffix: str) -> None:
        assert taken(here, f"a{suffix}") == [(f"a{suffix}", f"a{suffix}")]

    def test_other_suffixes_stay_visible(self, here: Path) -> None:
        found = taken(here, "a.avi", "a.wmv", "a.mkv", "b")
        assert [output for _, output in found] == ["a.avi.mkv", "a.wmv.mkv", "a.mkv", "b.mkv"]

    def test_a_folder_is_its_videos_in_natural_order(self, here: Path) -> None:
        touch(here, "in/cam10.mp4", "in/Cam2.MP4", "in/cam1.avi", "in/notes.txt", "in/cam3")
        touch(here, "in/.cam0.mp4", "in/more/cam4.mp4")
        assert taken(here, "in") == [
            ("in/cam1.avi", "cam1.avi.mkv"),
            ("in/Cam2.MP4", "Cam2.MP4"),
            ("in/cam10.mp4", "cam10.mp4"),
        ]

    def test_recursive_keeps_sub_folders(self, here: Path) -> None:
        touch(here, "in/z.mp4", "in/day10/a.mp4", "in/day9/a.mp4", "in/.trash/a.mp4")
        touch(here, "in/day9/x.mkv.videnhance/segments/00000.mp4")
        touch(here, "in/day9/busy/job.json", "in/day9/busy/segments/00000.mp4")
        (here / "in" / "around").symlink_to(here / "in", target_is_directory=True)
        assert taken(here, "in", recursive=True) == [
            ("in/z.mp4", "z.mp4"),
            ("in/day9/a.mp4", "day9/a.mp4"),
            ("in/day10/a.mp4", "day10/a.mp4"),
        ]

    def test_a_link_to_a_lost_video_is_not_passed_over(self, here: Path) -> None:
        touch(here, "in/a.mp4")
        (here / "in" / "b.mp4").symlink_to(here / "gone.mp4")
        assert [source for source, _ in taken(here, "in")] == ["in/a.mp4", "in/b.mp4"]

    def test_results_of_an_earlier_run_are_no_inputs(self, here: Path) -> None:
        touch(here, "in/a.mp4", "in/out/a.mp4", "in/out/deep/b.mp4", "in/other/c.mp4")
        found = taken(here, "in", recursive=True, out="in/out")
        assert found == [("in/a.mp4", "a.mp4"), ("in/other/c.mp4", "other/c.mp4")]
        assert taken(here, "in/**/*.mp4", out="in/out") == [
            ("in/a.mp4", "a.mp4"),
            ("in/other/c.mp4", "other/c.mp4"),
        ]

    def test_results_may_go_to_a_folder_above(self, here: Path) -> None:
        touch(here, "top/in/a.mp4")
        assert taken(here, "top/in", out="top") == [("top/in/a.mp4", "a.mp4")]

    def test_globs(self, here: Path) -> None:
        touch(here, "in/a10.mp4", "in/a9.mp4", "in/b.mp4", "in/a.txt", "in/a.dat", "in/.a.mp4")
        touch(here, "in/day/a1.mp4")
        assert [source for source, _ in taken(here, "in/a*")] == ["in/a9.mp4", "in/a10.mp4"]
        assert taken(here, "in/?.dat") == [("in/a.dat", "a.dat.mkv")]
        assert taken(here, "in/[b].mp4") == [("in/b.mp4", "b.mp4")]
        assert taken(here, str(here / "in" / "b*")) == [(str(here / "in" / "b.mp4"), "b.mp4")]

    def test_globs_through_folders_keep_them(self, here: Path) -> None:
        touch(here, "in/cam1/a.mp4", "in/cam2/a.mp4", "in/cam2/deep/a.mp4", "in/a.mp4")
        touch(here, "in/a.mp4.videnhance/segments/a.mp4")
        assert taken(here, "in/**/a.mp4") == [
            ("in/a.mp4", "a.mp4"),
            ("in/cam1/a.mp4", "cam1/a.mp4"),
            ("in/cam2/a.mp4", "cam2/a.mp4"),
            ("in/cam2/deep/a.mp4", "cam2/deep/a.mp4"),
        ]
        assert taken(here, "in/cam*") == [
            ("in/cam1/a.mp4", "cam1/a.mp4"),
            ("in/cam2/a.mp4", "cam2/a.mp4"),
        ]

    def test_a_name_with_brackets_is_a_file_where_there_is_one(self, here: Path) -> None:
        touch(here, "a[1].mp4", "a1.mp4")
        assert taken(here, "a[1].mp4") == [("a[1].mp4", "a[1].mp4")]

    def test_the_same_video_is_done_once(self, here: Path) -> None:
        touch(here, "in/a.mp4")
        (here / "link.mp4").symlink_to(here / "in" / "a.mp4")
        arguments = ["in/a.mp4", str(here / "in" / "a.mp4"), "in", "in/*.mp4", "link.mp4"]
        assert taken(here, *arguments) == [("in/a.mp4", "a.mp4")]

    def test_nothing_found_is_refused(self, here: Path) -> None:
        touch(here, "in/notes.txt", "in/day/a.mp4")
        error = refusal("in")
        assert error.startswith("in: no video")
        assert "--recursive" in error
        touch(here, "in2/notes.txt")
        assert "--recursive" not in refusal("in2", recursive=True)
        assert refusal("in/*.mp4").startswith("in/*.mp4: no video")

    def test_a_job_is_no_folder_of_videos(self, here: Path) -> None:
        touch(here, "job/job.json", "job/segments/00000.mp4")
        assert "no video" in refusal("job", recursive=True)

    def test_two_inputs_never_become_one_output(self, here: Path) -> None:
        touch(here, "x/a.mp4", "y/a.mp4")
        error = refusal("x", "y/a.mp4")
        assert "x/a.mp4 and y/a.mp4" in error
        assert "out/a.mp4" in error
        assert "--out-dir" in error
        assert "a.avi and a.avi.mkv" in refusal("a.avi", "a.avi.mkv")

    def test_an_input_is_never_an_output(self, here: Path) -> None:
        touch(here, "in/a.mp4", "x/day/b.mp4", "in/day/b.mp4")
        assert "in/a.mp4: is one of the inputs" in refusal("in", out="in")
        assert "choose another --out-dir" in refusal("in/a.mp4", out=str(here / "in"))
        assert "in/day/b.mp4" in refusal("x", "in/day/b.mp4", recursive=True, out="in")

    def test_the_output_folder_must_not_be_a_file(self, here: Path) -> None:
        touch(here, "a.mp4", "out")
        assert refusal("a.mp4") == "--out-dir out: is a file; name a folder"

    def test_a_folder_that_cannot_be_read_is_named(
        self, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        touch(here, "in/a.mp4", "in/locked/b.mp4")
        listed = Path.iterdir

        def iterdir(path: Path) -> Iterator[Path]:
            if path.name == "locked":
                raise PermissionError(13, os.strerror(13), str(path))
            return listed(path)

        monkeypatch.setattr(Path, "iterdir", iterdir)
        assert refusal("in", recursive=True).startswith("in/locked: cannot be read")


class TestRun:
    def test_a_failure_does_not_stop_the_others(self, here: Path) -> None:
        def run_one(source: Path, output: Path) -> Summary:
            if source.name == "b.mp4":
                raise InputError(f"{source}: no such file; check the name")
            if source.name == "c.mp4":
                raise TypeError("no\nnumber")
            if source.name == "d.mp4":
                raise MemoryError
            output.touch()
            return summary(source, output)

        told: list[tuple[str, int, int]] = []
        results = run_batch(
            items("a.mp4", "b.mp4", "c.mp4", "d.mp4", "e/e.mp4"),
            run_one,
            skip_existing=False,
            stop=lambda: False,
            tell=lambda item, number, total: told.append((item.source.name, number, total)),
        )
        assert states(results) == ["done", "failed", "failed", "failed", "done"]
        assert [o.error for o in results] == [
            None,
            "b.mp4: no such file; check the name",
            "unexpected TypeError: no number",
            "unexpected MemoryError",
            None,
        ]
        assert [o.exit_code for o in results] == [0, 3, 1, 1, 0]
        assert told == [(f"{name}.mp4", k, 5) for k, name in enumerate("abcde", 1)]
        assert (here / "out" / "e" / "e.mp4").exists()
        assert results[0].summary == summary(Path("a.mp4"), Path("out/a.mp4"))

    def test_existing_results_are_skipped_only_if_asked(self, here: Path) -> None:
        touch(here, "out/a.mp4", "out/b.avi.mov")
        batch = [*items("a.mp4"), BatchItem(Path("b.avi"), Path("out/b.avi.mkv")), *items("c.mp4")]
        done = run_batch(batch, summary, skip_existing=True)
        assert states(done) == ["skipped", "skipped", "done"]
        assert done[1].item.output == Path("out/b.avi.mov")
        assert states(run_batch(batch, summary)) == ["done", "done", "done"]

    def test_another_inputs_result_is_not_ones_own(self, here: Path) -> None:
        touch(here, "out/a.mp4.mkv")
        done = run_batch(items("a.mp4", "a.mp4.mkv"), summary, skip_existing=True)
        assert states(done) == ["done", "skipped"]

    def test_stop_leaves_the_rest(self, here: Path) -> None:
        seen: list[Path] = []

        def run_one(source: Path, output: Path) -> Summary:
            seen.append(source)
            return summary(source, output)

        results = run_batch(items("a.mp4", "b.mp4"), run_one, stop=lambda: len(seen) == 1)
        assert states(results) == ["done", "not started"]
        assert exit_code_of(results) == 130

    def test_a_work_that_is_stopped_ends_the_batch(self, here: Path) -> None:
        def run_one(source: Path, output: Path) -> Summary:
            raise Stopped("stopped; finished work is kept")

        results = run_batch(items("a.mp4", "b.mp4", "c.mp4"), run_one)
        assert states(results) == ["stopped", "not started", "not started"]
        assert [o.exit_code for o in results] == [130, 130, 130]
        assert results[0].error == "stopped; finished work is kept"

    def test_a_keyboard_interrupt_passes(self, here: Path) -> None:
        def run_one(source: Path, output: Path) -> Summary:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run_batch(items("a.mp4"), run_one)

    def test_a_folder_that_cannot_be_made(self, here: Path) -> None:
        touch(here, "out/day")
        results = run_batch(items("day/a.mp4", "b.mp4"), summary)
        assert states(results) == ["failed", "done"]
        assert results[0].exit_code == OutputError.exit_code
        assert str(results[0].error).startswith("out/day: cannot be created")


class TestContainers:
    """The container is the first that can hold the source's sound and the wished codec."""

    @staticmethod
    def plan(codec: str) -> Callable[[Path, Path], Summary]:
        def run_one(source: Path, output: Path) -> Summary:
            plan_copying(probe(source), container_for(output), codec)
            return summary(source, output)

        return run_one

    @pytest.mark.parametrize(("audio", "suffix"), [("mp3", ".mkv"), ("pcm_alaw", ".mkv")])
    def test_the_first_that_fits(self, here: Path, audio: str, suffix: str) -> None:
        write_clip(here / "a.avi", codec="mpeg4", audio=audio)
        [result] = run_batch(
            inputs_of(["a.avi"], recursive=False, out_dir=Path("out")), self.plan("h264")
        )
        assert (result.state, result.item.output) == ("done", Path(f"out/a.avi{suffix}"))

    def test_a_name_is_added_to_where_its_container_cannot_hold_the_codec(self, here: Path) -> None:
        write_clip(here / "a.mov")
        [result] = run_batch(
            inputs_of(["a.mov"], recursive=False, out_dir=Path("out")), self.plan("ffv1")
        )
        assert (result.state, result.item.output) == ("done", Path("out/a.mov.mkv"))

    def test_the_next_is_tried_and_others_names_are_left_alone(self, here: Path) -> None:
        asked: list[str] = []

        def run_one(source: Path, output: Path) -> Summary:
            asked.append(output.name)
            if output.suffix != ".mov":
                raise ContainerError(f"{output}: does not fit")
            return summary(source, output)

        batch = [BatchItem(Path("a.avi"), Path("out/a.avi.mkv")), *items("a.avi.mp4", "b.mov")]
        results = run_batch(batch, run_one)
        assert states(results) == ["done", "done", "done"]
        assert asked == [
            *("a.avi.mkv", "a.avi.mov"),
            *("a.avi.mp4", "a.avi.mp4.mkv", "a.avi.mp4.mp4", "a.avi.mp4.mov"),
            "b.mov",
        ]

    def test_where_none_fits_the_first_reason_is_told(self, here: Path) -> None:
        def run_one(source: Path, output: Path) -> Summary:
            raise ContainerError(f"{output.suffix} cannot hold it")

        [result] = run_batch(items("a.mp4"), run_one)
        assert (result.state, result.error, result.exit_code) == (
            "failed",
            ".mp4 cannot hold it",
            4,
        )

    def test_other_failures_to_write_are_not_tried_again(self, here: Path) -> None:
        asked: list[Path] = []

        def run_one(source: Path, output: Path) -> Summary:
            asked.append(output)
            raise OutputError(f"{output}: exists already")

        assert states(run_batch(items("a.avi"), run_one)) == ["failed"]
        assert asked == [Path("out/a.avi")]


def result(name: str, state: State, code: int = 0, error: str | None = None) -> BatchResult:
    item = BatchItem(Path(name), Path("out") / name)
    return BatchResult(item, state, None, error, code)


def test_exit_codes() -> None:
    done, skipped = result("a", "done"), result("b", "skipped")
    unread, unfit = result("c", "failed", 3, "x"), result("d", "failed", 4, "y")
    assert exit_code_of([]) == 0
    assert exit_code_of([done, skipped]) == 0
    assert exit_code_of([done, unread, unread]) == 3
    assert exit_code_of([unread, done, unfit]) == 1
    assert exit_code_of([unread, unfit, result("e", "stopped", 130)]) == 130
    assert exit_code_of([done, result("e", "not started", 130)]) == 130


def test_the_table_is_aligned_and_counts() -> None:
    long = BatchItem(Path("in/long.avi"), Path("out/long.avi.mov"))
    text = closing_table(
        [
            BatchResult(
                BatchItem(Path("a.mp4"), Path("out/a.mp4")),
                "done",
                summary(Path("a.mp4"), Path("out/a.mp4"), frames=7, seconds=1.25),
                None,
                0,
            ),
            BatchResult(
                long, "done", summary(long.source, long.output, frames=1200, seconds=90), None, 0
            ),
            result("b.mp4", "skipped"),
            result("c.mp4", "failed", 3, "c.mp4: no such file; check the name"),
            result("d.mp4", "stopped", 130, "stopped on request"),
            result("e.mp4", "not started", 130),
        ]
    )
    assert text.splitlines() == [
        "done         a.mp4           7 frames  1 tracks   1.2 s",
        "done         in/long.avi  1200 frames  1 tracks  90.0 s  as long.avi.mov",
        "skipped      b.mp4        out/b.mp4 exists already",
        "failed       c.mp4        no such file; check the name",
        "stopped      d.mp4        stopped on request",
        "not started  e.mp4",
        "2 done, 1 skipped, 1 failed, 1 stopped, 1 not started",
    ]
    assert closing_table([]) == "0 done"


def test_importing_it_is_cheap() -> None:
    script = (
        "import sys, videnhance.job.batch; print({'av', 'cv2', 'torch', 'numpy'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
