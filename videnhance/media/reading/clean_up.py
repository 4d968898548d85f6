"""Frames as they are worked on: as recorded, or cleaned up first, by libavfilter and grading.py.

The order is that of the fields of grading.Cleaning: deinterlaced, deblocked, denoised, then tones,
then the lens. Filters that look at neighbours are given them beyond the run that is asked for, so
a frame is the same wherever reading begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import av.error
import numpy as np
from av.filter import Graph
from av.video.format import VideoFormat

from videnhance.errors import InputError
from videnhance.imaging.frames import Array, Frame, PixelLayout
from videnhance.imaging.grading import Tones, measured_balance, measured_levels, straightened, toned
from videnhance.media.clip import Cleaning, VideoInfo
from videnhance.media.reading import decoding
from videnhance.media.reading.interlacing import Luma, Scanning, first_field, verdict
from videnhance.media.timeline import Timeline
from videnhance.settings.clean_up import CleanSettings

RUN_UP = 8
"""Frames read beyond each end: bwdif looks at one neighbour, atadenoise at three on each side."""
_WINDOW = 7
"""Frames that denoising looks at."""
_PLACES, _RUN = 6, 6
"""Where a clip is looked at to settle what holds for all of it: places, and frames at each."""


def read_frames(
    info: VideoInfo,
    timeline: Timeline,
    start: int,
    stop: int,
    pix_fmt: str,
    *,
    limited: bool = False,
) -> Iterator[Frame]:
    """As decoding.read_frames, cleaned as `info.cleaning` says; frames are those of `timeline`,
    which has one for each field where `info.cleaning.fields`."""
    cleaning = info.cleaning
    if cleaning is None:
        yield from decoding.read_frames(info, timeline, start, stop, pix_fmt, limited=limited)
        return
    tones = Tones(cleaning.levels, cleaning.balance)
    for frame in _filtered(info, timeline, cleaning, start, stop, pix_fmt, limited):
        done = toned(frame, tones) if tones != Tones() else frame
        yield straightened(done, cleaning.lens) if cleaning.lens else done


def settled(
    info: VideoInfo, timeline: Timeline, wish: CleanSettings, pix_fmt: str
) -> tuple[VideoInfo, Timeline, tuple[str, ...]]:
    """The video as it is to be worked on, its timeline then, and what the user should know.

    What `wish` leaves to us is measured on a few places of the whole clip. Raises InputError where
    these cannot be read.
    """
    declared = info.field_order in _INTERLACED
    notes = []
    order = None
    if wish.deinterlace != "off":
        runs = [_lumas(info, timeline, at, pix_fmt) for at in _places(timeline)]
        scanning = Scanning.of(
            verdict(*run[k - 1 : k + 2]) for run in runs for k in range(1, len(run) - 1)
        )
        if scanning.is_interlaced or wish.deinterlace == "bwdif":
            votes = [first_field(run) for run in runs]
            top, bottom = votes.count("tff"), votes.count("bff")
            told = _INTERLACED.get(info.field_order)
            order = "tff" if top > bottom else "bff" if bottom > top else told or "tff"
            first = "top" if order == "tff" else "bottom"
            twice = ", a picture for each field" if wish.rate == "field" else ""
            notes.append(f"deinterlaced by bwdif, {first} field first{twice} ({scanning.told})")
        else:
            said = "it is declared so, but " if declared else ""
            notes.append(
                f"not deinterlaced: {said}no fields of different times were found ({scanning.told})"
            )
    elif declared:
        notes.append(
            "its stream says that it is interlaced; where edges look like combs, add "
            "--deinterlace auto"
        )
    cleaning = Cleaning(
        order=order,
        fields=order is not None and wish.rate == "field",
        deblock=wish.deblock,
        denoise=wish.denoise,
        lens=wish.lens if wish.lens and any(wish.lens) else None,
    )
    if wish.levels == "auto" or wish.white_balance == "auto":
        seen = [
            frame
            for at in _places(timeline)
            for frame in _filtered(info, timeline, Cleaning(), at, at + 1, pix_fmt)
        ]
        if wish.white_balance == "auto":
            cleaning = replace(cleaning, balance=measured_balance(seen))
            seen = [toned(frame, Tones(balance=cleaning.balance)) for frame in seen]
            gains = ", ".join(f"{gain:.2f}" for gain in cleaning.balance or ())
            notes.append(f"white balance: red, green, blue times {gains}")
        if wish.levels == "auto":
            cleaning = replace(cleaning, levels=measured_levels(seen))
            black, white, gamma = cleaning.levels or (0.0, 1.0, 1.0)
            notes.append(f"levels: {black:.0%} to {white:.0%} stretched, gamma {gamma:.2f}")
    if cleaning == Cleaning():
        return info, timeline, tuple(notes)
    for name, _ in _chain(cleaning):
        if pix_fmt in UNFIT[name]:
            raise InputError(
                f"{info.path}: libavfilter's {name} cannot take {pix_fmt} as it is; leave out "
                f"{_OPTIONS[name]}"
            )
    notes.append("whole frames were cleaned up, so pixels outside faces differ from the source")
    if cleaning.fields:
        timeline = timeline.fields()
        rate = info.average_rate * 2 if info.average_rate else None
        info = replace(info, time_base=timeline.time_base, average_rate=rate)
    return replace(info, cleaning=cleaning), timeline, tuple(notes)


_INTERLACED = {2: "tff", 3: "bff", 4: "bff", 5: "tff"}
"""FFmpeg's AVFieldOrder of interlaced streams (TT, BB, TB, BT: coded, then shown first)."""


def _places(timeline: Timeline) -> list[int]:
    last = max(len(timeline) - _RUN, 0)
    return sorted({int(k) for k in np.linspace(0, last, _PLACES)})


def _lumas(info: VideoInfo, timeline: Timeline, at: int, pix_fmt: str) -> list[Luma]:
    stop = min(at + _RUN, len(timeline))
    frames = decoding.read_frames(info, timeline, at, stop, pix_fmt)
    return [_luma(frame) for frame in frames]


def _luma(frame: Frame) -> Luma:
    """In 8-bit steps; of G, B, R planes the green."""
    scale = 1.0 / (1 << (frame.layout.depth - 8))
    return np.asarray(frame.planes[0].astype(np.float32) * np.float32(scale), np.float32)


def _filtered(
    info: VideoInfo,
    timeline: Timeline,
    cleaning: Cleaning,
    start: int,
    stop: int,
    pix_fmt: str,
    limited: bool = False,
) -> Iterator[Frame]:
    """Frames start..stop of `timeline` through libavfilter, as far as there is something to do."""
    chain = _chain(cleaning)
    if not chain:
        yield from decoding.read_frames(info, timeline, start, stop, pix_fmt, limited=limited)
        return
    recorded, each = timeline, 1
    if cleaning.fields:
        recorded, each = timeline.frames(), 2
        info = replace(info, time_base=recorded.time_base)
    first = max(start // each - RUN_UP, 0)
    last = min(-(-stop // each) + RUN_UP, len(recorded))
    index = first * each
    layout = None
    graph = None
    pictures = decoding.read_frames(info, recorded, first, last, pix_fmt, limited=limited)
    for picture in _with_end(pictures):
        if picture is not None:
            layout = picture.layout
            graph = graph or _graph(chain, picture)
        if graph is None or layout is None:
            return
        for planes in _through(graph, picture, layout, info):
            if start <= index < stop:
                # libavfilter keeps no order of ours: the n-th out belongs to the n-th in
                yield Frame(index, timeline.pts[index], planes, layout)
            index += 1
    if index < stop:
        raise InputError(
            f"{info.path}: clean-up gave {index} frames of {stop}; leave out --deinterlace"
        )


def _with_end(frames: Iterator[Frame]) -> Iterator[Frame | None]:
    yield from frames
    yield None


def _chain(cleaning: Cleaning) -> list[tuple[str, str]]:
    """(filter, options) in order."""
    chain = []
    if cleaning.order is not None:
        mode = "send_field" if cleaning.fields else "send_frame"
        chain.append(("bwdif", f"mode={mode}:parity={cleaning.order}:deint=all"))
    if cleaning.deblock > 0:
        # the filter's own defaults, for its "weak", are reached at a half
        alpha, beta = min(0.196 * cleaning.deblock, 1.0), min(0.1 * cleaning.deblock, 1.0)
        rest = f"beta={beta:.4f}:gamma={beta:.4f}:delta={beta:.4f}"
        chain.append(("deblock", f"filter=strong:block=8:alpha={alpha:.4f}:{rest}"))
    if cleaning.denoise > 0:
        # thresholds of a difference to one frame, and of their sum outwards, in 0..1
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
    same = graph.add("format", f"pix_fmts={name}")  # none may change it
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
"""Formats that libavfilter would convert to other planes for some filter, and what they are shown
to it as: the samples are shifted up to 16 bits, and back."""
_UNTAKEN = {"yuv440p10le", "yuv440p12le"}
UNFIT = {"bwdif": _UNTAKEN, "deblock": {"yuv440p10le"}, "atadenoise": set[str]()}
"""Formats that libavfilter would convert for a filter, and so change every sample."""

_TICK = Fraction(1, 25)
"""libavfilter's time, which says no more than the order here."""


def _taken_as(layout: PixelLayout) -> str:
    return _WIDE.get(layout.pix_fmt, layout.pix_fmt)


def _through(
    graph: Graph, picture: Frame | None, layout: PixelLayout, info: VideoInfo
) -> Iterator[tuple[Array, ...]]:
    """The planes that come out for one more frame of `layout`; for None, the rest."""
    spare = 16 - layout.depth if layout.pix_fmt in _WIDE else 0
    try:
        if picture is None:
            graph.vpush(None)
        else:
            planes = tuple(np.left_shift(plane, spare) for plane in picture.planes)
            wide = replace(layout, pix_fmt=_taken_as(layout))
            pushed = decoding.picture_of(replace(picture, planes=planes, layout=wide))
            pushed.pts, pushed.time_base = picture.index, _TICK
            graph.vpush(pushed)
        while True:
            yield tuple(_narrowed(plane, spare) for plane in decoding.planes_of(graph.vpull()))
    except (BlockingIOError, EOFError):  # more is needed, or that was all
        return
    except av.error.FFmpegError as error:
        raise InputError(
            f"{info.path}: clean-up fails ({error.strerror}); leave out --deinterlace, --deblock "
            "and --denoise"
        ) from error


def _narrowed(plane: Array, spare: int) -> Array:
    """A copy, its samples back from 16 bits, rounded."""
    if not spare:
        return np.array(plane)
    levels = (plane.astype(np.uint32) + (1 << (spare - 1))) >> spare
    return np.asarray(np.minimum(levels, 0xFFFF >> spare), np.uint16)
