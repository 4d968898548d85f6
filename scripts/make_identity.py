"""Makes videnhance/identity/identity.safetensors from the files that face-api ships.

    python scripts/make_identity.py FOLDER [--output FILE]

FOLDER holds face_recognition_model.bin and face_recognition_model-weights_manifest.json of the
package @vladmandic/face-api 1.7.15 (npm, MIT). The weights stay what they are there, most of them
whole numbers of 8 bits; names and the order of axes become those of torch.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from videnhance.models.catalog import BUNDLED

SHA256 = "b413e420d6840b2775fba32008db6f3cddb07d485967fb42cfcf379c16a8c589"
NAMES = {
    "conv/filters": "weight",
    "filters": "weight",
    "conv/bias": "bias",
    "bias": "bias",
    "scale/weights": "factor",
    "scale/biases": "summand",
}


def converted(folder: Path) -> dict[str, np.ndarray]:
    """The tensors by torch's names. Raises ValueError for another file."""
    data = (folder / "face_recognition_model.bin").read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise ValueError(f"{folder}: its face_recognition_model.bin is not that of 1.7.15")
    manifest = json.loads((folder / "face_recognition_model-weights_manifest.json").read_text())
    found, at = {}, 0
    for entry in manifest[0]["weights"]:
        name, shape = entry["name"], entry["shape"]
        length, how = int(np.prod(shape)), entry.get("quantization")
        values = np.frombuffer(data, np.uint8 if how else "<f4", length, at).reshape(shape)
        at += values.nbytes
        key = name.replace("/", ".")
        for theirs, ours in NAMES.items():
            if name.endswith(f"/{theirs}"):
                key = f"{name.removesuffix(f'/{theirs}')}/{ours}".replace("/", ".")
                break
        if name == "fc":
            key, values = "fc.weight", values.T
        elif values.ndim == 4:
            values = values.transpose(3, 2, 0, 1)
        found[key] = np.ascontiguousarray(values)
        if how:
            found[f"{key}.scale"] = np.array(how["scale"], np.float32)
            found[f"{key}.least"] = np.array(how["min"], np.float32)
    if at != len(data):
        raise ValueError(f"{folder}: {len(data)} bytes where the manifest lists {at}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, default=BUNDLED["identity"])
    given = parser.parse_args()
    tensors = converted(given.folder)
    save_file(dict(sorted(tensors.items())), given.output)
    print(f"{given.output}: {given.output.stat().st_size} bytes, {len(tensors)} tensors")


if __name__ == "__main__":
    main()
