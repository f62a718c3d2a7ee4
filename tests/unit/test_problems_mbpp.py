"""MBPP, its sanitized edition, and MBPP+."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from codeplan import problems
from codeplan.config import FileSource
from codeplan.problems import ProblemError, ReadProblems
from codeplan.records import Problem
from codeplan_sandbox import Judge, Limits, Outcome, Suite


def read_all(tmp_path: Path, *rows: dict[str, Any], **settings: Any) -> ReadProblems:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return problems.read(FileSource(reader="mbpp", path=str(path), **settings))


def read(tmp_path: Path, *rows: dict[str, Any], **settings: Any) -> list[Problem]:
    return read_all(tmp_path, *rows, **settings).problems


def passes(problem: Problem) -> list[Outcome]:
    """What the sandbox says of the problem's own solution."""
    with Judge(Limits()) as judge:
        suites = [suite for suite in (problem.example_tests, problem.hidden_tests) if suite is not None]
        return [judge.judge(problem.solutions[0], suite).outcome for suite in suites]


def mbpp(task_id: Any, **changes: Any) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "text": "Write a function to add.",
        "code": "def add(a, b):\r\n\treturn a + b",
        "test_setup_code": "import math",
        "test_list": ["assert add(1, 2) == 3", "assert add(0, 0) == 0"],
        **changes,
    }


def test_mbpp_shows_its_first_assert_and_hides_all_of_them(tmp_path: Path) -> None:
    problem = read(tmp_path, mbpp(11))[0]
    assert (problem.problem_id, problem.level) == ("mbpp/test/11", "mbpp")
    assert problem.question == "Write a function to add.\nYour code should pass this test:\nassert add(1, 2) == 3"
    assert problem.solutions == ("def add(a, b):\n\treturn a + b",)
    assert problem.example_tests == Suite(kind="assert", tests=("assert add(1, 2) == 3",), setup="import math")
    assert problem.hidden_tests is not None
    assert problem.hidden_tests.tests == ("assert add(1, 2) == 3", "assert add(0, 0) == 0")


def test_mbpp_splits_go_by_task_id(tmp_path: Path) -> None:
    edges = {1: "prompt", 10: "prompt", 11: "test", 510: "test", 511: "validation", 600: "validation", 601: "train"}
    rows = [mbpp(task_id) for task_id in (*edges, 974)]
    assert [problem.split for problem in read(tmp_path, *rows)] == [*edges.values(), "train"]
    validation = read(tmp_path, *rows, split="validation")
    assert [problem.problem_id for problem in validation] == ["mbpp/validation/511", "mbpp/validation/600"]


@pytest.mark.parametrize("changes", [{"task_id": 975}, {"task_id": "Task/3"}, {"test_list": []}, {"text": None}])
def test_broken_mbpp_rows_are_named(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(ProblemError, match=f"line 1, field {next(iter(changes))}"):
        read(tmp_path, mbpp(**{"task_id": 3, **changes}))


def sanitized(**changes: Any) -> dict[str, Any]:
    row = {
        "source_file": "Benchmark Questions Verification V2.ipynb",
        "task_id": 82,
        "prompt": "Write a function to find the volume of a sphere.",
        "code": "import math\r\ndef volume(r):\r\n  return 4 / 3 * math.pi * r ** 3",
        "test_imports": ["import math"],
        "test_list": ["assert math.isclose(volume(10), 4188.79, rel_tol=0.001)", "assert volume(0) == 0"],
    }
    return {**row, **changes}


def test_mbpp_sanitized(tmp_path: Path) -> None:
    (problem,) = read(tmp_path, sanitized())
    assert problem.problem_id == "mbpp/test/82"
    assert problem.question.startswith(
        "Write a function to find the volume of a sphere.\nYour code should pass this test:"
    )
    assert problem.hidden_tests is not None
    assert problem.hidden_tests.setup == "import math"
    assert passes(problem) == [Outcome.PASSED, Outcome.PASSED]


@pytest.mark.parametrize("nothing", [None, "", [], "[]"])
def test_mbpp_without_imports_and_setup(tmp_path: Path, nothing: Any) -> None:
    setup = None if isinstance(nothing, list) else nothing
    (problem,) = read(tmp_path, sanitized(test_imports=nothing, test_setup_code=setup if setup != "[]" else ""))
    assert problem.hidden_tests is not None
    assert problem.hidden_tests.setup == ""


def test_mbpp_setup_code_comes_after_the_imports(tmp_path: Path) -> None:
    row = sanitized(test_imports=["import math", "import re"], test_setup_code="x = math.pi\r\ny = 1")
    (problem,) = read(tmp_path, row)
    assert problem.hidden_tests is not None
    assert problem.hidden_tests.setup == "import math\nimport re\nx = math.pi\ny = 1"


def test_mbpp_plus_hides_its_test_program(tmp_path: Path) -> None:
    test = "for given, wanted in zip([[1], [2]], [1, 8]):\n    assert cube(*given) == wanted"
    code = "def cube(x):\n    return x ** 3"
    (problem,) = read(tmp_path, sanitized(task_id="Mbpp/2", test_list=["assert cube(3) == 27"], test=test, code=code))
    assert (problem.problem_id, problem.split) == ("mbpp/prompt/2", "prompt")
    assert problem.hidden_tests is not None
    assert problem.hidden_tests.tests == (test,)
    assert problem.example_tests is not None
    assert problem.example_tests.tests == ("assert cube(3) == 27",)
    assert passes(problem) == [Outcome.PASSED, Outcome.PASSED]


def test_mbpp_questions_that_contain_the_assert_are_unchanged(tmp_path: Path) -> None:
    prompt = '"""\nWrite a function to cube.\nassert cube(3) == 27\n"""\n'
    (problem,) = read(tmp_path, sanitized(prompt=prompt, test_list=["assert cube(3) == 27"]))
    assert problem.question == prompt


@pytest.mark.parametrize(
    ("task_id", "problem_id"),
    [(11, "test/11"), (11.0, "test/11"), ("11", "test/11"), ("Mbpp/601", "train/601"), ("MBPP/011", "test/11")],
)
def test_mbpp_ids(tmp_path: Path, task_id: Any, problem_id: str) -> None:
    assert read(tmp_path, sanitized(task_id=task_id))[0].problem_id == f"mbpp/{problem_id}"


@pytest.mark.parametrize("task_id", [0, 975, "Mbpp/1000", "extra/7", 2.5, True, None, 10**30])
def test_mbpp_ids_outside_the_splits_of_the_paper(tmp_path: Path, task_id: Any) -> None:
    with pytest.raises(ProblemError, match=r"line 1, field task_id: .*from 1 to 974, .*or a field split"):
        read(tmp_path, sanitized(task_id=task_id))


def test_mbpp_rows_may_name_their_own_split(tmp_path: Path) -> None:
    rows = [sanitized(task_id="extra/7", split="train"), sanitized(task_id=11, split="train"), sanitized(task_id=12)]
    assert [problem.problem_id for problem in read(tmp_path, *rows, split="train")] == [
        "mbpp/train/extra/7",
        "mbpp/train/11",
    ]


def test_mbpp_files_of_evalplus_itself_have_no_tests(tmp_path: Path) -> None:
    row = {"task_id": "Mbpp/2", "prompt": "?", "entry_point": "f", "base_input": [[1]], "plus_input": [[2]], "atol": 0}
    with pytest.raises(ProblemError, match=r"field test_list: missing; .*EvalPlus"):
        read(tmp_path, row)
