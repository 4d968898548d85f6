"""The files of docs/cluster: their syntax is right, and the commands in them are understood."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.test_documents import commands

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "cluster"


def understood(words: list[str]) -> None:
    """Fails where videnhance does not take them."""
    assert words[0] == "videnhance"
    dict(commands())[words[1]].make_context(words[1], list(words[2:]))


def in_comments(text: str) -> list[list[str]]:
    """The commands of videnhance that comments show."""
    lines = re.findall(r"(?:^#\s+|: |wrap=\")(videnhance .*?)\"?$", text, re.MULTILINE)
    return [shlex.split(line) for line in lines]


def test_the_slurm_file_is_a_script_with_known_directives() -> None:
    path = FOLDER / "videnhance.slurm"
    subprocess.run(["bash", "-n", path], check=True)
    text = path.read_text()
    assert text.startswith("#!/bin/bash\n")
    asked = dict(re.findall(r"^#SBATCH --([a-z-]+)(?:=(.*))?$", text, re.MULTILINE))
    assert len(asked) == text.count("#SBATCH")
    assert set(asked) <= {"job-name", "array", "cpus-per-task", "mem", "requeue", "signal"}
    assert re.fullmatch(r"\d+-\d+", asked["array"]) and re.fullmatch(r"\w+@\d+", asked["signal"])
    # Directives after the first command are not read.
    assert text.rindex("#SBATCH") < text.index("\nset ")
    (command,) = re.findall(r"^exec (.*)$", text, re.MULTILINE)
    understood(shlex.split(command.replace('"$1"', "JOB")))
    shown = in_comments(text)
    assert [words[1] for words in shown] == ["plan", "finish"]
    for words in shown:
        understood(words)


def test_the_kubernetes_file_is_an_indexed_job() -> None:
    text = (FOLDER / "videnhance.yaml").read_text()
    job: dict[str, Any] = yaml.safe_load(text)
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    spec = job["spec"]
    known = {"completionMode", "completions", "parallelism", "backoffLimitPerIndex", "template"}
    assert set(spec) <= known and spec["completionMode"] == "Indexed"
    pod = spec["template"]["spec"]
    assert pod["restartPolicy"] == "Never"  # as backoffLimitPerIndex asks for
    (container,) = pod["containers"]
    understood(container["command"])
    assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in pod["volumes"]}
    assert all(isinstance(one["value"], str) for one in container["env"])
    shown = in_comments(text)
    assert [words[1] for words in shown] == ["plan", "finish"]
    for words in shown:
        understood(words)


def test_the_aws_file_is_an_array_job() -> None:
    asked = json.loads((FOLDER / "aws-batch.json").read_text())
    assert 2 <= asked["arrayProperties"]["size"] <= 10_000
    inner = asked["containerOverrides"]
    understood(inner["command"])
    assert {one["type"] for one in inner["resourceRequirements"]} == {"VCPU", "MEMORY"}
    assert {type(one["value"]) for one in inner["resourceRequirements"]} == {str}
