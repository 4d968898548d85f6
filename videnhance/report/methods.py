"""What a result was made with, named with the literature it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from videnhance.report.model import Table

_DETECTORS = {
    "centerface": (
        "CenterFace",
        "Xu et al.: CenterFace: joint face detection and alignment using face as point. Scientific "
        "Programming 2020. https://arxiv.org/abs/1911.03599",
    ),
    "retinaface": (
        "RetinaFace",
        "Deng et al.: RetinaFace: single-shot multi-level face localisation in the wild. CVPR "
        "2020. https://arxiv.org/abs/1905.00641",
    ),
    "yunet": (
        "YuNet",
        "Wu, Peng, Yu: YuNet: a tiny millisecond-level face detector. Machine Intelligence "
        "Research 20, 2023. https://doi.org/10.1007/s11633-023-1423-y",
    ),
}
_TRACKING = (
    (
        "Following faces",
        "optimal assignment between frames, then a Kalman filter",
        "Bar-Shalom, "
        "Li, Kirubarajan: Estimation with applications to tracking and navigation. Wiley 2001",
    ),
    (
        "Smoothing",
        "forward and back over the whole track",
        "Rauch, Tung, Striebel: Maximum "
        "likelihood estimates of linear dynamic systems. AIAA Journal 3, 1965. "
        "https://doi.org/10.2514/3.3166",
    ),
)
_FLOW = (
    "Registration",
    "dense optical flow between neighbouring frames",
    "Kroeger et al.: Fast "
    "optical flow using dense inverse search. ECCV 2016. https://arxiv.org/abs/1603.03590",
)
_FUSION = (
    "Fusion",
    "mean of the registered frames, each weighted by its agreement",
    "videnhance/restorers/fusion.py, docs/measuring.md",
)
_CLARITY = (
    "Correction",
    "clarity: a network trained for fidelity, held to the recording",
    "videnhance/restorers/clarity.md; its shape: Ronneberger et al.: U-Net. MICCAI 2015. "
    "https://arxiv.org/abs/1505.04597",
)
_RESTORERS = {
    "gfpgan": (
        "GFPGAN, a network that invents",
        "Wang et al.: Towards real-world blind face "
        "restoration with generative facial prior. CVPR 2021. "
        "https://arxiv.org/abs/2101.04061",
    ),
    "restoreformer++": (
        "RestoreFormer++, a network that invents",
        "Wang et al.: RestoreFormer++: towards real-world blind face restoration from undegraded "
        "key-value pairs. IEEE Transactions on Pattern Analysis and Machine Intelligence 45, 2023. "
        "https://arxiv.org/abs/2308.07228",
    ),
    "gpen": (
        "GPEN, a network that invents",
        "Yang et al.: GAN prior embedded network for blind face restoration in the wild. CVPR "
        "2021. https://arxiv.org/abs/2105.06070",
    ),
    "restoreformer": (
        "RestoreFormer, a network that invents",
        "Wang et al.: RestoreFormer: "
        "high-quality blind face restoration from undegraded key-value pairs. CVPR "
        "2022. https://arxiv.org/abs/2201.06374",
    ),
    "keep": (
        "KEEP, a network for video that invents",
        "Feng et al.: Kalman-inspired feature propagation for video face super-resolution. ECCV "
        "2024. https://arxiv.org/abs/2408.05205",
    ),
    "codeformer": (
        "CodeFormer, a network that invents",
        "Zhou et al.: Towards robust blind face "
        "restoration with codebook lookup transformer. NeurIPS 2022. "
        "https://arxiv.org/abs/2206.11253",
    ),
}
_MASKS = {
    "parsing": (
        "Masks",
        "ParseNet, which labels each pixel",
        "Chen et al.: Progressive semantic-aware style transformation for blind face restoration. "
        "CVPR 2021. https://arxiv.org/abs/2009.08709",
    ),
    "occlusion": (
        "Masks",
        "XSeg, which sees what hides a face",
        "Perov et al.: DeepFaceLab: integrated, flexible and extensible face-swapping framework. "
        "2020. https://arxiv.org/abs/2005.05535",
    ),
}
_REALESRGAN = (
    "Enlarging",
    "Real-ESRGAN, a network that invents",
    "Wang et al.: Real-ESRGAN: "
    "training real-world blind super-resolution with pure synthetic data. ICCVW 2021. "
    "https://arxiv.org/abs/2107.10833",
)
_LANCZOS = (
    "Enlarging",
    "Lanczos interpolation",
    "Duchon: Lanczos filtering in one and two dimensions. Journal of Applied Meteorology 18, 1979",
)
_COLOR = (
    "Colours",
    "matched to the recording's",
    "Pitié, Kokaram: The linear Monge-Kantorovitch "
    "linear colour mapping for example-based colour transfer. CVMP 2007",
)
_PORTRAIT = (
    "Portraits",
    "super-resolution of registered frames; nothing learned",
    "Farsiu et "
    "al.: Fast and robust multiframe super resolution. IEEE Transactions on Image "
    "Processing 13, 2004. https://doi.org/10.1109/TIP.2004.834669",
)


def methods(
    detector: str | None, restorer: str | None, settings: Mapping[str, Any], *, portraits: bool
) -> Table:
    """The methods of a result. `restorer`: as Method has it, with an upscaler that is a network;
    `settings`: values by name."""
    rows: list[tuple[str, str, str]] = []
    name = detector or ""
    kind = next((kind for kind in _DETECTORS if name.startswith(kind)), None)
    if kind is not None:
        rows.append(("Finding faces", *_DETECTORS[kind]))
    if detector is not None:
        rows += _TRACKING
    base, _, upscaler = (restorer or "").partition(" + ")
    if base in ("fusion", "clarity", "auto"):
        rows += [_FLOW, _FUSION]
    if base in ("clarity", "auto"):
        rows.append(_CLARITY)
    made = next((kind for kind in _RESTORERS if base.startswith(kind)), None)
    if made is not None:
        rows.append(("Restoring", *_RESTORERS[made]))
        if settings.get("restore.match_color"):
            rows.append(_COLOR)
    mask = settings.get("restore.mask")
    if mask in _MASKS and base != "identity":
        rows.append(_MASKS[mask])
    if upscaler:
        rows.append(_REALESRGAN)
    elif settings.get("output.scale", 1) != 1:
        rows.append(_LANCZOS)
    if portraits:
        rows += [] if _FLOW in rows else [_FLOW]
        rows.append(_PORTRAIT)
    return Table("Methods", ("step", "what was used", "reference"), tuple(rows))
