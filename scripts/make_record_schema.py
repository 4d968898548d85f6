"""Writes docs/record.schema.json from the classes of a record (document.py and columns.py of
videnhance/evidence).

    python scripts/make_record_schema.py

tests/evidence/test_schema.py fails where the schema is not what this would write.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import msgspec

from videnhance.evidence import columns, document
from videnhance.evidence.document import FORMAT, VERSION, Record

SCHEMA = Path(__file__).resolve().parent.parent / "docs" / "record.schema.json"
DIGEST = "SHA-256 of all bytes of the file before the comma that stands before this entry."


def schema() -> dict[str, Any]:
    """The whole schema, in JSON Schema 2020-12."""
    found = msgspec.json.schema(Record)
    parts = found["$defs"]
    for name, texts in field_texts().items():
        for field, text in texts.items():
            if name in parts and field in parts[name]["properties"]:
                entry = parts[name]["properties"][field]
                # Beside a reference to another class its own description stands.
                entry["description"] = text
    for part in parts.values():
        part["additionalProperties"] = False
        # How docstrings are indented depends on the version of msgspec, and of Python.
        part["description"] = " ".join(part["description"].split())
    record = parts["Record"]
    record["properties"]["format"]["const"] = FORMAT
    record["properties"]["version"]["const"] = VERSION
    record["properties"]["digest"] = {
        "type": "string",
        "pattern": "^[0-9a-f]{64}$",
        "description": DIGEST,
    }
    record["required"].append("digest")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Written by scripts/make_record_schema.py. Do not edit.",
        "title": f"Record of videnhance, version {VERSION}",
        **found,
    }


def field_texts() -> dict[str, dict[str, str]]:
    """The texts under the fields of each class, by class and field."""
    files = [Path(str(module.__file__)) for module in (document, columns)]
    found: dict[str, dict[str, str]] = {}
    for node in (n for file in files for n in ast.parse(file.read_text(encoding="utf-8")).body):
        if not isinstance(node, ast.ClassDef):
            continue
        for field, below in zip(node.body, node.body[1:], strict=False):
            text = below.value if isinstance(below, ast.Expr) else None
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Constant):
                assert isinstance(field.target, ast.Name)
                words = " ".join(str(text.value).split())
                found.setdefault(node.name, {})[field.target.id] = words
    return found


def written(values: dict[str, Any]) -> str:
    """As the file has it."""
    return json.dumps(values, indent=2) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(written(schema()), encoding="utf-8")
