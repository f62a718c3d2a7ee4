"""The results of judging a program.

The names are stable: the library, the command's JSON and the tables of records have the same ones.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """How a program, or one of its tests, ended."""

    PASSED = "passed"
    WRONG_ANSWER = "wrong_answer"
    RUNTIME_ERROR = "runtime_error"
    SYNTAX_ERROR = "syntax_error"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    PROCESS_LIMIT = "process_limit"
    FORBIDDEN = "forbidden"
    """A blocked operation ended the program."""
    EXITED_EARLY = "exited_early"
    """The program ended before its test did, for example by os._exit in a call test."""
    UNSEPARABLE = "unseparable"
    """The assert tests cannot run in a process apart from the program; never counted as a pass."""
    CHECKER_FAILED = "checker_failed"
    """The suite's checker failed on the output: neither a pass nor a failure of the program."""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """The result of one test.

    Attributes:
        outcome: how it ended.
        time_s: CPU seconds used.
        memory_bytes: peak resident memory.
        output: what the program wrote, truncated to 1,000 characters.
        message: why it failed (exception and line, the limit), truncated to 500 characters; empty if passed.
    """

    outcome: Outcome
    time_s: float = 0.0
    memory_bytes: int = 0
    output: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class SuiteVerdict:
    """The result of judging a program with a whole suite.

    Attributes:
        outcome: PASSED if every test passed, otherwise the outcome of the first failed test.
        total_tests: number of tests in the suite.
        cases: results in suite order; shorter than ``total_tests`` if judging stopped at the first failure.
        tier: name of the isolation tier in which the program ran.
        message: why it failed; empty if passed.
    """

    outcome: Outcome
    total_tests: int
    cases: tuple[CaseResult, ...] = ()
    tier: str = ""
    message: str = ""

    @property
    def passed(self) -> bool:
        """Whether every test passed."""
        return self.outcome is Outcome.PASSED

    @property
    def passed_tests(self) -> int:
        """How many tests passed, of those that ran."""
        return sum(case.outcome is Outcome.PASSED for case in self.cases)

    @property
    def time_s(self) -> float:
        """CPU seconds over all tests that ran."""
        return sum(case.time_s for case in self.cases)

    @property
    def memory_bytes(self) -> int:
        """Peak resident memory over all tests that ran."""
        return max((case.memory_bytes for case in self.cases), default=0)

    def to_dict(self) -> dict[str, Any]:
        """The verdict as JSON values: what the command prints."""
        return {
            "outcome": self.outcome.value,
            "passed_tests": self.passed_tests,
            "total_tests": self.total_tests,
            "time_s": self.time_s,
            "memory_bytes": self.memory_bytes,
            "message": self.message,
            "tier": self.tier,
            "cases": [{**asdict(case), "outcome": case.outcome.value} for case in self.cases],
        }


class SandboxError(RuntimeError):
    """The sandbox could not judge. This says nothing about the program and must never be scored as a failure of it."""
