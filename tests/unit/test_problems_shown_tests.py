"""Hidden tests that the question shows as examples: counted, and left out by ``judging.hidden_without_examples``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from codeplan import problems
from codeplan.config import FileSource, JudgingConfig
from codeplan.problems import shown_among_hidden, without_shown_tests
from codeplan.records import Problem
from codeplan.stages import judge
from codeplan_sandbox import Case, Judge, Limits, Outcome, Suite

MBPP = {"task_id": 11, "text": "Add.", "code": "def f(a, b):\n    return a + b"}
EVALPLUS = """\
import numpy as np

def assertion(out, exp, atol):
    assert out == exp

inputs = [[[3, 4], [4]], [[1, 2], [7]], [[3, 4], [4, 5]]]
results = [{4}, set(), {4}]

for i, (inp, exp) in enumerate(zip(inputs, results)):
    assertion(set(common(*inp)), exp, 0)
"""
COMMON = "def common(a, b):\n    return [x for x in a if x in b]\n"


def read(tmp_path: Path, *rows: dict[str, Any], reader: Any = "mbpp") -> list[Problem]:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return problems.read(FileSource(reader=reader, path=str(path))).problems


def judged_by(given: list[Problem], *, without: bool) -> dict[str, Suite]:
    judging = JudgingConfig(hidden_without_examples=without)
    return judge.hidden_suites(given, judge.settings(judging))


def problem(example: Suite | None, hidden: Suite | None, dataset: str = "d") -> Problem:
    plain = {"problem_id": "a", "dataset": dataset, "split": "s", "level": "l", "question": "?"}
    return Problem(**plain, example_tests=example, hidden_tests=hidden)


def asserts(*tests: str) -> Suite:
    return Suite(kind="assert", tests=tests)


def stdin(*pairs: tuple[str, str]) -> Suite:
    return Suite(kind="stdin", cases=tuple(Case(input=input_, output=output) for input_, output in pairs))


def call(*pairs: tuple[list[Any], Any]) -> Suite:
    return Suite(kind="call", entry_point="f", cases=tuple(Case(args=tuple(args), expected=e) for args, e in pairs))


def test_mbpp_shown_assert_is_left_out_of_the_judging_only_on_request(tmp_path: Path) -> None:
    row = {**MBPP, "test_list": ["assert f(1, 2) == 3", "assert f(0, 0) == 0"]}
    (kept,) = read(tmp_path, row)
    assert kept.hidden_tests is not None
    assert len(kept.hidden_tests) == 2
    assert shown_among_hidden(kept) == 1
    name = kept.problem_id
    assert judged_by([kept], without=False)[name].tests == kept.hidden_tests.tests
    assert judged_by([kept], without=True)[name].tests == ("assert f(0, 0) == 0",)


def test_problems_left_without_hidden_tests_are_not_judged(tmp_path: Path) -> None:
    single = {**MBPP, "task_id": 12, "test_list": ["assert f(1, 2) == 3"]}
    double = {**MBPP, "test_list": ["assert f(1, 2) == 3", "assert f(0, 0) == 0"]}
    found = read(tmp_path, single, double)
    assert set(judged_by(found, without=False)) == {problem.problem_id for problem in found}
    assert set(judged_by(found, without=True)) == {found[1].problem_id}


@pytest.mark.parametrize(
    ("example", "hidden", "left"),
    [
        (stdin(("1 2\n", "3\n")), stdin(("1 2 \n\n", "3"), ("4 5", "9")), stdin(("4 5", "9"))),
        (stdin(("1 2\n", "3\n")), stdin(("1 2\n", "4\n")), stdin(("1 2\n", "4\n"))),
        (call(([[1]], 1)), call(([[1]], 1), ([[True]], 1)), call(([[True]], 1))),
        (call(([[1]], 1)), call(([[1]], [1])), call(([[1]], [1]))),
        (asserts("assert f(1)\r\n"), asserts("assert f(1)", "assert f(12)"), asserts("assert f(12)")),
        (asserts("assert f(1)"), stdin(("1", "2")), stdin(("1", "2"))),
        (None, asserts("assert f(1)"), asserts("assert f(1)")),
        (asserts("assert f(1)"), None, None),
    ],
)
def test_same_tests_of_every_kind_of_suite_are_found(example: Any, hidden: Any, left: Any) -> None:
    given = problem(example, hidden)
    assert without_shown_tests(given).hidden_tests == left
    assert shown_among_hidden(given) == len(hidden or ()) - len(left or ())


def test_apps_calls_are_found_with_and_without_the_list_around_results() -> None:
    hidden = call(([1], [2]), ([3], [4]), ([5], [6]))
    given = problem(call(([1], 2), ([3], [4])), hidden, dataset="apps")
    assert shown_among_hidden(given) == 2
    assert without_shown_tests(given).hidden_tests == call(([5], [6]))


def test_mbpp_plus_without_the_shown_input_still_judges(tmp_path: Path) -> None:
    shown = "assert set(common((3, 4), [4,])) == set((4,))"
    row = {"task_id": 2, "prompt": "?", "code": COMMON, "test_list": [shown], "test": EVALPLUS}
    (kept,) = read(tmp_path, row)
    assert shown_among_hidden(kept) == 1
    found = without_shown_tests(kept)
    assert found.hidden_tests is not None
    assert "inputs = [[[1, 2], [7]], [[3, 4], [4, 5]]]\nresults = [set(), {4}]" in found.hidden_tests.tests[0]
    fails_on_shown = "def common(a, b):\n    return 1 / 0 if (a, b) == ([3, 4], [4]) else [x for x in a if x in b]\n"
    with Judge(Limits()) as judge:
        assert judge.judge(fails_on_shown, found.hidden_tests).outcome is Outcome.PASSED
        assert judge.judge("def common(a, b):\n    return []\n", found.hidden_tests).outcome is not Outcome.PASSED


def test_humaneval_plus_without_the_inputs_of_its_doctests(tmp_path: Path) -> None:
    test = (
        "def check(candidate):\n    inputs = [[1], [2]]\n    results = [2, 3]\n"
        "    for i, (inp, exp) in enumerate(zip(inputs, results)):\n        assert candidate(*inp) == exp\n"
    )
    row = {"task_id": "HumanEval/9", "prompt": 'def f(x):\n    """\n    >>> f(1)\n    2\n    """\n', "entry_point": "f"}
    found = without_shown_tests(*read(tmp_path, {**row, "test": test}, reader="humaneval"))
    assert found.hidden_tests is not None
    assert "inputs = [[2]]" in found.hidden_tests.tests[0]
    assert found.hidden_tests.tests[0].endswith("check(f)\n")


CHECK = """\
METADATA = {}

def check(candidate):
    assert candidate([1, 2]) == 3, "sum"  # comment
    assert abs(candidate(xs=(4, 5)) - 9) < 1e-6
    assert candidate([6]) == candidate([1, 2]) + 3
    assert True
"""


@pytest.mark.parametrize(
    ("shown", "removed", "left"),
    [
        (["assert f([1, 2]) == 3"], 1, ["assert abs(candidate(xs=(4, 5)) - 9)", "assert candidate([6])"]),
        (["assert f([1, 2]) == 3", "assert f([4, 5]) == 9"], 2, ["assert candidate([6])"]),
        (["assert f([1, 2.0]) == 3", "assert g([1, 2]) == 3", "assert f(x) == 3"], 0, [CHECK]),
    ],
)
def test_asserts_of_check_functions_with_shown_arguments_are_removed(
    shown: list[str], removed: int, left: list[str]
) -> None:
    hidden = Suite(kind="assert", tests=(f"{CHECK}\ncheck(f)\n",), entry_point="f")
    given = problem(asserts(*shown), hidden)
    assert shown_among_hidden(given) == removed
    kept = without_shown_tests(given).hidden_tests
    assert kept is not None
    assert all(text in kept.tests[0] for text in left)
    assert ("assert candidate([1, 2]) == 3" in kept.tests[0]) == (removed == 0)
    assert kept.tests[0].endswith("check(f)\n")


def test_a_check_function_without_another_call_of_the_function_is_removed() -> None:
    program = "def check(candidate):\n    assert True\n    assert candidate(1) == 2\n\ncheck(Solution().f)\n"
    hidden = Suite(kind="assert", tests=(program,), entry_point="Solution().f")
    assert without_shown_tests(problem(asserts("assert Solution().f(1) == 2"), hidden)).hidden_tests is None


@pytest.mark.parametrize(
    ("program", "removed"),
    [
        (EVALPLUS.replace("results = [{4}, set(), {4}]", "results = [{4}]"), 0),  # lists of different lengths
        (EVALPLUS.replace("results = [{4}, set(), {4}]\n", "").replace("zip(inputs, results)", "inputs"), 1),
        (EVALPLUS.replace("inputs = [", "inputs = [[[inf], np.array([1])], ").replace("[{4}, ", "[{0}, {4}, "), 1),
        (EVALPLUS.replace(", [[1, 2], [7]], [[3, 4], [4, 5]]]", "]").replace(", set(), {4}]", "]"), 1),
        (EVALPLUS.replace("common(*inp)", "other(*inp)"), 0),
        ("inputs = [\n", 0),
    ],
)
def test_variants_of_evalplus_programs(program: str, removed: int) -> None:
    given = problem(asserts("assert common((3, 4), [4]) == [4]"), asserts(program))
    assert shown_among_hidden(given) == removed
    assert (without_shown_tests(given).hidden_tests is None) == ("[[[3, 4], [4]]]" in program)
