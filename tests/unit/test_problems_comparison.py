"""Stored problems name no comparator; the configured one is added where they are judged."""

from __future__ import annotations

from typing import Any

import pytest

from codeplan import problems
from codeplan.config import MiniAppsSource
from codeplan.records import Problem
from codeplan_sandbox import Case, Suite

STDIN = Suite(kind="stdin", cases=(Case(input="1\n", output="2\n"),))
CALL = Suite(kind="call", entry_point="f", cases=(Case(args=(1,), expected=[2]),))


def problem(**changes: Any) -> Problem:
    return Problem(**{"problem_id": "a", "dataset": "d", "split": "s", "level": "l", "question": "?", **changes})


@pytest.mark.parametrize("comparator", ["tokens", "exact", "apps"])
def test_suites_without_a_comparator_get_the_configured_one(comparator: Any) -> None:
    compared = problems.with_comparator(problem(example_tests=STDIN, hidden_tests=CALL), comparator)
    assert compared.example_tests is not None
    assert compared.hidden_tests is not None
    assert (compared.example_tests.comparator, compared.hidden_tests.comparator) == (comparator, comparator)
    assert (compared.example_tests.cases, compared.hidden_tests.cases) == (STDIN.cases, CALL.cases)


@pytest.mark.parametrize("own", ["tokens", "exact"])
def test_a_suite_keeps_its_own_comparator(own: Any) -> None:
    suite = Suite.from_dict({**STDIN.to_dict(), "comparator": own})
    assert problems.with_comparator(problem(hidden_tests=suite), "apps").hidden_tests == suite
    assert problem(hidden_tests=suite.to_json()).hidden_tests == suite


def test_assert_suites_and_missing_suites_are_unchanged() -> None:
    asserts = problem(hidden_tests=Suite(kind="assert", tests=("assert f()",)))
    assert problems.with_comparator(asserts, "apps") == asserts


def test_apps_results_are_unwrapped_in_hidden_calls_only() -> None:
    for dataset, expected in (("apps", 2), ("mine", [2])):
        compared = problems.with_comparator(problem(dataset=dataset, example_tests=CALL, hidden_tests=CALL), "exact")
        assert compared.hidden_tests is not None
        assert compared.hidden_tests.cases[0].expected == expected
        assert compared.example_tests is not None
        assert compared.example_tests.cases == CALL.cases


def test_generated_problems_name_no_comparator() -> None:
    source = MiniAppsSource(reader="miniapps", split="test", count=7)
    suites = [suite for found in problems.read(source).problems for suite in (found.example_tests, found.hidden_tests)]
    assert {suite.comparator for suite in suites if suite} == {None}
