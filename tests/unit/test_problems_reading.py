"""Which rows are read, the account of the others, settings and fingerprints; jsonl, HumanEval and CodeContests."""

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
from codeplan.problems import ProblemError, ReadProblems, ReadSettings
from codeplan.records import Problem
from codeplan_sandbox import Case, Suite


def lines(path: Path, *rows: Any) -> Path:
    text = "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def read(path: Path, reader: Any = "jsonl", **settings: Any) -> ReadProblems:
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


def ids(found: ReadProblems) -> list[str]:
    return [problem.problem_id.rpartition("/")[2] for problem in found.problems]


def test_split_offset_and_limit_select_the_rows_of_the_account(tmp_path: Path) -> None:
    rows = [plain(number, "test" if number % 2 else "train") for number in range(10)]
    path = lines(tmp_path / "a.jsonl.gz", *rows)
    assert ids(read(path)) == [str(number) for number in range(10)]
    chosen = read(path, split="test", offset=1, limit=3)
    assert ids(chosen) == ["3", "5", "7"]
    assert (chosen.account.rows_in, chosen.account.rows_out, dict(chosen.account.dropped)) == (3, 3, {})


def test_broken_rows_raise_or_are_skipped_and_counted(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", plain(0), "{broken", "", plain(1, question=5), "[1]", plain(2), plain(2))
    with pytest.raises(ProblemError, match=r"a\.jsonl, line 2: cannot be read: Expecting property name"):
        read(path)
    found = read(path, skip_bad=True, split="test")
    assert ids(found) == ["0", "2"]
    assert (found.account.rows_in, dict(found.account.dropped)) == (6, {"broken": 4})


def test_limit_includes_broken_rows(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", plain(0), "{broken", plain(1), plain(2))
    found = read(path, skip_bad=True, limit=3)
    assert ids(found) == ["0", "1"]
    assert found.account.rows_in == 3


def test_a_duplicate_id_is_an_error(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", plain(0), plain(1), plain(0))
    with pytest.raises(ProblemError, match=r"line 3: duplicate problem mine/test/0, first at .*line 1"):
        read(path)


@pytest.mark.parametrize("reader", ["apps", "mbpp", "humaneval", "codecontests", "jsonl"])
def test_missing_files_and_empty_data_sets_are_errors(tmp_path: Path, reader: str) -> None:
    with pytest.raises(ProblemError, match=r"gone\.jsonl: there is no such file"):
        read(tmp_path / "gone.jsonl", reader)
    with pytest.raises(ProblemError, match=rf"empty\.jsonl: no valid {reader} problem.*check the path, split"):
        read(lines(tmp_path / "empty.jsonl"), reader)


def test_an_empty_split_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match="no valid jsonl problem of split 'tset'"):
        read(lines(tmp_path / "a.jsonl", plain(0)), split="tset")


@pytest.mark.parametrize(
    "content", [b"not gzip", gzip.compress(b'{"a": 1}\n' * 100, mtime=0)[:-12]], ids=["not gzip", "truncated"]
)
def test_files_that_cannot_be_decompressed_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(content)
    with pytest.raises(ProblemError, match=r"a\.jsonl\.gz"):
        read(tmp_path / "a.jsonl.gz")


def test_examples_path_is_for_apps_only(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="examples_path is for reader apps only; jsonl has its examples in its rows"):
        read(lines(tmp_path / "a.jsonl", plain(0)), examples_path="b.jsonl")


def test_identity_covers_content_and_not_paths(tmp_path: Path) -> None:
    first, same, other = (
        lines(tmp_path / name, plain(number)) for name, number in (("a.jsonl", 0), ("b.jsonl", 0), ("c.jsonl", 1))
    )

    def identity(path: Path, **settings: Any) -> dict[str, Any]:
        return ReadSettings.of(FileSource(reader="apps", path=str(path), **settings)).identity()

    assert identity(first) == identity(same)
    assert set(identity(first)) == {"source", "content", "examples_content", "reader_version"}
    assert not {"path", "examples_path"} & set(identity(first)["source"])
    assert str(tmp_path) not in json.dumps(identity(first))
    assert identity(first) != identity(other)
    for change in (
        {"split": "test"},
        {"offset": 1},
        {"limit": 1},
        {"examples_path": str(other)},
    ):
        assert identity(first) != identity(first, **change)
    assert identity(first) == identity(first, skip_bad=True), "reading that succeeds without it gives the same"
    with pytest.raises(ProblemError, match="gone: there is no such file or folder"):
        identity(tmp_path / "gone")


# Our own format


def test_jsonl_suites_are_objects_or_json_text(tmp_path: Path) -> None:
    stdin = Suite(kind="stdin", cases=(Case(input="1\n", output="2\n"),), comparator="exact")
    call = Suite(kind="call", cases=(Case(args=([1], "a"), expected=None),), entry_point="f")
    row = plain(0, example_tests=stdin.to_json(), hidden_tests=call.to_dict(), solutions=["x"], starter_code="y")
    problem = read(lines(tmp_path / "a.jsonl", row)).problems[0]
    assert (problem.example_tests, problem.hidden_tests) == (stdin, call)
    assert (problem.level, problem.solutions, problem.starter_code) == ("easy", ("x",), "y")


@given(st.text(), st.lists(st.text(), max_size=3), st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=3))
def test_jsonl_round_trip(
    tmp_path_factory: pytest.TempPathFactory, question: str, solutions: list[str], tests: list[tuple[str, str]]
) -> None:
    suite = Suite(kind="stdin", cases=tuple(Case(input=input_, output=output) for input_, output in tests))
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
        ({"level": ["easy"]}, "field level: .'easy'.; expected a string"),
        ({"problem_id": "other/test/0"}, "field problem_id: .*begins with mine/test/"),
        ({"hidden_tests": {"kind": "magic"}}, "field hidden_tests: .*a suite of tests .kind is 'magic'"),
        ({"hidden_tests": "{"}, "field hidden_tests: .*JSON text"),
        ({"hidden_tests": [1]}, "field hidden_tests: .*a suite must be an object"),
        ({"hidden_tests": {"kind": []}}, "field hidden_tests: .*a suite of tests .kind must be a string"),
        (
            {"hidden_tests": f'{{"kind": 1{"0" * 5000}}}'},
            "field hidden_tests: .*a suite of tests .kind must be a string",
        ),
        ({"hidden_tests": {"kind": "stdin", "comparator": 1}}, "field hidden_tests: .* .comparator must be a string"),
        ({"hidden_tests": {"kind": "stdin", "comparator": []}}, "field hidden_tests: .*a suite of tests"),
    ],
)
def test_wrong_jsonl_fields_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ProblemError, match=rf"a\.jsonl, line 1, {message}"):
        read(lines(tmp_path / "a.jsonl", plain(0, **changes)))


def test_a_missing_jsonl_field_is_named(tmp_path: Path) -> None:
    row = plain(0)
    del row["dataset"]
    with pytest.raises(ProblemError, match="field dataset: missing; expected a string"):
        read(lines(tmp_path / "a.jsonl", row))


# HumanEval


def humaneval(docstring: str) -> dict[str, Any]:
    return {
        "task_id": "HumanEval/7",
        "prompt": f'def inc(x):\n    """{docstring}\n    """\n',
        "entry_point": "inc",
        "canonical_solution": "    return x + 1\n",
        "test": "\n\ndef check(candidate):\n    assert candidate(1) == 2\n",
    }


def test_humaneval_hides_its_check(tmp_path: Path) -> None:
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
