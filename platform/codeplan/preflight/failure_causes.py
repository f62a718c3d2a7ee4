"""Why a reference solution fails its own problem's tests, and what to do about it.

The outcome, the message and other solutions of the problem tell a limit that is too low from a wrong solution, a wrong
comparator, several correct answers, a missing package, or a reader that does not fit the file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from codeplan_sandbox import Outcome

_PACKAGE = re.compile(r"No module named '(?P<missing>[\w.]+)'|the test imports (?P<imported>\w+)")


@dataclass(frozen=True)
class Attempt:
    """The result of one of a problem's solutions."""

    outcome: Outcome
    message: str = ""

    @property
    def passed(self) -> bool:
        """Whether every test passed."""
        return self.outcome is Outcome.PASSED


@dataclass(frozen=True)
class Cause:
    """A cause of failure, and what to do about it."""

    text: str
    advice: str = ""


_BY_OUTCOME = {
    Outcome.TIME_LIMIT: Cause(
        "limit too low: time limit",
        "raise judging.hidden_tests.time_s or judging.hidden_tests.total_s, or accept these failures",
    ),
    Outcome.MEMORY_LIMIT: Cause(
        "limit too low: memory limit", "raise judging.hidden_tests.memory_mb, or accept these failures"
    ),
    Outcome.OUTPUT_LIMIT: Cause(
        "limit too low: output limit", "raise judging.hidden_tests.output_mb, or accept these failures"
    ),
    Outcome.UNSEPARABLE: Cause(
        "the tests cannot be separated from the program", "problems with such tests are never solved"
    ),
    Outcome.CHECKER_FAILED: Cause(
        "the checker of the tests fails", "mend it in the data; no program passes the tests that it fails on"
    ),
    Outcome.SYNTAX_ERROR: Cause("the solution is not valid Python 3", "no action needed if it is Python 2"),
    Outcome.FORBIDDEN: Cause("the solution performs an operation that the sandbox forbids", "no action needed"),
    Outcome.PROCESS_LIMIT: Cause("the solution starts more threads than the sandbox allows", "no action needed"),
}
"""Causes that follow from the outcome alone."""


def cause_of(first: Attempt, others: Sequence[Attempt], lenient: Attempt | None) -> Cause:
    """Why the first of a problem's solutions fails.

    Args:
        first: the failed attempt.
        others: attempts of other solutions of the same problem, passed or failed.
        lenient: the first solution's attempt with the comparator ``apps``; None where that was not tried.
    """
    evident = _evident(first)
    if evident is not None:
        return evident
    if any(other.passed for other in others):
        return Cause("the solution itself is wrong", "other solutions of the problem pass; no action needed")
    if lenient is not None and lenient.passed:
        return Cause("the output differs from the expected one in order or format", "set judging.comparator: apps")
    if others and all(attempt.outcome is Outcome.WRONG_ANSWER for attempt in (first, *others)):
        return Cause(
            f"several correct answers: all {len(others) + 1} solutions give other answers than the expected one",
            "such problems count as not solved in every arm; remove them from the file for exact numbers",
        )
    if others and all(_kind(other) == _kind(first) for other in others):
        return Cause(
            f"reader fault: all {len(others) + 1} solutions fail in the same way ({_kind(first)})",
            "the tests do not match the solutions: inspect the row, and check problems.*.reader",
        )
    return Cause("the solution or its tests are wrong", "inspect the row")


def _evident(attempt: Attempt) -> Cause | None:
    """The cause that is evident from one attempt alone; None if others are needed."""
    if attempt.outcome is Outcome.CHECKER_FAILED:
        return _BY_OUTCOME[attempt.outcome]
    package = _PACKAGE.search(attempt.message)
    if package is not None and attempt.outcome is Outcome.UNSEPARABLE:
        name = package["imported"] or package["missing"]
        return Cause(
            f"the test needs the package {name}", "install it if tests may use it; without it no program passes"
        )
    if package is not None:
        return Cause(
            f"the solution needs the package {package['missing']}",
            "programs can use the standard library only, and what judging.packages lists",
        )
    return _BY_OUTCOME.get(attempt.outcome)


def _kind(attempt: Attempt) -> str:
    """The type of the exception where there is one, else the outcome."""
    name = re.match(r"\w*(?:Error|Exception|Exit)\b", attempt.message)
    return name[0] if name else attempt.outcome.value.replace("_", " ")
