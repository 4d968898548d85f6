"""What the last digits depend on is recorded, and told where a job goes on elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.making.clips import square_frames, write_rgb
from tests.making.records import fingerprints, recorded
from videnhance import Stopped, enhance, resume
from videnhance.cli.report import times_text
from videnhance.inference import processor
from videnhance.job import job, plan
from videnhance.job.directory.machine import machine_text, this_machine, unlike
from videnhance.job.directory.record import read_record
from videnhance.settings.groups import DetectSettings, OutputSettings, Settings

INTEL = {
    "system": "Linux x86_64",
    "processor features": ["avx", "avx2", "fma"],
    "OpenCV kernels": "SSE *AVX2",
    "OpenCV threads": 8,
}
WISH = Settings(
    detect=DetectSettings(detector="square", every=1), output=OutputSettings(codec="ffv1")
)

Elsewhere = Callable[..., None]


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    """Takes this process to a machine of these facts."""

    def go(**facts: Any) -> None:
        there = {**INTEL, **{name.replace("_", " "): value for name, value in facts.items()}}
        monkeypatch.setattr(job, "this_machine", lambda *_: there)

    return go


def test_torch_is_asked_only_where_networks_need_it() -> None:
    plain = this_machine(("openvino",))
    assert plain.keys() == INTEL.keys()
    assert plain["OpenCV threads"] >= 1
    learned = this_machine(("torch",))
    assert learned["torch threads"] >= 1
    assert learned["torch kernels"]
    assert json.loads(json.dumps(learned)) == learned


def test_features_are_those_that_kernels_are_chosen_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "cpuinfo"
    monkeypatch.setattr(processor, "_CPUINFO", told)
    told.write_text("model name : X\nflags\t\t: fpu sse4_1 avx512_bf16 amx_tile ht\nflags : avx\n")
    assert this_machine(())["processor features"] == ["amx_tile", "avx512_bf16", "sse4_1"]
    told.write_text("Features\t: fp asimd aes sve2 bf16\n")
    assert this_machine(())["processor features"] == ["asimd", "bf16", "sve2"]
    told.unlink()
    assert this_machine(())["processor features"] == []


def test_what_differs_is_told_in_a_few_words() -> None:
    assert unlike(INTEL, INTEL) == ""
    other = {**INTEL, "OpenCV threads": 2, "processor features": ["avx", *"abcd"]}
    assert unlike(INTEL, other) == (
        "avx2 fma only there and a b c and 1 more features only here, "
        "OpenCV threads: 8 there, 2 here"
    )
    assert unlike(INTEL, {**INTEL, "GPUs": ["H200"]}) == "GPUs: unknown there, H200 here"
    assert unlike({**INTEL, "GPUs": []}, INTEL) == "GPUs: none there, unknown here"
    assert machine_text(INTEL) == "Linux x86_64, OpenCV kernels SSE *AVX2, OpenCV threads 8"


def test_it_is_no_part_of_what_work_is_recognized_by(tmp_path: Path, square_detector: str) -> None:
    clip = write_rgb(tmp_path / "in.mkv", square_frames(12))
    one = recorded(clip, WISH)
    other = one.also_on([INTEL])
    assert len(other.machines) == len(one.machines) + 1
    assert other.also_on([INTEL]) is other
    assert fingerprints(one) == fingerprints(other)
    assert one.differences(other) == []
    document = dict(one.document)
    del document["machines"]  # as earlier versions wrote it
    assert type(one)(document).machines == ()


@pytest.mark.parametrize("again", ["resume", "command", "restart"])
def test_a_job_that_goes_on_elsewhere_says_so_and_keeps_both(
    tmp_path: Path,
    square_detector: str,
    monkeypatch: pytest.MonkeyPatch,
    elsewhere: Elsewhere,
    again: str,
) -> None:
    monkeypatch.setattr(plan, "SEGMENT_FRAMES", 8)
    clip = write_rgb(tmp_path / "in.mkv", square_frames(24))
    out, folder = tmp_path / "out.mkv", tmp_path / "work"
    asked: dict[str, Any] = {"job_dir": folder, "keep_job": True}

    def is_begun() -> bool:
        return len(list(folder.glob("segments/*.mp4"))) >= 1

    elsewhere()
    with pytest.raises(Stopped):
        enhance(clip, out, WISH, stop=is_begun, **asked)
    first = next(folder.glob("segments/*.mp4")).stat().st_mtime_ns
    elsewhere(OpenCV_threads=2)
    if again == "resume":
        summary = resume(folder)
    else:
        summary = enhance(clip, out, WISH, restart=again == "restart", **asked)
    told = [note for note in summary.notes if "unlike machine" in note]
    assert len(told) == 1 and "OpenCV threads: 8 there, 2 here" in told[0]
    assert "\n" not in told[0]
    assert min(p.stat().st_mtime_ns for p in folder.glob("segments/*.mp4")) == first
    kept = read_record(folder / "job.json").machines
    assert sorted(there["OpenCV threads"] for there in kept) == [2, 8]
    assert times_text(summary).count("made on: Linux x86_64") == 2
    elsewhere(OpenCV_threads=4)  # a finished job: nothing is made here
    done = enhance(clip, out, WISH, **asked)
    assert not [note for note in done.notes if "unlike" in note]
    assert len(read_record(folder / "job.json").machines) == 2


def test_on_like_machines_nothing_is_said(
    tmp_path: Path, square_detector: str, elsewhere: Elsewhere
) -> None:
    elsewhere()
    clip = write_rgb(tmp_path / "in.mkv", square_frames(12))
    summary = enhance(clip, tmp_path / "out.mkv", WISH, keep_job=True)
    assert not [note for note in summary.notes if "unlike" in note]
    assert summary.made_on[0] == machine_text(INTEL)
    assert "av " in summary.made_on[1] and "numpy " in summary.made_on[1]
