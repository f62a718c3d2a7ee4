"""What a judge says of a program. The names are stable: they are stored in tables and compared between runs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
    """The program ended before its tests could: for example os._exit in a call test."""
    UNSEPARABLE = "unseparable"
    """The assert tests cannot be kept apart from the program; never a silent pass."""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One test's outcome.

    Attributes:
        outcome: how it ended.
        time_s: processor seconds used.
        memory_bytes: peak memory.
        output: what was written, truncated to 1,000 characters.
        message: why it failed (last line of a traceback, the limit), truncated to 500 characters; empty when passed.
    """

    outcome: Outcome
    time_s: float = 0.0
    memory_bytes: int = 0
    output: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A program's outcome over a whole suite.

    Attributes:
        outcome: PASSED when every test passed, else the outcome of the first test that did not.
        total: number of tests in the suite.
        cases: results in suite order; shorter than ``total`` when judging stopped at the first failure.
        tier: name of the isolation tier that held while the program ran.
        message: why, when not passed.
    """

    outcome: Outcome
    total: int
    cases: tuple[CaseResult, ...] = ()
    tier: str = ""
    message: str = ""

    @property
    def passed(self) -> bool:
        """Whether every test passed."""
        return self.outcome is Outcome.PASSED

    @property
    def passed_tests(self) -> int:
        """How many tests are known to have passed."""
        return sum(case.outcome is Outcome.PASSED for case in self.cases)


class SandboxError(RuntimeError):
    """The sandbox could not judge. It says nothing about the program, and must never be scored as a wrong one."""
