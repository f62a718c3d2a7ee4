"""The APPS reader: both layouts, fields as data or as JSON text, and example tests parsed from the question."""

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
from codeplan.problems import ProblemError
from codeplan.problems.apps_examples import call_examples, stdin_examples
from codeplan.records import Problem
from codeplan_sandbox import Case

QUESTION = (
    "Add.\n\n-----Input-----\n\nNumbers.\n\n"
    "-----Examples-----\nInput\n1 2\n\nOutput\n3\n\nInput\n5\n6\n\nOutput\n11\n\n\n\n"
    "-----Note-----\n\nInput is small."
)
SIGNATURE = "class Solution:\n    def f(self, nums: List[int], k: int) -> int:\n        "


def lines(path: Path, *rows: Any) -> Path:
    text = "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def row(**changes: Any) -> dict[str, Any]:
    plain = {
        "problem_id": 12,
        "split": "train",
        "difficulty": "Interview",
        "question": QUESTION,
        "solutions": ["print(3)"],
        "input_output": {"inputs": ["7 8\n"], "outputs": ["15\n"]},
    }
    return {**plain, **changes}


def read(path: Path, **settings: Any) -> list[Problem]:
    return problems.read(FileSource(reader="apps", path=str(path), **settings)).problems


def read_one(tmp_path: Path, **changes: Any) -> Problem:
    return read(lines(tmp_path / "apps.jsonl", row(**changes)))[0]


def cases(suite: Any) -> list[tuple[Any, Any]]:
    return [
        (case.input, case.output) if suite.kind == "stdin" else (list(case.args), case.expected) for case in suite.cases
    ]


def test_a_row_becomes_a_problem(tmp_path: Path) -> None:
    problem = read_one(tmp_path)
    assert (problem.problem_id, problem.split, problem.level) == ("apps/train/12", "train", "interview")
    assert problem.solutions == ("print(3)",)
    assert cases(problem.hidden_tests) == [("7 8\n", "15\n")]
    assert cases(problem.example_tests) == [("1 2\n", "3\n"), ("5\n6\n", "11\n")]


def test_fields_may_be_json_text(tmp_path: Path) -> None:
    plain = row()
    as_text = {field: json.dumps(plain[field]) for field in ("solutions", "input_output")}
    assert read_one(tmp_path, **as_text) == read_one(tmp_path)


@pytest.mark.parametrize("nothing", [None, "", "{}", {}, {"inputs": [], "outputs": []}])
def test_missing_tests_and_solutions_are_allowed(tmp_path: Path, nothing: Any) -> None:
    problem = read_one(tmp_path, input_output=nothing, solutions="")
    assert problem.hidden_tests is None
    assert problem.solutions == ()
    assert problem.example_tests is not None


def test_suites_that_expect_no_output_are_dropped(tmp_path: Path) -> None:
    blank = {"inputs": ["1\n", "2\n"], "outputs": ["", "\n"]}
    half = {"inputs": ["1\n", "2\n"], "outputs": ["", "4\n"]}
    (first, second) = read(lines(tmp_path / "a.jsonl", row(input_output=blank), row(problem_id=13, input_output=half)))
    assert first.hidden_tests is None
    assert second.hidden_tests is not None
    assert len(second.hidden_tests) == 2


def test_a_function_without_tests_has_none(tmp_path: Path) -> None:
    empty = {"fn_name": "f", "inputs": [], "outputs": []}
    problem = read_one(tmp_path, input_output=empty, question="f", starter_code=SIGNATURE)
    assert (problem.hidden_tests, problem.example_tests) == (None, None)


def test_lists_of_lines_and_numbers_become_strings(tmp_path: Path) -> None:
    tests = {"inputs": [["2", "1 2"], 5], "outputs": [["3"], 0.5]}
    assert cases(read_one(tmp_path, input_output=tests).hidden_tests) == [("2\n1 2", "3"), ("5", "0.5")]


def test_the_tree_reads_like_the_rows(tmp_path: Path) -> None:
    folder = tmp_path / "tree" / "train" / "0012"
    folder.mkdir(parents=True)
    plain = row()
    (folder / "question.txt").write_text(QUESTION)
    (folder / "solutions.json").write_text(json.dumps(plain["solutions"]))
    (folder / "input_output.json").write_text(json.dumps(plain["input_output"]))
    (folder / "metadata.json").write_text(json.dumps({"difficulty": "interview", "url": "u"}))
    bare = tmp_path / "tree" / "test" / "0000"
    bare.mkdir(parents=True)
    (bare / "question.txt").write_text("Say hello.")
    (bare / "starter_code.py").write_text("def f():")
    everything = read(tmp_path / "tree")
    assert [problem.problem_id for problem in everything] == ["apps/test/0", "apps/train/12"]
    assert everything[1] == read_one(tmp_path)
    assert everything[0].level == "apps"
    assert everything[0].starter_code == "def f():"
    assert everything[0].hidden_tests is everything[0].example_tests is None
    assert read(tmp_path / "tree" / "train") == everything[1:]
    assert read(tmp_path / "tree", split="test") == everything[:1]


def test_a_folder_without_a_question_is_named(tmp_path: Path) -> None:
    (tmp_path / "train" / "0001").mkdir(parents=True)
    (tmp_path / "train" / "0000").mkdir()
    (tmp_path / "train" / "0000" / "question.txt").write_text("?")
    with pytest.raises(ProblemError, match=r"0001.*question\.txt"):
        read(tmp_path)


def test_public_and_private_tests(tmp_path: Path) -> None:
    problem = read_one(
        tmp_path,
        input_output=None,
        public_tests={"input": ["1\n"], "output": ["2\n"]},
        private_tests={"input": ["1\n", "3\n"], "output": ["2\n", "4\n"]},
    )
    assert cases(problem.example_tests) == [("1\n", "2\n")]
    assert cases(problem.hidden_tests) == [("1\n", "2\n"), ("3\n", "4\n")]


def test_examples_path_takes_precedence_over_the_question(tmp_path: Path) -> None:
    given = {"inputs": ["9\n"], "outputs": ["9\n"]}
    examples = lines(
        tmp_path / "examples.jsonl.gz",
        {"problem_id": 0, "split": "test", "example_input_output": given},
        {"problem_id": 1, "split": "test", "example_input_output": None},
        {"problem_id": 2, "split": "train", "example_input_output": given},
    )
    rows = [row(problem_id=number, split="test") for number in range(3)]
    read_ = read(lines(tmp_path / "apps.jsonl", *rows), examples_path=str(examples))
    assert cases(read_[0].example_tests) == [("9\n", "9\n")]
    assert read_[1].example_tests is None
    assert cases(read_[2].example_tests) == [("1 2\n", "3\n"), ("5\n6\n", "11\n")]


def test_quotes_inside_string_arguments_are_kept(tmp_path: Path) -> None:
    tests = {"fn_name": "f", "inputs": [['"abba"', 2], ['"x"', 1]], "outputs": ['"bb', '"']}
    problem = read_one(tmp_path, input_output=tests, starter_code=SIGNATURE)
    assert problem.hidden_tests is not None
    assert problem.hidden_tests.entry_point == "f"
    assert problem.hidden_tests.cases[0] == Case(args=('"abba"', 2), expected='"bb')


@pytest.mark.parametrize(
    ("outputs", "returns", "comparator", "expected"),
    [
        ([[3], [4]], "int", "tokens", [3, 4]),
        ([[3], [4]], "int", "apps", [[3], [4]]),
        ([[3], [4, 5]], "int", "tokens", [[3], [4, 5]]),
        ([[3], [4]], "List[int]", "tokens", [[3], [4]]),
        ([[[3]], [[4, 5]]], "List[int]", "tokens", [[3], [4, 5]]),
        ([3, [4]], "int", "exact", [3, [4]]),
    ],
)
def test_lists_around_expected_values_are_removed_for_exact_comparison(
    tmp_path: Path, outputs: list[Any], returns: str, comparator: Any, expected: list[Any]
) -> None:
    tests = {"fn_name": "f", "inputs": [[1, 2], [3, 4]], "outputs": outputs}
    problem = read_one(tmp_path, input_output=tests, starter_code=f"def f(a, b) -> {returns}:\n    ")
    assert [output for _, output in cases(problem.hidden_tests)] == outputs
    compared = problems.with_comparator(problem, comparator)
    assert [output for _, output in cases(compared.hidden_tests)] == expected


def test_examples_in_the_question_agree_with_hidden_tests_in_a_list(tmp_path: Path) -> None:
    tests = {"fn_name": "f", "inputs": [[[2, 7], 9]], "outputs": [[True]]}
    problem = read_one(tmp_path, input_output=tests, question=SHOWN, starter_code=SIGNATURE)
    assert cases(problem.example_tests) == [([[2, 7], 9], True), ([[], -1], False)]
    assert problems.shown_among_hidden(problem) == 1


SHOWN = (
    "Do it.\n\nExample 1:\n\nInput: nums = [2,7], k = 9\nOutput: true\nExplanation: 2 + 7\n\n"
    "Example 2:\nInput:nums = [], k = -1\n\nOutput:  false \n"
)


def test_function_examples_are_parsed_from_the_question() -> None:
    assert call_examples(SHOWN, SIGNATURE, []) == [([[2, 7], 9], True), ([[], -1], False)]
    assert call_examples("Input: [1], 2\nOutput: [[1], null, 'a']", SIGNATURE, []) == [([[1], 2], [[1], None, "a"])]


@pytest.mark.parametrize(
    ("question", "starter_code", "hidden"),
    [
        ("No example.", SIGNATURE, []),
        (SHOWN, "", []),
        (SHOWN, "def f(nums):", []),
        (SHOWN, "def f(k, nums):", []),
        (SHOWN, SIGNATURE, [([[2, 7], 9], False)]),
        (SHOWN, SIGNATURE, [(['"quoted"', 9], False)]),
        (SHOWN + "Input: a tree, k = 2\nOutput: 3\n", SIGNATURE, []),
        (SHOWN + "Input: [1], 2\nNothing comes out.\n", SIGNATURE, []),
        ("Input: [1], 2\nOutput: three", SIGNATURE, []),
        ("Input: [1], print(2)\nOutput: 3", SIGNATURE, []),
        ("Input: [1], {2}\nOutput: 3", SIGNATURE, []),
    ],
)
def test_ambiguous_function_examples_are_left_out(question: str, starter_code: str, hidden: Any) -> None:
    assert call_examples(question, starter_code, hidden) == []


@given(st.text(), st.text(), st.text())
def test_any_question_can_be_searched_for_examples(before: str, input_: str, output: str) -> None:
    stdin_examples(f"{before}\n-----Examples-----\nInput\n{input_}\nOutput\n{output}")
    call_examples(f"{before}\nInput: {input_}\nOutput: {output}", SIGNATURE, [])


@given(st.lists(st.tuples(st.lists(st.integers(), min_size=1), st.integers()), min_size=1, max_size=4))
def test_blocks_are_read_back(tests: list[tuple[list[int], int]]) -> None:
    blocks = [("".join(f"{number}\n" for number in input_), f"{output}\n") for input_, output in tests]
    shown = "\n".join(f"Input\n{input_}\nOutput\n{output}" for input_, output in blocks)
    assert stdin_examples(f"Story.\n\n-----Examples-----\n{shown}\n\n-----Note-----\nOutput\n7") == blocks
    assert stdin_examples(f"Story.\n-----Example-----\n{shown}".replace("\n", "\r\n")) == blocks
    assert stdin_examples(f"Story.\n{shown}") == []


@pytest.mark.parametrize(
    "question",
    [
        "-----Examples-----\n" + "Input\n" * 100_000,
        "-----Sample Input-----\n" * 50_000,
        "Input: a" + " " * 300_000 + "b\nc",
        ("Input: a" + "\n" * 50) * 10_000,
        "Input: " + "-" * 100_000 + "1\nOutput: 1",
        "Input: " + "[" * 50_000 + "\nOutput: 1",
        "Input: 1" + "0" * 5000 + "\nOutput: 1",
        "Input: \0\nOutput: 1",
    ],
    ids=range(8),
)
def test_pathological_questions_have_no_examples(question: str) -> None:
    assert stdin_examples(question) == []
    assert call_examples(question, "def f(a):\n    ", [([10**5000], 1)]) == []


def test_other_headings_of_examples() -> None:
    numbered = (
        "-----Examples-----\nSample Input 1:\n()\nSample Output 1:\n1\n2\n\nSample Input 2:\n)\nSample Output 2:\n0"
    )
    assert stdin_examples(numbered) == [("()\n", "1\n2\n"), (")\n", "0\n")]
    headed = "-----Sample Input-----\n3\n\n-----Sample Output-----\n5\n\n"
    headed += "-----Sample Input-----\n4\n-----Sample Output-----\n6"
    assert stdin_examples(headed) == [("3\n", "5\n"), ("4\n", "6\n")]
    assert stdin_examples(headed + "\n\nBecause 4 + 2 is 6.") == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"question": None}, r"apps\.jsonl, line 1, field question: None; expected a string"),
        ({"problem_id": True}, "field problem_id: True; expected a string or an integer"),
        ({"solutions": "[1"}, "field solutions: '\\[1'; expected data, or JSON text"),
        ({"solutions": [1]}, "field solutions: .1.; expected a list of strings"),
        ({"input_output": {"inputs": ["1"], "outputs": []}}, "field input_output: .*two lists of equal length"),
        ({"input_output": [1]}, "field input_output: .*an object with two lists"),
        ({"input_output": {"inputs": [{}], "outputs": [""]}}, "inputs and outputs that are strings or lists of lines"),
        ({"input_output": {"inputs": ["1"], "outputs": [""], "fn_name": 3}}, "fn_name to be a string"),
        ({"input_output": {"inputs": ["1"], "outputs": [""], "fn_name": "f"}}, "a list of arguments"),
    ],
)
def test_broken_fields_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ProblemError, match=message):
        read_one(tmp_path, **changes)
