"""Clean-up of whole frames, by libavfilter and imaging/grading.py.

The order is that of the fields of Cleaning: deinterlacing, deblocking, denoising, then tones, then
the lens. Filters that use neighbouring frames also get those beyond the range that is asked for, so
a frame is the same wherever reading begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av.error
import numpy as np
from av.filter import Graph
from av.video.format import VideoFormat

from videnhance.errors import InputError
from videnhance.imaging.frames import Array, Frame, PixelLayout
from videnhance.imaging.grading import Tones, straightened, toned
from videnhance.media.reading.decoding import picture_of, planes_of
from videnhance.media.timeline import Timeline

RUN_UP = 8
"""Frames read beyond each end: bwdif uses one neighbour on each side, atadenoise three."""
_WINDOW = 7
"""Number of frames that denoising uses."""


@dataclass(frozen=True)
class Cleaning:
    """CleanSettings applied to one video: numbers that hold for all its frames."""

    order: str | None = None
    """Deinterlace, with the field shown first: "tff" top, "bff" bottom. None: do not."""
    fields: bool = False
    """Make a picture of each field: twice as many as there are frames."""
    deblock: float = 0.0
    denoise: float = 0.0
    levels: tuple[float, float, float] | None = None
    """grading.measured_levels."""
    balance: tuple[float, float, float] | None = None
    """grading.measured_balance."""
    lens: tuple[float, float] | None = None

    def refuse_unfit(self, pix_fmt: str, path: Path) -> None:
        """Raises InputError if libavfilter would convert `pix_fmt` for one of the filters."""
        for name, _ in _chain(self):
            if pix_fmt in UNFIT[name]:
                raise InputError(
                    f"{path}: libavfilter's {name} cannot take {pix_fmt} as it is; leave out "
                    f"{_OPTIONS[name]}"
                )


Read = Callable[[int, int], Iterator[Frame]]
"""Returns recorded frames start..stop (half-open)."""


def cleaned(
    read: Read,
    count: int,
    timeline: Timeline,
    cleaning: Cleaning,
    start: int,
    stop: int,
    path: Path,
) -> Iterator[Frame]:
    """Frames start..stop (half-open) of `timeline`, cleaned up.

    `read` returns recorded frames; there are `count` of them. `timeline` has a frame for each field
    if `cleaning.fields`. Raises InputError, naming the file `path`, and the errors of `read`.
    """
    tones = Tones(cleaning.levels, cleaning.balance)
    for frame in _filtered(read, count, timeline, cleaning, start, stop, path):
        done = toned(frame, tones) if tones != Tones() else frame
        yield straightened(done, cleaning.lens) if cleaning.lens else done


def _filtered(
    read: Read,
    count: int,
    timeline: Timeline,
    cleaning: Cleaning,
    start: int,
    stop: int,
    path: Path,
) -> Iterator[Frame]:
    """The part of `cleaned` that libavfilter does."""
    chain = _chain(cleaning)
    if not chain:
        yield from read(start, stop)
        return
    each = 2 if cleaning.fields else 1
    first = max(start // each - RUN_UP, 0)
    last = min(-(-stop // each) + RUN_UP, count)
    index = first * each
    layout = None
    graph = None
    for picture in _with_end(read(first, last)):
        if picture is not None:
            layout = picture.layout
            graph = graph or _graph(chain, picture)
        if graph is None or layout is None:
            return
        for planes in _through(graph, picture, layout, path):
            if start <= index < stop:
                # libavfilter does not keep our indices: the n-th out belongs to the n-th in
                yield Frame(index, timeline.pts[index], planes, layout)
            index += 1
    if index < stop:
        raise InputError(f"{path}: clean-up gave {index} frames of {stop}; leave out --deinterlace")


def _with_end(frames: Iterator[Frame]) -> Iterator[Frame | None]:
    yield from frames
    yield None


def _chain(cleaning: Cleaning) -> list[tuple[str, str]]:
    """(filter, options) for libavfilter, in order."""
    chain = []
    if cleaning.order is not None:
        mode = "send_field" if cleaning.fields else "send_frame"
        chain.append(("bwdif", f"mode={mode}:parity={cleaning.order}:deint=all"))
    if cleaning.deblock > 0:
        # a strength of 0.5 gives the filter's own defaults, which are for its "weak"
        alpha, beta = min(0.196 * cleaning.deblock, 1.0), min(0.1 * cleaning.deblock, 1.0)
        rest = f"beta={beta:.4f}:gamma={beta:.4f}:delta={beta:.4f}"
        chain.append(("deblock", f"filter=strong:block=8:alpha={alpha:.4f}:{rest}"))
    if cleaning.denoise > 0:
        # thresholds, 0..1, for the difference to one frame, and for the sum of differences outwards
        one, many = 0.3 * cleaning.denoise, 0.9 * cleaning.denoise
        pairs = ":".join(f"{k}a={one:.4f}:{k}b={many:.4f}" for k in range(3))
        chain.append(("atadenoise", f"{pairs}:s={_WINDOW}:a=p"))
    return chain


def _graph(chain: Sequence[tuple[str, str]], like: Frame) -> Graph:
    graph = Graph()
    name = _taken_as(like.layout)
    form = VideoFormat(name, like.width, like.height)
    source = graph.add_buffer(width=like.width, height=like.height, format=form, time_base=_TICK)
    nodes = [source, *(graph.add(name, options) for name, options in chain)]
    same = graph.add("format", f"pix_fmts={name}")  # no filter may change the format
    nodes += [same, graph.add("buffersink")]
    try:
        graph.link_nodes(*nodes).configure()
    except av.error.FFmpegError as error:
        raise InputError(
            f"libavfilter cannot clean up pictures of {like.width}x{like.height} "
            f"({error.strerror}); leave out --deinterlace, --deblock and --denoise"
        ) from error
    return graph


_OPTIONS = {"bwdif": "--deinterlace", "deblock": "--deblock", "atadenoise": "--denoise"}

_WIDE = {f"gray{bits}le": "gray16le" for bits in (9, 10, 12, 14)}
_WIDE |= {f"gbrap{bits}le": "gbrap16le" for bits in (10, 12, 14)}
"""Formats that libavfilter would convert for some filter, and the formats given to it instead: the
samples are shifted up to 16 bits, and back."""
_UNTAKEN = {"yuv440p10le", "yuv440p12le"}
UNFIT = {"bwdif": _UNTAKEN, "deblock": {"yuv440p10le"}, "atadenoise": set[str]()}
"""Formats that libavfilter would convert for a filter, which would change every sample."""

_TICK = Fraction(1, 25)
"""time_base for libavfilter; times only count frames here."""


def _taken_as(layout: PixelLayout) -> str:
    return _WIDE.get(layout.pix_fmt, layout.pix_fmt)


def _through(
    graph: Graph, picture: Frame | None, layout: PixelLayout, path: Path
) -> Iterator[tuple[Array, ...]]:
    """The planes that come out after one more frame of `layout` goes in; for None, the rest."""
    spare = 16 - layout.depth if layout.pix_fmt in _WIDE else 0
    try:
        if picture is None:
            graph.vpush(None)
        else:
            planes = tuple(np.left_shift(plane, spare) for plane in picture.planes)
            wide = replace(layout, pix_fmt=_taken_as(layout))
            pushed = picture_of(replace(picture, planes=planes, layout=wide))
            pushed.pts, pushed.time_base = picture.index, _TICK
            graph.vpush(pushed)
        while True:
            yield tuple(_narrowed(plane, spare) for plane in planes_of(graph.vpull()))
    except (BlockingIOError, EOFError):  # it needs more frames, or that was the last
        return
    except av.error.FFmpegError as error:
        raise InputError(
            f"{path}: clean-up fails ({error.strerror}); leave out --deinterlace, --deblock "
            "and --denoise"
        ) from error


def _narrowed(plane: Array, spare: int) -> Array:
    """A copy of the plane with its samples shifted back from 16 bits, rounded."""
    if not spare:
        return np.array(plane)
    levels = (plane.astype(np.uint32) + (1 << (spare - 1))) >> spare
    return np.asarray(np.minimum(levels, 0xFFFF >> spare), np.uint16)
