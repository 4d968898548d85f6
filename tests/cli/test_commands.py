"""The command line as a user meets it: exit codes, one line per error, nothing left behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from tests.making.clips import square_frames, write_clip, write_rgb
from videnhance.cli.commands import app
from videnhance.cli.progress import Bars
from videnhance.errors import Stopped, VidenhanceError
from videnhance.job.summary import ESTIMATE
from videnhance.render.stages import STAGES

RUNNER = CliRunner()


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = RUNNER.invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def refused(folder: Path, source: Path, output: Path, *more: str) -> str:
    """Run enhance, which must fail in one line, write nothing and leave the source as it was."""
    names = sorted(p.name for p in folder.rglob("*"))
    content = source.read_bytes() if source.is_file() else b""
    code, out, err = run("enhance", source, "-o", output, *more)
    assert code != 0
    assert out == ""
    assert err.startswith("videnhance: ")
    assert err.count("\n") == 1
    assert sorted(p.name for p in folder.rglob("*")) == names
    assert source.read_bytes() == content if source.is_file() else True
    return err


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "in.mp4", audio="aac", pts=tuple(range(50)))


def test_bad_inputs(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    assert "no such file" in refused(tmp_path, tmp_path / "missing.mp4", out)
    assert "is a folder" in refused(tmp_path, tmp_path, out)
    empty = tmp_path / "empty.mp4"
    empty.touch()
    assert "empty" in refused(tmp_path, empty, out)
    text = tmp_path / "notes.mp4"
    text.write_text("this is no video\n" * 100)
    assert "no video FFmpeg can read" in refused(tmp_path, text, out)


def test_audio_without_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        stream.codec_context.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    err = refused(tmp_path, tmp_path / "sound.wav", tmp_path / "out.mp4")
    assert "holds no video (audio only)" in err


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    _, jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 128, np.uint8))
    song = tmp_path / "song.mkv"
    with av.open(str(song), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        stream.codec_context.layout = "mono"
        container.add_attachment("cover.jpg", "image/jpeg", jpeg.tobytes())
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(str(song)) as container:
        assert len(container.streams.video) == 1
    assert "holds no video" in refused(tmp_path, song, tmp_path / "out.mkv")


@pytest.mark.parametrize("index_first", [True, False])
def test_a_truncated_mp4(tmp_path: Path, index_first: bool) -> None:
    options = {"movflags": "faststart"} if index_first else {}
    whole = tmp_path / "whole.mp4"
    frames = square_frames(60, noise=20)
    write_rgb(whole, frames, codec="libx264", options={**options, "crf": "10"})
    if index_first:
        fast = tmp_path / "fast.mp4"
        with av.open(str(whole)) as a, av.open(str(fast), "w", options=options) as b:
            stream = b.add_stream_from_template(a.streams.video[0], opaque=True)
            for packet in a.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    b.mux(packet)
        whole = fast
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.6)])
    err = refused(tmp_path, cut, tmp_path / "out.mp4", "--strict")
    assert ("of 60 frames" if index_first else "index (moov) is missing") in err


def test_a_truncated_mkv(tmp_path: Path) -> None:
    whole = tmp_path / "whole.mkv"
    write_rgb(whole, square_frames(100, noise=20), codec="libx264", options={"crf": "10"})
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.6)])
    assert "ends at" in refused(tmp_path, cut, tmp_path / "out.mkv", "--strict")
    header = tmp_path / "header.mkv"
    header.write_bytes(whole.read_bytes()[:40])
    refused(tmp_path, header, tmp_path / "out.mkv")


def test_an_mkv_that_begins_late_is_not_cut_off(tmp_path: Path) -> None:
    late = write_clip(tmp_path / "late.mkv", pts=tuple(range(100, 150)), codec="ffv1")
    assert json.loads(run("probe", late, "--json")[1])["problem"] is None


def test_a_file_with_streams_but_no_frames(tmp_path: Path) -> None:
    path = tmp_path / "none.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    refused(tmp_path, path, tmp_path / "out.mkv")


def test_bad_outputs(tmp_path: Path, clip: Path) -> None:
    assert "is the input itself" in refused(tmp_path, clip, clip)
    link = tmp_path / "link.mp4"
    link.symlink_to(clip)
    assert "is the input itself" in refused(tmp_path, clip, link, "--overwrite")
    assert "does not exist" in refused(tmp_path, clip, tmp_path / "no" / "out.mp4")
    assert "is a folder" in refused(tmp_path, clip, tmp_path)
    assert "unknown container" in refused(tmp_path, clip, tmp_path / "out.xyz")
    taken = tmp_path / "taken.mp4"
    taken.write_bytes(b"precious")
    assert "--overwrite" in refused(tmp_path, clip, taken)
    assert taken.read_bytes() == b"precious"


def test_a_folder_that_cannot_be_written(clip: Path) -> None:
    # Not even root can create files in /proc.
    code, _, err = run("enhance", clip, "-o", "/proc/out.mp4")
    assert code == 4
    assert "cannot be written" in err


@pytest.mark.parametrize(
    ("option", "value", "what"),
    [
        ("--codec", "divx", "unknown; choose from h264"),
        ("--codec", "prores", "cannot hold"),
        ("--crf", "99", "takes 0"),
        ("--encoder-preset", "quick", "takes ultrafast"),
        ("--scale", "3", "takes 1, 2 or 4"),
        ("--strength", "1.5", "takes 0 to 1"),
        ("--detect-every", "0", "takes 1"),
        ("--restorer", "magic", "auto, fusion, clarity, identity"),
        ("--detector", "magic", "centerface"),
        ("--threshold", "7", "takes 0.05"),
    ],
)
def test_bad_options(tmp_path: Path, clip: Path, option: str, value: str, what: str) -> None:
    assert what in refused(tmp_path, clip, tmp_path / "out.mp4", option, value)


def test_a_whole_run_and_its_summary(tmp_path: Path, square_detector: str) -> None:
    clip = write_rgb(tmp_path / "in.mkv", square_frames(20))
    out = tmp_path / "out.mp4"
    code, said, err = run("enhance", clip, "-o", out, "--detector", square_detector)
    assert (code, err) == (0, "")
    assert out.exists()
    assert str(out) in said
    assert "20 frames, 20 with faces; 20 faces in 1 track" in said
    assert "only what the clip itself holds" in said
    assert ESTIMATE in said
    code, said, err = run(
        "enhance", clip, "-o", out, "--overwrite", "--detector", square_detector, "--quiet"
    )
    assert (code, said, err) == (0, "", "")


def test_verbose_tells_each_stage_of_rendering(tmp_path: Path, square_detector: str) -> None:
    clip = write_rgb(tmp_path / "in.mkv", square_frames(20))
    asked = ("--detector", square_detector, "--restorer", "fusion", "--keep-job")
    code, said, err = run("enhance", clip, "-o", tmp_path / "out.mp4", *asked, "--verbose")
    assert (code, err) == (0, "")
    table = said.partition("rendering by stage, its threads side by side:\n")[2].splitlines()
    rows = [re.fullmatch(r"  (\w+) +([\d.]+) s +([\d.]+) ms a frame +([\d.]+)%", k) for k in table]
    found = [row.groups() for row in rows if row is not None]
    assert len(found) == len(table)
    assert [stage for stage, *_ in found] == list(STAGES)
    assert sum(float(share) for *_, share in found) == pytest.approx(100, abs=0.5)
    again = run("enhance", clip, "-o", tmp_path / "out.mp4", *asked, "--verbose", "--overwrite")
    assert "rendering by stage" not in again[1]  # nothing was rendered


def test_many_inputs_and_one_bad_one(
    tmp_path: Path, square_detector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    write_rgb(folder / "a.mkv", square_frames(12))
    write_rgb(folder / "deep" / "b.mkv", square_frames(9))
    (folder / "bad.mp4").write_text("no video at all, but a name like one")
    command = ("enhance", folder, "--out-dir", "out", "--detector", square_detector)
    code, said, err = run(*command, "--recursive")
    assert code == 3
    lines = said.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["done", "failed", "done"]
    assert "no video FFmpeg can read" in lines[1]
    assert lines[-1] == "2 done, 1 failed"
    assert err == ""
    files = sorted(str(p.relative_to("out")) for p in Path("out").rglob("*") if p.is_file())
    assert files == ["a.mkv", "a.mkv.json", "deep/b.mkv", "deep/b.mkv.json"]
    code, said, _ = run(*command, "--recursive", "--skip-existing")
    assert said.splitlines()[-1] == "2 skipped, 1 failed"
    assert run(*command[:2], folder / "a.mkv", "--out-dir", folder)[0] == 2
    assert run("enhance", folder / "a.mkv", "-o", "out/a.mkv", "--skip-existing")[0] == 0


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ((), "--out-dir"),
        (("-o", "x.mp4", "--out-dir", "d"), "--out-dir"),
        (("b.mp4", "-o", "x.mp4"), "2 inputs"),
        (("-o", "x.mp4", "--recursive"), "--recursive"),
        (("--out-dir", "d", "--only", "1"), "of one video"),
        (("-o", "x.mp4", "--only", "one"), "ids of tracks"),
        (("-o", "x.mp4", "--start", "soon"), "no position"),
        (("-o", "x.mp4", "--start", "99"), "2.000 s"),
        (("-o", "x.mp4", "--start", "1", "--end", "1"), "no frame lies"),
    ],
)
def test_what_is_unclear_is_refused(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], what: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said, err = run("enhance", clip, *more)
    assert (code, said) == (2, "")
    assert what in err
    assert err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["in.mp4"]


def test_detect_edit_enhance(
    tmp_path: Path, square_detector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    clip = write_rgb(tmp_path / "in.mkv", square_frames(20))
    code, said, _ = run("detect", clip, "--detector", square_detector)
    assert code == 0
    assert "in.tracks.json" in said
    out = ("enhance", clip, "--codec", "ffv1", "--tracks", "in.tracks.json")
    code, said, _ = run(*out, "-o", "one.mkv", "--skip", "1")
    assert "20 frames, 0 with faces" in said
    assert "no detector" in said
    assert "detector centerface" not in said
    code, _, err = run(*out, "-o", "two.mkv", "--only", "7")
    assert (code, err.count("\n")) == (2, 1)
    assert "--only 7: no such track" in err
    text = Path("in.tracks.json").read_text()
    Path("in.tracks.json").write_text(text.replace('"start": 0', '"start": 3'))
    code, _, err = run(*out, "-o", "two.mkv")
    assert code == 3
    assert "tracks[0]" in err
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["in.mkv", "in.tracks.json", "one.mkv", "one.mkv.json"]


def test_a_preview_and_a_frame(
    tmp_path: Path, square_detector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    clip = write_rgb(tmp_path / "in.mkv", square_frames(50))
    code, said, err = run("preview", clip, "--seconds", "1", "--detector", square_detector)
    assert (code, err) == (0, "")
    assert "the whole video: about" in said
    assert ESTIMATE in said
    code, said, _ = run(
        "preview", clip, "--at", "1.2", "--layout", "stack", "--detector", square_detector
    )
    assert code == 0
    assert "frames 30 to 30" in said
    stacked = cv2.imread("in.frame.png")
    assert stacked is not None
    assert stacked.shape[0] > 2 * 128
    names = sorted(p.name for p in tmp_path.iterdir())
    results = ("in.frame.png", "in.preview.mp4")
    records = (f"{name}.json" for name in results)
    assert names == sorted([*results, *records, "in.mkv", "in.preview.png"])


def test_probe(tmp_path: Path, clip: Path) -> None:
    code, said, _ = run("probe", clip)
    assert code == 0
    for word in ("h264", "yuv420p", "64x48", "50, ", "constant", "audio", "aac", "BT.709"):
        assert word in said or word == "BT.709"
    code, said, _ = run("probe", clip, "--json")
    facts = json.loads(said)
    assert code == 0
    assert facts["video"]["timing"]["frames"] == 50
    assert facts["video"]["time_base"] == "1/25"
    assert [stream["kind"] for stream in facts["streams"]] == ["video", "audio"]
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip.read_bytes()[:200])
    assert run("probe", cut)[0] != 0


def test_every_command_and_option_has_help() -> None:
    code, said, _ = run("--help")
    assert code == 0
    for command in ("enhance", "detect", "preview", "resume", "status", "probe"):
        assert command in said
        assert run(command, "--help")[0] == 0
    assert run("--version")[1].startswith("videnhance ")


def test_waiting_threads_give_way_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    run("--version")
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
    monkeypatch.delenv("OMP_WAIT_POLICY")
    run("--version")
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


def test_exit_codes_differ_by_kind_of_error() -> None:
    def all_below(kind: type[VidenhanceError]) -> list[type[VidenhanceError]]:
        return [kind, *(c for sub in kind.__subclasses__() for c in all_below(sub))]

    codes = {kind.__name__: kind.exit_code for kind in all_below(VidenhanceError)}
    assert codes["UsageError"] == 2
    assert codes["TruncatedError"] == codes["InputError"] == 3
    assert codes["ContainerError"] == codes["OutputError"] == 4
    assert codes["CheckError"] == 3
    assert codes["ModelError"] == 5
    assert codes["JobError"] == 6
    assert codes["Stopped"] == 130


def test_importing_and_help_load_nothing_heavy() -> None:
    script = (
        "import sys, videnhance, videnhance.cli\n"
        "from typer.testing import CliRunner\n"
        "CliRunner().invoke(videnhance.cli.app, ['enhance', '--help'])\n"
        "heavy = ('torch', 'cv2', 'av', 'scipy', 'basicsr', 'ray', 'fsspec')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    "more", [("--start", "1"), ("--end", "1"), ("--seconds", "3"), ("--sheet", "s.png")]
)
def test_what_does_not_go_with_one_frame_is_refused(
    tmp_path: Path, clip: Path, more: tuple[str, str]
) -> None:
    code, _, err = run("preview", clip, "--at", "0", *more, "-o", tmp_path / "a.png")
    assert code == 2 and more[0] in err


def test_a_batch_that_is_stopped_says_how_to_go_on(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*arguments: object, **more: object) -> None:
        raise Stopped("stopped")

    monkeypatch.setattr("videnhance.job.run.enhance", stopped)
    code, said, err = run("enhance", clip, "--out-dir", tmp_path / "out")
    assert code == 130
    assert "1 stopped" in said
    assert "--skip-existing" in err


def test_bars_on_a_terminal_that_does_not_tell_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, terminal = os.openpty()  # 0 columns by 0 rows
    with os.fdopen(terminal, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        with Bars(shown=True) as bars:
            bars.show("render", 0, 10)
            bars.show("render", 10, 10)
        stderr.flush()
        assert b"render" in os.read(shown, 10000)
    os.close(shown)


def test_tracks_are_not_written_over_a_video(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "in.mp4")
    other = write_clip(tmp_path / "other.mp4")
    before = other.read_bytes()
    code, _, told = run("detect", clip, "-o", other, "--overwrite")
    assert code == 2 and "name it with .json" in told
    assert other.read_bytes() == before
