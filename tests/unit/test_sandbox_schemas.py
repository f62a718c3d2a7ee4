"""The schemas agree with what the readers accept and with what the command writes."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from codeplan_sandbox import Case, Judge, Limits, Suite, SuiteError
from codeplan_sandbox.__main__ import main
from codeplan_sandbox.batch_lines import KEYS, MAX_FLOAT_LIMIT, MAX_INTEGER_LIMIT, BatchLine, BatchReader
from codeplan_sandbox.schemas import NAMES, schema
from codeplan_sandbox.suites import COMPARATORS, SUITE_KINDS

VALIDATORS = {name: Draft202012Validator(schema(name)) for name in NAMES}
SUITES = (
    Suite("stdin", cases=(Case(input="1", output="2"),), comparator="exact"),
    Suite("call", cases=(Case(args=(1, [2.5, None]), expected={"a": [True]}),), entry_point="f"),
    Suite("assert", tests=("assert f(1) == 2",), setup="import math", entry_point="f"),
    Suite("stdin"),
    Suite("stdin", cases=(Case(input="1", output="2.5"),), comparator="floats", tolerance=0.1),
    Suite("call", cases=(Case(args=(1,), expected=2),), entry_point="f", checker="def check(*_): return True"),
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
TEXTS = st.text(max_size=3)


def objects(required: dict[str, Any], optional: dict[str, Any], unknown: bool = True) -> st.SearchStrategy[Any]:
    """Objects that are mostly valid: fields may be missing, of another type or unknown."""
    exact = st.fixed_dictionaries(required, optional=optional)
    if not unknown:
        return exact
    loose = st.fixed_dictionaries({}, optional={**required, **optional, "extra": VALUES})
    return exact | loose


STDIN_CASES = st.lists(objects({"input": TEXTS}, {}) | objects({"input": TEXTS, "output": TEXTS}, {}), max_size=2)
CALL_CASES = st.lists(
    objects({"args": st.lists(VALUES, max_size=2) | VALUES, "expected": VALUES}, {}) | VALUES, max_size=2
)
RANDOM_SUITES = objects(
    {"kind": st.sampled_from([*SUITE_KINDS, "magic"]) | VALUES},
    {
        "cases": STDIN_CASES | CALL_CASES | VALUES,
        "tests": st.lists(TEXTS, max_size=2) | st.lists(VALUES, max_size=2) | VALUES,
        "setup": TEXTS | VALUES,
        "entry_point": TEXTS | VALUES,
        "comparator": st.sampled_from([None, *COMPARATORS, "magic"]) | VALUES,
        "tolerance": st.sampled_from([None, 0, 1, 0.5, -1, 10**400]) | VALUES,
        "checker": st.sampled_from(["", "def check(*_): return True"]) | VALUES,
    },
)
EDGES = st.sampled_from(
    [0, 1, -1, 0.5, 2.0, MAX_FLOAT_LIMIT, 2 * MAX_FLOAT_LIMIT, MAX_INTEGER_LIMIT, MAX_INTEGER_LIMIT + 1]
)
LIMIT_NAMES = st.sampled_from([field.name for field in dataclasses.fields(Limits)])
RANDOM_LIMITS = st.dictionaries(LIMIT_NAMES, EDGES, max_size=2) | st.dictionaries(LIMIT_NAMES | TEXTS, EDGES | VALUES)
CHANGES = st.sampled_from([None, "", [], *COMPARATORS, *SUITE_KINDS]) | VALUES


def accepted(plain: Any) -> bool:
    try:
        Suite.from_dict(plain)
    except SuiteError:
        return False
    return True


@pytest.mark.parametrize("name", ["", *NAMES])
def test_command_prints_valid_schemas(capsys: pytest.CaptureFixture[str], name: str) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--json-schema", *([name] if name else [])])
    printed = json.loads(capsys.readouterr().out)
    Draft202012Validator.check_schema(printed)
    assert set(NAMES) <= set(printed["$defs"])
    assert printed.get("$ref", "") == (f"#/$defs/{name}" if name else "")


def test_command_rejects_an_unknown_schema(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--json-schema", "plan"])
    assert "'plan' is not one of suite, verdict, batch_line, result_line" in capsys.readouterr().err


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.kind)
def test_suites_are_valid(suite: Suite) -> None:
    VALIDATORS["suite"].validate(suite.to_dict())
    in_line = VALIDATORS["batch_line"].is_valid({"program": "", "suite": suite.to_dict()})
    assert in_line == bool(len(suite))


@given(RANDOM_SUITES)
def test_suite_schema_accepts_what_the_reader_accepts(plain: Any) -> None:
    assert VALIDATORS["suite"].is_valid(plain) == accepted(plain)


@given(st.sampled_from(SUITES), st.sampled_from(["kind", "cases", "tests", "entry_point", "comparator"]), CHANGES)
def test_suite_schema_accepts_what_the_reader_accepts_of_changed_suites(suite: Suite, key: str, value: Any) -> None:
    plain = {**suite.to_dict(), key: value}
    assert VALIDATORS["suite"].is_valid(plain) == accepted(plain)


@given(
    st.dictionaries(st.sampled_from(["id", "program", "suite", "extra"]), CHANGES, max_size=2) | st.just({}),
    RANDOM_LIMITS,
)
def test_line_schema_accepts_what_the_reader_accepts(changes: dict[str, Any], limits: dict[str, Any]) -> None:
    plain = {"program": "", "suite": SUITES[0].to_dict(), "limits": limits, **changes}
    (line,) = BatchReader(io.BytesIO(json.dumps(plain).encode()), Path(), Limits())
    assert VALIDATORS["batch_line"].is_valid(plain) == isinstance(line, BatchLine)


@pytest.mark.parametrize(
    "keys", [{"program", "program_path"}, {"suite", "suite_path"}, {"program"}, {"suite_path"}, set()]
)
def test_line_schema_wants_one_program_and_one_suite(keys: set[str]) -> None:
    values = {"suite": SUITES[0].to_dict()}
    whole = {"program": "", "suite_path": "x"}
    assert VALIDATORS["batch_line"].is_valid(whole)
    assert VALIDATORS["batch_line"].is_valid({"program_path": "x", "suite": values["suite"]})
    assert not VALIDATORS["batch_line"].is_valid({key: values.get(key, "x") for key in keys})
    assert set(schema()["$defs"]["batch_line"]["properties"]) == set(KEYS)


def test_verdicts_are_valid() -> None:
    programs = ("def f(x, y=0): return x + 1", "print(2)", "(", "import os\nos.fork()")
    with Judge(Limits(time_s=1.0)) as sandbox:
        for suite in SUITES[:3]:
            for program in programs:
                plain = json.loads(json.dumps(sandbox.judge(program, suite).to_dict()))
                VALIDATORS["verdict"].validate(plain)
                assert not VALIDATORS["verdict"].is_valid({**plain, "total": 1})


def test_results_of_a_batch_are_valid(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    lines = [{"program": "print(2)", "suite": suite.to_dict()} for suite in SUITES]
    path = tmp_path / "batch.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines) + "{\n")
    for options in ([], ["--without-cases"]):
        main(["check", "--batch", str(path), *options])
        found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert len(found) == len(SUITES) + 1
        for result in found:
            VALIDATORS["result_line"].validate(result)
            assert not VALIDATORS["result_line"].is_valid({**result, "id": [1]})
