"""docs/record.schema.json: it is what the classes say, and what records keep to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import make_record_schema
import pytest

from tests.making.recorded import enhanced
from videnhance.evidence.writing import record_path

pytestmark = pytest.mark.usefixtures("square_detector")


@pytest.fixture(scope="module")
def schema() -> Any:
    return json.loads(make_record_schema.SCHEMA.read_text(encoding="utf-8"))


def test_the_schema_is_that_of_the_classes() -> None:
    made = make_record_schema.written(make_record_schema.schema())
    assert make_record_schema.SCHEMA.read_text(encoding="utf-8") == made


def test_every_entry_of_a_real_record_is_in_the_schema(
    tmp_path: Path, square_clip: Path, schema: Any
) -> None:
    enhanced(square_clip, tmp_path / "out.mp4")
    values = json.loads(record_path(tmp_path / "out.mp4").read_text())
    checker = jsonschema.Draft202012Validator(schema)
    checker.check_schema(schema)
    checker.validate(values)
    values["videos"][0]["tracks"][0]["x"][3] = "left"
    values["videos"][0]["unknown"] = 1
    wrong = sorted(error.message for error in checker.iter_errors(values))
    assert len(wrong) == 2
    assert "'left' is not of type 'number'" in wrong
