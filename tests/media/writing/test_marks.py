"""What a file says of itself: written, read back, carried on; players and checks do not mind."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import av
import pytest

from tests.making.clips import decoded, write_clip
from videnhance.media.reading.marks import TERMS, UNMARKED, XMP_BOX, FoundMarks, marks_in
from videnhance.media.reading.source import probe
from videnhance.media.writing.marks import ENHANCED, INVENTED, NO_MARK, PNG_KEYWORD, TAGS, Mark
from videnhance.media.writing.png import read_text, write_png

MARK = Mark(INVENTED, "AI (net <1>): an estimate & no more", "videnhance 1")
IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_a_box_behind_all_else_holds_it(tmp_path: Path, name: str) -> None:
    path = write_clip(tmp_path / name, audio="aac")
    before, frames = path.read_bytes(), decoded(path)
    MARK.append(path, name[2:])
    after = path.read_bytes()
    assert after.startswith(before)  # so no offset in it has changed
    box = after[len(before) :]
    assert int.from_bytes(box[:4], "big") == len(box)
    assert box[4:8] == b"uuid" and box[8:24] == XMP_BOX
    # FFmpeg, which is not ours, finds it.
    with av.open(str(path), options={"export_xmp": "1"}) as container:
        assert container.metadata["xmp"].encode() == box[24:]
    for one, other in zip(frames, decoded(path), strict=True):
        for a, b in zip(one, other, strict=True):
            assert (a == b).all()
    assert marks_in(probe(path)) == FoundMarks((INVENTED,))
    assert probe(path).streams == probe(write_clip(tmp_path / f"b{name[1:]}", audio="aac")).streams


def test_the_packet_is_xmp() -> None:
    root = ET.fromstring(MARK.xmp.encode())
    assert [node.text for node in root.iter(IPTC)] == [TERMS + INVENTED]
    assert "videnhance 1: AI (net <1>): an estimate & no more" in [n.text for n in root.iter()]


def test_nothing_to_say_is_not_said(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4")
    before = path.read_bytes()
    NO_MARK.append(path, "mp4")
    assert path.read_bytes() == before and NO_MARK.xmp == "" and not NO_MARK.text
    assert not NO_MARK.tags("matroska", {})
    assert marks_in(probe(path)) == UNMARKED == FoundMarks()


def test_other_containers_have_tags() -> None:
    tags = MARK.tags("matroska", {})
    assert tags == MARK.tags("webm", {}) == dict(zip(TAGS, (MARK.url, MARK.sentence), strict=True))
    assert MARK.url == f"{TERMS}compositeWithTrainedAlgorithmicMedia"
    (comment,) = MARK.tags("avi", {"comment": "gate 3"}).values()
    assert comment.startswith("gate 3; videnhance 1: AI") and MARK.url in comment
    assert not MARK.tags("avi", {"comment": comment})  # once is enough
    assert not MARK.tags("mp4", {})


def test_a_picture_has_it_as_text(tmp_path: Path) -> None:
    picture = decoded(write_clip(tmp_path / "a.mp4"))[0][0]
    path = tmp_path / "a.png"
    write_png(path, picture, {"Title": "t", **MARK.text}, tmp_path / "part")
    assert read_text(path) == {"Title": "t", PNG_KEYWORD: MARK.xmp}
    assert b"iTXtXML:com.adobe.xmp\0" in path.read_bytes()  # never tEXt, which is Latin-1
    assert marks_in(probe(path)).terms == (INVENTED,)


@pytest.mark.parametrize(
    ("own", "source", "both"),
    [
        (ENHANCED, "digitalCapture", ENHANCED),
        (INVENTED, ENHANCED, INVENTED),
        (ENHANCED, INVENTED, INVENTED),
        (INVENTED, "trainedAlgorithmicMedia", "trainedAlgorithmicMedia"),
        (None, "digitalCapture", "digitalCapture"),
        (ENHANCED, None, ENHANCED),
        (None, None, None),
    ],
)
def test_the_mark_that_says_more_wins(own: str | None, source: str | None, both: str) -> None:
    found = FoundMarks((source,) if source else ())
    mark = replace(MARK, term=own, found=found)
    assert mark.strongest == both
    assert (source or "") in mark.xmp
    assert mark.xmp.count("DigitalSourceType>") == (2 if both else 0)


def test_marks_of_others_are_found(tmp_path: Path) -> None:
    """QuickTime's place for XMP, other forms of it, and what is signed."""
    path = write_clip(tmp_path / "a.mp4")
    whole = path.read_bytes()
    packet = b'<rdf:D x:DigitalSourceType="https://cv.iptc.org/newscodes/digitalsourcetype/aX"/>'
    box = (8 + len(packet)).to_bytes(4, "big") + b"XMP_" + packet
    udta = (8 + len(box)).to_bytes(4, "big") + b"udta" + box
    moov = (8 + len(udta)).to_bytes(4, "big") + b"moov" + udta
    (tmp_path / "b.mp4").write_bytes(whole + moov)
    info = replace(probe(path), path=tmp_path / "b.mp4")
    assert marks_in(info) == FoundMarks(("aX",))
    signed = bytes.fromhex("d8fec3d61b0e483c92975828877ec481") + b"manifest"
    path.write_bytes(whole + (8 + len(signed)).to_bytes(4, "big") + b"uuid" + signed)
    found = marks_in(probe(path))
    assert found == FoundMarks((), is_signed=True)
    assert len(found.notes()) == 1 and "C2PA" in found.notes()[0]
    path.write_bytes(whole + b"\0\xff\xff\xffuuid" + XMP_BOX)  # cut off
    assert marks_in(probe(path)) == UNMARKED
