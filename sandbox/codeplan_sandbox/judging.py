"""The judge: runs programs in the sandbox and compares their outputs with the expected ones."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Sequence
from contextlib import closing
from types import TracebackType

from codeplan_sandbox import comparators, long_integers, packages
from codeplan_sandbox.client import MissingPackageError, Server
from codeplan_sandbox.suites import Limits, Suite, SuiteError
from codeplan_sandbox.tiers import MINIMUM_TIER, TIERS
from codeplan_sandbox.verdicts import CaseResult, Outcome, SandboxError, SuiteVerdict
from codeplan_sandbox.wire import RunRequest, WireRecord

_DEFAULT_LIMITS = Limits()
_ATTEMPTS = 3
_PAUSES_S = (0.0, 0.0, 1.0)  # before an attempt: a machine that is out of memory or processes needs a moment
_MAX_OUTPUT_CHARS = 1000
_MAX_MESSAGE_CHARS = 500
_MAX_VALUE_CHARS = 100


class Judge:
    """A warm judge: one fork server that is used for many programs. Not thread-safe.

    Args:
        limits: the limits for programs, unless `judge` gets others.
        allow_tier: the weakest isolation tier to accept; see `codeplan_sandbox.tiers`.
        strongest_tier: the first tier to try; weaker ones follow where this machine does not support it.

    Raises:
        SandboxError: this machine supports none of the accepted tiers; the message says what each of them lacks.
    """

    def __init__(
        self, limits: Limits = _DEFAULT_LIMITS, *, allow_tier: str = MINIMUM_TIER, strongest_tier: str = TIERS[0]
    ) -> None:
        for name in (allow_tier, strongest_tier):
            if name not in TIERS:
                raise ValueError(f"unknown tier {name!r}; it must be one of {', '.join(TIERS)}")
        self.limits = limits
        self._tiers = TIERS[TIERS.index(strongest_tier) : TIERS.index(allow_tier) + 1]
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
            SuiteError: the suite has no tests, or arguments that are not JSON values.
            SandboxError: the sandbox failed several times; this says nothing about the program.
        """
        if not len(suite):
            raise SuiteError("the suite has no tests; leave out problems without tests")
        suite_run = _SuiteRun(program, suite, limits or self.limits, stop_at_failure)
        memory_limits = 0
        for attempt in range(1, _ATTEMPTS + 1):
            server = None
            try:
                server = self._server_for(suite)
                return suite_run.run(server)
            except (OSError, ValueError) as error:
                memory_limits += server is not None and server.reached_its_memory_limit()
                self.close()
                if server is not None and memory_limits == _ATTEMPTS:
                    return suite_run.memory_limit(server.tier)
                if attempt == _ATTEMPTS:
                    raise SandboxError(f"the fork server failed {attempt} times in a row: {error}") from error
                time.sleep(_PAUSES_S[attempt])
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
        """The server without packages, or one in the same tier with the packages that these tests import."""
        installed = {name: packages.folder(name) for name in packages.packages_used(suite)}
        folders = {name: folder for name, folder in installed.items() if folder is not None}
        key = tuple(folders)
        if not folders or key in self._broken_packages:
            return self._running_server()
        if key not in self._with_packages:
            try:
                self._with_packages[key] = Server(self.tier, folders)
            except MissingPackageError:  # treated as not installed: the tests that import it report it
                self._broken_packages.add(key)
                return self._running_server()
        return self._with_packages[key]

    def _start(self) -> Server:
        reasons = []
        for tier in self._tiers:
            try:
                return Server(tier)
            except SandboxError as error:
                reasons.append(str(error))
        raise SandboxError(f"no isolation tier is available on this machine: {'; '.join(reasons)}")


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
        try:
            self._inputs, self._offsets = _packed_inputs(suite)
        except (TypeError, ValueError, RecursionError) as error:
            raise SuiteError(f"the inputs cannot be written as JSON: {error}") from error

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

    def memory_limit(self, tier: str) -> SuiteVerdict:
        """The verdict if each attempt ended with the server killed because the sandbox reached its memory limit."""
        message = "the processes of the sandbox together reached its limit on memory"
        return self._verdict(
            dict.fromkeys(range(len(self._suite)), CaseResult(Outcome.MEMORY_LIMIT, message=message)), tier
        )

    def _run_tests(
        self, server: Server, indices: Sequence[int], deadline: float, *, fresh_processes: bool
    ) -> tuple[dict[int, CaseResult], list[int]]:
        """Run tests; returns their results, and the tests whose failure a fresh process has to confirm."""
        budget = max(0.0, deadline - time.monotonic())
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
        unconfirmed = []
        with closing(server.run(request, self._program, self._inputs)) as records:
            for record, output, answer in records:
                result = results[record.index] = self._result(record, output, answer)
                if result.outcome is Outcome.PASSED:
                    continue
                # A thread that cannot be started may be due to what else runs on this machine.
                retryable = record.retryable or result.outcome is Outcome.PROCESS_LIMIT
                if result.outcome is not Outcome.SYNTAX_ERROR and (not record.fresh_process or retryable):
                    unconfirmed.append(record.index)
                if self._stop_at_failure:
                    break
        return results, unconfirmed

    def _result(self, record: WireRecord, output: bytes, answer: bytes) -> CaseResult:
        outcome, message = record.outcome, record.message or answer.decode("utf-8", "replace")
        shown = answer if outcome is Outcome.PASSED and self._suite.kind == "call" else output
        if outcome is Outcome.UNSEPARABLE and self._suite.kind != "assert":
            outcome, message = Outcome.EXITED_EARLY, "the program wrote to a descriptor of the sandbox"
        if outcome is Outcome.PASSED:
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
            correct = comparators.same_output(suite.comparator, output, case.output)
            shown = output[:_MAX_VALUE_CHARS].decode("utf-8", "replace")
            hint = f"; {answer.decode('utf-8', 'replace')}" if answer else ""
            return "" if correct else f"wrote {_short(shown)}, expected {_short(case.output[:_MAX_VALUE_CHARS])}{hint}"
        try:
            returned = long_integers.loads_returned(answer)
            correct = comparators.same_value(suite.comparator, returned, case.expected)
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
