"""What a report says in words, by what the record says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from videnhance.evidence.document import Record
from videnhance.evidence.reading import read_record
from videnhance.report import account
from videnhance.report.methods import methods


@pytest.fixture
def record(made: Path) -> Record:
    return read_record(made / "out.mkv.json")


def by(record: Record, restorer: str, *, invents: bool = False) -> Record:
    return replace(record, method=replace(record.method, restorer=restorer, invents=invents))


def test_what_was_invented_is_called_a_lead_at_most(record: Record) -> None:
    found = by(record, "gfpgan", invents=True)
    assert "never as evidence" in account.cautioned(found)
    third = account.sentences(found, found.videos[0])[2]
    assert "gfpgan, a network that learned from pictures of other people" in third
    assert "the recording does not hold" in third
    assert "never as evidence" not in account.cautioned(record)


def test_a_network_is_named_only_where_it_corrected_a_face(record: Record) -> None:
    found = by(record, "auto")
    (video,) = found.videos
    assert "nothing from elsewhere was added" in account.sentences(found, video)[2]
    track = replace(video.tracks[0], held_back=((0.1, 3), (None, 21)))
    corrected = replace(video, tracks=(track,))
    assert "corrected" in account.sentences(found, corrected)[2]


def test_what_was_left_alone_is_counted(record: Record) -> None:
    (video,) = record.videos
    hidden = replace(
        video.tracks[0],
        strength=((0.0, 4), (1.0, 20)),
        reason=(("hidden", 4), (None, 20)),
    )
    said = account.sentences(record, replace(video, tracks=(hidden,)))[1]
    assert "changed in 20 of the 24 views" in said and "left as recorded in the others" in said
    other = replace(hidden, id=2, chosen=False)
    said = account.sentences(record, replace(video, tracks=(hidden, other)))[1]
    assert "of which 1 was chosen" in said
    assert "No face was found" in account.sentences(record, replace(video, tracks=()))[1]


def test_whole_frames_that_were_changed_are_said_to_be(record: Record) -> None:
    (video,) = record.videos
    fourth = account.sentences(record, video)[3]
    assert fourth.endswith("outside the faces every pixel is the recording's.")
    cleaned = replace(video, cleaned_up={"denoise": 0.2})
    scale = replace(record.settings["output.scale"], value=2)
    larger = replace(record, settings={**record.settings, "output.scale": scale})
    fourth = account.sentences(larger, cleaned)[3]
    assert "cleaned up before faces were looked for and enlarged 2 times" in fourth
    lossy = replace(video, encoding={"encoder": "libx264"})
    assert "only encoding changed" in account.sentences(record, lossy)[3]


def test_every_digest_of_the_record_is_in_a_table(record: Record) -> None:
    (video,) = record.videos
    cells = {cell for t in account.tables(record, video) for row in t.rows for cell in row}
    assert {record.input.sha256, record.output.sha256, video.tracks_sha256} <= cells
    for stream in record.output.streams:
        assert stream.packets.sha256 in cells
        assert stream.frames is None or stream.frames.sha256 in cells
    assert {weights.sha256 for weights in record.method.weights.values()} <= cells
    assert {setting.option for setting in record.settings.values()} <= cells


@pytest.mark.parametrize(
    ("detector", "restorer", "known"),
    [
        ("centerface", "fusion", ("CenterFace", "optical flow", "Kalman")),
        ("retinaface-mobile", "gfpgan-1.4", ("RetinaFace", "generative facial prior", "Kokaram")),
        ("centerface", "codeformer", ("codebook lookup transformer",)),
        (None, "auto + realesrgan-x4", ("Real-ESRGAN", "U-Net")),
        ("centerface", "restoreformer", ("key-value pairs",)),
        ("yunet-2026may", "auto + realesr-general-x4v3", ("YuNet", "Real-ESRGAN")),
        ("centerface", None, ("multiframe super resolution",)),
    ],
)
def test_methods_are_named_with_references(
    detector: str | None, restorer: str | None, known: tuple[str, ...]
) -> None:
    table = methods(detector, restorer, {"restore.match_color": True}, portraits=restorer is None)
    text = " ".join(cell for row in table.rows for cell in row)
    assert all(name in text for name in known)
    assert all(row[2] for row in table.rows)
    assert ("Kalman" in text) == (detector is not None)


@pytest.mark.parametrize(("mask", "known"), [("parsing", "ParseNet"), ("occlusion", "XSeg")])
def test_a_network_that_masks_is_named(mask: str, known: str) -> None:
    for restorer in ("gfpgan-1.4", "fusion", "identity"):
        rows = methods("centerface", restorer, {"restore.mask": mask}, portraits=False).rows
        assert any(known in row[1] for row in rows) == (restorer != "identity")
    rows = methods("centerface", "fusion", {"restore.mask": "ellipse"}, portraits=False).rows
    assert not any("Masks" in row[0] for row in rows)
