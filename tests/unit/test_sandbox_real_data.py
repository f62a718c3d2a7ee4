"""Reference solutions of real data sets pass; samples, so that this takes seconds."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codeplan_sandbox import Judge, Limits, Outcome, Suite

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def rows(name: str, every: int) -> list[dict[str, Any]]:
    path = DATA / f"{name}.jsonl.gz"
    if not path.exists():
        pytest.skip(f"the data set {name} is not available on this machine")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines][::every]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Judge]:
    with Judge(Limits(time_s=4.0, memory_bytes=512 << 20)) as warm:
        yield warm


def test_humaneval_solutions_pass(sandbox: Judge) -> None:
    for number, row in enumerate(rows("humaneval164", every=1)):
        suite = Suite("assert", tests=(row["test"],), entry_point=row["entry_point"])
        verdict = sandbox.judge(row["prompt"] + row["canonical_solution"], suite)
        assert verdict.passed, f"{row['task_id']}: {verdict.message}"
        if number % 8 == 0:
            wrong = sandbox.judge(f"{row['prompt']}    return None\n", suite)
            assert wrong.outcome is not Outcome.PASSED, row["task_id"]


def test_mbpp_solutions_pass(sandbox: Judge) -> None:
    for row in rows("mbpp974", every=23):
        suite = Suite("assert", tests=tuple(row["test_list"]), setup=row["test_setup_code"])
        verdict = sandbox.judge(row["code"], suite)
        assert verdict.passed, f"{row['task_id']}: {verdict.message}"


def test_mbpp_tests_with_objects_as_arguments_are_unseparable(sandbox: Judge) -> None:
    (row,) = (row for row in rows("mbpp974", every=1) if row["task_id"] == 601)
    suite = Suite("assert", tests=tuple(row["test_list"]))
    assert sandbox.judge(row["code"], suite).outcome is Outcome.UNSEPARABLE


def test_apps_solutions_pass(sandbox: Judge) -> None:
    judged = 0
    for row in rows("apps_train150", every=5):
        tests = row["input_output"]
        texts = [*tests["inputs"], *tests["outputs"]]
        if row["ref_ok"] is None or not all(isinstance(text, str) for text in texts):
            continue
        cases = [
            {"input": text, "output": expected}
            for text, expected in zip(tests["inputs"], tests["outputs"], strict=True)
        ]
        suite = Suite.from_dict({"kind": "stdin", "cases": cases})
        verdict = sandbox.judge(row["solutions"][row["ref_ok"]], suite)
        assert verdict.passed, f"{row['problem_id']}: {verdict.message}"
        judged += 1
    assert judged > 10
