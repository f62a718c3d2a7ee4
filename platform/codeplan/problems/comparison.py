"""The configured comparator enters the suites where they are judged: stored problems do not depend on it."""

from __future__ import annotations

import dataclasses

from codeplan.problems.apps_wrapping import unwrapped
from codeplan.records import Problem
from codeplan_sandbox import Case, Suite
from codeplan_sandbox.suites import PlainComparator


def with_comparator(problem: Problem, comparator: PlainComparator) -> Problem:
    """The problem with a comparator for those of its suites that name none.

    The hidden tests of APPS' functions are compared as APPS wrote them by the comparator ``apps``, which accepts an
    expected value with and without a list around it, as APPS does. The others compare exactly, so they get the values
    without that list. Suites of asserts and those with a checker decide by themselves and stay as they are.
    """
    changed: dict[str, Suite] = {}
    for name in ("example_tests", "hidden_tests"):
        suite: Suite | None = getattr(problem, name)
        if suite is None or suite.comparator is not None or suite.checker or suite.kind == "assert":
            continue
        cases = suite.cases
        if name == "hidden_tests" and comparator != "apps":
            cases = without_wrapping(problem)
        changed[name] = dataclasses.replace(suite, cases=cases, comparator=comparator)
    return problem.model_copy(update=changed) if changed else problem


def without_wrapping(problem: Problem) -> tuple[Case, ...]:
    """The cases of a problem's hidden tests, those of APPS' functions without the list around expected values."""
    suite = problem.hidden_tests
    if suite is None:
        return ()
    if problem.dataset != "apps" or suite.kind != "call":
        return suite.cases
    values = unwrapped([case.expected for case in suite.cases], problem.starter_code)
    return tuple(dataclasses.replace(case, expected=value) for case, value in zip(suite.cases, values, strict=True))
