"""The check of frames that were not encoded again: they are coded as in the source, bit for bit."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import av

from videnhance.errors import CheckError
from videnhance.media.clip import Clip
from videnhance.media.names import as_file
from videnhance.media.reading.groups import Untouched, source_packets
from videnhance.media.reading.h264 import IDR, SLICE, H264Error, Header, kind_of, units_of
from videnhance.media.reading.source import is_cover


def compare_untouched(
    part: Path,
    output: Path,
    clip: Clip,
    untouched: Untouched | None,
    span: tuple[int, int],
    place: int = 0,
) -> int:
    """Compare the slices of all untouched frames with the source's; returns the number of frames.

    The output must also have the source's parameter sets, and no other ones of their numbers.
    `span`: the frames of the output, half-open; `place`: the number of its video among several.
    Raises CheckError, naming the first difference.
    """
    if untouched is None or not untouched.runs:
        return 0
    source = source_packets(clip.info, clip.recorded.timeline, untouched.runs)
    try:
        with av.open(as_file(part)) as container:
            video = [s for s in container.streams.video if not is_cover(s)][place]
            header = Header.of(video.codec_context.extradata)
            _compare_sets(output, untouched.header, header)
            written = (bytes(packet) for packet in container.demux(video) if packet.size)
            at = span[0]
            for run in untouched.runs:
                for data in islice(written, run.start - at, run.stop - at):
                    index, packet = next(source)
                    ours = _slices(data, header.length)
                    if ours != _slices(bytes(packet), untouched.header.length):
                        raise CheckError(
                            f"{output}: frame {index} is not the source's, though it should be "
                            "untouched"
                        )
                at = run.stop
    except (H264Error, StopIteration) as error:
        raise CheckError(f"{output}: its untouched frames cannot be read ({error})") from error
    return len(untouched)


def _slices(data: bytes, length: int) -> list[bytes]:
    return [unit for unit in units_of(data, length) if kind_of(unit) in (SLICE, IDR)]


def _compare_sets(output: Path, source: Header, written: Header) -> None:
    others = Header(
        written.length,
        tuple(unit for unit in written.sps if not source.holds(unit)),
        tuple(unit for unit in written.pps if not source.holds(unit)),
    )
    whole = all(written.holds(unit) for unit in (*source.sps, *source.pps))
    if not whole or others.ids & source.ids:
        raise CheckError(f"{output}: lacks the parameter sets of its untouched frames")
