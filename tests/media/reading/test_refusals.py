"""What is said of a source that cannot be read: what was observed, the likely cause as likely, and
what to do."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.making.clips import write_clip
from videnhance import probe
from videnhance.errors import InputError, UsageError
from videnhance.job.batch import inputs_of
from videnhance.job.plan import check_output


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        probe(path)
    text = str(caught.value)
    assert "\n" not in text
    assert (
        "damaged" not in text
        or "damaged" in text.partition("may be")[2] + (text.partition("probably")[2])
    ), "a cause that was not observed is told as likely"
    return text


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("http://10.0.0.7/cam.mp4", "http://10.0.0.7/cam.mp4: looks like a URL"),
        ("rtsp://me:secret@cam:554/a?b=1", "rtsp://me:secret@cam:554/a?b=1: looks like a URL"),
        ("https://host/f%05d.png", "https://host/f%05d.png: looks like a URL"),
        ("file:///data/in.mp4", "name it as a path: /data/in.mp4"),
        ("-", "-: standard input is a pipe, which cannot be read twice; save it to a file"),
        ("10:30:00.mp4", "10:30:00.mp4: no such file"),
        ("gone.mp4", "gone.mp4: no such file; check the name and the folder"),
    ],
)
def test_what_is_no_file(given: str, shown: str) -> None:
    assert shown in refusal(Path(given))


def test_urls_are_no_patterns_and_no_outputs(tmp_path: Path) -> None:
    address = "https://cam/live?channel=1"
    (item,) = inputs_of([address], recursive=False, out_dir=tmp_path)
    assert f"{address}: looks like a URL" in refusal(item.source)
    clip = write_clip(tmp_path / "in.mp4")
    with pytest.raises(UsageError, match=r"^http://cam/a\.mp4: looks like a URL, .* written"):
        check_output(clip, Path("http://cam/a.mp4"), overwrite=False)


def test_urls_are_not_read_as_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("http:/host").mkdir(parents=True)
    write_clip(tmp_path / "http:" / "host" / "in.mp4")
    assert probe(Path("http:/host/in.mp4")).codec == "h264"


@pytest.mark.parametrize("name", ["in.mp4", "in.png"])
def test_a_pipe_cannot_be_read_twice(tmp_path: Path, name: str) -> None:
    pipe = tmp_path / name
    os.mkfifo(pipe)  # nobody writes: to open it would be to wait
    assert "is a pipe or a device, which cannot be read twice; save it to a file" in refusal(pipe)
    link = tmp_path / f"link-{name}"
    link.symlink_to(pipe)
    assert "is a pipe or a device" in refusal(link)
    assert "is a pipe or a device" in refusal(Path("/dev/zero"))


def test_what_is_empty_or_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    assert "is empty (0 bytes); copy it again" in refusal(tmp_path / "empty.mp4")
    (tmp_path / "link.mp4").symlink_to(tmp_path / "gone.mp4")
    assert "is a link that leads nowhere" in refusal(tmp_path / "link.mp4")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.m3u8", "#EXTM3U\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n"),
        ("list.txt", "ffconcat version 1.0\nfile 'http://127.0.0.1:9/a.mp4'\n"),
        ("cam.sdp", "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nm=video 9 RTP/AVP 96\r\n"),
        ("manifest.mpd", '<?xml version="1.0"?>\n<MPD></MPD>\n'),
    ],
)
def test_lists_are_no_videos(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert "is a list of other files or addresses; name the video itself" in (
        refusal(tmp_path / name)
    )


def test_an_mp4_with_and_without_its_index(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.mp4")
    data = whole.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: data.index(b"moov") - 4])
    assert "whose index (moov) is missing: probably the recording or the copy was cut off" in (
        refusal(cut)
    )
    spoilt = tmp_path / "spoilt.mp4"
    spoilt.write_bytes(data[: data.index(b"moov") + 4] + bytes(200))
    assert "FFmpeg finds no streams in it: probably it is cut off or damaged" in refusal(spoilt)


def test_other_bytes(tmp_path: Path) -> None:
    header = tmp_path / "header.mkv"
    header.write_bytes(write_clip(tmp_path / "whole.mkv").read_bytes()[:40])
    assert "begins like a Matroska file, but FFmpeg cannot read it (" in refusal(header)
    other = tmp_path / "other.dvr"
    other.write_bytes(b"RECORDER 1.0" + bytes(5000))
    said = refusal(other)
    assert "no video FFmpeg can read (Invalid data" in said
    assert ": probably something else, or a recorder's own format; name a video file, or" in said


@pytest.mark.parametrize(
    ("number", "said", "cure"),
    [
        (errno.EACCES, "may not be read", "check its permissions"),
        (errno.EIO, "cannot be read (Input/output error)", "copy it to another disk"),
    ],
)
def test_what_the_system_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str, cure: str
) -> None:
    clip = write_clip(tmp_path / "in.mp4")

    def refused(*given: object, **more: object) -> object:
        raise OSError(number, os.strerror(number), str(clip))

    monkeypatch.setattr("av.open", refused)
    monkeypatch.setattr(Path, "open", refused)
    text = refusal(clip)
    assert said in text and cure in text
