"""One program judged with one suite: its tests are run by a fork server, and its outputs compared here."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

from codeplan_sandbox import checkers, comparators, long_integers
from codeplan_sandbox.client import Server
from codeplan_sandbox.suites import Limits, Suite, SuiteError
from codeplan_sandbox.verdicts import CaseResult, Outcome, SuiteVerdict
from codeplan_sandbox.wire import RunRequest, WireRecord

_CERTAIN = (Outcome.PASSED, Outcome.SYNTAX_ERROR, Outcome.CHECKER_FAILED)
"""Outcomes that another run in a fresh process would not change, or is not asked to."""
_MAX_OUTPUT_CHARS = 1000
_MAX_MESSAGE_CHARS = 500
_MAX_VALUE_CHARS = 100


class SuiteRun:
    """One program judged with one suite."""

    def __init__(
        self,
        program: str,
        suite: Suite,
        limits: Limits,
        stop_at_failure: bool,
        checker_limits: Limits = checkers.LIMITS,
    ) -> None:
        self._program = program.encode("utf-8", "surrogatepass")
        self._suite, self._limits, self._stop_at_failure = suite, limits, stop_at_failure
        self._checker_limits = checker_limits
        self._deadline = 0.0
        try:
            self._inputs, self._offsets = _packed_inputs(suite)
        except (TypeError, ValueError, RecursionError) as error:
            raise SuiteError(f"the inputs cannot be written as JSON: {error}") from error

    def run(self, server: Server) -> SuiteVerdict:
        """Run the tests; raises what `Server.run` raises."""
        self._deadline = time.monotonic() + self._limits.total_s
        all_tests = range(len(self._suite))
        results, unconfirmed = self._run_tests(server, all_tests, fresh_processes=False)
        if unconfirmed:
            repeated, _ = self._run_tests(server, unconfirmed, fresh_processes=True)
            if any(result.outcome is Outcome.PASSED for result in repeated.values()):
                results, _ = self._run_tests(server, all_tests, fresh_processes=True)
            else:
                results.update(repeated)
        return self._verdict(results, server.tier)

    def memory_limit(self, tier: str) -> SuiteVerdict:
        """The verdict if each attempt ended with the server killed because the sandbox reached its memory limit."""
        message = "the processes of the sandbox together reached its limit on memory"
        return self._verdict(
            dict.fromkeys(range(len(self._suite)), CaseResult(Outcome.MEMORY_LIMIT, message=message)), tier
        )

    def _run_tests(
        self, server: Server, indices: Sequence[int], *, fresh_processes: bool
    ) -> tuple[dict[int, CaseResult], list[int]]:
        """Run tests; returns their results, and the tests whose failure a fresh process has to confirm."""
        budget = max(0.0, self._deadline - time.monotonic())
        suite = self._suite
        request = RunRequest(
            suite.kind,
            indices,
            self._offsets,
            suite.entry_point,
            prelude=suite.kind == "call" or _is_leetcode_style(suite),
            integer_keys=suite.comparator == "apps",
            fresh_processes=fresh_processes,
            limits=self._limits,
            budget_s=budget,
        )
        results: dict[int, CaseResult] = {}
        unchecked: dict[int, bytes] = {}
        fresh: dict[int, bool] = {}
        with closing(server.run(request, self._program, self._inputs)) as records:
            for record, output, answer in records:
                result = results[record.index] = self._result(record, output, answer)
                # A thread that cannot be started may be due to what else runs on this machine.
                retryable = record.retryable or result.outcome is Outcome.PROCESS_LIMIT
                fresh[record.index] = record.fresh_process and not retryable
                if result.outcome is Outcome.PASSED and suite.checker:
                    unchecked[record.index] = answer if suite.kind == "call" else output
                elif result.outcome is not Outcome.PASSED and self._stop_at_failure:
                    break
        if unchecked:
            self._check(server, unchecked, results)
        unconfirmed = [
            index for index, result in results.items() if result.outcome not in _CERTAIN and not fresh[index]
        ]
        return results, unconfirmed

    def _check(self, server: Server, unchecked: dict[int, bytes], results: dict[int, CaseResult]) -> None:
        """Let the suite's checker decide, whose time does not count for the program."""
        started = time.monotonic()
        found = checkers.check(server.run, self._suite, unchecked, self._checker_limits)
        self._deadline += time.monotonic() - started
        for index, checked in found.items():
            message = checked.message[:_MAX_MESSAGE_CHARS]
            results[index] = replace(results[index], outcome=checked.outcome, message=message)

    def _result(self, record: WireRecord, output: bytes, answer: bytes) -> CaseResult:
        outcome, message = record.outcome, record.message or answer.decode("utf-8", "replace")
        shown = answer if outcome is Outcome.PASSED and self._suite.kind == "call" else output
        if outcome is Outcome.UNSEPARABLE and self._suite.kind != "assert":
            outcome, message = Outcome.EXITED_EARLY, "the program wrote to a descriptor of the sandbox"
        if outcome is Outcome.PASSED and not self._suite.checker:
            message = self._compare(record.index, output, answer)
            outcome = Outcome.WRONG_ANSWER if message else Outcome.PASSED
        return CaseResult(
            outcome,
            record.time_s,
            record.memory_bytes,
            shown[: 4 * _MAX_OUTPUT_CHARS].decode("utf-8", "replace")[:_MAX_OUTPUT_CHARS],
            message[:_MAX_MESSAGE_CHARS],
        )

    def _compare(self, index: int, output: bytes, answer: bytes) -> str:
        """The difference between the output of a program that ran to its end and the expected one; empty if none."""
        suite = self._suite
        if suite.kind == "assert":
            return ""
        case = suite.cases[index]
        if suite.kind == "stdin":
            correct = comparators.same_output(suite.comparator, output, case.output, suite.tolerance)
            shown = output[:_MAX_VALUE_CHARS].decode("utf-8", "replace")
            hint = f"; {answer.decode('utf-8', 'replace')}" if answer else ""
            return "" if correct else f"wrote {_short(shown)}, expected {_short(case.output[:_MAX_VALUE_CHARS])}{hint}"
        try:
            returned = long_integers.loads_returned(answer)
            correct = comparators.same_value(suite.comparator, returned, case.expected, suite.tolerance)
            return "" if correct else f"returned {_short(returned)}, expected {_short(case.expected)}"
        except (ValueError, RecursionError) as error:
            return f"the result cannot be read: {error}"

    def _verdict(self, results: dict[int, CaseResult], tier: str) -> SuiteVerdict:
        total = len(self._suite)
        not_run = CaseResult(
            Outcome.TIME_LIMIT,
            message=f"not run: the tests before it took all of the {self._limits.total_s:g} s for the suite",
        )
        cases = []
        for index in range(total):
            cases.append(results.get(index, not_run))
            if self._stop_at_failure and cases[-1].outcome is not Outcome.PASSED:
                break
        failed = next((case for case in cases if case.outcome is not Outcome.PASSED), None)
        if failed is None:
            return SuiteVerdict(Outcome.PASSED, total, tuple(cases), tier)
        return SuiteVerdict(failed.outcome, total, tuple(cases), tier, failed.message)


def _short(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # contains an integer that is too long for this interpreter
        text = long_integers.dumps(value)
    return text if len(text) <= _MAX_VALUE_CHARS else f"{text[:_MAX_VALUE_CHARS]}..."


def _is_leetcode_style(suite: Suite) -> bool:
    return any("Solution()" in text for text in (suite.entry_point, suite.setup, *suite.tests))


def _packed_inputs(suite: Suite) -> tuple[bytes, list[int]]:
    """The inputs of a suite and the offsets of the tests; expected values are left out except in assert tests."""
    if suite.kind == "assert":
        tests = {"setup": suite.setup, "tests": suite.tests, "entry_point": suite.entry_point}
        return json.dumps(tests).encode(), []
    inputs = [
        case.input.encode("utf-8", "surrogatepass")
        if suite.kind == "stdin"
        else long_integers.dumps(case.args).encode()
        for case in suite.cases
    ]
    return b"".join(inputs), list(itertools.accumulate(map(len, inputs), initial=0))
