"""The judge of restorers: how much nearer to the truth faces come than by bicubic enlargement.

Each clip is the truth. It is degraded as a camera and a recorder would (blur, made smaller, noise,
H.264), faces are found and tracked in the degraded video by the tool's own steps, and every
restored crop is compared with the same crop of the truth. All restorers see the same crops, one at
a time.

    python scripts/bench_quality.py CLIP_OR_FOLDER...    clips x all degradations (degrading.py)
    python scripts/bench_quality.py CLIP --degradation face50-crf28 --frames 60
                                                         one of them, more thoroughly
    python scripts/bench_quality.py CLIP --down 4 --noise 8 --crf 23
                                                         degraded like this
    python scripts/bench_quality.py                      the sample, whose truth its script renders

A line for each restorer with what it adds to bicubic; what the figures mean: judging.Figures. With
--json all of them are written down, with --pictures a PNG for each clip, a row for each
degradation: the frame on which the last restorer named does worst.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import av
import cv2
from degrading import DEGRADATIONS, Degradation, Image, degrade, eyes_of, factor, read_clean
from judging import BICUBIC, Figures, Overall, Shown, judged, overall, picture
from trying import Trial, beside_truth, sample_truth, tried

from videnhance import detectors, restorers
from videnhance.errors import VidenhanceError
from videnhance.inference.devices import device_named
from videnhance.job.batch import VIDEO_SUFFIXES
from videnhance.media.reading.source import probe
from videnhance.models.loader import Loader
from videnhance.settings.groups import DetectSettings, ModelSettings, Settings, TrackSettings

FREE = "fusion", "clarity", "auto"
"""Judged when none is named, where there are such: they come with the package."""


@dataclass
class Report:
    """What is found, and what could not be judged."""

    figures: list[Figures] = field(default_factory=list)
    left_out: list[dict[str, str]] = field(default_factory=list)

    def leave_out(self, clip: str, degradation: str, reason: str) -> None:
        self.left_out.append({"clip": clip, "degradation": degradation, "reason": reason})
        print(f"{clip}  {degradation}: left out, {reason}", flush=True)

    def write(self, path: Path, degradations: Mapping[str, Degradation], frames: int) -> None:
        document = {
            "frames": frames,
            "degradations": {name: asdict(kind) for name, kind in degradations.items()},
            "overall": [asdict(row) for row in overall(self.figures)],
            "results": [asdict(row) for row in self.figures],
            "left_out": self.left_out,
        }
        part = path.with_name(path.name + ".part")
        part.write_text(json.dumps(document, indent=2) + "\n")
        part.replace(path)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("clips", nargs="*", type=Path, help="files, or folders of them")
    parser.add_argument("--restorer", action="append", help="default: those of the package")
    parser.add_argument("--weights", action="append", default=[], metavar="NAME=FILE")
    parser.add_argument("--device", default="cpu", help="for networks; default: cpu")
    parser.add_argument("--degradation", action="append", choices=DEGRADATIONS, help="default: all")
    parser.add_argument("--frames", type=int, default=12, help="of each clip; default: 12, 0: all")
    parser.add_argument("--blur", type=float, help="this and the next four: one of your own")
    parser.add_argument("--eyes", type=float, help="pixels between the eyes")
    parser.add_argument("--down", type=float, help="a factor instead of --eyes")
    parser.add_argument("--noise", type=float)
    parser.add_argument("--crf", type=int, help="-1: lossless")
    parser.add_argument("--min-eyes", type=float, default=5.0)
    parser.add_argument("--detector", default="centerface")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--pictures", type=Path, help="also write grids of crops to this folder")
    wish = parser.parse_args(arguments)
    try:
        report = judge(wish)
    except VidenhanceError as error:
        raise SystemExit(str(error)) from error
    if not report.figures:
        raise SystemExit("nothing could be judged")
    print_overall(overall(report.figures))


def judge(wish: argparse.Namespace) -> Report:
    kinds, clips = degradations_of(wish), clips_of(wish.clips)
    files = tuple((name, file) for name, _, file in (t.partition("=") for t in wish.weights))
    settings = Settings(
        detect=DetectSettings(detector=wish.detector),
        track=TrackSettings(min_eyes=wish.min_eyes),
        models=ModelSettings(files=files, trust=True),  # the weights given are what is judged
    )
    names = wish.restorer or [name for name in FREE if name in restorers.RESTORERS]
    names = [name for name in dict.fromkeys(names) if name != BICUBIC]
    trial = Trial(settings, names, str(device_named(wish.device)))
    trial.restorers()  # what cannot be had is told before the work
    report = Report()
    if not clips:
        kinds = {"as it is": Degradation(down=1.0)}
        clips = [None]
    for number, clip in enumerate(clips, 1):
        name = clip.name if clip is not None else "the sample"
        print(f"\n{name}, {number} of {len(clips)}", flush=True)
        rows = judge_clip(clip, kinds, trial, wish.frames, report)
        if wish.json:
            report.write(wish.json, kinds, wish.frames)
        if wish.pictures and rows:
            wish.pictures.mkdir(parents=True, exist_ok=True)
            grid = cv2.cvtColor(picture(rows), cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(wish.pictures / f"{name}.png"), grid)
    return report


def judge_clip(
    clip: Path | None,
    kinds: Mapping[str, Degradation],
    trial: Trial,
    frames: int,
    report: Report,
) -> list[tuple[str, Shown]]:
    """Adds to the report; returns a row of the picture for each degradation."""
    name = clip.name if clip is not None else "the sample"
    try:
        clean = read_clean(clip, frames) if clip is not None else sample_truth()
    except av.FFmpegError as error:
        report.leave_out(name, "all", f"cannot be read ({error})")
        return []
    if not clean:
        report.leave_out(name, "all", "no pictures in it")
        return []
    eyes = 0.0
    if any(kind.down is None for kind in kinds.values()):
        eyes = eyes_of(clean, detectors.create(Loader(trial.settings)))
    rows: list[tuple[str, Shown]] = []
    done: dict[Degradation, str] = {}
    for label, kind in kinds.items():
        if kind.down is None and eyes == 0:
            report.leave_out(name, label, "no face in the clean clip; give --down")
            continue
        down = factor(kind, eyes)
        same = replace(kind, eyes=0.0, down=down)
        if same in done:
            report.leave_out(name, label, f"faces are too small: the same as {done[same]}")
            continue
        done[same] = label
        try:
            found, times = cell(clip, clean, kind, down, trial)
        except VidenhanceError as error:
            report.leave_out(name, label, str(error))
            continue
        if not found:
            report.leave_out(name, label, "no face found in the degraded clip")
            continue
        new = judged(name, label, found, times, trial.embed)
        print_cell(new, header=not rows)
        report.figures += new
        last = new[-1]
        worst = [s for s in found if (s.tracklet, s.frame) == (last.worst_track, last.worst_frame)]
        rows.append((f"{label} frame {last.worst_frame} {last.worst_gain:+.2f} dB", worst[0]))
    return rows


def cell(
    clip: Path | None, clean: Sequence[Image], kind: Degradation, down: float, trial: Trial
) -> tuple[list[Shown], dict[str, float]]:
    """The crops beside the truth, and the milliseconds of each restorer."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "degraded.mkv"
        if clip is not None:
            degrade(clean, path, kind, down)
        else:
            path = Path(__file__).resolve().parent.parent / "samples" / "cctv.mp4"
        info = probe(path)
        scale = clean[0].shape[1] / info.width, clean[0].shape[0] / info.height
        tracklets, recording = tried(path, trial)
    return beside_truth(clean, tracklets, recording.kept, scale), recording.milliseconds()


def clips_of(arguments: Sequence[Path]) -> list[Path | None]:
    """The files, and the videos of the folders in order of their names."""
    clips: list[Path | None] = []
    for path in arguments:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        clips += [p for p in inside if p.suffix.lower() in VIDEO_SUFFIXES or not path.is_dir()]
    if arguments and not clips:
        raise SystemExit("no videos in the folders; name others")
    return clips


def degradations_of(wish: argparse.Namespace) -> dict[str, Degradation]:
    """The degradations to judge by: those named, one of its own, or all."""
    own = {name: getattr(wish, name) for name in ("blur", "eyes", "down", "noise", "crf")}
    own = {name: value for name, value in own.items() if value is not None}
    if own:
        if own.get("crf", 0) < 0:
            own["crf"] = None
        return {"own": Degradation(**own)}
    return {name: DEGRADATIONS[name] for name in wish.degradation or DEGRADATIONS}


def print_cell(figures: Sequence[Figures], *, header: bool) -> None:
    if header:
        print(
            f"{'degradation':14} {'eyes':>5} {'crops':>5} {'restorer':12} {'PSNR':>6} {'SSIM':>7} "
            f"{'GMSD':>7} {'flicker':>7} {'worst':>6} {'worse':>6} "
            f"{'IDS':>6} {'sigma':>6} {'ms':>6}"
        )
    for row in figures:
        if row.restorer == BICUBIC:
            print(
                f"{row.degradation:14} {row.eyes:5.1f} {row.crops:5d} {row.restorer:12} "
                f"{row.psnr:6.2f} {row.ssim:7.4f} {row.gmsd:7.4f} {'':22}"
                f"{_number(row.ids, '6.3f')} {_number(row.sigma_ids, '6.3f')}"
            )
        else:
            print(
                f"{'':26} {row.restorer:12} {row.psnr_gain:+6.2f} {row.ssim_gain:+7.4f} "
                f"{row.gmsd_change:+7.4f} {_number(row.flicker, '7.3f')} {row.worst_gain:+6.2f} "
                f"{row.worse_blocks:6.1%} {_number(row.ids_change, '+6.3f')} "
                f"{_number(row.sigma_ids, '6.3f')} {row.milliseconds:6.1f}"
            )
    sys.stdout.flush()


def print_overall(rows: Sequence[Overall]) -> None:
    print(
        f"\nMeans over the clips, bicubic as zero\n{'degradation':14} {'clips':>5} {'restorer':12} "
        f"{'PSNR':>6} {'least':>6} {'SSIM':>7} {'GMSD':>7} {'flicker':>7} {'worst':>6} "
        f"{'worse':>6} {'IDS':>6} {'nearer':>7} {'sigma':>6} {'ms':>6}  least of"
    )
    for row in rows:
        if row.restorer != BICUBIC:
            print(
                f"{row.degradation:14} {row.clips:5d} {row.restorer:12} {row.psnr_gain:+6.2f} "
                f"{row.least_gain:+6.2f} {row.ssim_gain:+7.4f} {row.gmsd_change:+7.4f} "
                f"{_number(row.flicker, '7.3f')} {row.worst_gain:+6.2f} {row.worse_blocks:6.1%} "
                f"{_number(row.ids_change, '+6.3f')} {row.nearer:3d}/{row.embedded:<3d} "
                f"{_number(row.sigma_ids, '6.3f')} {row.milliseconds:6.1f}  {row.least_clip}"
            )


def _number(value: float | None, form: str) -> str:
    return format(value, form) if value is not None else format("-", f">{form.lstrip('+')[0]}")


if __name__ == "__main__":
    main()
