"""Damaged data sets: every reader gives problems that can be stored, or an error of one line that names the place."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeplan import problems, records
from codeplan.config import FileSource
from codeplan.problems import ProblemError, ReadProblems
from codeplan.records import Problem
from codeplan_sandbox import Suite, long_integers

pytestmark = pytest.mark.fuzz
EXAMPLES = settings().max_examples if os.environ.get("HYPOTHESIS_PROFILE") == "fuzz" else 60

CALL = {"fn_name": "f", "inputs": [[[1, 2], "a"]], "outputs": [[3]]}
QUESTION = "Add.\n\n-----Examples-----\nInput\n1 2\n\nOutput\n3\n\nInput: a = [1], b = 'x'\nOutput: 2\n"
ROWS: dict[str, list[dict[str, Any]]] = {
    "apps": [
        {"problem_id": 1, "split": "train", "difficulty": "interview", "question": QUESTION, "solutions": ["print(3)"],
         "input_output": {"inputs": ["1 2\n", ["3", 4]], "outputs": ["3\n", 7]}, "starter_code": ""},
        {"problem_id": "2", "question": QUESTION, "solutions": json.dumps(["x"]), "input_output": json.dumps(CALL),
         "starter_code": "def f(a, b):\n    "},
        {"id": 3, "question": QUESTION, "public_tests": {"input": ["1\n"], "output": ["2\n"]},
         "private_tests": {"input": ["1\n"], "output": ["2\n"]}},
    ],
    "mbpp": [
        {"task_id": 11, "text": "Add.", "code": "def f():\r\n\tpass", "test_setup_code": None,
         "test_list": ["assert f()"]},
        {"task_id": "Mbpp/12", "prompt": "Add.", "code": "pass", "test_imports": ["import math"],
         "test_list": ["assert f()", "assert g()"], "test": "assert f()"},
        {"task_id": "x", "split": "train", "prompt": "Add.", "test_list": ["assert f()"], "difficulty": "Easy"},
    ],
    "humaneval": [
        {"task_id": "HumanEval/1", "prompt": 'def f(x):\n    """\n    >>> f(1)\n    2\n    """\n', "entry_point": "f",
         "canonical_solution": "    return 2\n", "test": "def check(f):\n    assert f(1) == 2\n"},
        {"task_id": "two-sum", "prompt": "import math", "completion": "class Solution:\n    def g(self, a): pass\n",
         "entry_point": "Solution().g", "query": "Input: a = 1\nOutput: 2", "test": "def check(c): pass",
         "starter_code": "class Solution:\n    def g(self, a):\n        ", "meta": {"difficulty": "Easy"}},
    ],
    "codecontests": [
        {"name": "1_A. B", "description": "Sort.", "difficulty": 7, "public_tests": {"input": ["1"], "output": ["2"]},
         "private_tests": {"input": [], "output": []}, "generated_tests": [{"input": "1", "output": "2"}],
         "solutions": {"language": [3, 2], "solution": ["print()", "int"]}},
    ],
    "jsonl": [
        {"problem_id": "a/test/1", "dataset": "a", "split": "test", "level": 1, "question": "?", "solutions": ["x"],
         "hidden_tests": {"kind": "stdin", "cases": [{"input": "1", "output": "2"}], "comparator": "exact"}},
        {"problem_id": "a/test/2", "dataset": "a", "split": "test", "question": "?", "starter_code": "def f():",
         "example_tests": {"kind": "call", "entry_point": "f", "cases": [{"args": [{"1": [2]}], "expected": 1.5}]},
         "hidden_tests": json.dumps({"kind": "assert", "tests": ["assert f()"], "setup": "", "entry_point": "f"})},
    ],
    "examples": [
        {"problem_id": 1, "split": "train", "example_input_output": {"inputs": ["1\n", "2"], "outputs": ["1\n", ""]}},
    ],
}  # fmt: skip
READERS: list[Any] = ["apps", "mbpp", "humaneval", "codecontests", "jsonl"]

ODD: list[Any] = [
    None, True, False, 0, -1, 3, 1.5, 7.0, float("inf"), float("nan"), 10**5000, -(10**20), "", " \n", "0", "null",
    "{", "[1", "[]", "{}", '["a"]', '{"a": 1, "a": 2}', "1" * 5000, "NaN", '"\\ud800"', "\ud800", "a\udfffb", "\0",
    "\ufeff", "İß\u2028\r\n", "x" * 3000, "-" * 3000 + "1", "(" * 500, "Input\n" * 300, "Input: [1]\nOutput: 2\n" * 40,
    '    """\n>>> f(1)\n1e999\n', "def f(a", "test", "train", [], {}, [[]], [None], ["\udc00"], {"": 1}, {"\ud83d": 1},
    {"input": ["1"], "output": ["2"]}, {"inputs": [[1]], "outputs": [10**4500], "fn_name": "f"},
    {"inputs": ["1"], "outputs": ["2"], "fn_name": ""},
    {"kind": "call", "entry_point": "f", "cases": [{"args": [float("nan")], "expected": {"1": None}}]},
    json.loads("[" * 150 + "]" * 150), json.loads('{"a":' * 250 + "1" + "}" * 250),
]  # fmt: skip
VALUES = st.sampled_from(ODD).map(deepcopy) | st.text(st.characters(), max_size=8) | st.integers() | st.floats()


@st.composite
def damaged(draw: st.DrawFn, reader: str) -> dict[str, Any]:
    """A row of a reader with up to four changes, anywhere in it."""
    row: Any = json.loads(json.dumps(draw(st.sampled_from(ROWS[reader]))))
    for _ in range(draw(st.integers(0, 4))):
        container: Any = row
        while True:
            keys = list(container) if isinstance(container, dict) else list(range(len(container)))
            key = draw(st.sampled_from(keys)) if keys else None
            if key is None or not isinstance(container[key], (dict, list)) or draw(st.booleans()):
                break
            container = container[key]
        change = draw(st.sampled_from(["value", "value", "drop", "text", "list", "add"]))
        if change == "add" or key is None:
            name = draw(
                st.sampled_from(["comparator", "split", "level", "difficulty", "\ud800", "id"]) | st.text(max_size=4)
            )
            if isinstance(container, dict):
                container[name] = draw(VALUES)
            else:
                container.append(draw(VALUES))
        elif change == "drop":
            del container[key]
        elif change == "value":
            container[key] = draw(VALUES)
        elif change == "list":
            container[key] = [container[key]] * draw(st.integers(0, 2))
        else:
            container[key] = encoded(container[key])[draw(st.sampled_from([0, 1])) :]
    return row  # type: ignore[no-any-return]


def encoded(value: Any) -> str:
    return long_integers.dumps(value)


def lines(reader: str) -> st.SearchStrategy[list[bytes]]:
    rows = damaged(reader).map(lambda row: encoded(row).encode())
    cut = st.tuples(rows, st.integers(0, 60), st.binary(max_size=4)).map(
        lambda t: t[0][: t[1]] + t[2] + t[0][t[1] + 1 :]
    )
    other = (
        cut
        | st.binary(max_size=30)
        | st.sampled_from([b"", b" \r", b"[]", b"[1]", b"1", b"\xef\xbb\xbf", b"{}", b'{"a":1}{}'])
    )
    one = rows | rows.map(bytes) | other.map(lambda line: line.replace(b"\n", b""))
    return st.tuples(rows, st.lists(one, max_size=3)).map(lambda pair: [pair[0], *pair[1]])


def outcome(read: Callable[[], ReadProblems], path: Path) -> ReadProblems | str:
    """What was read, after storing it and reading it back; or the error's one line."""
    try:
        found = read()
    except ProblemError as error:
        message = str(error)
        assert message.isprintable()
        assert len(message) < 1500
        assert message.startswith(str(path))
        return message
    table = path.parent / "problems.parquet"
    records.write(table, Problem, found.problems)
    assert list(map(plain, records.read(Problem, table))) == list(map(plain, found.problems))
    for problem in found.problems:
        compared = problems.with_comparator(problem, "exact")
        for suite in (problem.example_tests, problem.hidden_tests, compared.example_tests, compared.hidden_tests):
            assert suite is None or (len(suite) and Suite.from_json(suite.to_json()).to_json() == suite.to_json())
    return found


def plain(problem: Problem) -> dict[str, Any]:
    return problem.model_dump()  # suites as JSON, in which NaN equals NaN


def check_source(reader: Any, path: Path, rows: int, **choice: Any) -> None:
    """Reading raises or accounts for every row of a source whose number of rows is known."""
    source = FileSource(reader=reader, path=str(path), **choice)
    strict = outcome(lambda: problems.read(source), path)
    lenient = outcome(lambda: problems.read(source.model_copy(update={"skip_bad": True})), path)
    if isinstance(strict, str) and f": no valid {reader} problem" not in strict:
        assert re.search(r", (line|item) \d+(: |, field )|/\d{4}(: |, field )", strict), strict
    if isinstance(lenient, str):
        assert f": no valid {reader} problem" in lenient
        broken = re.search(r"; ([\d,]+) broken rows?", lenient)
        assert (int(broken[1].replace(",", "")) if broken else 0) == rows or choice
    else:
        assert lenient.account.rows_in == rows or choice
        assert (not lenient.account.dropped) == (not isinstance(strict, str))


@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(st.data())
def test_damaged_rows(tmp_path_factory: pytest.TempPathFactory, reader: Any, data: st.DataObject) -> None:
    written = data.draw(lines(reader))
    path = tmp_path_factory.getbasetemp() / f"{reader}.jsonl"
    path.write_bytes(b"\n".join(written))
    rows = sum(bool(line.removeprefix(b"\xef\xbb\xbf").strip()) for line in written)
    check_source(
        reader,
        path,
        rows,
        **data.draw(st.sampled_from([{}, {}, {"split": "train"}, {"limit": 2}])),
    )


@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=1 + EXAMPLES // 2, deadline=None)
@given(st.data())
def test_damaged_files(tmp_path_factory: pytest.TempPathFactory, reader: Any, data: st.DataObject) -> None:
    intact = b"\n".join(data.draw(lines(reader)))
    content = data.draw(
        st.sampled_from(
            [b"[" + intact.replace(b"\n", b",\n") + b"]", intact.decode("utf-8", "replace").encode("utf-16")]
        )
    )
    start = data.draw(st.integers(0, min(40, len(content))))
    content = data.draw(st.binary(max_size=6)) + content[start : data.draw(st.integers(start, len(content)))]
    path = tmp_path_factory.getbasetemp() / f"{reader}_whole.jsonl"
    path.write_bytes(content)
    for skip_bad in (False, True):
        source = FileSource(reader=reader, path=str(path), skip_bad=skip_bad)
        outcome(lambda source=source: problems.read(source), path)  # type: ignore[misc]


@settings(max_examples=1 + EXAMPLES // 2, deadline=None)
@given(st.data())
def test_damaged_trees(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    root = tmp_path_factory.getbasetemp() / "tree"
    folder = root / "test" / "0001"
    folder.mkdir(parents=True, exist_ok=True)
    row = data.draw(damaged("apps"))
    row["metadata"] = {"difficulty": row.pop("difficulty", None)}
    names = {"question": "question.txt", "starter_code": "starter_code.py"}
    for name in ("question", "starter_code", "solutions", "input_output", "metadata"):
        file = folder / names.get(name, f"{name}.json")
        file.unlink(missing_ok=True)
        if name in row:
            content = row[name] if isinstance(row[name], str) else encoded(row[name])
            file.write_bytes(
                content.encode("utf-8", "surrogatepass") + data.draw(st.sampled_from([b"", b"", b"", b"\xff", b"\0"]))
            )
    check_source("apps", root, 1)


@settings(max_examples=1 + EXAMPLES // 2, deadline=None)
@given(st.data())
def test_damaged_examples(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "apps_good.jsonl").write_text("\n".join(map(json.dumps, ROWS["apps"])))
    path = folder / "examples.jsonl"
    path.write_bytes(b"\n".join(data.draw(lines("examples"))))
    source = FileSource(reader="apps", path=str(folder / "apps_good.jsonl"), examples_path=str(path))
    outcome(lambda: problems.read(source), path)
