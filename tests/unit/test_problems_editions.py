"""HumanEval's, CodeContests' and APPS' other published editions, whose field names differ from the first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from codeplan import problems
from codeplan.config import FileSource
from codeplan.problems import ProblemError
from codeplan.records import Problem
from codeplan_sandbox import Case, Judge, Limits, Outcome, Suite


def read(tmp_path: Path, reader: Any, *rows: dict[str, Any], **settings: Any) -> list[Problem]:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return problems.read(FileSource(reader=reader, path=str(path), **settings)).problems


def passes(problem: Problem) -> list[Outcome]:
    """What the sandbox says of the problem's own solution."""
    with Judge(Limits()) as judge:
        suites = [suite for suite in (problem.example_tests, problem.hidden_tests) if suite is not None]
        return [judge.judge(problem.solutions[0], suite).outcome for suite in suites]


# HumanEval's fields


def leetcode(**changes: Any) -> dict[str, Any]:
    program = "class Solution:\n    def gap(self, nums: List[int]) -> int:\n        return max(nums) - min(nums)\n"
    row = {
        "task_id": "gap/of-two",
        "prompt": "from typing import *\nimport math",
        "completion": program,
        "entry_point": "Solution().gap",
        "test": "def check(candidate):\n    assert candidate(nums = [3, 1]) == 2\n",
        "problem_description": "Find the gap.\n\nExample 1:\n\nInput: nums = [1,5]\nOutput: 4\n",
        "starter_code": "class Solution:\n    def gap(self, nums: List[int]) -> int:\n        ",
        "difficulty": "Easy",
    }
    return {**row, **changes}


def test_leetcode_rows(tmp_path: Path) -> None:
    (problem,) = read(tmp_path, "humaneval", leetcode())
    assert (problem.problem_id, problem.level) == ("humaneval/test/gap/of-two", "easy")
    assert problem.question.startswith("Find the gap.")
    assert problem.starter_code.startswith("class Solution")
    assert problem.hidden_tests == Suite(
        kind="assert",
        tests=("def check(candidate):\n    assert candidate(nums = [3, 1]) == 2\n\ncheck(Solution().gap)\n",),
        entry_point="Solution().gap",
    )
    assert problem.example_tests is not None
    assert problem.example_tests.tests == ("assert Solution().gap([1, 5]) == 4",)
    names: dict[str, Any] = {}
    exec(problem.solutions[0], names)
    for suite in (problem.example_tests, problem.hidden_tests):
        exec(suite.tests[0], names)


@pytest.mark.parametrize(
    ("changes", "question"),
    [
        ({"problem_description": None, "query": "Find it."}, "Find it."),
        ({"problem_description": " ", "content": "Find it."}, "Find it."),
        ({"problem_description": None}, "from typing import *\nimport math"),
        (
            {"prompt": "class Solution:\n    def gap(self, nums):\n        "},
            "class Solution:\n    def gap(self, nums):\n        ",
        ),
    ],
)
def test_the_question_is_the_first_statement_with_text(tmp_path: Path, changes: dict[str, Any], question: str) -> None:
    assert read(tmp_path, "humaneval", leetcode(**changes))[0].question == question


def test_fields_in_meta_are_read(tmp_path: Path) -> None:
    meta = {"difficulty": "Hard", "question_id": 3}
    assert read(tmp_path, "humaneval", leetcode(difficulty=None, meta=meta))[0].level == "humaneval"
    row = leetcode(meta=meta)
    del row["difficulty"]
    assert read(tmp_path, "humaneval", row)[0].level == "hard"


BODY = "    return x + 1\n"
WHOLE = "import math\n\ndef inc(x: int) -> int:\n    return x + 1\n"
STUB = "from typing import List\n\ndef inc(x: int, y: List[int] = []) -> int:\n"


@pytest.mark.parametrize(
    ("prompt", "solution"),
    [
        ('def inc(x):\n    """Add."""\n', BODY),
        ('def inc(x):\n    """Add."""\n', WHOLE),
        (STUB, BODY),
        (STUB, WHOLE),
        (STUB.rstrip(), f"\n{BODY}"),
        ("import math", WHOLE),
        ("Write a function that adds one to x.", WHOLE),
        ("from typing import List\n", "def inc(x: int, y: List[int] = []) -> int:\n    return x + 1"),
    ],
)
def test_solutions_are_continuations_or_whole_programs(tmp_path: Path, prompt: str, solution: str) -> None:
    row = leetcode(
        prompt=prompt, canonical_solution=solution, entry_point="inc", test="def check(f):\n    assert f(1) == 2"
    )
    names: dict[str, Any] = {}
    exec(read(tmp_path, "humaneval", row)[0].solutions[0], names)
    assert names["inc"](1) == 2


def test_humanevalpack_calls_its_check_itself_and_has_a_setup(tmp_path: Path) -> None:
    row = {
        "task_id": "Python/3",
        "prompt": 'def inc(x):\n    """ Add. """\n',
        "canonical_solution": BODY,
        "entry_point": "inc",
        "test_setup": "\nimport math\n",
        "test": "def check(candidate):\n    assert candidate(1) == 2 * math.ceil(0.5)\n\ncheck(inc)",
    }
    (problem,) = read(tmp_path, "humaneval", row)
    assert problem.problem_id == "humaneval/test/Python/3"
    assert problem.hidden_tests is not None
    assert problem.hidden_tests.tests[0].count("check(inc)") == 1
    assert passes(problem) == [Outcome.PASSED]


def test_humaneval_plus_test_programs_are_kept(tmp_path: Path) -> None:
    test = "import numpy as np\n\ndef check(candidate):\n    assert np.isclose(candidate(1), 2)\n"
    row = {
        **leetcode(prompt="def inc(x):\n", canonical_solution=BODY, entry_point="inc", test=test),
        "task_id": "HumanEval/900",
    }
    (problem,) = read(tmp_path, "humaneval", {**row, "contract": "", "base_input": [[1]], "plus_input": [], "atol": 0})
    assert problem.problem_id == "humaneval/test/900"
    assert problem.hidden_tests is not None
    assert problem.hidden_tests.tests == (f"{test}\ncheck(inc)\n",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test": ""}, "field test: ''; .*check.candidate.*EvalPlus"),
        ({"test": None}, "field test: None; expected a string"),
        ({"entry_point": "a b"}, "field entry_point: 'a b'; expected the name of a function"),
        ({"entry_point": "f(1)"}, "field entry_point"),
        ({"meta": {"split": 1}, "difficulty": ["x"]}, "field difficulty"),
    ],
)
def test_broken_rows_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ProblemError, match=f"line 1, {message}"):
        read(tmp_path, "humaneval", leetcode(**changes))


def test_a_doctest_with_a_comment_keeps_its_expected_value(tmp_path: Path) -> None:
    prompt = 'def inc(x):\n    """\n    >>> inc(1)  # one\n    2\n    >>> print(inc(1))\n    2\n    """\n'
    (problem,) = read(tmp_path, "humaneval", leetcode(prompt=prompt, canonical_solution=BODY, entry_point="inc"))
    assert problem.example_tests is not None
    assert problem.example_tests.tests == ("assert inc(1) == 2",)


@pytest.mark.parametrize("strange", ["-" * 100_000 + "1", "(" * 5000, "a" + ".b" * 100_000, "\0", "1" * 5000])
def test_doctests_that_do_not_parse_are_not_examples(tmp_path: Path, strange: str) -> None:
    prompt = f'def inc(x):\n    """\n    >>> inc({strange})\n    2\n    >>> inc(1)\n    {strange}\n    """\n'
    (problem,) = read(
        tmp_path,
        "humaneval",
        {**leetcode(prompt=prompt, entry_point="inc", problem_description=""), "canonical_solution": strange},
    )
    assert problem.solutions == (prompt + strange,)
    assert problem.example_tests is None


# CodeContests and APPS


def test_codecontests_as_lists_of_objects(tmp_path: Path) -> None:
    row = {
        "name": "1575_A. Sorting",
        "description": "Sort.",
        "difficulty": 7.0,
        "public_tests": [{"input": "2 1\n", "output": "1 2\n"}],
        "private_tests": [],
        "generated_tests": [{"input": "4 1\n", "output": "1 4\n"}],
        "solutions": [{"language": "PYTHON3", "solution": "py"}, {"language": "CPP", "solution": "c++"}],
    }
    (problem,) = read(tmp_path, "codecontests", row)
    assert (problem.level, problem.solutions) == ("a", ("py",))
    assert problem.example_tests == Suite(kind="stdin", cases=(Case(input="2 1\n", output="1 2\n"),))
    assert problem.hidden_tests == Suite(kind="stdin", cases=(Case(input="4 1\n", output="1 4\n"),))
    with pytest.raises(ProblemError, match=r"field public_tests: .*or a list of objects with both"):
        read(tmp_path, "codecontests", {**row, "public_tests": [{"input": "1"}]})


def test_apps_rows_of_the_hub_and_of_tables(tmp_path: Path) -> None:
    row = {
        "problem_id": 4.0,
        "question": "?",
        "solutions": "",
        "input_output": "",
        "starter_code": "",
        "difficulty": None,
    }
    (problem,) = read(tmp_path, "apps", row)
    assert (problem.problem_id, problem.level, problem.solutions) == ("apps/test/4", "apps", ())


def test_dict_arguments_stay_objects(tmp_path: Path) -> None:
    tests = {"fn_name": "f", "inputs": [[{"3": 2}]], "outputs": [[{"3": [1]}]]}
    starter = "def f(stock):\n\t"
    question = "Input: stock = {3: 2}\nOutput: 6"
    row = {"problem_id": 1, "question": question, "input_output": json.dumps(tests), "starter_code": starter}
    (problem,) = read(tmp_path, "apps", row)
    assert problem.example_tests is None
    for comparator, expected in (("apps", [{"3": [1]}]), ("tokens", {"3": [1]})):
        suite = problems.with_comparator(problem, comparator).hidden_tests  # type: ignore[arg-type]
        assert suite is not None
        assert suite.cases == (Case(args=({"3": 2},), expected=expected),)


def test_broken_tests_are_named_by_their_own_field_and_file(tmp_path: Path) -> None:
    wrong = {"input": [None], "output": ["1"]}
    for field in ("public_tests", "private_tests"):
        with pytest.raises(ProblemError, match=rf"a\.jsonl, line 1, field {field}: .*strings or lists of lines"):
            read(tmp_path, "apps", {"problem_id": 7, "question": "?", field: wrong})
    for field in ("public_tests", "private_tests", "generated_tests"):
        with pytest.raises(ProblemError, match=rf"line 1, field {field}: .*strings or lists of lines"):
            read(tmp_path, "codecontests", {"name": "a", "description": "?", field: wrong})
    examples = tmp_path / "examples.jsonl"
    examples.write_text('{"problem_id": 7, "example_input_output": {"inputs": [null], "outputs": ["1"]}}')
    with pytest.raises(ProblemError, match=r"examples\.jsonl, line 1, field example_input_output: .*strings or lists"):
        read(tmp_path, "apps", {"problem_id": 7, "question": "?"}, examples_path=str(examples))


def test_duplicate_examples_are_refused(tmp_path: Path) -> None:
    examples = tmp_path / "examples.jsonl"
    given = {"inputs": ["1\n"], "outputs": ["1\n"]}
    examples.write_text("\n".join(json.dumps({"problem_id": id_, "example_input_output": given}) for id_ in (7, "007")))
    with pytest.raises(ProblemError, match=r"examples\.jsonl, line 2: duplicate examples of test/7, first at .*line 1"):
        read(tmp_path, "apps", {"problem_id": 7, "question": "?"}, examples_path=str(examples))
