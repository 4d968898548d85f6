"""The timeline of a plain source, for tests that need no more of it."""

from __future__ import annotations

from videnhance.media.info import VideoInfo
from videnhance.media.repair.scan import plain_timeline, refuse_odd, scan
from videnhance.media.timeline import RecordedTimeline


def read_timeline(info: VideoInfo) -> RecordedTimeline:
    """Every frame's pts and the keyframes, from the packets alone; raises what `refuse_odd` does
    where they are odd."""
    found = scan(info)
    refuse_odd(info, found)
    return plain_timeline(info, found)
