"""The documents: they are there, what they name exists, and they leave out no option."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]


def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return table


def test_the_licence_is_apaches_to_the_letter() -> None:
    digest = hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest()
    assert digest == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
    about = project()["project"]
    assert about["license"] == "Apache-2.0"
    assert all((ROOT / name).is_file() for name in about["license-files"])


def test_types_and_the_model_card_are_installed_with_the_package() -> None:
    installed = project()["tool"]["setuptools"]["package-data"]["videnhance"]
    for name in ("py.typed", "restorers/clarity.md", "restorers/clarity.safetensors"):
        assert any(Path(name).match(pattern) for pattern in installed), name
        assert (ROOT / "videnhance" / name).is_file()


def test_the_newest_version_is_in_the_changelog() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in text
    assert f"## [{project()['project']['version']}] - " in text


def test_modules_named_in_the_notice_exist() -> None:
    text = (ROOT / "NOTICE").read_text(encoding="utf-8")
    named = {word.strip(",;.") for word in text.split() if word.startswith("videnhance/")}
    assert {"videnhance/restorers/gfpgan.py", "videnhance/faces/alignment.py"} <= named
    assert all((ROOT / name).is_file() for name in named)
