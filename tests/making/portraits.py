"""Pictures with a face, of sizes that differ."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from skimage import data

Image = npt.NDArray[np.uint8]


def portraits() -> list[Image]:
    """Noisy, so that no two places score the same: chance would then decide between them."""
    face = data.astronaut().astype(np.float64)
    noisy = face + np.random.default_rng(5).normal(0, 12, face.shape)
    whole: Image = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    return [
        whole[20:180, 120:330],
        whole[:160, 100:310],
        whole[200:300, 40:168],
        whole[30:190, 90:300],
    ]
