"""Downloads against a server that misbehaves: the file is only ever the published one."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Iterator
from http.client import HTTPMessage
from pathlib import Path
from types import SimpleNamespace
from urllib.request import Request

import numpy as np
import pytest

from tests.making.loopback import Site
from videnhance.errors import ModelError, Stopped
from videnhance.models.download import _Redirects, fetch

CONTENT = np.random.default_rng(1).bytes(300_000)
OTHER = np.random.default_rng(2).bytes(300_000)


class Line:
    """Fetches from a site into a folder, without waiting; keeps what was said meanwhile."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        self.target = folder / "models" / "weights.pth"
        self.published = CONTENT
        self.size: int | None = len(CONTENT)
        self.pauses: list[float] = []
        self.steps: list[tuple[str, int, int]] = []
        self.interrupt_at: int | None = None
        self.stop_at: int | None = None

    def fetch(self, url: str | None = None) -> bytes:
        fetch(
            url or self.site.url,
            self.target,
            size=self.size,
            sha256=hashlib.sha256(self.published).hexdigest(),
            progress=self._show,
            stop=lambda: self.stop_at is not None and self.steps[-1][1] >= self.stop_at,
            pause=self.pauses.append,
        )
        return self.target.read_bytes()

    def _show(self, step: str, done: int, total: int) -> None:
        self.steps.append((step, done, total))
        if self.interrupt_at is not None and step == "fetch" and done >= self.interrupt_at:
            raise KeyboardInterrupt

    def refused(self, url: str | None = None) -> str:
        """Fetch, which must fail in one line and leave the folder's file as it was."""
        before = self.target.read_bytes() if self.target.exists() else None
        with pytest.raises(ModelError) as caught:
            self.fetch(url)
        assert "\n" not in str(caught.value)
        assert (self.target.read_bytes() if self.target.exists() else None) == before
        return str(caught.value)

    @property
    def part(self) -> Path:
        return self.target.with_name("weights.pth.part")

    def leave(self, content: bytes, mark: str = '"one"') -> None:
        """A part as a download that was stopped leaves it."""
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self.part.write_bytes(content)
        note = self.part.with_name("weights.pth.part.json")
        note.write_text(json.dumps({"url": self.site.url, "mark": mark}))


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    with Site(CONTENT) as site:
        yield Line(site, tmp_path)


def test_a_file_arrives_whole_and_alone(line: Line) -> None:
    assert line.fetch() == CONTENT
    assert [p.name for p in line.target.parent.iterdir()] == ["weights.pth"]
    assert line.site.ranges == [""]
    done = [done for step, done, _ in line.steps if step == "fetch"]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, len(CONTENT))
    assert {total for _, _, total in line.steps} == {len(CONTENT)}


def test_the_target_appears_only_at_the_end(line: Line) -> None:
    line.interrupt_at = len(CONTENT)
    with pytest.raises(KeyboardInterrupt):
        line.fetch()
    assert not line.target.exists()


def test_a_broken_connection_goes_on_where_it_broke(line: Line) -> None:
    line.site.faults += [line.site.breaks(100_000), line.site.breaks(50_000)]
    assert line.fetch() == CONTENT
    assert line.site.ranges == ["", "bytes=100000-", "bytes=150000-"]
    assert [headers.get("If-Range") for _, headers in line.site.requests[1:]] == ['"one"'] * 2
    assert line.pauses == [1.0, 2.0]


def test_it_gives_up_after_five_failures_in_a_row(line: Line) -> None:
    line.site.faults += [line.site.breaks(1000)] * 9
    said = line.refused()
    assert line.site.url in said and "5 times in a row" in said and "--weights" in said
    assert len(line.site.requests) == 5
    assert line.pauses == [1.0, 2.0, 4.0, 8.0]
    line.site.faults.clear()
    assert line.fetch() == CONTENT
    assert line.site.ranges[-1] == "bytes=5000-"


def test_a_slow_line_that_breaks_again_and_again_gets_there(line: Line) -> None:
    line.published = line.site.content = np.random.default_rng(3).bytes(8_000_000)
    line.size = len(line.published)
    line.site.faults += [line.site.breaks(1_100_000)] * 7
    assert line.fetch() == line.published
    assert line.pauses == [1.0] * 7


def test_ctrl_c_keeps_what_has_come(line: Line) -> None:
    line.interrupt_at = 1
    with pytest.raises(KeyboardInterrupt):
        line.fetch()
    kept = line.part.stat().st_size
    assert 0 < kept <= len(CONTENT)
    line.interrupt_at = None
    line.part.write_bytes(CONTENT[:1234])
    assert line.fetch() == CONTENT
    assert line.site.ranges == ["", "bytes=1234-"]
    assert line.steps[0][0] == "fetch"


def test_asked_to_stop_it_keeps_what_has_come(line: Line) -> None:
    line.stop_at = 1
    with pytest.raises(Stopped, match="goes on"):
        line.fetch()
    assert line.part.stat().st_size > 0
    assert not line.target.exists()


def test_asked_to_stop_it_does_not_wait_for_a_server_out_of_order(line: Line) -> None:
    line.steps.append(("fetch", 0, 0))
    line.stop_at = 0
    line.site.faults.append(line.site.says(503))
    with pytest.raises(Stopped, match="goes on"):
        line.fetch()
    assert line.pauses == []


def test_a_part_that_is_all_there_is_not_fetched_again(line: Line) -> None:
    line.leave(CONTENT)
    assert line.fetch() == CONTENT
    assert line.site.requests == []


@pytest.mark.parametrize("kept", [1000, 300_000])
def test_a_damaged_part_is_fetched_again(line: Line, kept: int) -> None:
    line.leave(OTHER[:kept])
    assert line.fetch() == CONTENT
    assert line.site.ranges[-1] == ""


def test_a_part_of_another_file_is_never_gone_on_with(line: Line) -> None:
    line.leave(OTHER[:1000], mark='"two"')
    assert line.fetch() == CONTENT
    # The server was told which file the part is of, and so sent the whole.
    assert line.site.requests[0][1]["If-Range"] == '"two"'
    assert len(line.site.requests) == 1


def test_a_server_that_goes_on_with_another_file_is_not_believed(line: Line) -> None:
    line.leave(CONTENT[:1000], mark='"old"')
    line.site.faults.append(
        line.site.sends(OTHER[1000:], Content_Range="bytes 1000-299999/300000", ETag='"new"')
    )
    assert line.fetch() == CONTENT
    assert line.site.ranges == ["bytes=1000-", ""]
    assert line.pauses == [1.0]  # seen by its mark, not only by the hash of the whole


def test_a_server_that_goes_on_elsewhere_is_not_believed(line: Line) -> None:
    line.leave(CONTENT[:1000])
    line.site.faults.append(
        line.site.sends(CONTENT[2000:], Content_Range="bytes 2000-299999/300000", ETag='"one"')
    )
    assert line.fetch() == CONTENT
    assert line.site.ranges == ["bytes=1000-", ""]


def test_a_part_from_another_address_is_not_gone_on_with(line: Line) -> None:
    line.leave(OTHER[:1000])
    assert line.fetch(line.site.url + "?two") == CONTENT
    assert line.site.ranges == [""]


@pytest.mark.parametrize(
    ("etag", "modified", "asked"),
    [("", "", ""), ('W/"weak"', "", ""), ("", "Mon, 01 Jan 2024 00:00:00 GMT", "bytes=100000-")],
)
def test_it_goes_on_only_where_the_server_can_tell_files_apart(
    line: Line, etag: str, modified: str, asked: str
) -> None:
    line.site.etag, line.site.modified = etag, modified
    line.site.faults.append(line.site.breaks(100_000))
    assert line.fetch() == CONTENT
    assert line.site.ranges == ["", asked]


def test_a_part_longer_than_the_file_is_thrown_away(line: Line) -> None:
    line.leave(CONTENT + b"more")
    assert line.fetch() == CONTENT
    assert line.site.ranges == ["bytes=300004-", ""]


def test_wrong_bytes_are_thrown_away(line: Line) -> None:
    line.target.parent.mkdir()
    line.target.write_bytes(b"what was there before")
    line.site.content = OTHER
    said = line.refused()
    assert hashlib.sha256(OTHER).hexdigest() in said and "--weights" in said
    assert [p.name for p in line.target.parent.iterdir()] == ["weights.pth"]
    assert len(line.site.requests) == 1


def test_wrong_bytes_over_a_breaking_line_end_too(line: Line) -> None:
    line.site.content = OTHER
    line.site.faults += [line.site.breaks(200_000), line.site.serve] * 20
    line.refused()
    assert len(line.site.requests) == 4


@pytest.mark.parametrize("change", [-1, 1])
def test_a_wrong_length_is_seen_before_anything_comes(line: Line, change: int) -> None:
    line.site.content = (CONTENT + b"x")[: len(CONTENT) + change]
    said = line.refused()
    assert f"{len(CONTENT) + change} bytes" in said and str(len(CONTENT)) in said
    assert len(line.site.requests) == 1
    assert not line.part.exists()


def test_without_a_declared_length_more_than_published_is_refused(line: Line) -> None:
    line.site.faults.append(line.site.sends(CONTENT + b"more", length=False))
    assert "more came" in line.refused()
    assert not line.part.exists()


def test_without_a_declared_length_less_than_published_is_never_enough(line: Line) -> None:
    line.published = CONTENT * 10
    line.size = len(line.published)
    short = line.site.sends(line.published[:-1], length=False, ETag='"one"')
    line.site.content = line.published[:-1]
    line.site.faults += [short] * 50
    line.refused()
    assert len(line.site.requests) < 20


def test_without_any_length_the_hash_decides(line: Line) -> None:
    line.size = None
    line.site.faults.append(line.site.sends(CONTENT, length=False))
    assert line.fetch() == CONTENT
    line.site.faults.append(line.site.sends(CONTENT[:-1], length=False))
    assert "not the published file" in line.refused()


def test_a_size_that_is_not_known_is_the_servers(line: Line) -> None:
    line.size = None
    line.site.faults.append(line.site.breaks(100_000))
    assert line.fetch() == CONTENT
    assert line.site.ranges == ["", "bytes=100000-"]


def test_what_is_not_there_is_asked_for_once(line: Line) -> None:
    line.site.faults += [line.site.says(404)] * 5
    said = line.refused()
    assert line.site.url in said and "404" in said and "--weights" in said
    assert len(line.site.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_out_of_order_is_asked_again(line: Line, status: int) -> None:
    line.site.faults += [line.site.says(status)] * 2
    assert line.fetch() == CONTENT
    assert line.pauses == [1.0, 2.0]


def test_nobody_there(line: Line) -> None:
    said = line.refused("http://127.0.0.1:1/weights.pth")
    assert "cannot be reached" in said and "refused" in said
    assert len(line.pauses) == 4


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_followed_also_on_the_way_on(line: Line, status: int) -> None:
    moved = line.site.sends_on("/elsewhere", status)
    line.site.faults += [moved, line.site.breaks(100_000), moved]
    assert line.fetch() == CONTENT
    assert [path for path, _ in line.site.requests] == ["/weights.pth", "/elsewhere"] * 2
    assert line.site.ranges == ["", "", "bytes=100000-", "bytes=100000-"]


def test_a_redirect_that_leaves_this_machine_without_https_is_refused(line: Line) -> None:
    line.site.faults.append(line.site.sends_on("http://192.0.2.1/weights.pth"))
    said = line.refused()
    assert "http://192.0.2.1/weights.pth" in said and "not https" in said


def test_a_redirect_in_circles_ends(line: Line) -> None:
    line.site.faults += [line.site.sends_on("/weights.pth")] * 50
    assert "302" in line.refused()


@pytest.mark.parametrize("to", ["http://127.0.0.1/b", "http://example.org/b", "ftp://a.org/b"])
def test_https_stays_https(to: str) -> None:
    request = Request("https://example.org/a")
    with pytest.raises(ModelError, match="not https"):
        _Redirects().redirect_request(request, io.BytesIO(), 302, "", HTTPMessage(), to)
    followed = _Redirects().redirect_request(
        request, io.BytesIO(), 302, "", HTTPMessage(), "https://example.net/b"
    )
    assert followed is not None and followed.full_url == "https://example.net/b"


@pytest.mark.parametrize("url", ["http://example.org/a", "file:///etc/hosts", "ftp://a.org/a"])
def test_only_https_leaves_this_machine(line: Line, url: str) -> None:
    assert "not https" in line.refused(url)


def test_room_is_looked_for_before_anything_is_asked(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=5_000_000))
    said = line.refused()
    assert "5.0 MB are free" in said and "VIDENHANCE_MODELS" in said
    assert line.site.requests == []


def test_a_folder_that_cannot_be_made(line: Line) -> None:
    line.target.parent.write_text("a file")
    said = line.refused()
    assert str(line.target.parent) in said and "VIDENHANCE_MODELS" in said
