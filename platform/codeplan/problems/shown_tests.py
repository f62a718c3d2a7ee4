"""Hidden tests that the question shows as examples, like MBPP's first assert: counted, and removed on request.

Two tests are the same where their source, or their input and output, are equal up to whitespace at line ends; the
arguments and results of calls must be equal. Hidden tests that are one program are searched for the arguments of the
shown ones; see `codeplan.problems.program_suites`.
"""

from __future__ import annotations

import dataclasses

from codeplan.problems import program_suites
from codeplan.problems.comparison import without_wrapping
from codeplan.records import Problem
from codeplan_sandbox import Case, Suite, long_integers
from codeplan_sandbox.suites import SuiteKind


def shown_among_hidden(problem: Problem) -> int:
    """The number of hidden tests that the question shows as example tests."""
    return _separated(problem)[1]


def without_shown_tests(problem: Problem) -> Problem:
    """The problem without the hidden tests that its question shows; ``hidden_tests`` is None where none is left."""
    hidden, removed = _separated(problem)
    return problem.model_copy(update={"hidden_tests": hidden}) if removed else problem


def _separated(problem: Problem) -> tuple[Suite | None, int]:
    """The hidden tests that are not shown, and how many are."""
    example, hidden = problem.example_tests, problem.hidden_tests
    if example is None or hidden is None or example.kind != hidden.kind:
        return hidden, 0
    if hidden.kind == "assert":
        return _separated_asserts(example, hidden)
    shown = {_case_key(hidden.kind, case) for case in example.cases}
    kept = []
    for stored, bare in zip(hidden.cases, without_wrapping(problem), strict=True):
        if not shown & {_case_key(hidden.kind, stored), _case_key(hidden.kind, bare)}:
            kept.append(stored)
    removed = len(hidden) - len(kept)
    return (dataclasses.replace(hidden, cases=tuple(kept)) if kept else None), removed


def _case_key(kind: SuiteKind, case: Case) -> str:
    if kind == "call":
        return long_integers.dumps([list(case.args), case.expected])
    return f"{_trimmed(case.input)}\0{_trimmed(case.output)}"


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.rstrip().splitlines())


def _separated_asserts(example: Suite, hidden: Suite) -> tuple[Suite | None, int]:
    shown = {_trimmed(test) for test in example.tests}
    kept: list[str] = []
    removed = 0
    for test in hidden.tests:
        if _trimmed(test) in shown:
            removed += 1
            continue
        rest, count = program_suites.without_shown(test, example.tests, hidden.entry_point)
        removed += count
        if rest:
            kept.append(rest)
    return (dataclasses.replace(hidden, tests=tuple(kept)) if kept else None), removed
