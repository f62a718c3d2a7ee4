"""Which rows are read, what is lost, and what is said of it; and the formats beside APPS."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeplan import problems
from codeplan.config import FileSource
from codeplan.problems import ProblemError, Reading
from codeplan.records import Problem
from codeplan_sandbox import Case, Suite


def lines(path: Path, *rows: Any) -> Path:
    text = "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def read(path: Path, reader: Any = "jsonl", **settings: Any) -> Reading:
    return problems.read(FileSource(reader=reader, path=str(path), **settings))


def plain(number: int, split: str = "test", **changes: Any) -> dict[str, Any]:
    return {
        "problem_id": f"mine/{split}/{number}",
        "dataset": "mine",
        "split": split,
        "level": "Easy",
        "question": "?",
        **changes,
    }


def ids(reading: Reading) -> list[str]:
    return [each.problem_id.rpartition("/")[2] for each in reading.problems]


def test_split_offset_and_limit_choose_rows_which_alone_are_accounted_for(tmp_path: Path) -> None:
    rows = [plain(number, "test" if number % 2 else "train") for number in range(10)]
    path = lines(tmp_path / "a.jsonl.gz", *rows)
    assert ids(read(path)) == [str(number) for number in range(10)]
    chosen = read(path, split="test", offset=1, limit=3)
    assert ids(chosen) == ["3", "5", "7"]
    assert (chosen.account.rows_in, chosen.account.rows_out, dict(chosen.account.losses)) == (3, 3, {})


def test_broken_rows_stop_the_reading_or_are_counted(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", plain(0), "{broken", "", plain(1, question=5), "[1]", plain(2), plain(2))
    with pytest.raises(ProblemError, match=r"a\.jsonl, line 2: cannot be read: Expecting property name"):
        read(path)
    reading = read(path, skip_bad=True, split="test")
    assert ids(reading) == ["0", "2"]
    assert (reading.account.rows_in, dict(reading.account.losses)) == (6, {"broken": 4})


def test_a_limit_counts_broken_rows_too(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", plain(0), "{broken", plain(1), plain(2))
    reading = read(path, skip_bad=True, limit=3)
    assert ids(reading) == ["0", "1"]
    assert reading.account.rows_in == 3


def test_an_id_that_stands_twice_is_an_error(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", plain(0), plain(1), plain(0))
    with pytest.raises(ProblemError, match=r"line 3: problem mine/test/0 stands twice, first at .*line 1"):
        read(path)


@pytest.mark.parametrize("reader", ["apps", "mbpp", "humaneval", "codecontests", "jsonl"])
def test_missing_files_and_empty_data_sets_are_errors(tmp_path: Path, reader: str) -> None:
    with pytest.raises(ProblemError, match=r"gone\.jsonl: there is no such file"):
        read(tmp_path / "gone.jsonl", reader)
    with pytest.raises(ProblemError, match=rf"empty\.jsonl: no {reader} problem.*check the path, split"):
        read(lines(tmp_path / "empty.jsonl"), reader)


def test_a_split_that_nothing_belongs_to_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match="no jsonl problem of split 'tset'"):
        read(lines(tmp_path / "a.jsonl", plain(0)), split="tset")


@pytest.mark.parametrize(
    "content", [b"no gzip at all", gzip.compress(b'{"a": 1}\n' * 100, mtime=0)[:-12]], ids=["no gzip", "cut off"]
)
def test_files_that_cannot_be_decompressed_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(content)
    with pytest.raises(ProblemError, match=r"a\.jsonl\.gz"):
        read(tmp_path / "a.jsonl.gz")


def test_examples_are_for_apps_alone(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match="examples_path is for reader apps only"):
        read(lines(tmp_path / "a.jsonl", plain(0)), examples_path="b.jsonl")


def test_identity_follows_the_content_and_not_the_path(tmp_path: Path) -> None:
    first, same, other = (
        lines(tmp_path / name, plain(number)) for name, number in (("a.jsonl", 0), ("b.jsonl", 0), ("c.jsonl", 1))
    )

    def identity(path: Path, **settings: Any) -> dict[str, Any]:
        return problems.identity(FileSource(reader="jsonl", path=str(path), **settings))

    assert identity(first) == identity(same)
    assert str(tmp_path) not in json.dumps(identity(first))
    assert identity(first) != identity(other)
    for change in ({"split": "test"}, {"offset": 1}, {"limit": 1}, {"skip_bad": True}):
        assert identity(first) != identity(first, **change)
    with pytest.raises(ProblemError, match="gone: there is no such file or folder"):
        identity(tmp_path / "gone")


# Our own format


def test_plain_rows_hold_suites_as_objects_or_text(tmp_path: Path) -> None:
    stdin = Suite(kind="stdin", cases=(Case(input="1\n", output="2\n"),), comparator="exact")
    call = Suite(kind="call", cases=(Case(args=([1], "a"), expected=None),), entry_point="f")
    row = plain(0, example_tests=stdin.to_json(), hidden_tests=call.to_dict(), solutions=["x"], starter_code="y")
    source = FileSource(reader="jsonl", path=str(lines(tmp_path / "a.jsonl", row)))
    problem = problems.read(source, "apps").problems[0]
    assert problem.example_tests == stdin  # a suite's own comparator stays
    assert problem.hidden_tests is not None
    assert problem.hidden_tests.comparator == "apps"
    assert problem.hidden_tests.cases == call.cases
    assert (problem.level, problem.solutions, problem.starter_code) == ("easy", ("x",), "y")


@given(st.text(), st.lists(st.text(), max_size=3), st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=3))
def test_plain_rows_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, question: str, solutions: list[str], tests: list[tuple[str, str]]
) -> None:
    suite = Suite(kind="stdin", cases=tuple(Case(input=given_, output=wanted) for given_, wanted in tests))
    problem = Problem(
        problem_id="mine/test/0",
        dataset="mine",
        split="test",
        level="easy",
        question=question,
        solutions=tuple(solutions),
        hidden_tests=suite,
    )
    path = tmp_path_factory.mktemp("plain") / "a.jsonl"
    assert read(lines(path, problem.model_dump())).problems == [problem]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"leval": "easy"}, "field leval: 'easy'; expected no such field; a problem has problem_id, dataset"),
        ({"level": ["easy"]}, "field level: .'easy'.; expected text"),
        ({"problem_id": "other/test/0"}, "field problem_id: .*begins with mine/test/"),
        ({"hidden_tests": {"kind": "magic"}}, "field hidden_tests: .*a suite of tests .kind is 'magic'"),
        ({"hidden_tests": "{"}, "field hidden_tests: .*JSON text"),
        ({"hidden_tests": [1]}, "field hidden_tests: .*a suite must be an object"),
        ({"hidden_tests": {"kind": []}}, "field hidden_tests: .*a suite of tests"),
        ({"hidden_tests": {"kind": "stdin", "comparator": []}}, "field hidden_tests: .*a suite of tests"),
    ],
)
def test_plain_rows_with_wrong_fields_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ProblemError, match=rf"a\.jsonl, line 1, {message}"):
        read(lines(tmp_path / "a.jsonl", plain(0, **changes)))


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    row = plain(0)
    del row["dataset"]
    with pytest.raises(ProblemError, match="field dataset: missing; expected text"):
        read(lines(tmp_path / "a.jsonl", row))


# MBPP


def mbpp(task_id: Any, **changes: Any) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "text": "Write a function to add.",
        "code": "def add(a, b):\r\n\treturn a + b",
        "test_setup_code": "import math",
        "test_list": ["assert add(1, 2) == 3", "assert add(0, 0) == 0"],
        **changes,
    }


def test_mbpp_shows_its_first_assert_and_is_decided_by_all(tmp_path: Path) -> None:
    problem = read(lines(tmp_path / "a.jsonl", mbpp(11)), "mbpp").problems[0]
    assert (problem.problem_id, problem.level) == ("mbpp/test/11", "mbpp")
    assert problem.question == "Write a function to add.\nYour code should pass this test:\nassert add(1, 2) == 3"
    assert problem.solutions == ("def add(a, b):\n\treturn a + b",)
    assert problem.example_tests == Suite(kind="assert", tests=("assert add(1, 2) == 3",), setup="import math")
    assert problem.hidden_tests is not None
    assert problem.hidden_tests.tests == ("assert add(1, 2) == 3", "assert add(0, 0) == 0")


def test_mbpp_splits_go_by_task_id(tmp_path: Path) -> None:
    edges = {1: "prompt", 10: "prompt", 11: "test", 510: "test", 511: "validation", 600: "validation", 601: "train"}
    path = lines(tmp_path / "a.jsonl", *(mbpp(task_id) for task_id in (*edges, 974)))
    assert [each.split for each in read(path, "mbpp").problems] == [*edges.values(), "train"]
    assert ids(read(path, "mbpp", split="validation")) == ["511", "600"]


@pytest.mark.parametrize("changes", [{"task_id": 975}, {"task_id": "Task/3"}, {"test_list": []}, {"text": None}])
def test_broken_mbpp_rows_are_named(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(ProblemError, match=f"line 1, field {next(iter(changes))}"):
        read(lines(tmp_path / "a.jsonl", mbpp(**{"task_id": 3, **changes})), "mbpp")


# HumanEval


def humaneval(docstring: str) -> dict[str, Any]:
    return {
        "task_id": "HumanEval/7",
        "prompt": f'def inc(x):\n    """{docstring}\n    """\n',
        "entry_point": "inc",
        "canonical_solution": "    return x + 1\n",
        "test": "\n\ndef check(candidate):\n    assert candidate(1) == 2\n",
    }


def test_humaneval_is_decided_by_its_check(tmp_path: Path) -> None:
    problem = read(lines(tmp_path / "a.jsonl", humaneval("Add one.")), "humaneval").problems[0]
    assert (problem.problem_id, problem.split, problem.level) == ("humaneval/test/7", "test", "humaneval")
    assert problem.example_tests is None
    assert problem.hidden_tests is not None
    for program, passes in ((problem.solutions[0], True), ("def inc(x): return x", False)):
        names: dict[str, Any] = {}
        exec(program, names)
        if passes:
            exec(problem.hidden_tests.tests[0], names)
        else:
            with pytest.raises(AssertionError):
                exec(problem.hidden_tests.tests[0], names)


@pytest.mark.parametrize(
    ("docstring", "tests"),
    [
        ("\n    >>> inc(1)\n    2\n    >>> inc(-1)\n    0", ("assert inc(1) == 2", "assert inc(-1) == 0")),
        ("\n    >>> inc(1)\n    two\n    >>> inc(2)\n    3", ("assert inc(2) == 3",)),
        ("\n    >>> x = 3\n    >>> inc(x)\n    4", ()),
        ("\n    >>>inc(1)\n    2", ()),
        ("\n    inc(1) == 2", ()),
        ("\n    >>> inc(1)\n    {[]: 2}", ()),
    ],
)
def test_humaneval_doctests_are_example_tests(tmp_path: Path, docstring: str, tests: tuple[str, ...]) -> None:
    suite = read(lines(tmp_path / "a.jsonl", humaneval(docstring)), "humaneval").problems[0].example_tests
    assert (suite.tests if suite else ()) == tests


# CodeContests


def contest(**changes: Any) -> dict[str, Any]:
    return {
        "name": "1575_A. Sorting",
        "description": "Sort.",
        "difficulty": 7,
        "public_tests": {"input": ["2 1\n"], "output": ["1 2\n"]},
        "private_tests": {"input": ["3 1\n"], "output": ["1 3\n"]},
        "generated_tests": {"input": ["4 1\n"], "output": ["1 4\n"]},
        "solutions": {"language": [2, 3, 1, 3], "solution": ["c++", "py a", "py2", "py b"]},
        **changes,
    }


def test_codecontests_rows(tmp_path: Path) -> None:
    problem = read(lines(tmp_path / "a.jsonl", contest()), "codecontests", split="valid").problems[0]
    assert (problem.problem_id, problem.level) == ("codecontests/valid/1575_A. Sorting", "a")
    assert problem.solutions == ("py a", "py b")
    assert problem.example_tests == Suite(kind="stdin", cases=(Case(input="2 1\n", output="1 2\n"),))
    assert problem.hidden_tests is not None
    assert [case.input for case in problem.hidden_tests.cases] == ["3 1\n", "4 1\n"]


@pytest.mark.parametrize(
    ("difficulty", "level"), [(0, "unknown"), (6, "external"), (28, "v"), ("HARD", "hard"), (None, "codecontests")]
)
def test_codecontests_levels(tmp_path: Path, difficulty: Any, level: str) -> None:
    row = contest(
        difficulty=difficulty, solutions=None, private_tests=None, generated_tests={"input": [], "output": []}
    )
    problem = read(lines(tmp_path / "a.jsonl", row), "codecontests").problems[0]
    assert (problem.level, problem.solutions, problem.hidden_tests) == (level, (), None)


@pytest.mark.parametrize(
    "changes",
    [{"difficulty": 29}, {"name": ""}, {"solutions": {"language": [3], "solution": [1]}}, {"public_tests": 3}],
)
def test_broken_codecontests_rows_are_named(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(ProblemError, match=f"line 1, field {next(iter(changes))}"):
        read(lines(tmp_path / "a.jsonl", contest(**changes)), "codecontests")
