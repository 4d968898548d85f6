"""A report as one self-contained HTML file.

It loads nothing: style, script and pictures are within it, and its Content-Security-Policy forbids
the browser everything else. Style and script are allowed by their SHA-256, so that no text of the
page, whatever it holds, can run.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import asdict
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from videnhance.evidence.packed import packed
from videnhance.report.model import SMALL, Choosing, Report, zones_of
from videnhance.report.pictures import GAIN, SEEN
from videnhance.report.timeline import Chart, chart_of
from videnhance.report.words import clock, counted, eyes, percent

_ADDRESS = re.compile(r"https?://[^\s,;)]+[^\s,;).]")
_SUM = re.compile(r"[0-9a-f]{64}")
_PANEL = 190
"""Pixels of the side of a picture beside the slider: originals are enlarged to it by whole
factors."""
NOBODY = "not seen here"
NOTHING = "nothing odd was found here"


def page_of(report: Report) -> str:
    """The whole page."""
    css, script = _part("report.css"), _part("report.js")
    chart = chart_of(report)
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters.update(
        clock=clock, counted=counted, eyes=eyes, percent=percent, linked=linked
    )
    return environment.from_string(_part("report.html.j2")).render(
        report=report,
        chart=chart,
        css=Markup(css),
        script=Markup(script),
        policy=policy_of(css, script),
        data=Markup(_json(_data(report, chart))),
        gain=GAIN,
        seen=SEEN,
        small=SMALL,
        panel=_PANEL,
    )


def policy_of(css: str, script: str) -> str:
    """What the page may load: pictures that it holds, and this style and script."""
    return (
        f"default-src 'none'; img-src data:; style-src {_hash(css)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def linked(text: str) -> Markup:
    """Text in which addresses are links, and a SHA-256 is set in two halves; all else is
    escaped."""
    if _SUM.fullmatch(text):
        half = len(text) // 2
        return Markup('<code class="sum">{}<wbr>{}</code>').format(text[:half], text[half:])
    whole, last = Markup(), 0
    for found in _ADDRESS.finditer(text):
        address = escape(found.group())
        whole += escape(text[last : found.start()]) + Markup(
            f'<a href="{address}" rel="noreferrer">{address}</a>'
        )
        last = found.end()
    return whole + escape(text[last:])


def _data(report: Report, chart: Chart) -> dict[str, Any]:
    """What the script works with."""
    return {
        "length": chart.length,
        "lanes": [
            {
                "name": lane.name,
                "nothing": NOBODY if lane.person else NOTHING,
                "curve": [list(point) for point in lane.person.curve] if lane.person else [],
                "parts": [{"begin": p.begin, "end": p.end, "said": p.said} for p in lane.parts],
            }
            for lane in chart.lanes
        ],
        "choosing": _choosing(report.choosing) if report.choosing else None,
    }


def _choosing(choosing: Choosing) -> dict[str, Any]:
    base = choosing.timeline.time_base
    return {
        "source": choosing.source,
        "output": choosing.output,
        "options": choosing.options,
        "name": choosing.name,
        "size": list(choosing.size),
        "base": [base.numerator, base.denominator],
        "zones": [[z.x0, z.y0, z.x1, z.y1] for z in zones_of(choosing)],
        "tracks": [asdict(track) for track in packed(choosing.tracks.everyone, choosing.timeline)],
    }


def _json(value: Any) -> str:
    """JSON that no HTML parser takes for the end of its element."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _part(name: str) -> str:
    return (files("videnhance.report") / "template" / name).read_text(encoding="utf-8")
