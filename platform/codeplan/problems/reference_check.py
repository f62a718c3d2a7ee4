"""Why human solutions fail their own problems' tests: the likely cause of each failure, from verdicts alone.

A benchmark's own solutions should pass. Where they do not, the tests, the limits, the reader or the solution is at
fault, and programs that a model wrote would be failed with them. Nothing is run here; a cause is what the verdicts make
likely, not a proof.
"""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from codeplan.problems import syntax
from codeplan.records import Problem, SuiteName
from codeplan_sandbox import CaseResult, Outcome, Suite, Verdict


class Cause(StrEnum):
    """What a failure is put down to; the value is its name for people."""

    TEST_PACKAGE = "test needs a package"
    SOLUTION_PACKAGE = "solution needs a package"
    UNSEPARABLE = "test cannot be kept apart from the program"
    LIMIT = "limit too low"
    SEVERAL_ANSWERS = "several right answers"
    READER = "reader or test at fault"
    NOT_PYTHON = "solution is not Python 3"
    SOLUTION = "wrong reference solution"


ADVICE = {
    Cause.TEST_PACKAGE: "install the package beside the sandbox if tests may use it, or leave these problems out",
    Cause.SOLUTION_PACKAGE: "programs find the standard library alone; leave these solutions out",
    Cause.UNSEPARABLE: "no program can pass these tests; leave the problems out, or write the tests with plain data",
    Cause.LIMIT: "raise the limit in section judging, or accept that slow right programs fail",
    Cause.SEVERAL_ANSWERS: "try problems.comparator=apps, which forgives order and format, or leave the problems out",
    Cause.READER: "look at the tests as they were read: entry point, setup and arguments",
    Cause.NOT_PYTHON: "the solutions are damaged or of Python 2; leave them out",
    Cause.SOLUTION: "leave these solutions out, so that no plan is made from them",
}
"""What to do about each cause."""

_LIMITS = {
    Outcome.TIME_LIMIT: "judging.time_s or judging.total_s",
    Outcome.MEMORY_LIMIT: "judging.memory_mb",
    Outcome.OUTPUT_LIMIT: "judging.output_mb",
    Outcome.PROCESS_LIMIT: "threads of one program",
}
_TEST_IMPORTS = re.compile(r"the test imports (\w+)")
_NO_MODULE = re.compile(r"No module named '(\w+)")
_UNDEFINED = re.compile(r"the program does not define (\w+)|name '(\w+)' is not defined|has no attribute '(\w+)'")
_SHOWN_CHARACTERS = 1000
"""How much of an output a `CaseResult` keeps."""


@dataclass(frozen=True)
class Judged:
    """A human solution's verdict.

    Attributes:
        problem: the problem it solves.
        solution_index: which of the problem's solutions.
        suite: which of the problem's suites it was judged by.
        verdict: what the sandbox said.
    """

    problem: Problem
    solution_index: int
    suite: SuiteName
    verdict: Verdict

    @property
    def tests(self) -> Suite:
        """The suite it was judged by; raises ValueError where the problem has none."""
        suite = self.problem.example_tests if self.suite == "example" else self.problem.hidden_tests
        if suite is None:
            raise ValueError(f"{self.problem.problem_id} has no {self.suite} tests")
        return suite

    @property
    def failed_test(self) -> int:
        """The number of the first test that failed; -1 where none was run."""
        results = self.verdict.cases
        return next((number for number, result in enumerate(results) if result.outcome is not Outcome.PASSED), -1)

    @property
    def failed_case(self) -> CaseResult | None:
        """What is known of the first test that failed."""
        return self.verdict.cases[self.failed_test] if self.failed_test >= 0 else None


@dataclass(frozen=True)
class FailureGroup:
    """Failures with one cause.

    Attributes:
        cause: the likely cause.
        detail: the package, the setting of the limit, or the name that is missing; empty where there is none.
        problem_ids: the problems, each once, in the order given.
        solutions: how many solutions, each once.
        message: the verdicts' most frequent message.
    """

    cause: Cause
    detail: str
    problem_ids: tuple[str, ...]
    solutions: int
    message: str

    def __str__(self) -> str:
        """One line: cause, counts, examples, and what to do."""
        named = f" ({self.detail})" if self.detail else ""
        shown = ", ".join(self.problem_ids[:3]) + (", ..." if len(self.problem_ids) > 3 else "")
        counts = f"{len(self.problem_ids)} problems, {self.solutions} solutions"
        return f"{self.cause}{named}: {counts} ({shown}); {ADVICE[self.cause]}"


def failure_groups(judged: Iterable[Judged]) -> list[FailureGroup]:
    """The failures among the verdicts by cause and detail, the most frequent first.

    Args:
        judged: verdicts of human solutions, passed ones included; more than one solution a problem tells wrong tests
            from wrong solutions.
    """
    by_suite: dict[tuple[str, str], list[Judged]] = defaultdict(list)
    for one in judged:
        by_suite[one.problem.problem_id, one.suite].append(one)
    groups: dict[tuple[Cause, str], list[Judged]] = defaultdict(list)
    for peers in by_suite.values():
        for one in peers:
            if not one.verdict.passed:
                groups[_cause(one, peers)].append(one)
    made = [
        FailureGroup(
            cause=cause,
            detail=detail,
            problem_ids=tuple(dict.fromkeys(one.problem.problem_id for one in failed)),
            solutions=len({(one.problem.problem_id, one.solution_index) for one in failed}),
            message=Counter(one.verdict.message for one in failed).most_common(1)[0][0],
        )
        for (cause, detail), failed in groups.items()
    ]
    return sorted(made, key=lambda group: (-len(group.problem_ids), -group.solutions, group.cause, group.detail))


def _cause(one: Judged, peers: Sequence[Judged]) -> tuple[Cause, str]:
    """The likely cause of one failure, and its detail; ``peers`` are all verdicts by the same tests."""
    return next((found for rule in _RULES if (found := rule(one, peers)) is not None), (Cause.SOLUTION, ""))


def _limit(one: Judged, _: Sequence[Judged]) -> tuple[Cause, str] | None:
    limit = _LIMITS.get(one.verdict.outcome)
    return (Cause.LIMIT, limit) if limit else None


def _package(one: Judged, _: Sequence[Judged]) -> tuple[Cause, str] | None:
    if found := _TEST_IMPORTS.search(one.verdict.message):
        return Cause.TEST_PACKAGE, found.group(1)
    if not (found := _NO_MODULE.search(one.verdict.message)):
        return None
    of_tests = found.group(1) in _imported("\n".join((one.tests.setup, *one.tests.tests)))
    return (Cause.TEST_PACKAGE if of_tests else Cause.SOLUTION_PACKAGE), found.group(1)


def _outcome(one: Judged, _: Sequence[Judged]) -> tuple[Cause, str] | None:
    causes = {Outcome.UNSEPARABLE: Cause.UNSEPARABLE, Outcome.SYNTAX_ERROR: Cause.NOT_PYTHON}
    cause = causes.get(one.verdict.outcome)
    return (cause, "") if cause else None


def _missing_name(one: Judged, peers: Sequence[Judged]) -> tuple[Cause, str] | None:
    name = _missing_of_the_tests(one)
    return (Cause.READER, name) if name and not any(peer.verdict.passed for peer in peers) else None


def _answers(one: Judged, peers: Sequence[Judged]) -> tuple[Cause, str] | None:
    several = one.verdict.outcome is Outcome.WRONG_ANSWER and _several_answers(one, peers)
    return (Cause.SEVERAL_ANSWERS, "") if several else None


def _all_alike(_: Judged, peers: Sequence[Judged]) -> tuple[Cause, str] | None:
    return (Cause.READER, "") if len(peers) > 1 and len(set(map(_manner, peers))) == 1 else None


_RULES = (_limit, _package, _outcome, _missing_name, _answers, _all_alike)
"""In this order: what a message names goes before what several solutions have in common."""


def _imported(source: str) -> set[str]:
    """The first parts of the modules that a source imports, anywhere in it."""
    names: set[str] = set()
    tree = syntax.module(source)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def _missing_of_the_tests(one: Judged) -> str:
    """A name that the tests use and the program lacks; empty where that is not what failed."""
    found = _UNDEFINED.search(one.verdict.message)
    name = found[found.lastindex or 0] if found else ""
    solution = one.problem.solutions[one.solution_index]
    used = "\n".join((one.tests.entry_point, *one.tests.tests))
    return name if name and re.search(rf"\b{name}\b", used) and not re.search(rf"\b{name}\b", solution) else ""


def _several_answers(one: Judged, peers: Sequence[Judged]) -> bool:
    """Whether the output differs from the expected one by order and format alone, or from other solutions' outputs.

    Different wrong outputs of several solutions mean several right answers only where none of the solutions passes.
    """
    case = one.failed_case
    if case is None or one.tests.kind == "assert":
        return False
    wanted = one.tests.cases[one.failed_test]
    if len(case.output) < _SHOWN_CHARACTERS and one.tests.kind == "stdin":
        written, expected = (sorted(text.casefold().split()) for text in (case.output, wanted.output))
        if written == expected or (len(written) == len(expected) and all(map(_nearly, written, expected))):
            return True
    failed = [peer for peer in peers if peer.failed_test == one.failed_test and peer.failed_case]
    answers = {peer.failed_case.output.strip() or peer.verdict.message for peer in failed if peer.failed_case}
    wrong = all(peer.verdict.outcome is Outcome.WRONG_ANSWER for peer in peers)
    return wrong and len(answers) > 1


def _nearly(written: str, expected: str) -> bool:
    """Whether two tokens are the same text, or numbers within 1e-3 of each other."""
    try:
        return written == expected or abs(float(written) - float(expected)) <= 1e-3 * max(1.0, abs(float(expected)))
    except ValueError:
        return False


def _manner(one: Judged) -> tuple[Outcome, int, str]:
    """How it failed, so far as solutions that are right can fail alike."""
    case = one.failed_case
    kind = one.verdict.message.partition(":")[0]
    return one.verdict.outcome, one.failed_test, case.output.strip() if case and case.output.strip() else kind
