"""The page in a real browser: slider, choice, download, keyboard, contrast, print; no requests."""

from __future__ import annotations

import base64
import json
import shlex
import shutil
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.making.pages import SIZE, TRACKS, requests_of, small_report
from videnhance.cli.commands import app
from videnhance.media.opening import open_clip
from videnhance.report import gather
from videnhance.report.page import page_of

pytestmark = pytest.mark.slow
By = "css selector"
Keys = {"right": "\ue014", "home": "\ue011", "space": " "}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report with spaces.html"
    path.write_text(page_of(small_report()), encoding="utf-8")
    return path


@pytest.fixture
def opened(chromium: Any, page: Path) -> Iterator[Any]:
    """The page as it is opened first, 1280 pixels wide, light."""
    _shown(chromium, 1280)
    requests_of(chromium)
    chromium.get_log("browser")
    chromium.get(page.as_uri())
    yield chromium
    assert chromium.get_log("browser") == []  # no script error, and nothing that the policy refused


def _shown(driver: Any, width: int, *, scheme: str = "light") -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})


def _one(driver: Any, what: str) -> Any:
    """The element, in the middle of the window."""
    found = driver.find_element(By, what)
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", found)
    return found


def _move(driver: Any) -> Any:
    from selenium.webdriver.common.action_chains import ActionChains

    return ActionChains(driver, duration=20)


def _at(driver: Any) -> str:
    return str(
        driver.execute_script("return arguments[0].style.getPropertyValue('--at')", _stage(driver))
    )


def _stage(driver: Any) -> Any:
    return _one(driver, "#track-1 .moment:not([hidden]) .stage")


def _text(driver: Any, what: str) -> str:
    return str(
        driver.execute_script("return document.querySelector(arguments[0]).textContent", what)
    )


def test_the_page_asks_for_nothing_but_itself(opened: Any, page: Path) -> None:
    _one(opened, "[data-download]").click()
    asked = requests_of(opened)
    assert page.as_uri() in asked
    assert [url for url in asked if not url.startswith(("data:", "blob:", page.as_uri()))] == []


def test_the_policy_forbids_what_the_page_does_not_hold(opened: Any) -> None:
    opened.execute_script("new Image().src = 'http://localhost:9/x.png'")
    opened.execute_script(
        "const script = document.createElement('script');"
        "script.textContent = 'window.evil = 1'; document.head.append(script)"
    )
    assert opened.execute_script("return window.evil") is None
    time.sleep(0.1)
    refused = [entry["message"] for entry in opened.get_log("browser")]
    assert len(refused) >= 2 and all("Content Security Policy" in line for line in refused)


def test_the_slider_is_dragged(opened: Any) -> None:
    stage = _stage(opened)
    assert _at(opened) == "50%"
    width = stage.size["width"]
    _move(opened).move_to_element(stage).click_and_hold().move_by_offset(
        int(-width * 0.3), 0
    ).release().perform()
    assert _at(opened) == "20%"
    clip = "return getComputedStyle(arguments[0].querySelector('.before')).clipPath"
    assert "80%" in opened.execute_script(clip, stage)


def test_the_slider_has_keys_and_says_where_it_is(opened: Any) -> None:
    slider = _one(opened, "#track-1 .moment:not([hidden]) .stage input")
    slider.send_keys(Keys["right"])
    slider.send_keys(Keys["right"])
    assert _at(opened) == "52%"
    assert slider.get_attribute("aria-valuetext") == "original left of 52 %"
    slider.send_keys(Keys["home"])
    assert _at(opened) == "0%"
    assert slider.aria_role == "slider"
    assert slider.accessible_name == "Divider between original and result, track 1 at 0:00.4"


def test_another_moment_is_chosen(opened: Any) -> None:
    shown = "return [...document.querySelectorAll('#track-1 .moment')].map((m) => !m.hidden)"
    assert opened.execute_script(shown) == [False, True]  # the one with the most pixels
    _one(opened, "[data-moments=track-1] input").send_keys(Keys["space"])
    assert opened.execute_script(shown) == [True, False]


def test_pictures_that_stand_twice_are_held_once(opened: Any) -> None:
    loaded = "return [...document.images].every((i) => i.complete && i.naturalWidth > 0)"
    assert opened.execute_script(loaded)


def test_enlarging_goes_pixel_by_pixel(opened: Any) -> None:
    look = "return getComputedStyle(document.querySelector('.stage img')).imageRendering"
    assert opened.execute_script(look) == "auto"
    opened.execute_script("document.querySelector('[name=enlarge][value=pixels]').click()")
    assert opened.execute_script(look) == "pixelated"


def test_ticks_change_the_command(opened: Any) -> None:
    begin = "videnhance enhance gate.mp4 -o gate_chosen.mp4 --tracks tracks.json"
    assert _text(opened, "[data-command]") == f"{begin} --restorer fusion"
    tick = _one(opened, "input[name=track][value='2']")
    tick.send_keys(Keys["space"])
    assert _text(opened, "[data-command]") == f"{begin} --only 1,3 --restorer fusion"
    for other in ("1", "3"):
        _one(opened, f"input[name=track][value='{other}']").click()
    assert _text(opened, "[data-command]") == "Tick at least one person."
    assert not _one(opened, "[data-download]").is_enabled()


def test_a_person_is_ticked_in_the_frame(opened: Any) -> None:
    box = _one(opened, ".canvas .box[data-track='3']")
    box.click()
    assert "--only 1,2 " in _text(opened, "[data-command]")
    assert "off" in _one(opened, ".canvas .box[data-track='3']").get_attribute("class")


def test_a_zone_is_drawn_and_downloaded(opened: Any) -> None:
    path = opened.downloads / "tracks.json"
    path.unlink(missing_ok=True)
    canvas = _one(opened, ".canvas:not([hidden]) svg")
    frame = opened.execute_script("return arguments[0].getBoundingClientRect().toJSON()", canvas)
    left, top = frame["width"] / 4, frame["height"] / 2
    # From the middle: first to a quarter from the left, three quarters down; then up and right.
    (
        _move(opened)
        .move_to_element_with_offset(canvas, round(left - frame["width"] / 2), round(top / 2))
        .click_and_hold()
        .move_by_offset(round(left), round(top / 4))
        .release()
        .perform()
    )
    _one(opened, "[data-add]").click()
    name = "Zone 3, left, pixels"
    field = _one(opened, f"[aria-label='{name}']")
    assert opened.switch_to.active_element == field
    opened.execute_script(
        "arguments[0].value = 7; arguments[0].dispatchEvent(new Event('change'))", field
    )
    zones = _downloaded(opened)["zones"]
    assert zones[0] == {"x0": 4, "y0": 4, "x1": 90, "y1": 20}  # there before
    expected = (SIZE[0] / 4, SIZE[1] * 3 / 4, SIZE[0] / 2, SIZE[1] * 7 / 8)
    assert [zones[1][key] for key in ("x0", "y0", "x1", "y1")] == pytest.approx(expected, abs=2)
    assert zones[2] == {"x0": 7, "y0": 144, "x1": 384, "y1": 216}
    _one(opened, "[aria-label='Remove zone 1']").click()
    assert len(opened.find_elements(By, ".zones li")) == 2


def test_the_download_holds_the_tracks(opened: Any) -> None:
    document = _downloaded(opened)
    assert document["source"] == {"name": "gate.mp4", "size": [640, 360]}
    assert [track["id"] for track in document["tracks"]] == [1, 2, 3]
    second, tracklet = document["tracks"][1], TRACKS.tracklets[1]
    assert second["start"] == 20 and second["opens_shot"] is False
    assert second["poses"][49] == pytest.approx(tracklet.poses[49], abs=6e-5)
    assert second["landmarks"][7][4] == pytest.approx(tracklet.landmarks[7][4], abs=6e-3)
    assert second["scores"][:4] == [0.8143, None, None, 0.8143]


def test_the_download_and_the_command_are_taken_by_enhance(
    chromium: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = folder / "page.html"
    gather.write_report(folder / "out.mkv.json", page)
    _shown(chromium, 1280)
    chromium.get(page.as_uri())
    _one(chromium, "[data-add]").click()
    zone = _downloaded(chromium)["zones"][0]
    words = shlex.split(_text(chromium, "[data-command]"))
    assert words[0] == "videnhance"
    shutil.copy(chromium.downloads / "tracks.json", folder)
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(app, words[1:])
    assert done.exit_code == 0, done.stderr
    source, result = open_clip(folder / "in.mkv"), open_clip(folder / "in_chosen.mkv")
    rows, columns = (slice(zone[f"{a}0"], zone[f"{a}1"]) for a in "yx")
    changed = np.zeros(2, int)
    for one, other in zip(source.frames(0, 24), result.frames(0, 24), strict=True):
        apart = one.planes[0] != other.planes[0]
        changed += (int(apart.sum()), int(apart[rows, columns].sum()))
    assert changed[0] > 0 and changed[1] == 0


def _downloaded(driver: Any) -> dict[str, Any]:
    path = driver.downloads / "tracks.json"
    path.unlink(missing_ok=True)
    _one(driver, "[data-download]").click()
    end = time.monotonic() + 10
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.05)
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def test_hovering_tells_who_is_seen(opened: Any) -> None:
    plot = _one(opened, ".lane[data-lane='1'] .plot")
    width = plot.size["width"]
    # Track 1 is seen from 0 to 2.4 of 4 seconds; its strength rises to 62 % between 0.2 and 0.4.
    _move(opened).move_to_element_with_offset(plot, round(-0.25 * width), 0).perform()
    tip = _one(opened, ".tip")
    said = "0:00.2 to 0:02.4 restored in part (blurred), strength 62 % on average; 62 % here"
    assert tip.is_displayed() and tip.text == f"Track 1 at 0:01.0\n{said}"
    _move(opened).move_to_element_with_offset(plot, round(-0.425 * width), 0).perform()
    assert "; 31 % here" in tip.text or "; 30 % here" in tip.text or "; 32 % here" in tip.text
    _move(opened).move_to_element_with_offset(plot, round(0.4 * width), 0).perform()
    assert "not seen here" in tip.text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(chromium: Any, page: Path, scheme: str) -> None:
    _shown(chromium, 1280, scheme=scheme)
    chromium.get(page.as_uri())
    chromium.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    found = chromium.execute_script(CONTRASTS)
    assert len(found) > 100
    poor = [entry for entry in found if entry["ratio"] < (3.0 if entry["large"] else 4.5)]
    assert poor == []


CONTRASTS = """
const shown = (colour) => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d');
  canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data].map((v) => v / 255);
};
const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => [r, g, b].map(linear)
  .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = shown(getComputedStyle(at).backgroundColor);
    if (colour[3] > 0.99) return colour;
  }
  return shown('white');
};
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  const style = getComputedStyle(element), box = element.getBoundingClientRect();
  if (!walker.currentNode.data.trim() || !box.width) continue;
  if (element.closest('.canvas, script, style, .unseen')) continue;
  const ink = element instanceof SVGElement ? style.fill : style.color;
  const [one, other] = [light(shown(ink)), light(behind(element))].sort((a, b) => b - a);
  const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
  found.push({ text: walker.currentNode.data.trim().slice(0, 40),
    ratio: (one + 0.05) / (other + 0.05), large: size >= 24 || (bold && size >= 18.66) });
}
return found;
"""


def test_everything_has_a_name_for_those_who_cannot_see(opened: Any) -> None:
    assert opened.execute_script("return document.documentElement.lang") == "en"
    for what, least in (("input", 10), ("button", 3), (".lane svg.plot", 4), ("section", 5)):
        there = opened.find_elements(By, what)
        seen = "return [...arguments[0]].map((e) => e.checkVisibility())"
        found = [
            one
            for one, is_seen in zip(there, opened.execute_script(seen, there), strict=True)
            if is_seen
        ]
        assert len(found) >= least
        assert all(element.accessible_name for element in found), what
    assert opened.execute_script("return [...document.images].every((i) => i.hasAttribute('alt'))")
    levels = opened.execute_script(
        "return [...document.querySelectorAll('h1,h2,h3,h4')].map((h) => Number(h.tagName[1]))"
    )
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = opened.execute_script("return [...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    said = _one(opened, ".lane[data-lane='1'] svg.plot").accessible_name
    assert said.startswith("Track 1: 0:00.0 to 0:00.2 left as recorded (small); ")


def test_the_keyboard_reaches_all_that_can_be_done(opened: Any) -> None:
    body = _one(opened, "body")
    reached = set()
    for _ in range(90):
        _move(opened).send_keys("\ue004").perform()
        active = opened.switch_to.active_element
        if active == body:
            break
        reached.add(
            active.get_attribute("aria-label") or active.get_attribute("name") or active.text
        )
    wanted = {
        "Divider between original and result, track 3 at 0:02.0",
        "enlarge",
        "track",
        "view",
        "Zone 1, left, pixels",
        "Add a zone",
        "Copy the command",
        "Download tracks.json",
    }
    assert wanted <= reached


def test_a_phone_needs_no_sideways_scroll(chromium: Any, page: Path) -> None:
    _shown(chromium, 390)
    chromium.get(page.as_uri())
    chromium.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    assert chromium.execute_script("return document.documentElement.scrollWidth") == 390


def test_it_prints_as_a_whole(opened: Any) -> None:
    done = opened.execute_cdp_cmd(
        "Page.printToPDF", {"printBackground": True, "preferCSSPageSize": True}
    )
    content = base64.b64decode(done["data"])
    assert content.startswith(b"%PDF") and content.count(b"/Type /Page\n") >= 2
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    seen = (
        "return [...document.querySelectorAll(arguments[0])]"
        ".map((e) => e.getClientRects().length > 0)"
    )
    assert all(opened.execute_script(seen, ".moment"))
    assert all(opened.execute_script(seen, ".stage .before"))
    assert not any(opened.execute_script(seen, "button, .bar, .divider, #choose"))


def test_names_do_not_become_markup(opened: Any) -> None:

    assert _text(opened, ".note + .note") == "left alone in 5 frames: <b>small</b>"
    assert opened.execute_script("return document.scripts.length") == 2
