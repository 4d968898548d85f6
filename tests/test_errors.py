"""All error texts of the package: none states a cause that nobody saw, each says what to do."""

from __future__ import annotations

import ast
import errno
import os
import re
from pathlib import Path

import pytest

import videnhance
from videnhance import errors
from videnhance.errors import VidenhanceError, cure_of

PACKAGE = Path(videnhance.__file__).parent
KINDS = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, VidenhanceError)
} | {"UnknownCodingError"}

GUESSED = re.compile(r"damaged|corrupt|cut off|disk .*full|broken|wrong password|out of date")
"""Causes that are never seen, only concluded."""
HEDGED = re.compile(r"probably|\bmay\b")
INSTRUCTIONS = re.compile(
    r"; |takes|must be|give|name |choose|run |leave|use |install|\{wrong\}|\{error\}|\{choices\}"
)


def texts() -> list[tuple[str, str, str]]:
    """(place, kind, text as source) of every error that is raised or made."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args:
                kind = ast.unparse(node.func).rpartition(".")[2]
                if kind in KINDS:
                    where = f"{path.relative_to(PACKAGE)}:{node.lineno}"
                    found.append((where, kind, " ".join(map(ast.unparse, node.args))))
    return found


def test_no_text_states_a_cause_that_nobody_saw() -> None:
    all_texts = texts()
    assert len(all_texts) > 150
    guesses = [(where, text) for where, _, text in all_texts if GUESSED.search(text)]
    assert guesses, "the pattern finds none, so it is wrong"
    assert [found for found in guesses if not HEDGED.search(found[1])] == []


def test_every_text_says_what_to_do() -> None:
    # CheckError is completed by checked(); Stopped needs nothing; the rest are whole sentences.
    silent = [
        (where, text)
        for where, kind, text in texts()
        if kind not in ("CheckError", "Stopped") and not INSTRUCTIONS.search(text)
    ]
    assert [found for found in silent if "_absent(path)" not in found[1]] == []


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.EACCES, "check its permissions or choose another folder"),
        (errno.ENOSPC, "make room or choose another folder"),
        (errno.EIO, "choose another folder"),
        (None, "choose another folder"),
    ],
)
def test_the_cure_follows_from_what_the_system_says(number: int | None, cure: str) -> None:
    error = OSError("no number") if number is None else OSError(number, os.strerror(number))
    assert cure_of(error, "choose another folder") == cure
