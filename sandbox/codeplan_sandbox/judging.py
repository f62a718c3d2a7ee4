"""The judge: runs programs in the sandbox and compares their outputs with the expected ones."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from codeplan_sandbox import checkers, comparators, long_integers, packages
from codeplan_sandbox.client import MissingPackageError, Server
from codeplan_sandbox.suites import Limits, Suite, SuiteError
from codeplan_sandbox.tiers import MINIMUM_TIER, TIERS
from codeplan_sandbox.verdicts import CaseResult, Outcome, SandboxError, SuiteVerdict
from codeplan_sandbox.wire import RunRequest, WireRecord

_DEFAULT_LIMITS = Limits()
_CERTAIN = (Outcome.PASSED, Outcome.SYNTAX_ERROR, Outcome.CHECKER_FAILED)
"""Outcomes that another run in a fresh process would not change, or is not asked to."""
_ATTEMPTS = 3
_MAX_OUTPUT_CHARS = 1000
_MAX_MESSAGE_CHARS = 500
_MAX_VALUE_CHARS = 100


class Judge:
    """A warm judge: one fork server that is used for many programs. Not thread-safe.

    Args:
        limits: the limits for programs, unless `judge` gets others.
        allow_tier: the weakest isolation tier to accept; see `codeplan_sandbox.tiers`.
        strongest_tier: the first tier to try; weaker ones follow where this machine does not support it.
        program_packages: the packages outside the standard library that programs may import, for example ``numpy``.

    Raises:
        SandboxError: this machine supports none of the accepted tiers; the message says what each of them lacks. Or a
            package is not installed, or cannot be imported.
    """

    def __init__(
        self,
        limits: Limits = _DEFAULT_LIMITS,
        *,
        allow_tier: str = MINIMUM_TIER,
        strongest_tier: str = TIERS[0],
        program_packages: Sequence[str] = (),
    ) -> None:
        for name in (allow_tier, strongest_tier):
            if name not in TIERS:
                raise ValueError(f"unknown tier {name!r}; it must be one of {', '.join(TIERS)}")
        self.limits = limits
        self._tiers = TIERS[TIERS.index(strongest_tier) : TIERS.index(allow_tier) + 1]
        self._of_programs = _installed(program_packages)
        self._server: Server | None = self._start()
        self._with_packages: dict[tuple[str, ...], Server] = {}
        self._broken_packages: set[tuple[str, ...]] = set()

    @property
    def tier(self) -> str:
        """The name of the isolation tier in use."""
        return self._running_server().tier

    @property
    def pid(self) -> int:
        """The process id of the fork server."""
        return self._running_server().pid

    def judge(
        self, program: str, suite: Suite, limits: Limits | None = None, *, stop_at_failure: bool = False
    ) -> SuiteVerdict:
        """Run a program against a suite.

        A test that failed in a process that had run other tests, or possibly because the machine was busy, is run
        again in a fresh process before it counts. If that changes the outcome, all tests are run again that way.

        Args:
            program: Python source.
            suite: the tests.
            limits: override the judge's limits.
            stop_at_failure: skip the tests after the first failure.

        Raises:
            SuiteError: the suite has no tests.
            SandboxError: the sandbox failed several times; this says nothing about the program.
        """
        if not len(suite):
            raise SuiteError("the suite has no tests; leave out problems without tests")
        suite_run = _SuiteRun(program, suite, limits or self.limits, stop_at_failure)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return suite_run.run(self._server_for(suite))
            except (OSError, ValueError) as error:
                self.close()
                if attempt == _ATTEMPTS:
                    raise SandboxError(f"the fork server failed {attempt} times in a row: {error}") from error
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Stop the fork servers; the next `judge` starts a new one."""
        servers = [*self._with_packages.values(), *([self._server] if self._server is not None else [])]
        self._server, self._with_packages = None, {}
        for server in servers:
            server.close()

    def __enter__(self) -> Judge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _running_server(self) -> Server:
        if self._server is None:
            self._server = self._start()
        return self._server

    def _server_for(self, suite: Suite) -> Server:
        """The server without packages for tests, or one in the same tier with those that these tests import."""
        installed = {name: packages.folder(name) for name in packages.packages_used(suite)}
        folders = {name: folder for name, folder in installed.items() if folder is not None} | self._of_programs
        key = tuple(sorted(folders))
        if folders.keys() == self._of_programs.keys() or key in self._broken_packages:
            return self._running_server()
        if key not in self._with_packages:
            try:
                self._with_packages[key] = Server(self.tier, folders, tuple(self._of_programs))
            except MissingPackageError:  # treated as not installed: the tests that import it report it
                self._broken_packages.add(key)
                return self._running_server()
        return self._with_packages[key]

    def _start(self) -> Server:
        reasons = []
        for tier in self._tiers:
            try:
                return Server(tier, self._of_programs, tuple(self._of_programs))
            except MissingPackageError as error:
                raise SandboxError(f"a package for programs cannot be imported: {error}") from error
            except SandboxError as error:
                reasons.append(str(error))
        raise SandboxError(f"no isolation tier is available on this machine: {'; '.join(reasons)}")


def _installed(names: Sequence[str]) -> dict[str, Path]:
    """The folders of packages; raises SandboxError for one that is not installed."""
    found = {}
    for name in names:
        folder = packages.folder(name) if name.isidentifier() and name not in sys.stdlib_module_names else None
        if folder is None:
            raise SandboxError(f"programs cannot be given the package {name!r}: it is not installed here")
        found[name] = folder
    return found


def judge(
    program: str, suite: Suite, limits: Limits = _DEFAULT_LIMITS, *, stop_at_failure: bool = False
) -> SuiteVerdict:
    """Judge one program with a new fork server; see `Judge.judge`. For many programs, keep a `Judge`."""
    with Judge(limits) as sandbox:
        return sandbox.judge(program, suite, stop_at_failure=stop_at_failure)


class _SuiteRun:
    """One program judged with one suite."""

    def __init__(self, program: str, suite: Suite, limits: Limits, stop_at_failure: bool) -> None:
        self._program = program.encode("utf-8", "surrogatepass")
        self._suite, self._limits, self._stop_at_failure = suite, limits, stop_at_failure
        self._inputs, self._extents = _packed_inputs(suite)

    def run(self, server: Server) -> SuiteVerdict:
        """Run the tests; raises what `Server.run` raises."""
        deadline = time.monotonic() + self._limits.total_s
        all_tests = range(len(self._suite))
        results, unconfirmed = self._run_tests(server, all_tests, deadline, fresh_processes=False)
        if unconfirmed:
            repeated, _ = self._run_tests(server, unconfirmed, deadline, fresh_processes=True)
            if any(result.outcome is Outcome.PASSED for result in repeated.values()):
                results, _ = self._run_tests(server, all_tests, deadline, fresh_processes=True)
            else:
                results.update(repeated)
        return self._verdict(results, server.tier)

    def _run_tests(
        self, server: Server, indices: Sequence[int], deadline: float, *, fresh_processes: bool
    ) -> tuple[dict[int, CaseResult], list[int]]:
        """Run tests; returns their results, and the tests whose failure a fresh process has to confirm."""
        budget = max(0.0, deadline - time.monotonic())
        suite = self._suite
        request = RunRequest(
            suite.kind,
            list(indices),
            self._extents,
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
                fresh[record.index] = record.fresh_process and not record.retryable
                if result.outcome is Outcome.PASSED and suite.checker:
                    unchecked[record.index] = answer if suite.kind == "call" else output
                elif result.outcome is not Outcome.PASSED and self._stop_at_failure:
                    break
        for index, checked in checkers.check(server.run, suite, unchecked).items() if unchecked else ():
            results[index] = replace(results[index], outcome=checked.outcome, message=checked.message)
        unconfirmed = [
            index for index, result in results.items() if result.outcome not in _CERTAIN and not fresh[index]
        ]
        return results, unconfirmed

    def _result(self, record: WireRecord, output: bytes, answer: bytes) -> CaseResult:
        outcome, message = record.outcome, record.message or answer.decode("utf-8", "replace")
        shown = answer if outcome is Outcome.PASSED and self._suite.kind == "call" else output
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


def _packed_inputs(suite: Suite) -> tuple[bytes, list[tuple[int, int]]]:
    """The inputs of a suite and the extents of the tests; expected values are left out except in assert tests."""
    if suite.kind == "assert":
        tests = {"setup": suite.setup, "tests": suite.tests, "entry_point": suite.entry_point}
        return json.dumps(tests).encode(), []
    inputs = [
        case.input.encode("utf-8", "surrogatepass")
        if suite.kind == "stdin"
        else long_integers.dumps(case.args).encode()
        for case in suite.cases
    ]
    extents, offset = [], 0
    for data in inputs:
        extents.append((offset, len(data)))
        offset += len(data)
    return b"".join(inputs), extents
