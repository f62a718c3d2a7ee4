"""Why a reference solution fails its own problem's tests: whose fault that is, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from codeplan_sandbox import Outcome

_PACKAGE = re.compile(r"No module named '(?P<missing>[\w.]+)'|the test imports (?P<imported>\w+)")


@dataclass(frozen=True)
class Attempt:
    """How one of a problem's solutions did."""

    outcome: Outcome
    message: str = ""

    @property
    def passed(self) -> bool:
        """Whether every test passed."""
        return self.outcome is Outcome.PASSED


@dataclass(frozen=True)
class Cause:
    """A kind of failure, and what to do about it."""

    text: str
    advice: str = ""


_OF_OUTCOMES = {
    Outcome.TIME_LIMIT: Cause("limit too low: time limit", "raise judging.time_s or judging.total_s, or accept it"),
    Outcome.MEMORY_LIMIT: Cause("limit too low: memory limit", "raise judging.memory_mb, or accept it"),
    Outcome.OUTPUT_LIMIT: Cause("limit too low: output limit", "raise judging.output_mb, or accept it"),
    Outcome.UNSEPARABLE: Cause(
        "the tests cannot be kept apart from the program", "problems with such tests are never solved"
    ),
    Outcome.SYNTAX_ERROR: Cause("the solution is not Python 3", "nothing is to be done where it is Python 2"),
    Outcome.FORBIDDEN: Cause("the solution does what the sandbox forbids", "nothing is to be done"),
    Outcome.PROCESS_LIMIT: Cause("the solution starts more threads than the sandbox allows", "nothing is to be done"),
}
"""Outcomes that say by themselves whose fault they are."""


def cause_of(first: Attempt, others: Sequence[Attempt], lenient: Attempt | None) -> Cause:
    """Why the first of a problem's solutions fails.

    Args:
        first: how it failed.
        others: how other solutions of the same problem did; they fail or pass.
        lenient: how the first did when outputs were compared as APPS does; None where that was not tried.
    """
    by_itself = _by_itself(first)
    if by_itself is not None:
        return by_itself
    if any(each.passed for each in others):
        return Cause("the solution itself is wrong", "other solutions of the problem pass; nothing is to be done")
    if lenient is not None and lenient.passed:
        return Cause("the output has another order or format than expected", "compare with problems.comparator: apps")
    if others and all(each.outcome is Outcome.WRONG_ANSWER for each in (first, *others)):
        return Cause(
            f"several right answers: all of {len(others) + 1} solutions give another answer than the one expected",
            "such problems count as not solved in every arm; leave them out of the file for exact numbers",
        )
    if others and all(_kind(each) == _kind(first) for each in others):
        return Cause(
            f"reader fault: all of {len(others) + 1} solutions fail in one way ({_kind(first)})",
            "the tests do not fit the solutions: look at the row, and at the choice of problems.*.reader",
        )
    return Cause("the solution or its tests are wrong", "look at the row")


def _by_itself(attempt: Attempt) -> Cause | None:
    """The cause that one attempt shows without a look at others."""
    package = _PACKAGE.search(attempt.message)
    if package is not None and attempt.outcome is Outcome.UNSEPARABLE:
        name = package["imported"] or package["missing"]
        return Cause(
            f"the test needs the package {name}", "install it if tests may use it; until then no program passes"
        )
    if package is not None:
        return Cause(f"the solution needs the package {package['missing']}", "programs have the standard library only")
    return _OF_OUTCOMES.get(attempt.outcome)


def _kind(attempt: Attempt) -> str:
    """An outcome with the type of its exception, where it has one."""
    name = re.match(r"\w*(?:Error|Exception|Exit)\b", attempt.message)
    return name[0] if name else attempt.outcome.value.replace("_", " ")
