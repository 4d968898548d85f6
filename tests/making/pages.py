"""Reports made up for tests, and the browser that opens them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from videnhance.faces.alignment import TEMPLATE, template_to_frame
from videnhance.faces.tracklets import Tracklet, Tracks
from videnhance.imaging.affine import place
from videnhance.imaging.frames import Zone
from videnhance.media.timeline import Timeline
from videnhance.report.model import (
    Choosing,
    Mark,
    Moment,
    Person,
    Portrait,
    Report,
    Stretch,
    Table,
    View,
)
from videnhance.report.pictures import difference, lossless, lossy

FEW = ("--restorer", "fusion", "--detector", "square", "--codec", "ffv1")
"""Options of a job that is quick, and finds the squares of tests/making/clips.py."""
SIZE = (640, 360)
TIMELINE = Timeline(Fraction(1, 12800), tuple(512 * k for k in range(100)), (0,), 512)
"""Four seconds."""


def tracklet(number: int, start: int, length: int) -> Tracklet:
    """A face that walks to the right, found in every third frame."""
    rows = np.arange(length)
    poses = np.column_stack(
        [
            80.0 + 130 * number + 0.73 * rows,
            150.0 + np.sin(rows / 7.0),
            np.full(length, np.log(90.0 + number)),
            np.sin(rows / 9.0) * 0.05,
        ]
    )
    marks = np.array([place(TEMPLATE, template_to_frame(pose)) for pose in poses])
    scores = np.where(rows % 3 == 0, 0.8123 + 0.001 * number, np.nan)
    return Tracklet(number, start, poses, marks, scores, start == 0, False)


TRACKS = Tracks(
    (tracklet(1, 0, 60), tracklet(2, 20, 50), tracklet(3, 40, 60)), (Zone(4, 4, 90, 20),)
)


def small_report(
    tracks: Tracks = TRACKS,
    timeline: Timeline = TIMELINE,
    size: tuple[int, int] = SIZE,
    source: str = "gate.mp4",
) -> Report:
    """A report with pictures of noise; its name and notes hold what must not become HTML."""
    persons = tuple(_person(track, timeline) for track in tracks.tracklets)
    frame = timeline.seconds(len(timeline) // 2)
    boxes = tuple((t.id, 100.0 * t.id, 100.0, 60.0, 70.0) for t in tracks.tracklets)
    whole = lossy(_noise(9, size[1], size[0]))
    views = (
        View(50, frame, whole, boxes),
        View(10, timeline.seconds(10), whole, boxes[:1]),
    )
    return Report(
        source=source,
        facts=(("picture", "640 × 360"), ("frames", "100")),
        sentences=(
            "The faces were made easier to see.",
            "Three faces were found.",
            "How.",
            "Rest.",
        ),
        caution="It can look right and be wrong.",
        invents=True,
        labels=("original", "AI (gfpgan): an estimate, not evidence"),
        scale=1,
        span=(0.4, 3.6),
        duration=timeline.end_of(len(timeline) - 1),
        persons=persons,
        marks=(
            Mark("damaged", "3 frames are damaged </script><script>alert(1)</script>", 1.0, 1.1),
            Mark("gap", "nothing was recorded for 0.2 s", 2.0, 2.2),
            Mark("name", "its video is called something else"),
        ),
        tables=(
            Table("Files", ("", "what", "SHA-256"), (("Input", source, "ab" * 32),)),
            Table("Methods", ("step", "what", "reference"), (("Flow", "x", "https://doi.org/1"),)),
            Table("All settings", ("setting", "value"), (("--strength", "1"),), long=True),
        ),
        choosing=Choosing(
            name=source,
            source=f"'{source}'" if " " in source else source,
            output="gate_chosen.mp4",
            options="--restorer fusion",
            size=size,
            views=views,
            tracks=tracks,
            timeline=timeline,
        ),
        made="made by a test",
    )


def _person(track: Tracklet, timeline: Timeline) -> Person:
    begin, end = timeline.seconds(track.start), timeline.end_of(track.stop - 1)
    middle = begin + 0.2
    stretches = (
        Stretch(begin, middle, "alone", "small", 0.0),
        Stretch(middle, end, "lowered", "blurred", 0.62),
    )
    moments = tuple(_moment(track.id * 10 + k, timeline, track.start + 10 * k) for k in range(2))
    shown = lossless(_noise(track.id, 40, 40))
    return Person(
        track=track.id,
        begin=begin,
        end=end,
        faces=len(track),
        restored=len(track) - 5,
        eyes=(10.0, 23.0),
        stretches=stretches,
        curve=((begin, 0.0), (middle, 0.0), (middle + 0.2, 0.62), (end, 0.62)),
        face=shown,
        moments=moments,
        portraits=(Portrait((("Portrait", shown),), "integrated from 30 frames"),),
        invented=0.63,
        notes=("left alone in 5 frames: <b>small</b>",),
    )


def _moment(seed: int, timeline: Timeline, frame: int) -> Moment:
    before = _noise(seed, 60, 60)
    after = np.clip(before.astype(np.int32) + 9, 0, 255).astype(np.uint8)
    pictured, change = difference(before, after)
    return Moment(
        frame=frame,
        seconds=timeline.seconds(frame),
        eyes=15.0 + seed % 10,
        original=lossless(before),
        result=lossless(after),
        difference=pictured,
        change=change,
        strength=0.62,
        reason="blurred",
        guard=0.031,
        invention=pictured,
    )


def _noise(seed: int, height: int, width: int) -> Any:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (height, width, 3), dtype=np.uint8)


def why_no_browser() -> str | None:
    """What is missing for tests in a browser; None where nothing is."""
    missing = [
        name for name, path in (("chromium", _chromium()), ("chromedriver", _driver())) if not path
    ]
    if missing:
        return f"no {' and no '.join(missing)}: apt-get install chromium chromium-driver"
    return None


def _chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


def _driver() -> str | None:
    return shutil.which("chromedriver")


@contextmanager
def browser(downloads: Path) -> Iterator[Any]:
    """Chromium without a window, driven by the system's chromedriver; it logs all that it loads.
    Nothing is fetched for it: selenium's own manager would."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = _chromium() or ""
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"),
        *("--no-first-run", "--disable-background-networking", "--window-size=1280,900"),
    ):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(_driver()))
    try:
        yield driver
    finally:
        driver.quit()


def requests_of(driver: Any) -> list[str]:
    """The addresses that were asked for since this was asked last."""
    found = []
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            found.append(str(message["params"]["request"]["url"]))
    return found
