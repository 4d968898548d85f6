"""What each stage of rendering takes, on a clip that this script makes: one face in MJPEG 704x576.

    python scripts/bench_stages.py [--frames 60] [--restorer auto]

The clip is like what an older DVR records: the photograph of the samples drifts slowly, 35 pixels
between its eyes, with a sensor's noise, as JPEG pictures.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from skimage import data

from videnhance.cli.report import times_text
from videnhance.job.run import enhance
from videnhance.settings.groups import RestoreSettings, Settings

WIDTH, HEIGHT, RATE = 704, 576, 25
ZOOM, DRIFT, NOISE, QUANTIZER = 0.8, 6.0, 4.0, 5
"""Of the photograph, whose eyes are 44 pixels apart; pixels it moves to each side; deviation of the
noise in 8-bit steps; of MJPEG, as FFmpeg counts."""


def make(path: Path, frames: int) -> None:
    """Write the clip; raises OSError."""
    rng, photograph = np.random.default_rng(1), data.astronaut()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=RATE)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        stream.codec_context.qmin = stream.codec_context.qmax = QUANTIZER
        stream.time_base = Fraction(1, RATE)
        for k in range(frames):
            x, y = DRIFT * np.sin(k / 9.0), DRIFT * np.cos(k / 13.0)
            place = np.array([[ZOOM, 0, 140 + x], [0, ZOOM, 80 + y]])
            seen = cv2.warpAffine(
                photograph, place, (WIDTH, HEIGHT), flags=cv2.INTER_AREA, borderValue=(96, 96, 96)
            )
            noisy = seen + rng.normal(0.0, NOISE, seen.shape)
            picture = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
            frame = VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = k
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--restorer", default=RestoreSettings().restorer)
    wish = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "mjpeg.avi"
        make(source, wish.frames)
        settings = Settings(restore=RestoreSettings(restorer=wish.restorer))
        summary = enhance(source, Path(folder) / "out.mp4", settings)
    print(f"{summary.frames} frames, {summary.faces} faces, {summary.restorer}")
    print(times_text(summary))


if __name__ == "__main__":
    main()
