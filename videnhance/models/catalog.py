"""Published weights of networks: which there are, and where they are on this machine.

store.py gets them there, loading.py reads them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from videnhance.errors import chosen

_GFPGAN = "https://github.com/TencentARC/GFPGAN/releases/download"
_FACEXLIB = "https://github.com/xinntao/facexlib/releases/download"
_UNIFACE = "https://github.com/yakhyo/uniface/releases/download/weights"
_OPENCV = "https://github.com/opencv/opencv_zoo/raw/main/models"
_REALESRGAN = "https://github.com/xinntao/Real-ESRGAN/releases/download"
_FACEFUSION = "https://github.com/facefusion/facefusion-assets/releases/download/models-3.0.0"
_FFHQ = "FFHQ (70,000 portraits from Flickr)"
_GFPGAN_LICENCE = (
    "Apache-2.0, except its parts from StyleGAN2 (NVIDIA, non-commercial) and DFDNet "
    "(CC BY-NC-SA 4.0)"
)


@dataclass(frozen=True)
class Copy:
    """The same network as published by others, such as an ONNX file. Taken only where a user gives
    it (--weights)."""

    url: str
    size: int | None
    """Bytes; None if not known."""
    sha256: str

    @property
    def file(self) -> str:
        """Its file name."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class Weights:
    """A published file of weights."""

    name: str
    url: str
    size: int | None
    """Bytes; None if not known."""
    sha256: str
    """Empty where it is not known: then the file is not fetched, but has to be given and trusted.
    """
    licence: str
    trained_on: str
    consent: bool = False
    """Whether the licence must be accepted before the first use."""
    speed: str = ""
    """How long its network takes on two processor cores (scripts/bench_networks.py)."""
    also: tuple[Copy, ...] = ()
    """Other files of the same network."""

    @property
    def file(self) -> str:
        """Its file name, the same here as where it was published."""
        return self.url.rpartition("/")[2]

    @property
    def hashes(self) -> set[str]:
        """SHA-256 of each file that is published of these."""
        return {self.sha256, *(copy.sha256 for copy in self.also)} - {""}


_GPEN_LICENCE = (
    "GPEN's terms: (c) Alibaba, 2021, for academic and non-commercial use only "
    "(https://github.com/yangxy/GPEN#license)"
)

# Sources. SHA-256: pinned for exactly these URLs by the recipes of the Arch Linux user packages
# python-gfpgan, python-facexlib and python-realesrgan. Sizes, and the hashes of CodeFormer, of
# realesr-general-x4v3 and of all ONNX files: other public projects, of which several agree.
# Licences: the LICENSE files, GPEN's in its README. Training data: the README files and papers.
WEIGHTS: dict[str, Weights] = {
    weights.name: weights
    for weights in (
        Weights(
            "gfpgan-1.2",
            f"{_GFPGAN}/v0.2.0/GFPGANCleanv1-NoCE-C2.pth",
            None,
            "29e25ee90c170f4231163f4c83df6b59c968b73f3ce00cb884015ae005db083c",
            _GFPGAN_LICENCE,
            f"{_FFHQ} and more data its authors do not name",
            speed="0.94 s a face",
        ),
        Weights(
            "gfpgan-1.3",
            f"{_GFPGAN}/v1.3.0/GFPGANv1.3.pth",
            348632874,
            "c953a88f2727c85c3d9ae72e2bd4846bbaf59fe6972ad94130e23e7017524a70",
            _GFPGAN_LICENCE,
            "as 1.2, on which it is based",
            speed="0.94 s a face",
        ),
        Weights(
            "gfpgan-1.4",
            f"{_GFPGAN}/v1.3.0/GFPGANv1.4.pth",
            348632874,
            "e2cd4703ab14f4d01fd1383a8a8b266f9a5833dacee8e6a79d3bf21a1b6be5ad",
            _GFPGAN_LICENCE,
            "not published",
            speed="0.94 s a face",
            also=(
                Copy(
                    f"{_FACEFUSION}/gfpgan_1.4.onnx",
                    340299087,
                    "accc4757b26bdb89b32b4d3500d4f79c9dff97c1dd7c7104bf9dcb95e3311385",
                ),
                Copy(
                    "https://github.com/clibdev/GFPGAN-onnxruntime-demo/releases/latest/download/"
                    "gfpgan-v1.4.onnx",
                    None,
                    "497ff5b6d6008ec101b2714776ce39ce67a722a78720dfce84231e612e45053e",
                ),
            ),
        ),
        Weights(
            "restoreformer",
            f"{_GFPGAN}/v1.3.4/RestoreFormer.pth",
            290785322,
            "07404d446d62ca3d5ed38b1de09a947a1e77d46dbccec961a74d713a8f24ace0",
            "Apache-2.0",
            _FFHQ,
            speed="3.9 s a face",
        ),
        Weights(
            "restoreformer++",
            f"{_FACEFUSION}/restoreformer_plus_plus.onnx",
            None,
            "f4db5a89902b6a2d452446f5721245a6f7185f699b6aec7b77285adb4d504337",
            "Apache-2.0",
            _FFHQ,
            speed="3.8 s a face",
        ),
        Weights(
            "gpen-256",
            f"{_FACEFUSION}/gpen_bfr_256.onnx",
            75792988,
            "bad8bf0426873828df2dbf4e3b3d9ababba9da7965b8b72426569486f7ae5c25",
            _GPEN_LICENCE,
            _FFHQ,
            consent=True,
            speed="0.13 s a face",
        ),
        Weights(
            "gpen-512",
            f"{_FACEFUSION}/gpen_bfr_512.onnx",
            284340240,
            "d5f066b9068a8b74217f9712e28e875a6144629b108a6f7355acbdb3a2832c54",
            _GPEN_LICENCE,
            _FFHQ,
            consent=True,
            also=(
                Copy(
                    "https://huggingface.co/countfloyd/deepfake/resolve/main/GPEN-BFR-512.onnx",
                    284449835,
                    "0960f836488735444d508b588e44fb5dfd19c68fde9163ad7878aa24d1d5115e",
                ),
            ),
            speed="1.6 s a face",
        ),
        Weights(
            "codeformer",
            "https://github.com/sczhou/CodeFormer/releases/download/v0.1.0/codeformer.pth",
            376637898,
            "1009e537e0c2a07d4cabce6355f53cb66767cd4b4297ec7a4a64ca4b8a5684b7",
            "S-Lab License 1.0, non-commercial use only "
            "(https://github.com/sczhou/CodeFormer/blob/master/LICENSE)",
            _FFHQ,
            consent=True,
            speed="5.4 s a face",
        ),
        Weights(
            "keep",
            "https://github.com/jnjaby/KEEP/releases/download/v1.0.0/KEEP-b76feb75.pth",
            None,
            "",
            "S-Lab License 1.0, non-commercial use only "
            "(https://github.com/jnjaby/KEEP/blob/main/LICENSE)",
            "VFHQ (video of faces, from interviews), and FFHQ through CodeFormer",
            consent=True,
            speed="12 s a face",
        ),
        Weights(
            "retinaface",
            f"{_FACEXLIB}/v0.1.0/detection_Resnet50_Final.pth",
            109497761,
            "6d1de9c2944f2ccddca5f5e010ea5ae64a39845a86311af6fdf30841b0a5a16d",
            "MIT",
            "WIDER FACE",
            speed="130 ms at 640x384",
        ),
        Weights(
            "retinaface-mobile",
            f"{_FACEXLIB}/v0.1.0/detection_mobilenet0.25_Final.pth",
            1789735,
            "2979b33ffafda5d74b6948cd7a5b9a7a62f62b949cef24e95fd15d2883a65220",
            "MIT",
            "WIDER FACE",
            speed="6 ms at 640x384",
        ),
        Weights(
            "retinaface-mv2",
            f"{_UNIFACE}/retinaface_mv2.onnx",
            None,
            "3ca44c045651cabeed1193a1fae8946ad1f3a55da8fa74b341feab5a8319f757",
            "MIT",
            "WIDER FACE",
        ),
        Weights(
            "yunet-2026may",
            f"{_OPENCV}/face_detection_yunet/face_detection_yunet_2026may.onnx",
            229738,
            "ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0",
            "MIT",
            "WIDER FACE",
        ),
        Weights(
            "parsenet",
            f"{_FACEXLIB}/v0.2.2/parsing_parsenet.pth",
            85331193,
            "3d558d8d0e42c20224f13cf5a29c79eba2d59913419f945545d8cf7b72920de2",
            "MIT (facexlib); the network is from PSFR-GAN, which is CC BY-NC-SA 4.0",
            "CelebAMask-HQ",
            speed="1.3 s a face",
        ),
        Weights(
            "xseg",
            "https://github.com/facefusion/facefusion-assets/releases/download/models-3.1.0/"
            "xseg_1.onnx",
            70324286,
            "c4d1498b8a03b5fe2a3a5d2ef2a0402ab03bd51edaf5b2d8d5fb764702a97dd3",
            "GPL-3.0",
            "not published; DeepFaceLab's users mark faces and what hides them in video",
            consent=True,
        ),
        Weights(
            "realesrgan-x2",
            f"{_REALESRGAN}/v0.2.1/RealESRGAN_x2plus.pth",
            67061725,
            "49fafd45f8fd7aa8d31ab2a22d14d91b536c34494a5cfe31eb5d89c2fa266abb",
            "BSD-3-Clause",
            "DIV2K, Flickr2K, OST (photographs of all kinds)",
            speed="3.5 s at 256x256",
        ),
        Weights(
            "realesrgan-x4",
            f"{_REALESRGAN}/v0.1.0/RealESRGAN_x4plus.pth",
            67040989,
            "4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1",
            "BSD-3-Clause",
            "DIV2K, Flickr2K, OST (photographs of all kinds)",
            speed="3.5 s at 128x128",
        ),
        Weights(
            "realesr-general-x4v3",
            f"{_REALESRGAN}/v0.2.5.0/realesr-general-x4v3.pth",
            4885111,
            "8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292",
            "BSD-3-Clause",
            "as Real-ESRGAN x4, with more kinds of damage; its authors do not say what else",
            speed="0.25 s at 128x128",
        ),
        Weights(
            "sface",
            f"{_OPENCV}/face_recognition_sface/face_recognition_sface_2021dec.onnx",
            38696353,
            "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
            "Apache-2.0",
            "not stated for this file; its paper: CASIA-WebFace, VGGFace2, MS1MV2 (people "
            "in public life, from the Web)",
            speed="3 ms a face",
        ),
        Weights(
            "adaface",
            "https://github.com/yakhyo/adaface-onnx/releases/download/weights/adaface_ir_18.onnx",
            None,
            "6b6a35772fb636cdd4fa86520c1a259d0c41472a76f70f802b351837a00d9870",
            "MIT",
            "WebFace4M (200,000 people, from the Web)",
            speed="20 ms a face",
        ),
    )
}


_PACKAGE = Path(__file__).parent.parent
BUNDLED = {
    "clarity": _PACKAGE / "restorers" / "clarity.safetensors",
    "identity": _PACKAGE / "identity" / "identity.safetensors",
}
"""Weights that come with the package, by name; a model card (.md) beside each describes them."""


def folder() -> Path:
    """Where weights are kept: VIDENHANCE_MODELS, or a folder in the user's cache."""
    named = os.environ.get("VIDENHANCE_MODELS")
    if named:
        return Path(named).expanduser().absolute()
    return user_cache_path("videnhance", appauthor=False) / "models"


def located(name: str) -> Path | None:
    """The file of these weights, if it is on this machine and has the published size; it is not
    read."""
    weights = chosen("weights", name, WEIGHTS)
    path = folder() / weights.file
    if not path.is_file() or weights.size not in (None, path.stat().st_size):
        return None
    return path
