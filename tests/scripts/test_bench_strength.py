"""The strength of least error, from crops whose best blend is known."""

from __future__ import annotations

import numpy as np
import pytest
from bench_strength import found
from judging import BICUBIC, Shown

SIDE = 32


@pytest.mark.parametrize("best", [0.0, 0.4, 1.3])
def test_the_strength_of_least_error_is_found_exactly(best: float) -> None:
    draw = np.random.default_rng(0)
    shown = []
    for frame in range(2):
        fused, change, noise = (
            draw.normal(0.0, scale, (SIDE, SIDE, 3)).astype(np.float32)
            for scale in (0.1, 0.05, 0.02)
        )
        # what no strength can take away has nothing to do with the change
        noise -= change * np.float32((noise * change).sum() / (change**2).sum())
        truth = fused + np.float32(best) * change + noise
        crops = {BICUBIC: fused, "fusion": fused, "clarity": fused + change, "auto": truth - noise}
        shown.append(Shown(1, frame, 20.0, truth, crops))
    row = found("clip", "h264-20", shown)
    assert row.best == pytest.approx(best, abs=0.05)
    assert row.best_gain >= max(row.half_gain, row.full_gain, 0.0)
    assert row.auto_gain == pytest.approx(row.best_gain, abs=0.05)
