"""The tables of detectors, restorers and other networks: what a row says is so."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

import pytest

from videnhance.detectors import DETECTORS, resolved
from videnhance.models.catalog import BUNDLED, WEIGHTS
from videnhance.models.loader import Loader
from videnhance.models.registry import Row
from videnhance.render.rows import MASKERS, UPSCALERS
from videnhance.restorers import RESTORERS
from videnhance.restorers.network import NetworkRestorer
from videnhance.settings.groups import AI_UPSCALERS

ROWS: dict[str, Row[Any]] = {**DETECTORS, **RESTORERS, **UPSCALERS, **MASKERS}


def is_file(row: Row[Any]) -> bool:
    return row.traits is not None and row.traits.onnx


@pytest.mark.parametrize("name", ROWS)
def test_weights_are_published_or_bundled(name: str) -> None:
    weights = ROWS[name].weights
    assert weights is None or weights in WEIGHTS or weights in BUNDLED


@pytest.mark.parametrize("name", ROWS)
def test_packages_are_names_of_distributions(name: str) -> None:
    """A name that nothing is published under would enter every record as null, unnoticed."""
    for package in ROWS[name].packages:
        try:
            assert distribution(package).version
        except PackageNotFoundError:
            pytest.fail(f"{name} names {package}, which is not installed with the tests")


@pytest.mark.parametrize(
    "name", [name for name, row in ROWS.items() if row.weights is not None and not is_file(row)]
)
def test_what_has_weights_depends_on_torch(name: str) -> None:
    """But for ONNX files, which the backend alone computes."""
    assert "torch" in ROWS[name].packages


@pytest.mark.parametrize("name", [name for name, row in RESTORERS.items() if not row.invents])
def test_a_restorer_invents_as_its_row_says(name: str) -> None:
    assert not RESTORERS[name].make(Loader()).invents


def test_the_restorers_of_networks_invent() -> None:
    assert NetworkRestorer.invents
    assert all(row.invents == row.on_gpu for row in RESTORERS.values())


def test_auto_takes_the_best_detector_that_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    here: set[str] = set()
    monkeypatch.setattr("videnhance.detectors.located", lambda name: name if name in here else None)
    assert resolved("auto") == "centerface"
    here.add("retinaface-mobile")
    assert resolved("auto") == "centerface"
    here.add("retinaface")
    assert resolved("auto") == "retinaface"
    # One without a rank, such as one that is being tried out, is taken by its name only.
    monkeypatch.setitem(DETECTORS, "new", Row(DETECTORS["centerface"].make))
    assert resolved("auto") == "retinaface" and resolved("new") == "new"


def test_every_upscaler_of_the_settings_has_a_row() -> None:
    assert list(UPSCALERS) == list(AI_UPSCALERS)


def test_the_tables_are_light() -> None:
    script = (
        "import sys\n"
        "import videnhance.restorers, videnhance.detectors, videnhance.media.writing.codecs\n"
        "import videnhance.render.rows\n"
        "print([m for m in ('torch', 'cv2', 'av', 'numpy', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
