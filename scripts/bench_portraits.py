"""The judge of portraits: how much nearer to the truth one integrated picture of a track comes.

Clips are degraded as for bench_quality.py (degrading.py), x4 down unless --eyes says otherwise.
The portrait of the longest track is compared with the clean frame that is its reference, over the
face's ellipse, beside bicubic enlargement of the same frame and what restorers make of it.

    python scripts/bench_portraits.py CLIP_OR_FOLDER...       all degradations
    python scripts/bench_portraits.py CLIP --degradation crf23 --frames 80
    python scripts/bench_portraits.py --star                  a star target that walks by, instead:
                                                              cycles per source pixel that come back

A line for each clip and degradation: frames integrated, dB and SSIM of bicubic, what portrait and
restorers add to it, and how far each lies from the truth's embedding (IDS). --pictures writes a PNG
of each: bicubic, restorers, portrait, truth.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from degrading import Degradation, Image, degrade, eyes_of, read_clean
from judging import BICUBIC, psnr, ssim

from videnhance import detectors, restorers
from videnhance.errors import VidenhanceError
from videnhance.faces.alignment import crop_to_frame, eye_distance, fit_poses
from videnhance.faces.track_file import read_tracks
from videnhance.faces.tracklets import CropWindow, Tracklet
from videnhance.identity import embedder_row
from videnhance.identity.embedding import LEAST_EYES, distance
from videnhance.imaging.affine import compose, invert, scaling, warp
from videnhance.imaging.color import sample_rgb
from videnhance.imaging.compositing import ellipse_mask
from videnhance.imaging.frames import FloatArray
from videnhance.job.batch import VIDEO_SUFFIXES
from videnhance.job.run import detect_tracks
from videnhance.media.clip import Clip
from videnhance.media.opening import open_clip
from videnhance.media.reading.coding import coding_of
from videnhance.models.loader import Loader
from videnhance.portraits.integrate import Integrated
from videnhance.portraits.noise import coding_noise
from videnhance.portraits.persons import Portrait, Wish, portrait, views_of, worths
from videnhance.settings.groups import DetectSettings, RestoreSettings, Settings, TrackSettings

KINDS = {
    "noisy": Degradation(down=4.0, crf=None),
    "mjpeg": Degradation(down=4.0, crf=8, codec="mjpeg"),
    **{f"crf{crf}": Degradation(down=4.0, crf=crf) for crf in (23, 28, 32)},
}
SCALE = 4
SPOKES = 36
_LEAST_MODULATION = 0.2
"""Share of the star's contrast that must come back, in the right place, for it to be resolved."""
SETTINGS = Settings(detect=DetectSettings(detector="centerface"), track=TrackSettings(min_eyes=5.0))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("clips", nargs="*", type=Path, help="files, or folders of them")
    parser.add_argument("--degradation", action="append", choices=KINDS, help="default: all")
    parser.add_argument("--restorer", action="append", help="default: fusion, clarity")
    parser.add_argument("--frames", type=int, default=80, help="of each clip; default: 80, 0: all")
    parser.add_argument("--eyes", type=float, help="pixels between the eyes, instead of x4 down")
    parser.add_argument("--star", action="store_true", help="the star target")
    parser.add_argument("--pictures", type=Path, help="write pictures to this folder")
    wish = parser.parse_args()
    kinds = {name: KINDS[name] for name in wish.degradation or KINDS}
    names = wish.restorer or [n for n in ("fusion", "clarity") if n in restorers.RESTORERS]
    if wish.pictures:
        wish.pictures.mkdir(parents=True, exist_ok=True)
    if wish.star:
        for name, kind in kinds.items():
            judge_star(name, kind, wish.frames or 80, wish.pictures)
        return
    paths = [
        path
        for given in wish.clips
        for path in (sorted(given.iterdir()) if given.is_dir() else [given])
        if path.suffix.lower() in VIDEO_SUFFIXES
    ]
    gains: dict[tuple[str, str], list[float]] = {}
    for path in paths:
        clean = read_clean(path, wish.frames)
        for name, kind in kinds.items():
            try:
                found = judge(path.stem, clean, name, kind, names, wish.eyes, wish.pictures)
            except VidenhanceError as error:
                print(f"{path.stem:24} {name:6} left out: {error}", flush=True)
                continue
            for who, gain in found.items():
                gains.setdefault((name, who), []).append(gain)
    for (name, who), all_of_them in gains.items():
        mean = float(np.mean(all_of_them))
        print(f"mean of {len(all_of_them)}: {name:6} {who:10} {mean:+.2f} dB")


def judge(
    clip_name: str,
    clean: Sequence[Image],
    name: str,
    kind: Degradation,
    names: Sequence[str],
    eyes: float | None,
    pictures: Path | None,
) -> dict[str, float]:
    """dB over bicubic of the portrait and of each restorer; prints a line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "degraded.mkv"
        down = kind.down or 4.0
        if eyes is not None:
            down = max(eyes_of(clean, detectors.create(Loader(SETTINGS))) / eyes, 1.0)
        degrade(clean, path, kind, down)
        detect_tracks(path, Path(folder) / "tracks.json", SETTINGS)
        clip = open_clip(path)
        tracks = read_tracks(Path(folder) / "tracks.json", clip).tracklets
        if not tracks:
            print(f"{clip_name:24} {name:6} left out: no face found", flush=True)
            return {}
        track = max(tracks, key=lambda t: (len(t), -t.id))
        began = time.perf_counter()
        found = portrait_of(clip, track)
        took = time.perf_counter() - began
        if not isinstance(found.made, Integrated):
            print(f"{clip_name:24} {name:6} refused: {found.made.reason}", flush=True)
            return {}
        pose = track.poses[found.frame - track.start]
        size = 256 if np.exp(pose[2]) <= 256 else 512
        scale = clean[0].shape[1] / clip.info.width, clean[0].shape[0] / clip.info.height
        to_clean = compose(scaling(*scale), crop_to_frame(pose, size))
        truth = np.clip(warp(clean[found.frame], to_clean, (size, size)) / np.float32(255), 0, 1)
        shown = crops(clip, track, found.frame, size, names)
        shown["portrait"] = on_crop(found, pose, size)
    weight = ellipse_mask(size)
    seen = {n: np.clip(c, 0, 1) for n, c in shown.items()}
    base = psnr(seen[BICUBIC], truth, weight), ssim(seen[BICUBIC], truth, weight)
    made = found.made
    line = f"{clip_name:24} {name:6} {len(made.frames):3d} of {len(track)} frames, {took:5.1f} s "
    line += f" bicubic {base[0]:.2f} {base[1]:.3f} "
    gains = {}
    for who in [*names, "portrait"]:
        gains[who] = psnr(seen[who], truth, weight) - base[0]
        line += f" {who} {gains[who]:+.2f} {ssim(seen[who], truth, weight) - base[1]:+.3f}"
    if float(eye_distance(pose)) >= LEAST_EYES:
        embedded = embedder_row(SETTINGS).make(Loader(SETTINGS)).embed([truth, *seen.values()])
        apart = [distance(one, embedded[0]) for one in embedded[1:]]
        shown_apart = (f"{who} {one:.3f}" for who, one in zip(seen, apart, strict=True))
        line += f" IDS {' '.join(shown_apart)}"
    print(line, flush=True)
    if pictures:
        row = np.hstack([*seen.values(), truth]) * 255
        row8 = np.rint(row[..., ::-1]).astype(np.uint8)
        cv2.imwrite(str(pictures / f"{clip_name}-{name}.png"), row8)
    return gains


def portrait_of(clip: Clip, track: Tracklet) -> Portrait:
    """The best view of a track, integrated."""
    coded = coding_noise(clip.info, clip.recorded.timeline).variance
    worth = worths(clip, [track], [track], (0, len(clip.timeline)), lambda: None)[track.id]
    (view,) = views_of(track, worth, 1)
    return portrait(clip, track, view, 1, Wish(scale=SCALE), coded)


def on_crop(found: Portrait, pose: np.ndarray, size: int) -> FloatArray:
    """The portrait as an aligned crop."""
    assert isinstance(found.made, Integrated)
    square = compose(scaling(float(SCALE)), invert(found.square.to_upright))
    return warp(found.made.picture, compose(square, crop_to_frame(pose, size)), (size, size))


def crops(
    clip: Clip, track: Tracklet, frame: int, size: int, names: Sequence[str]
) -> dict[str, FloatArray]:
    """The aligned crop of a frame, enlarged, and by each restorer."""
    coding = coding_of(clip.info, clip.recorded.timeline)
    made = {}
    for name in names:
        settings = replace(SETTINGS, restore=RestoreSettings(restorer=name))
        made[name] = restorers.create(Loader(settings, "cpu", coding=coding))
    reach = max([restorer.radius for restorer in made.values()], default=0)
    first, stop = max(frame - reach, track.start), min(frame + reach + 1, track.stop)
    seen = {}
    for one in clip.frames(first, stop):
        affine = compose(
            invert(clip.info.upright), crop_to_frame(track.poses[one.index - track.start], size)
        )
        seen[one.index] = sample_rgb(one, affine, (size, size))
    zoom = size / float(np.exp(track.poses[frame - track.start][2]))
    found = {BICUBIC: seen[frame]}
    for name, restorer in made.items():
        near = [k for k in seen if abs(k - frame) <= restorer.radius]
        window = CropWindow(
            track.id, tuple(near), tuple(seen[k] for k in near), near.index(frame), zoom
        )
        found[name] = restorer.restore([window])[0]
    return found


def judge_star(name: str, kind: Degradation, frames: int, pictures: Path | None) -> None:
    """A star of `SPOKES` spokes walks through the picture as a face would, and is integrated."""
    width, height, side = 240, 200, 96
    big = 8
    random = np.random.default_rng(5)
    steps = np.arange(frames)
    centres = np.stack(
        [
            70 + steps * 90 / frames + random.normal(0, 0.4, frames),
            100 + 6 * np.sin(steps / 7) + random.normal(0, 0.4, frames),
        ],
        axis=-1,
    )
    clean = [star(width, height, big, centre) for centre in centres]
    landmarks = np.array([[-0.2, -0.1], [0.2, -0.1], [0, 0.1], [-0.15, 0.25], [0.15, 0.25]])
    points = centres[:, None] + landmarks[None] * side + random.normal(0, 0.3, (frames, 1, 2))
    poses = fit_poses(points)
    poses[:, 2:] = np.median(poses[:, 2:], axis=0)
    track = Tracklet(1, 0, poses, points, np.ones(frames), True, True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "star.mkv"
        degrade(clean, path, kind, float(big))
        clip = open_clip(path)
        found = portrait_of(clip, track)
    if not isinstance(found.made, Integrated):
        print(f"star {name}: refused: {found.made.reason}")
        return
    at = centres[found.frame] - [found.square.left, found.square.top]
    bicubic = cv2.resize(
        found.made.original, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_CUBIC
    )
    for who, picture in (("bicubic", bicubic), ("portrait", found.made.picture)):
        curve = modulation(picture[..., 1] * 255, at * SCALE)
        held = [cycles for cycles, share in curve if share >= _LEAST_MODULATION]
        first_lost = next((c for c, share in curve if share < _LEAST_MODULATION), 1.0)
        shares = " ".join(f"{c:.2f}:{s:.2f}" for c, s in curve[::2])
        print(f"star {name:6} {who:9} {first_lost:.2f} cycles a pixel  ({shares})", flush=True)
        assert held or who == "bicubic"
    if pictures:
        both = np.hstack([bicubic, found.made.picture])[..., ::-1]
        cv2.imwrite(
            str(pictures / f"star-{name}.png"),
            np.clip(np.rint(both * 255), 0, 255).astype(np.uint8),
        )


def star(width: int, height: int, big: int, centre: np.ndarray) -> Image:
    """The scene, `big` times as fine as the source: a star of sines on a ground with texture."""
    y, x = (np.indices((height * big, width * big), np.float32) + 0.5) / big
    dx, dy = x - np.float32(centre[0]), y - np.float32(centre[1])
    radius = np.hypot(dx, dy)
    lines = 128 + 80 * np.sin(SPOKES * np.arctan2(dy, dx))
    ground = 110 + 25 * np.sin(x / 9) * np.sin(y / 7)
    picture = np.where((radius < 40) & (radius > 4), lines, ground)
    return np.repeat(np.clip(picture, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def modulation(picture: FloatArray, centre: np.ndarray) -> list[tuple[float, float]]:
    """Cycles per source pixel, and the share of the star's contrast that is there, in the right
    place: the picture's projection on the true wave along a circle."""
    curve = []
    angles = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    for cycles in np.arange(0.2, 0.95, 0.05):
        radius = SPOKES / (2 * np.pi * cycles) * SCALE
        to = centre[None] + radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1) - 0.5
        seen = cv2.remap(picture, to[None].astype(np.float32), None, cv2.INTER_CUBIC)[0]
        share = float((seen * np.sin(SPOKES * angles)).mean() * 2 / 80)
        curve.append((float(cycles), share))
    return curve


if __name__ == "__main__":
    main()
