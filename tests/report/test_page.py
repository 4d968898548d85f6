"""The page as text: what is in it, what it must not become, tracks that survive it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.making.pages import TIMELINE, small_report
from videnhance.report.model import Stretch
from videnhance.report.page import linked, page_of
from videnhance.report.persons import Judged, curve_of, stretches_of
from videnhance.report.pictures import GAIN, difference, lossless
from videnhance.report.timeline import chart_of
from videnhance.report.words import clock, listed, percent


@pytest.fixture(scope="module")
def page() -> str:
    return page_of(small_report())


def test_style_and_script_are_allowed_by_their_digests_and_nothing_else(page: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    said = policy.group(1).replace("&#39;", "'")
    assert said.startswith("default-src 'none'; img-src data:; ") and "unsafe" not in said
    for kind, pattern in (
        ("style", r"<style>(.*?)</style>"),
        ("script", r"<script>(.*?)</script>"),
    ):
        (content,) = re.findall(pattern, page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in said


def test_nothing_is_fetched_and_no_style_stands_in_a_tag(page: str) -> None:
    outside = re.sub(r"<script.*?</script>|<style.*?</style>", "", page, flags=re.DOTALL)
    assert not re.search(r'(?:src|srcset|poster|action)="(?!data:)', outside)
    assert not re.search(r"<(?:link|iframe|object|embed)(?![^>]*data:,)", outside)
    assert not re.search(r'\s(?:style|on\w+)="', outside)
    style = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)[0]
    assert re.findall(r"url\((?!#)|@import", style) == []


def test_what_a_recording_says_does_not_become_markup(page: str) -> None:
    assert "<script>alert(1)" not in page
    assert page.count("</script>") == 2
    assert "&lt;b&gt;small&lt;/b&gt;" in page


def test_the_caution_stands_on_it(page: str) -> None:
    assert "A restored face is an educated guess." in page
    assert page.index("educated guess") < page.index("Who is seen when")


def test_who_a_track_may_show_stands_at_its_name() -> None:
    report = small_report()
    known = (replace(report.persons[0], perhaps=2), *report.persons[1:])
    text = page_of(replace(report, persons=known))
    assert f">Track {known[0].track}, perhaps person 2</h3>" in text
    assert text.count("perhaps person") == 1


def test_each_picture_is_held_once(page: str) -> None:
    uris = re.findall(r'"(data:image/webp;base64,[^"]+)"', page)
    moments = [m for p in small_report().persons for m in p.moments]
    for moment in moments:
        assert uris.count(moment.original.uri) == uris.count(moment.result.uri) == 1


def test_addresses_become_links_and_digests_are_set_in_halves() -> None:
    url = "https://doi.org/10.1/x"
    link = f'<a href="{url}" rel="noreferrer">{url}</a>'
    assert linked(f"see {url}. <b>") == f"see {link}. &lt;b&gt;"
    assert linked("ab" * 32) == f'<code class="sum">{"ab" * 16}<wbr>{"ab" * 16}</code>'


def test_runs_of_the_same_fate_are_one_stretch() -> None:
    strengths = np.array([0.0, 0.0, 0.5, 0.7, 1.0, 1.0])
    reasons = ("small", "small", "small", "small", None, None)
    judged = Judged(10, strengths, reasons, np.full(6, np.nan))
    found = stretches_of(judged, TIMELINE, (0, 100))
    assert [(s.state, s.reason) for s in found] == [
        ("alone", "small"),
        ("lowered", "small"),
        ("restored", None),
    ]
    assert found[0] == Stretch(0.4, 0.48, "alone", "small", 0.0)
    assert found[1].strength == pytest.approx(0.6)
    assert stretches_of(judged, TIMELINE, (14, 100)) == found[2:]
    eased = Judged(0, np.array([0.0, 0.5, 1.0]), (None,) * 3, np.full(3, np.nan))
    assert [s.state for s in stretches_of(eased, TIMELINE, (0, 100))] == ["restored"]
    nothing = Judged(0, np.zeros(3), (None,) * 3, np.full(3, np.nan))
    assert [s.state for s in stretches_of(nothing, TIMELINE, (0, 100))] == ["alone"]
    assert judged.at(12) == (0.5, "small", None)
    assert judged.at(99) == (None, None, None)


def test_the_course_of_strength_keeps_its_bends() -> None:
    strengths = np.concatenate([np.linspace(0, 1, 20), np.ones(40), np.linspace(1, 0.5, 10)])
    judged = Judged(0, strengths, (None,) * 70, strengths)
    curve = curve_of(judged, TIMELINE, (0, 100))
    assert len(curve) < 10
    times = [TIMELINE.seconds(k) for k in range(70)]
    drawn = np.interp(times, [t for t, _ in curve], [v for _, v in curve])
    assert np.abs(drawn - strengths).max() <= 0.0101


def test_the_timeline_stands_where_times_are() -> None:
    chart = chart_of(small_report())
    recording, first, *_ = chart.lanes
    looks = {part.look: part for part in recording.parts}
    assert (looks["outside"].left, looks["outside"].width) == (90.0, 10.0)
    assert (looks["gap"].left, looks["gap"].width) == (50.0, 5.0)
    assert looks["damage"].left == 25.0
    assert [(part.left, part.width) for part in first.parts] == [(0.0, 5.0), (5.0, 55.0)]
    assert first.force.startswith("M0 88") and first.force.endswith("Z")
    assert chart.ticks[1] == (25.0, "0:01")
    assert (
        "Recording",
        "0:02.00",
        "0:02.20",
        "nothing was recorded for 0.2 s",
        "",
    ) in chart.table.rows
    assert any(row[3] == "its video is called something else" for row in chart.table.rows)


def test_a_difference_is_black_where_nothing_changed() -> None:
    before = np.full((8, 8, 3), 100, np.uint8)
    after = before.copy()
    after[0, 0] = (100, 109, 104)
    picture, change = difference(before, after)
    assert (change.largest, change.share) == (9, 1 / 64)
    assert change.mean == pytest.approx(9 / 64)
    assert picture.uri.startswith("data:image/png;base64,")
    assert GAIN * 9 < 255


def test_pictures_keep_every_pixel() -> None:
    import io

    from PIL import Image

    pixels = np.random.default_rng(1).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    picture = lossless(pixels)
    read = Image.open(io.BytesIO(base64.b64decode(picture.uri.partition(",")[2])))
    assert np.array_equal(np.asarray(read.convert("RGB")), pixels)
    assert (picture.width, picture.height) == (30, 20)


def test_numbers_are_written_for_people() -> None:
    assert [clock(t) for t in (0, 4.84, 59.96, 3725.04)] == [
        "0:00.0",
        "0:04.8",
        "1:00.0",
        "1:02:05.0",
    ]
    assert clock(61.5, 0) == "1:02" and clock(1.0, 3) == "0:01.000"
    said = [percent(p).replace("\u00a0", " ") for p in (0, 0.001, 0.5, 0.999, 1)]
    assert said == ["0 %", "under 1 %", "50 %", "over 99 %", "100 %"]
    assert listed(["a", "b", "c"]) == "a, b and c"


def test_nobody_and_nothing_make_a_page_too() -> None:
    empty = replace(small_report(), persons=(), marks=(), choosing=None, tables=())
    page = page_of(empty)
    assert 'id="persons"' not in page and 'id="choose"' not in page
    data = re.search(r'id="data">(.*?)</script>', page)
    assert data is not None and json.loads(data.group(1))["choosing"] is None


def test_the_templates_are_installed(tmp_path: Path) -> None:
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert '"report/template/*"' in project
