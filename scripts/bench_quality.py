"""How much nearer to the truth faces come: restorers against the plain bicubic crop.

Each clip is the truth. It is degraded as a cheap camera and recorder would (blur, made smaller,
noise, low-rate H.264), faces are found and tracked in the degraded video by the tool's own steps,
and every restored crop is compared with the same crop of the truth.

    python scripts/bench_quality.py                     the sample, whose truth its script renders
    python scripts/bench_quality.py CLIP... --down 4    other clips, degraded here

Figures, over the face's mask: PSNR in dB and SSIM of bicubic and of the restorer, and flicker, the
rms of the frame-to-frame change of the error, as a ratio to bicubic's (below 1 is steadier).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from skimage.metrics import structural_similarity

from videnhance import restorers
from videnhance.alignment import compose, crop_to_frame, scaling, warp
from videnhance.compositing import ellipse_mask
from videnhance.equipment import Equipment, Row
from videnhance.faces import CropWindow, Tracklet
from videnhance.frames import FloatArray
from videnhance.job import enhance
from videnhance.settings import OutputSettings, RestoreSettings, Settings, TrackSettings
from videnhance.trackfile import read_tracks
from videnhance.video.scan import read_timeline
from videnhance.video.source import probe

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Degradation:
    """blur: Gaussian sigma in pixels before making smaller; down: whole factor; noise: sigma in
    8-bit levels after it; crf: of libx264, None for lossless."""

    blur: float
    down: int
    noise: float
    crf: int | None


@dataclass(frozen=True)
class Result:
    """Means over all crops of a clip; the worst frame's gain is the lowest of any crop."""

    clip: str
    restorer: str
    crops: int
    psnr_bicubic: float
    psnr: float
    ssim_bicubic: float
    ssim: float
    flicker_ratio: float
    worst_gain: float


class Recording:
    """Stands in for a restorer and keeps what went in and what came out."""

    batch = 1
    invents = False

    def __init__(self, inner: restorers.Restorer) -> None:
        self._inner = inner
        self.name, self.radius = inner.name, inner.radius
        self.kept: dict[tuple[int, int], tuple[FloatArray, FloatArray]] = {}

    def restore(self, windows: Sequence[CropWindow]) -> list[FloatArray]:
        outputs = self._inner.restore(windows)
        for window, after in zip(windows, outputs, strict=True):
            key = (window.tracklet, window.frames[window.centre])
            self.kept[key] = (window.crops[window.centre], after)
        return outputs


def read_clean(path: Path, frames: int) -> list[Image]:
    """The first frames of a clip, (H, W, 3) uint8 RGB, cut to sizes that halve twice."""
    with av.open(str(path)) as container:
        pictures = []
        for frame in container.decode(video=0):
            image = frame.to_ndarray(format="rgb24")
            pictures.append(image[: image.shape[0] // 8 * 8, : image.shape[1] // 8 * 8])
            if len(pictures) == frames:
                break
        return pictures


def degrade(clean: Sequence[Image], path: Path, wish: Degradation) -> None:
    """Write the degraded clip; the noise is seeded."""
    random = np.random.default_rng(20260)
    height, width = clean[0].shape[0] // wish.down, clean[0].shape[1] // wish.down
    codec = "libx264" if wish.crf is not None else "ffv1"
    options = {"crf": str(wish.crf), "threads": "1"} if wish.crf is not None else {}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index, image in enumerate(clean):
            picture = image.astype(np.float32)
            if wish.blur > 0:
                picture = cv2.GaussianBlur(picture, (0, 0), wish.blur)
            picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
            picture += random.normal(0, wish.noise, picture.shape).astype(np.float32)
            small = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
            frame = VideoFrame.from_ndarray(small, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def record(
    path: Path, restorer: str, min_eyes: float
) -> tuple[tuple[Tracklet, ...], dict[tuple[int, int], tuple[FloatArray, FloatArray]]]:
    """Tracks of a clip, and (before, after) crops by (track, frame), from the tool's own steps."""
    wish = Settings(restore=RestoreSettings(restorer=restorer))
    recording = Recording(restorers.create(Equipment(wish)))
    restorers.RESTORERS["recording"] = Row(lambda equipment: recording)
    settings = Settings(
        track=TrackSettings(min_eyes=min_eyes),
        restore=RestoreSettings(restorer="recording"),
        output=OutputSettings(preset="ultrafast"),
    )
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job"
        enhance(path, Path(folder) / "out.mkv", settings, job_dir=job, keep_job=True)
        info = probe(path)
        tracks = read_tracks(job / "tracks.json", info, read_timeline(info))
    return tracks.tracklets, recording.kept


def compare(
    clip: str,
    restorer: str,
    clean: Sequence[Image],
    tracklets: Sequence[Tracklet],
    kept: dict[tuple[int, int], tuple[FloatArray, FloatArray]],
    down: int,
) -> Result:
    """Restored and bicubic crops against the truth; `down` is how much larger the truth is."""
    rows: list[tuple[float, float, float, float]] = []
    drift: list[tuple[float, float]] = []
    for tracklet in tracklets:
        last: tuple[FloatArray, FloatArray] | None = None
        for frame in range(tracklet.start, tracklet.stop):
            before, after = kept[tracklet.id, frame]
            size = before.shape[0]
            pose = tracklet.poses[frame - tracklet.start]
            to_clean = compose(scaling(down), crop_to_frame(pose, size))
            truth = warp(clean[frame], to_clean, (size, size)) / 255.0
            weight = ellipse_mask(size)
            bicubic, restored = np.clip(before, 0, 1), np.clip(after, 0, 1)
            wrong = (bicubic - truth) * weight[..., None], (restored - truth) * weight[..., None]
            rows.append(
                (
                    _psnr(wrong[0], weight),
                    _psnr(wrong[1], weight),
                    _ssim(bicubic, truth, weight),
                    _ssim(restored, truth, weight),
                )
            )
            if last is not None:
                drift.append((_rms(wrong[0] - last[0]), _rms(wrong[1] - last[1])))
            last = wrong
    table = np.array(rows)
    means = table.mean(axis=0)
    flicker = np.sqrt((np.array(drift) ** 2).mean(axis=0)) if drift else np.ones(2)
    return Result(
        clip=clip,
        restorer=restorer,
        crops=len(rows),
        psnr_bicubic=float(means[0]),
        psnr=float(means[1]),
        ssim_bicubic=float(means[2]),
        ssim=float(means[3]),
        flicker_ratio=float(flicker[1] / flicker[0]),
        worst_gain=float((table[:, 1] - table[:, 0]).min()),
    )


def sample_truth() -> tuple[Path, Iterator[Image]]:
    """The sample and its clean frames, from the script that made it."""
    here = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location("make_samples", here / "make_samples.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_samples"] = module
    spec.loader.exec_module(module)
    return here.parent / "samples" / "cctv.mp4", module.clean_frames()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--restorer", action="append", help="default: fusion")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--blur", type=float, default=1.0)
    parser.add_argument("--down", type=int, default=4)
    parser.add_argument("--noise", type=float, default=8.0)
    parser.add_argument("--crf", type=int, default=23, help="-1: lossless")
    parser.add_argument("--min-eyes", type=float, default=5.0)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    wish = parser.parse_args()
    degradation = Degradation(wish.blur, wish.down, wish.noise, wish.crf if wish.crf >= 0 else None)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for clip in wish.clips or [None]:
            if clip is None:
                path, frames = sample_truth()
                clean, down = list(frames), 1
            else:
                clean, down = read_clean(clip, wish.frames), degradation.down
                path = Path(folder) / "degraded.mkv"
                degrade(clean, path, degradation)
            copy = path if clip is not None else Path(folder) / "sample.mp4"
            copy.write_bytes(path.read_bytes())
            for restorer in wish.restorer or ["fusion"]:
                tracklets, kept = record(copy, restorer, wish.min_eyes)
                name = clip.name if clip is not None else path.name
                results.append(compare(name, restorer, clean, tracklets, kept, down))
                print_row(results[-1], header=len(results) == 1)
    if wish.json:
        document = {"degradation": asdict(degradation), "results": [asdict(r) for r in results]}
        wish.json.write_text(json.dumps(document, indent=2) + "\n")


def print_row(result: Result, *, header: bool) -> None:
    if header:
        print(
            f"{'clip':26} {'restorer':9} {'crops':>5} {'PSNR bicubic':>12} {'PSNR':>6} {'gain':>6} "
            f"{'SSIM bicubic':>12} {'SSIM':>6} {'flicker':>7} {'worst':>6}"
        )
    print(
        f"{result.clip:26} {result.restorer:9} {result.crops:5d} {result.psnr_bicubic:12.2f} "
        f"{result.psnr:6.2f} {result.psnr - result.psnr_bicubic:+6.2f} {result.ssim_bicubic:12.4f} "
        f"{result.ssim:6.4f} {result.flicker_ratio:7.3f} {result.worst_gain:+6.2f}",
        flush=True,
    )


def _psnr(error: FloatArray, weight: FloatArray) -> float:
    """In dB for a peak of 1, over the mask that the error is already weighted by."""
    return float(-10 * np.log10(max(float((error**2).sum() / (3 * (weight**2).sum())), 1e-12)))


def _rms(values: FloatArray) -> float:
    return float(np.sqrt((values.astype(np.float64) ** 2).mean()))


def _ssim(image: FloatArray, truth: FloatArray, weight: FloatArray) -> float:
    """Wang et al. 2004 on luma, Gaussian window, averaged over the mask."""
    luma = [cv2.cvtColor(np.asarray(x, np.float32), cv2.COLOR_RGB2GRAY) for x in (image, truth)]
    _, full = structural_similarity(
        *luma,
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    return float((full * weight).sum() / weight.sum())


if __name__ == "__main__":
    main()
