"""A signed manifest of C2PA: what it says, that it holds; bad keys are found before any work."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest

from tests.making.certificates import chain
from tests.making.clips import decoded, write_clip
from videnhance.errors import CheckError, ContainerError, OutputError, UsageError
from videnhance.media.reading.marks import TERMS, FoundMarks, marks_in
from videnhance.media.reading.source import probe
from videnhance.media.writing.marks import INVENTED, Mark
from videnhance.media.writing.png import write_png
from videnhance.media.writing.signing import FITTING, Signatory, require_valid

MARK = Mark(INVENTED, "AI (net): an estimate, not evidence", "videnhance 1.2")


def manifest(path: Path) -> tuple[dict[str, Any], set[str]]:
    """What the library itself reads, and the codes of what it finds wrong."""
    import c2pa

    kind = {".mov": "video/quicktime", ".avi": "video/avi", ".png": "image/png"}
    with path.open("rb") as file:
        mime = kind.get(path.suffix, "video/mp4")
        found = json.loads(c2pa.Reader(mime, file).json())
    wrong = found["validation_results"]["activeManifest"]["failure"]
    own: dict[str, Any] = found["manifests"][found["active_manifest"]]
    return own, {one["code"] for one in wrong} - {"signingCredential.untrusted"}


@pytest.mark.parametrize("suffix", FITTING)
@pytest.mark.parametrize("rsa", [False, True])
def test_what_is_signed_plays_and_its_manifest_holds(
    tmp_path: Path, suffix: str, rsa: bool
) -> None:
    pair = chain(tmp_path, rsa=rsa)
    source = write_clip(tmp_path / "in.mkv")
    output, part = tmp_path / f"out{suffix}", tmp_path / "part"
    if suffix == ".png":
        write_png(output, decoded(source)[0][0], MARK.text, part)
    else:
        write_clip(output, audio="aac" if suffix != ".avi" else None)
    frames = decoded(output)
    MARK.append(output, "mp4" if suffix == ".m4v" else suffix[1:])
    output.rename(part)
    signatory = Signatory.of(pair, output)
    signatory.sign(part, output, MARK, source, "0" * 64)
    part.rename(output)
    own, wrong = manifest(output)
    assert not wrong
    assert signatory.name == own["signature_info"]["common_name"] == "signer of the tests"
    (actions,) = (one["data"] for one in own["assertions"] if "actions" in one["label"])
    opened, edited = actions["actions"]
    assert (opened["action"], edited["action"]) == ("c2pa.opened", "c2pa.edited")
    assert opened["parameters"]["ingredients"]
    assert edited["digitalSourceType"] == TERMS + INVENTED
    assert edited["softwareAgent"] == {"name": "videnhance", "version": "1.2"}
    (ingredient,) = own["ingredients"]
    assert (ingredient["title"], ingredient["relationship"]) == ("in.mkv", "parentOf")
    assert ingredient["description"] == f"SHA-256 {'0' * 64}"
    for one, other in zip(frames, decoded(output), strict=True):
        assert all((a == b).all() for a, b in zip(one, other, strict=True))
    expected = () if suffix == ".avi" else (INVENTED,)
    assert marks_in(probe(output)) == FoundMarks(expected, is_signed=True)
    assert not list(tmp_path.glob("*.signed"))


def test_a_changed_byte_is_found_by_the_library(tmp_path: Path) -> None:
    pair = chain(tmp_path)
    output = write_clip(tmp_path / "out.mp4")
    Signatory.of(pair, output).sign(output, output, MARK, output, None)
    content = bytearray(output.read_bytes())
    content[content.rindex(b"mdat") + 40] ^= 1
    output.write_bytes(content)
    assert "assertion.bmffHash.mismatch" in manifest(output)[1]
    with pytest.raises(CheckError, match=r"out\.mp4: its C2PA manifest does not hold \(assertion"):
        require_valid(tmp_path / "out.mp4", output, "video/mp4")


def test_the_manifest_of_the_input_goes_into_the_output_s(tmp_path: Path) -> None:
    pair = chain(tmp_path)
    first, second = write_clip(tmp_path / "a.mp4"), write_clip(tmp_path / "b.mp4")
    Signatory.of(pair, first).sign(first, first, MARK, second, None)
    Signatory.of(pair, second).sign(second, second, Mark(tool="videnhance 1"), first, None)
    own, wrong = manifest(second)
    assert not wrong
    (ingredient,) = own["ingredients"]
    assert ingredient["active_manifest"]
    (actions,) = (one["data"] for one in own["assertions"] if "actions" in one["label"])
    assert actions["actions"][1]["action"] == "c2pa.transcoded"  # nothing was done to the picture


def test_what_cannot_be_signed_stays_as_it_was(tmp_path: Path) -> None:
    signatory = Signatory.of(chain(tmp_path), tmp_path / "out.mp4")
    part = tmp_path / "part"
    part.write_bytes(b"no video")
    with pytest.raises(OutputError, match=r"out\.mp4: cannot be signed \(.*leave --sign out"):
        signatory.sign(part, tmp_path / "out.mp4", MARK, part, None)
    assert part.read_bytes() == b"no video" and not list(tmp_path.glob("*.signed"))


def refusal(pair: tuple[str, str], output: Path) -> str:
    with pytest.raises(UsageError) as refused:
        Signatory.of(pair, output)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_bad_certificates_and_keys_are_named_in_one_line(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    pair = chain(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    assert "is not the key of the first certificate" in refusal((pair[0], chain(other)[1]), output)
    assert "cannot be read (No such file" in refusal((str(tmp_path / "none"), pair[1]), output)
    assert "is no certificate chain in PEM" in refusal((pair[1], pair[0]), output)
    assert "is no private key in PEM" in refusal((pair[0], pair[0]), output)
    assert "only; name one that is valid today" in refusal(chain(other, days=-9), output)
    assert "C2PA does not take it (" in refusal(chain(other, mail=False), output)


@pytest.mark.parametrize("name", ["out.mkv", "out.webm"])
def test_so_are_containers_that_hold_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(ContainerError, match=r"holds no C2PA manifest \(--sign\); name it \.mp4,"):
        Signatory.of(("cert.pem", "key.pem"), tmp_path / name)


def test_without_the_extra_it_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "c2pa":
            raise ImportError(name)
        return found(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    told = refusal(("cert.pem", "key.pem"), tmp_path / "out.mp4")
    assert told.endswith('install it with: pip install "videnhance[c2pa]"')
