"""A clip with subtitles and chapters, whatever it held before."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av

BASE = Fraction(1, 1000)

CAPTIONS = (
    "1\n00:00:00,700 --> 00:00:01,050\nover before\n\n"
    "2\n00:00:00,800 --> 00:00:01,300\nbegins before\n\n"
    "3\n00:00:01,400 --> 00:00:09,000\nends after\n\n"
    "4\n00:00:02,100 --> 00:00:09,000\nbegins after\n\n"
)


def captioned(tmp_path: Path, source: Path, text: str = CAPTIONS) -> Path:
    """The source with subtitles and four chapters, in Matroska."""
    captions = tmp_path / "text.srt"
    captions.write_text(text)
    made = tmp_path / "captioned.mkv"
    with (
        av.open(str(source)) as a,
        av.open(str(captions)) as spoken,
        av.open(str(made), "w") as b,
    ):
        routes = [b.add_stream_from_template(s, opaque=True) for s in (*a.streams, *spoken.streams)]
        b.metadata["title"] = "Camera 4"
        b.metadata["timecode"] = "10:00:00:00"
        b.set_chapters(
            [
                {
                    "id": k,
                    "start": start,
                    "end": end,
                    "time_base": BASE,
                    "metadata": {"title": name},
                }
                for k, (start, end, name) in enumerate(
                    [
                        (0, 800, "past"),
                        (800, 1200, "across"),
                        (1200, 1400, "in"),
                        (1800, 2100, "on"),
                    ]
                )
            ]
        )
        for packet in [*spoken.demux(), *a.demux()]:
            if packet.size:
                own = packet.stream.type == "subtitle"
                packet.stream = routes[-1] if own else routes[packet.stream_index]
                b.mux(packet)
    return made
