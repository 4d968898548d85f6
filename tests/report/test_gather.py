"""From a record, or a job, to the page; and what is wrong with them, in one line."""

from __future__ import annotations

import base64
import io
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.making.clips import square_frames, write_rgb
from tests.making.pages import FEW
from tests.making.several import write_videos
from videnhance import restorers
from videnhance.cli.commands import app
from videnhance.evidence.reading import read_record
from videnhance.faces.track_file import read_tracks
from videnhance.faces.tracklets import CropWindow
from videnhance.imaging.color import upright_rgb
from videnhance.imaging.frames import FloatArray
from videnhance.media.opening import open_clip
from videnhance.models.loader import Loader
from videnhance.models.registry import Row
from videnhance.report import gather
from videnhance.report.model import Report

RUNNER = CliRunner()


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = RUNNER.invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def report(folder: Path, **wish: Any) -> Report:
    page = folder / "page.html"
    return gather.write_report(folder / "out.mkv.json", page, overwrite=True, **wish)


def refused(*arguments: str | Path) -> str:
    code, out, err = run("report", *arguments)
    assert code != 0 and out == ""
    assert err.startswith("videnhance: ") and err.count("\n") == 1
    return err


def test_a_record_makes_a_page(folder: Path) -> None:
    page = folder / "r.html"
    code, out, err = run("report", folder / "out.mkv.json", "-o", page)
    assert (code, err) == (0, "") and out.startswith(f"{page}: 1 track, ")
    text = page.read_text(encoding="utf-8")
    record = json.loads((folder / "out.mkv.json").read_text(encoding="utf-8"))
    assert record["input"]["sha256"][:32] in text and record["outputs"][0]["sha256"][:32] in text
    assert str(folder) not in text  # nothing of the machine


def test_what_is_on_it_is_what_the_record_says(folder: Path) -> None:
    found = report(folder)
    (person,) = found.persons
    assert (person.track, person.faces, person.restored) == (1, 24, 24)
    assert 1 <= len(person.moments) <= 3
    assert [s.state for s in person.stretches] == ["restored"]
    assert person.moments[0].strength == 1.0
    assert person.moments[0].change.mean > 0
    assert len(found.sentences) == 4
    assert "in.mkv" in found.sentences[0] and "1 face " in found.sentences[1]
    assert "nothing from elsewhere was added" in found.sentences[2]
    assert "outside the faces every pixel is the recording's" in found.sentences[3]
    assert not found.invents
    assert [table.name for table in found.tables][:2] == ["Files", "Checked when it was written"]
    assert found.choosing is not None
    assert found.choosing.options == "--detector square --restorer fusion --codec ffv1"


def test_who_drifts_and_who_may_be_one_person_is_said(folder: Path) -> None:
    (track,) = read_record(folder / "out.mkv.json").videos[0].tracks
    assert gather.notes_on(track) == ()
    assert gather.notes_on(replace(track, drift_median=0.30, drift_explained=0.34)) == ()
    (said,) = gather.notes_on(replace(track, drift_median=0.80, drift_explained=0.34))
    assert "0.80 from its source" in said and "may look like somebody else" in said

    (person,) = report(folder).persons
    numbers = {1: 1, 2: None, 3: 1, 4: 2}
    persons = [replace(person, track=k, perhaps=who) for k, who in numbers.items()]
    assert [p.track for p in sorted(persons, key=gather.together)] == [1, 3, 4, 2]


def test_a_job_makes_the_same_page(folder: Path) -> None:
    by_job = gather.write_report(folder / "out.mkv.videnhance", folder / "j.html")
    assert by_job.persons == report(folder).persons


def test_the_pictures_are_those_of_the_files(folder: Path) -> None:
    moment = report(folder).persons[0].moments[0]
    shown = Image.open(io.BytesIO(base64.b64decode(moment.original.uri.partition(",")[2])))
    clip = open_clip(folder / "in.mkv")
    (frame,) = clip.recorded_frames(moment.frame, moment.frame + 1)
    whole = upright_rgb(frame, clip.info.upright, (frame.height, frame.width))
    pixels = np.asarray(shown.convert("RGB"))
    side = len(pixels)
    # The very picture stands at one place of the frame; what is beyond the frame is black. Chroma
    # at half resolution may be brought up in more ways than one.
    found = [
        (x, y)
        for y in range(-side // 2, frame.height - side // 2)
        for x in range(-side // 2, frame.width - side // 2)
        if np.abs(_cut(whole, x, y, side).astype(int) - pixels).max() <= 8
    ]
    assert len(found) == 1


@pytest.mark.parametrize(
    ("wish", "scale"),
    [(("--start", "7f", "--end", "19f"), 1), (("--scale", "2", "--start", "5f"), 2)],
)
def test_original_and_result_are_of_the_same_moment(
    folder: Path, wish: tuple[str, ...], scale: int
) -> None:
    """A range begins with another frame of the source; an enlarged result has more pixels."""
    few = ("--restorer", "identity", *FEW[2:])
    code, _, err = run("enhance", folder / "in.mkv", "-o", folder / "r.mkv", *few, *wish)
    assert code == 0, err
    found = gather.write_report(folder / "r.mkv.json", folder / "r.html")
    moments = found.persons[0].moments
    assert moments and found.scale == scale
    for moment in moments:
        assert moment.result.width == scale * moment.original.width
        # Nothing was changed; enlarging by two ways differs a little.
        assert moment.change.mean <= (0.0 if scale == 1 else 2.0)
    assert found.span[0] == pytest.approx(int(wish[wish.index("--start") + 1][:-1]) / 25)


def test_one_picture_has_a_report(folder: Path) -> None:
    source = folder / "one.png"
    (frame,) = square_frames(1)
    Image.fromarray(frame).save(source)
    code, _, err = run("enhance", source, "-o", folder / "o.png", *FEW[:4])
    assert code == 0, err
    found = gather.write_report(folder / "o.png.json", folder / "r.html")
    assert found.persons[0].moments and "read back" in found.sentences[3]


def _cut(whole: npt.NDArray[np.uint8], left: int, top: int, side: int) -> npt.NDArray[np.uint8]:
    """A square of a picture, black beyond it."""
    padded = np.pad(whole, ((side, side), (side, side), (0, 0)))
    return padded[top + side : top + 2 * side, left + side : left + 2 * side]


def test_the_record_alone_holds_the_tracks(folder: Path) -> None:
    path = folder / "out.mkv.videnhance" / "tracks.json"
    known = read_tracks(path, open_clip(folder / "in.mkv"))
    shutil.rmtree(path.parent)
    found = report(folder)
    assert found.choosing is not None
    (one,), (other,) = found.choosing.tracks.tracklets, known.tracklets
    assert (one.id, one.start, one.opens_shot) == (other.id, other.start, other.opens_shot)
    assert np.array_equal(one.poses, other.poses)
    assert np.array_equal(one.landmarks, other.landmarks)
    assert np.array_equal(one.scores, other.scores, equal_nan=True)


def test_the_input_is_looked_for_beside_the_record_and_here(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = folder / "in.mkv"
    source.rename(tmp_path / "in.mkv")  # where the tests stand
    assert report(folder).persons
    (tmp_path / "in.mkv").rename(tmp_path / "other.mkv")
    said = refused(folder / "out.mkv.json", "-o", folder / "x.html")
    assert "in.mkv is neither beside it nor here; name it with --input" in said
    assert report(folder, input=tmp_path / "other.mkv").persons


def test_another_input_or_output_is_refused(folder: Path) -> None:
    record, page = folder / "out.mkv.json", folder / "x.html"
    other = write_rgb(folder / "other.mkv", square_frames(8))
    assert "is another file than the record's input" in refused(
        record, "-o", page, "--input", other
    )
    assert "is not the output of the record" in refused(record, "-o", page, "--result", other)
    (folder / "out.mkv").unlink()
    assert "the output is missing" in refused(record, "-o", page)
    assert not page.exists()


def test_a_record_that_is_none_is_refused(folder: Path) -> None:
    record, page = folder / "out.mkv.json", folder / "x.html"
    values = json.loads(record.read_text(encoding="utf-8"))
    broken = folder / "broken.json"
    broken.write_text(json.dumps({**values, "version": 99}), encoding="utf-8")
    assert "version 99" in refused(broken, "-o", page)
    broken.write_text("{", encoding="utf-8")
    assert "broken.json" in refused(broken, "-o", page)
    assert "none.json" in refused(folder / "none.json", "-o", page)
    assert "is no job directory" in refused(folder, "-o", page)


def test_a_page_that_exists_is_replaced_only_when_asked(folder: Path) -> None:
    page = folder / "r.html"
    page.write_text("mine", encoding="utf-8")
    assert "add --overwrite" in refused(folder / "out.mkv.json", "-o", page)
    assert page.read_text(encoding="utf-8") == "mine"
    code, _, _ = run("report", folder / "out.mkv.json", "-o", page, "--overwrite", "-q")
    assert code == 0 and page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_job_without_a_record_says_how_to_get_one(folder: Path) -> None:
    code, _, err = run("enhance", folder / "in.mkv", "-o", folder / "b.mkv", "--keep-job", *FEW)
    assert code == 0, err
    (folder / "b.mkv.json").unlink()
    said = refused(folder / "b.mkv.videnhance", "-o", folder / "x.html")
    assert "there is no record" in said and "videnhance resume" in said
    wish = ("-o", folder / "t.json", "--detector", "square", "--keep-job")
    code, _, err = run("detect", folder / "in.mkv", *wish)
    assert code == 0, err
    assert "ends with tracks" in refused(folder / "t.json.videnhance", "-o", folder / "x.html")


def test_a_record_of_portraits_makes_a_page_too(folder: Path) -> None:
    code, _, err = run(
        "portrait", folder / "in.mkv", "-o", folder / "faces", "--detector", "square"
    )
    assert code == 0, err
    found = gather.write_report(folder / "faces.json", folder / "p.html")
    (person,) = found.persons
    assert person.portraits and not person.moments
    assert "one picture of each person" in found.sentences[0]
    text = (folder / "p.html").read_text(encoding="utf-8")
    assert person.portraits[0].said[:10].lower() in text.lower()


def test_of_several_videos_each_has_a_report(folder: Path) -> None:
    source = write_videos(folder / "two.mkv", ((192, 128), (64, 48)), count=6)
    code, _, err = run("enhance", source, "-o", folder / "o.mkv", "--stream", "all", *FEW)
    assert code == 0, err
    record, page = folder / "o.mkv.json", folder / "v.html"
    first = gather.write_report(record, page)
    second = gather.write_report(record, page, stream=1, overwrite=True)
    assert first.facts[0] == ("video stream", "0 (reports of their own: 1)")
    assert ("picture", "192 × 128") in first.facts and ("picture", "64 × 48") in second.facts
    assert second.choosing is not None and "--stream 1" in second.choosing.options
    assert not first.persons and "No face was found" in first.sentences[1]
    assert "there are 0, 1" in refused(record, "-o", folder / "x.html", "--stream", "7")


def test_the_default_name_is_that_of_the_result() -> None:
    assert gather.page_name(Path("a/out.mkv.json")) == Path("out.mkv.report.html")
    assert gather.page_name(Path("a/out.mkv.videnhance")) == Path("out.mkv.report.html")


def test_the_command_on_the_page_does_it_again(folder: Path) -> None:
    """With the tracks.json that the page writes, which test_browser.py downloads."""
    found = report(folder)
    assert found.choosing is not None
    words = found.choosing.options.split()
    tracks = folder / "out.mkv.videnhance" / "tracks.json"
    output = folder / found.choosing.output
    code, _, err = run(
        "enhance", folder / "in.mkv", "-o", output, "--tracks", tracks, "--only", "1", *words
    )
    assert code == 0, err
    record = json.loads((folder / "out.mkv.json").read_text(encoding="utf-8"))
    again = json.loads(Path(f"{output}.json").read_text(encoding="utf-8"))
    frames = [r["outputs"][0]["streams"][0]["frames"]["sha256"] for r in (record, again)]
    assert frames[0] == frames[1]


def test_invention_maps_stand_with_their_moments(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(restorers.RESTORERS, "noise", Row(Noise, invents=True))
    wish = ("--restorer", "noise", "--stills", folder / "stills", "--invention", "3")
    gates = ("--gate-eyes", "off", "--gate-sharpness", "off", "--gate-turned", "off")
    code, _, err = run(
        *("enhance", folder / "in.mkv", "-o", folder / "ai.mkv", *wish, *gates, *FEW[2:])
    )
    assert code == 0, err
    record, page = folder / "ai.mkv.json", folder / "ai.html"
    found = gather.write_report(record, page)
    (person,) = found.persons
    assert person.invented is not None and person.invented > 0.5
    assert person.moments and all(moment.invention is not None for moment in person.moments)
    shown = person.moments[0].invention
    assert shown is not None and shown.width == shown.height
    text = page.read_text(encoding="utf-8")
    assert "of this face's restored detail is a guess" in text.replace("&#39;", "'")
    assert found.invents and "never as evidence" in found.caution
    says = next(t for t in found.tables if t.name == "What the result says of itself")
    assert "compositeWithTrainedAlgorithmicMedia" in says.rows[0][1]
    assert says.rows[1][1].startswith("AI-restored faces: in every frame")
    assert "and of the label that says what was done" in found.sentences[3]
    (folder / "stills" / "invention.json").unlink()
    again = gather.write_report(record, page, overwrite=True)
    assert again.persons[0].invented == person.invented  # the record has it
    assert again.persons[0].moments[0].invention is None
    assert "holds no invention map" in refused(
        record, "-o", folder / "x.html", "--stills", folder / "stills"
    )


class Noise:
    """Adds noise that each variation draws anew."""

    name, radius, batch, invents = "noise", 0, 1, True

    def __init__(self, loader: Loader) -> None:
        self._seed = loader.variation

    def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
        def drawn(crop: FloatArray) -> FloatArray:
            values = np.random.default_rng(self._seed).normal(0, 0.1, crop.shape)
            return np.asarray(crop + values, np.float32)

        return [drawn(window.crops[window.centre]) for window in windows]
