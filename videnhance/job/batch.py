"""Many videos in one run: which they are, what each becomes, and how each of them ended."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from videnhance.errors import (
    ContainerError,
    OutputError,
    Stopped,
    UsageError,
    VidenhanceError,
    cure_of,
)
from videnhance.job import RECORD, SUFFIX
from videnhance.media.reading.pictures import SUFFIXES as PICTURE_SUFFIXES
from videnhance.media.reading.pictures import is_row, natural, title_of
from videnhance.media.reading.refusals import address_of

if TYPE_CHECKING:
    from videnhance.job.summary import Summary


VIDEO_SUFFIXES = frozenset(
    (
        *(".mp4", ".m4v", ".mov", ".qt", ".mkv", ".webm", ".avi", ".divx", ".ts", ".mts", ".m2ts"),
        *(".mpg", ".mpeg", ".m2v", ".vob", ".mxf", ".wmv", ".asf", ".flv", ".f4v", ".ogv", ".ogm"),
        *(".3gp", ".3g2", ".dav", ".nut", ".gif", ".y4m"),
    )
)
"""What is taken for a video in a folder, in lower case. Raw streams (.h264) are not: their frames
carry no times."""

FALLBACKS = (".mkv", ".mp4", ".mov")
"""Added to a name whose own suffix is no container of ours, or cannot hold what must go in: the
first that can."""

State = Literal["done", "skipped", "failed", "stopped", "not started"]
STATES: tuple[State, ...] = ("done", "skipped", "failed", "stopped", "not started")


@dataclass(frozen=True)
class BatchItem:
    """One video of a batch."""

    source: Path
    output: Path


@dataclass(frozen=True)
class BatchResult:
    """What became of one video of a batch."""

    item: BatchItem
    """With the output that was written, where its container had to be another one."""
    state: State
    summary: Summary | None
    """None unless done."""
    error: str | None
    """One line; None unless failed or stopped."""
    exit_code: int


@dataclass(frozen=True)
class _Video:
    """A video, and where below the output folder its result goes."""

    source: Path
    folder: Path


def inputs_of(
    arguments: Sequence[str | Path], *, recursive: bool, out_dir: Path
) -> tuple[BatchItem, ...]:
    """The videos that files, folders and globs name, each once, in the order of the arguments.

    A file is taken as it is named, even where there is none: that is then its own failure. A
    folder stands for its videos (VIDEO_SUFFIXES) in natural order, or, where it has none, for its
    pictures, each by itself; with `recursive` also for those of its sub-folders; links to folders
    are not followed. A glob is an argument that does not
    exist and holds one of *?[; it stands for the folders it meets and for those files that are
    videos or whose suffix it spells out. Left out of folders and globs are hidden entries, working
    directories of jobs, and what is under `out_dir` where that lies inside them.

    A result keeps its name, and its place below the folder or below the part of the glob that has
    no wildcard; a suffix that is no container of ours is kept and .mkv added to it, to a picture's
    .png. A name with %d in it stands for one row of pictures, and its result is named after their
    folder.

    Raises UsageError for a folder or glob without videos, for two videos with the same output, and
    for an output that is one of the inputs.
    """
    if out_dir.exists() and not out_dir.is_dir():
        raise UsageError(f"--out-dir {out_dir}: is a file; name a folder")
    items: dict[Path, BatchItem] = {}
    for argument in arguments:
        for found in _videos_named(str(argument), recursive=recursive, out_dir=out_dir):
            output = out_dir / found.folder / _name_kept(found.source)
            items.setdefault(found.source.resolve(), BatchItem(found.source, output))
    _check_outputs(items)
    return tuple(items.values())


def run_batch(
    items: Sequence[BatchItem],
    run_one: Callable[[Path, Path], Summary],
    *,
    skip_existing: bool = False,
    stop: Callable[[], bool] = lambda: False,
    tell: Callable[[BatchItem, int, int], None] = lambda item, number, total: None,
) -> tuple[BatchResult, ...]:
    """Do one item after the other; a failure is noted and the next begun.

    `run_one(source, output)` does one. Where it raises ContainerError, which it must before it
    writes anything, it is asked again with .mkv, .mp4 and .mov added to the output's name.
    `skip_existing` leaves out items whose output is there already, under any of these names.
    `stop` is asked before each item, `tell(item, number, total)` called, from number 1. When `stop`
    says so, or an item raises an error with the exit code of Stopped, no further one is begun.

    Nothing is raised but what is no Exception, such as KeyboardInterrupt.
    """
    taken = {path.resolve() for item in items for path in (item.source, item.output)}
    results: list[BatchResult] = []
    for number, item in enumerate(items, 1):
        stopped = bool(results) and results[-1].state in ("stopped", "not started")
        if stopped or stop():
            results.append(BatchResult(item, "not started", None, None, Stopped.exit_code))
            continue
        choices = [item, *_otherwise_named(item, taken)]
        there = [choice for choice in choices if choice.output.is_file()]
        if skip_existing and there:
            results.append(BatchResult(there[0], "skipped", None, None, 0))
            continue
        tell(item, number, len(items))
        results.append(_result_of(choices, run_one))
    return tuple(results)


def exit_code_of(results: Sequence[BatchResult]) -> int:
    """0 where all is done or skipped; 130 after a stop; the failures' code, or 1 if they differ."""
    codes = {result.exit_code for result in results} - {0}
    if not codes or Stopped.exit_code in codes:
        return Stopped.exit_code if codes else 0
    return codes.pop() if len(codes) == 1 else VidenhanceError.exit_code


def closing_table(results: Sequence[BatchResult]) -> str:
    """A line for each video, state, name and figures or reason, and a last line that counts."""
    states = max((len(result.state) for result in results), default=0)
    names = max((len(str(result.item.source)) for result in results), default=0)
    figures = [o.summary for o in results if o.summary is not None]
    frames = max((len(str(summary.frames)) for summary in figures), default=0)
    tracks = max((len(str(summary.tracks)) for summary in figures), default=0)
    seconds = max((len(f"{summary.seconds:.1f}") for summary in figures), default=0)
    lines = []
    for result in results:
        item, summary = result.item, result.summary
        text = ""
        if summary is not None:
            text = (
                f"{summary.frames:{frames}} frames  {summary.tracks:{tracks}} tracks  "
                f"{summary.seconds:{seconds}.1f} s"
            )
            if item.output.name != item.source.name:
                text += f"  as {item.output.name}"
        elif result.state == "skipped":
            text = f"{item.output} exists already"
        elif result.error is not None:
            text = result.error.removeprefix(f"{item.source}: ")
        line = f"{result.state:{states}}  {item.source!s:{names}}  {text}"
        lines.append(line.rstrip())
    counts = {state: sum(o.state == state for o in results) for state in STATES}
    text = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    return "\n".join([*lines, text or "0 done"])


def _videos_named(argument: str, *, recursive: bool, out_dir: Path) -> Iterator[_Video]:
    """The videos one argument names."""
    path = Path(argument)
    if path.is_dir():
        videos = list(_videos_in(path, recursive=recursive, avoid=_inside(path, out_dir)))
        if not videos:
            wider = "" if recursive else "add --recursive to look in its sub-folders, or "
            raise UsageError(f"{path}: no video in this folder; {wider}name the files themselves")
        for video in videos:
            yield _Video(video, video.relative_to(path).parent)
    elif any(sign in argument for sign in "*?[") and not path.exists() and not address_of(path):
        root = _fixed_part(path)
        matches = list(_matches(path, root, recursive=recursive, avoid=_inside(root, out_dir)))
        if not matches:
            raise UsageError(f"{argument}: no video matches this; check the pattern and the folder")
        for video in matches:
            yield _Video(video, video.relative_to(root).parent)
    else:
        yield _Video(path, Path())


def _videos_in(folder: Path, *, recursive: bool, avoid: Path | None) -> Iterator[Path]:
    """A folder's own videos, then those of its sub-folders, each in natural order."""
    if _is_job(folder) or folder.resolve() == avoid:
        return
    try:
        entries = sorted((e for e in folder.iterdir() if e.name[:1] != "."), key=natural)
    except OSError as error:
        raise UsageError(
            f"{folder}: cannot be read ({error.strerror}); "
            f"{cure_of(error, 'name the other folders')}"
        ) from error
    # A link that leads nowhere is taken too: its failure tells that a video is missing.
    files = [e for e in entries if not e.is_dir()]
    videos = [e for e in files if e.suffix.lower() in VIDEO_SUFFIXES]
    yield from videos or (e for e in files if e.suffix.lower() in PICTURE_SUFFIXES)
    if recursive:
        for entry in entries:
            if entry.is_dir() and not entry.is_symlink():
                yield from _videos_in(entry, recursive=True, avoid=avoid)


def _matches(pattern: Path, root: Path, *, recursive: bool, avoid: Path | None) -> Iterator[Path]:
    """The videos a glob stands for; `root` is the part of it without wildcards."""
    taken = VIDEO_SUFFIXES | {pattern.suffix.lower()}
    # Not Path.glob: it takes hidden entries and refuses a ** beside other signs.
    met = glob.glob(str(pattern), recursive=True)  # noqa: PTH207
    for match in sorted(map(Path, met), key=natural):
        between = [root / part for part in match.relative_to(root).parents]
        if any(_is_job(folder) or folder.resolve() == avoid for folder in between):
            continue
        if match.is_dir():
            yield from _videos_in(match, recursive=recursive, avoid=avoid)
        elif match.suffix.lower() in taken:
            yield match


def _fixed_part(pattern: Path) -> Path:
    """The folders before the first part with a wildcard."""
    fixed: list[str] = []
    for part in pattern.parent.parts:
        if any(sign in part for sign in "*?["):
            break
        fixed.append(part)
    return Path(*fixed)


def _inside(folder: Path, out_dir: Path) -> Path | None:
    """The output folder, resolved, where it is below `folder`; else None."""
    inner = out_dir.resolve()
    return inner if folder.resolve() in inner.parents else None


def _is_job(folder: Path) -> bool:
    return folder.name.endswith(SUFFIX) or (folder / RECORD).is_file()


def _name_kept(source: Path) -> str:
    """The result's file name."""
    from videnhance.media.writing.codecs import CONTAINERS, PICTURE

    name, suffix = source.name, source.suffix.lower()
    if is_row(source):
        return title_of(source) + FALLBACKS[0]
    if suffix in PICTURE_SUFFIXES:
        return name if suffix == f".{PICTURE}" else f"{name}.{PICTURE}"
    return name if suffix in CONTAINERS else name + FALLBACKS[0]


def _check_outputs(items: dict[Path, BatchItem]) -> None:
    """Raises UsageError; `items` by resolved source."""
    outputs: dict[Path, BatchItem] = {}
    for item in items.values():
        place = item.output.resolve()
        if place in items:
            raise UsageError(f"{item.output}: is one of the inputs; choose another --out-dir")
        if place in outputs:
            raise UsageError(
                f"{outputs[place].source} and {item.source} would both become {item.output}; "
                "run them apart, each with its own --out-dir"
            )
        outputs[place] = item


def _otherwise_named(item: BatchItem, taken: set[Path]) -> list[BatchItem]:
    """The item with other containers for its output, where no other item has that name."""
    names = [item.source.name + suffix for suffix in FALLBACKS]
    others = [replace(item, output=item.output.with_name(name)) for name in names]
    return [other for other in others if other.output.resolve() not in taken]


def _result_of(
    choices: Sequence[BatchItem], run_one: Callable[[Path, Path], Summary]
) -> BatchResult:
    """Do an item, whose output may be any of the choices'."""
    try:
        _make_folder(choices[0].output.parent)
        item, summary = _in_first_that_fits(choices, run_one)
        return BatchResult(item, "done", summary, None, 0)
    except VidenhanceError as error:
        state: State = "stopped" if error.exit_code == Stopped.exit_code else "failed"
        return BatchResult(choices[0], state, None, _one_line(str(error)), error.exit_code)
    except Exception as error:
        text = f"unexpected {type(error).__name__}: {error}".removesuffix(": ")
        return BatchResult(choices[0], "failed", None, _one_line(text), VidenhanceError.exit_code)


def _in_first_that_fits(
    choices: Sequence[BatchItem], run_one: Callable[[Path, Path], Summary]
) -> tuple[BatchItem, Summary]:
    """Raises the first ContainerError where no container fits."""
    unfit = []
    for item in choices:
        try:
            return item, run_one(item.source, item.output)
        except ContainerError as error:
            unfit.append(error)
    raise unfit[0]


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be created ({error.strerror}); "
            f"{cure_of(error, 'choose another --out-dir')}"
        ) from error


def _one_line(text: str) -> str:
    return " ".join(text.split())
