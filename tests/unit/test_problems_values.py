"""Values of rows: lone surrogates, deep nesting, long integers and levels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from codeplan import problems, records
from codeplan.config import FileSource
from codeplan.problems import ProblemError, ReadProblems
from codeplan.records import Problem


def plain(number: int, **changes: Any) -> dict[str, Any]:
    fixed = {"problem_id": f"mine/test/{number}", "dataset": "mine", "split": "test", "level": "x", "question": "?"}
    return {**fixed, **changes}


def read(path: Path, reader: Any = "jsonl", **settings: Any) -> ReadProblems:
    return problems.read(FileSource(reader=reader, path=str(path), **settings))


def write(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def ids(found: ReadProblems) -> list[str]:
    return [problem.problem_id.rpartition("/")[2] for problem in found.problems]


ROWS = [json.dumps(plain(number)) for number in range(3)]

SURROGATE = "a \ud83d b"
CASE = {"input": "1\n", "output": "2\n"}
CALL = {"kind": "call", "entry_point": "f"}


@pytest.mark.parametrize(
    "changes",
    [
        {"question": SURROGATE},
        {"starter_code": SURROGATE},
        {"level": SURROGATE},
        {"problem_id": f"mine/test/{SURROGATE}"},
        {"solutions": ["print(1)", SURROGATE]},
        {"solutions": json.dumps([SURROGATE])},
        {"hidden_tests": {"kind": "stdin", "cases": [{**CASE, "input": SURROGATE}]}},
        {"hidden_tests": {"kind": "stdin", "cases": [{**CASE, "output": SURROGATE}]}},
        {"example_tests": {**CALL, "cases": [{"args": [[{SURROGATE: 1}]], "expected": 1}]}},
        {"example_tests": {**CALL, "cases": [{"args": [], "expected": ["\udc80"]}]}},
        {"hidden_tests": json.dumps({"kind": "assert", "tests": [SURROGATE]})},
        {"hidden_tests": {"kind": "assert", "tests": ["f()"], "setup": SURROGATE}},
    ],
)
def test_lone_surrogates_are_refused_with_their_field(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = write(tmp_path / "a.jsonl", "\n".join([*ROWS, json.dumps(plain(3, **changes))]))
    field = next(iter(changes))
    with pytest.raises(ProblemError, match=rf"a\.jsonl, line 4, field {field}: contains the lone surrogate") as caught:
        read(path)
    str(caught.value).encode()
    assert ids(read(path, skip_bad=True)) == ["0", "1", "2"]


def test_surrogate_pairs_are_characters(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", json.dumps(plain(0, question="😀")))
    assert b"\\ud83d" in path.read_bytes()
    assert read(path).problems[0].question == "😀"


def test_unused_fields_may_contain_anything(tmp_path: Path) -> None:
    row = {
        "task_id": 1,
        "text": "?",
        "test_list": ["assert f()"],
        "note": SURROGATE,
        "deep": json.loads("[" * 300 + "]" * 300),
    }
    assert len(read(write(tmp_path / "a.jsonl", json.dumps(row)), "mbpp").problems) == 1


def test_deeply_nested_arguments_are_refused(tmp_path: Path) -> None:
    deep = {**CALL, "cases": [{"args": [json.loads("[" * 190 + "]" * 190)], "expected": 1}]}
    deeper = {**CALL, "cases": [{"args": [json.loads("[" * 300 + "]" * 300)], "expected": 1}]}
    found = read(write(tmp_path / "a.jsonl", json.dumps(plain(0, hidden_tests=deep))))
    records.write(tmp_path / "p", Problem, found.problems)
    assert records.read(Problem, tmp_path / "p") == found.problems
    with pytest.raises(
        ProblemError, match="line 1, field hidden_tests: contains lists and objects nested more than 200"
    ):
        read(write(tmp_path / "a.jsonl", json.dumps(plain(0, hidden_tests=deeper))))


def test_long_integers_are_stored_exactly(tmp_path: Path) -> None:
    long = "9" * 5000
    tests = f'{{"fn_name": "f", "inputs": [[{long}]], "outputs": [-{long}]}}'
    lines = {"inputs": [f"{long}\n"], "outputs": [f"{long}\n"]}
    rows = [
        f'{{"problem_id": 1, "question": "?", "input_output": {tests}}}',
        json.dumps({"problem_id": 2, "question": "?", "input_output": tests}),
        f'{{"problem_id": 3, "question": "?", "input_output": {{"inputs": [[{long}, 1]], "outputs": [{long}]}}}}',
        json.dumps({"problem_id": 4, "question": "?", "input_output": lines}),
    ]
    read_ = read(write(tmp_path / "a.jsonl", "\n".join(rows)), "apps").problems
    records.write(tmp_path / "p", Problem, read_)
    kept = [problem.hidden_tests for problem in records.read(Problem, tmp_path / "p")]
    assert [suite.to_json() for suite in kept if suite] == [p.hidden_tests.to_json() for p in read_ if p.hidden_tests]
    assert kept[0] == kept[1]
    assert kept[0] is not None
    assert kept[0].cases[0].args == (10**5000 - 1,)
    assert kept[0].cases[0].expected == 1 - 10**5000
    assert kept[2] is not None
    assert kept[2].cases[0].input == f"{long}\n1"


def test_messages_shorten_long_integers(tmp_path: Path) -> None:
    row = f'{{"problem_id": 1, "question": {"7" * 5000}}}'
    with pytest.raises(ProblemError, match="field question: <an integer of 16610 bits>; expected a string"):
        read(write(tmp_path / "a.jsonl", row), "apps")


def test_float_overflow_in_a_test_is_refused(tmp_path: Path) -> None:
    row = '{"problem_id": 1, "question": "?", "input_output": {"inputs": [1e400], "outputs": ["1"]}}'
    with pytest.raises(ProblemError, match=r"field input_output: .*inputs and outputs that are strings"):
        read(write(tmp_path / "a.jsonl", row), "apps")


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("普及+/提高", "普及+/提高"),
        (" Div. 2\n(A) ", "div. 2 (a)"),
        ("İSTANBUL ß ẞ", "İstanbul ß ẞ"),
        (1500, "1500"),
        (1500.0, "1500"),
        (2.5, "2.5"),
        (None, "mine"),
        ("", "mine"),
    ],
)
def test_levels_are_strings_or_numbers(tmp_path: Path, level: Any, expected: str) -> None:
    assert read(write(tmp_path / "a.jsonl", json.dumps(plain(0, level=level)))).problems[0].level == expected
