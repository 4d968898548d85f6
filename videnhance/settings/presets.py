"""Named sets of settings (`--preset`)."""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    "cctv": {
        "deinterlace": "auto",
        "deblock": 0.3,
        "denoise": 0.2,
        "levels": "auto",
        "detect_every": 2,
        "min_eyes": 5.0,
    },
    "phone": {"denoise": 0.1, "white_balance": "auto"},
    "film": {"deinterlace": "auto", "denoise": 0.1, "crf": 14},
    "archive": {
        "deinterlace": "auto",
        "deblock": 0.3,
        "denoise": 0.3,
        "levels": "auto",
        "white_balance": "auto",
        "codec": "ffv1",
    },
}
"""By preset, values by `Setting.parameter`, as they are written.

Their strengths, on three clips with noise of 2 to 10 levels and H.264 or MJPEG at five rates:
denoise 0.2 gained up to 1.6 dB and lost 0.07 at most, where much moves 0.5 lost 1.1; deblock 0.4
gained up to 0.85 on MJPEG and lost 0.1 at most."""
