"""The judge: has programs run, compares what they wrote with what is expected, and says what the tests say."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import closing
from types import TracebackType

from codeplan_sandbox import comparators, long_integers, packages
from codeplan_sandbox.client import PackageError, Server
from codeplan_sandbox.suites import Limits, Suite, SuiteError
from codeplan_sandbox.tiers import MINIMUM_TIER, TIERS
from codeplan_sandbox.verdicts import CaseResult, Outcome, SandboxError, Verdict
from codeplan_sandbox.wire import Record, Request

_DEFAULT_LIMITS = Limits()
_ATTEMPTS = 3
_OUTPUT_SHOWN = 1000
_MESSAGE_SHOWN = 500
_VALUE_SHOWN = 100


class Judge:
    """A warm judge: one fork server, used for one program after another. Not to be shared by threads.

    Args:
        limits: what programs may use where `judge` is not told otherwise.
        allow_tier: the weakest isolation tier to accept; see `codeplan_sandbox.tiers`.
        strongest_tier: where to begin to look for a tier; weaker ones are for machines that cannot give the stronger.

    Raises:
        SandboxError: the machine gives no tier that is strong enough; the message says what is missing in each.
    """

    def __init__(
        self, limits: Limits = _DEFAULT_LIMITS, *, allow_tier: str = MINIMUM_TIER, strongest_tier: str = TIERS[0]
    ) -> None:
        for name in (allow_tier, strongest_tier):
            if name not in TIERS:
                raise ValueError(f"no tier {name!r}; there are {', '.join(TIERS)}")
        self.limits = limits
        self._tiers = TIERS[TIERS.index(strongest_tier) : TIERS.index(allow_tier) + 1]
        self._server: Server | None = self._start()
        self._with_packages: dict[tuple[str, ...], Server] = {}
        self._unusable: set[tuple[str, ...]] = set()

    @property
    def tier(self) -> str:
        """Name of the isolation tier that holds."""
        return self._running().tier

    @property
    def pid(self) -> int:
        """The fork server's process."""
        return self._running().pid

    def judge(
        self, program: str, suite: Suite, limits: Limits | None = None, *, stop_at_failure: bool = False
    ) -> Verdict:
        """Run a program against a suite.

        A test that fails in a process that ran others before, or that may have failed because the machine was busy,
        is run again in a fresh process before it counts. Where that changes the outcome, all tests are.

        Args:
            program: Python source.
            suite: the tests.
            limits: instead of the judge's own.
            stop_at_failure: leave out the tests after the first that fails.

        Raises:
            SuiteError: the suite has no tests.
            SandboxError: the sandbox failed, several times; nothing is known of the program.
        """
        if not len(suite):
            raise SuiteError("a suite without tests judges nothing; leave such problems out")
        trial = _Trial(program, suite, limits or self.limits, stop_at_failure)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return trial.run(self._server_for(suite))
            except (OSError, ValueError) as error:
                self.close()
                if attempt == _ATTEMPTS:
                    raise SandboxError(f"the fork server failed {attempt} times in a row: {error}") from error
        raise AssertionError("unreachable")

    def close(self) -> None:
        """End the fork servers; the next `judge` starts a new one."""
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

    def _running(self) -> Server:
        if self._server is None:
            self._server = self._start()
        return self._server

    def _server_for(self, suite: Suite) -> Server:
        """The plain server, or one in the same tier whose tests find the packages that these tests import."""
        found = {name: packages.folder(name) for name in packages.allowed(suite)}
        folders = {name: folder for name, folder in found.items() if folder is not None}
        key = tuple(folders)
        if not folders or key in self._unusable:
            return self._running()
        if key not in self._with_packages:
            try:
                self._with_packages[key] = Server(self.tier, folders)
            except PackageError:  # it is as if it was not installed: the tests that import it say so
                self._unusable.add(key)
                return self._running()
        return self._with_packages[key]

    def _start(self) -> Server:
        reasons = []
        for tier in self._tiers:
            try:
                return Server(tier)
            except SandboxError as error:
                reasons.append(str(error))
        raise SandboxError(f"no isolation tier can be had here: {'; '.join(reasons)}")


def judge(program: str, suite: Suite, limits: Limits = _DEFAULT_LIMITS, *, stop_at_failure: bool = False) -> Verdict:
    """Judge one program with a fork server of its own; see `Judge.judge`. For many programs keep a `Judge`."""
    with Judge(limits) as one:
        return one.judge(program, suite, stop_at_failure=stop_at_failure)


class _Trial:
    """One program and one suite, on the way to a verdict."""

    def __init__(self, program: str, suite: Suite, limits: Limits, stop_at_failure: bool) -> None:
        self._program = program.encode("utf-8", "surrogatepass")
        self._suite, self._limits, self._stop_at_failure = suite, limits, stop_at_failure
        self._inputs, self._extents = _packed(suite)

    def run(self, server: Server) -> Verdict:
        """The verdict; raises what `Server.run` raises."""
        deadline = time.monotonic() + self._limits.total_s
        every = range(len(self._suite))
        results, unsure = self._round(server, every, deadline, fresh=False)
        if unsure:
            again, _ = self._round(server, unsure, deadline, fresh=True)
            if any(result.outcome is Outcome.PASSED for result in again.values()):
                results, _ = self._round(server, every, deadline, fresh=True)
            else:
                results.update(again)
        return self._verdict(results, server.tier)

    def _round(
        self, server: Server, indices: Sequence[int], deadline: float, *, fresh: bool
    ) -> tuple[dict[int, CaseResult], list[int]]:
        """Run tests; returns the results, and which failures a fresh process has to confirm."""
        budget = max(0.0, deadline - time.monotonic())
        suite = self._suite
        request = Request(
            suite.kind,
            list(indices),
            self._extents,
            suite.entry_point,
            prelude=suite.kind == "call" or _in_the_style_of_leetcode(suite),
            whole_keys=suite.comparator == "apps",
            fresh=fresh,
            limits=self._limits,
            budget_s=budget,
        )
        results: dict[int, CaseResult] = {}
        unsure = []
        with closing(server.run(request, self._program, self._inputs)) as records:
            for record, output, answer in records:
                result = results[record.index] = self._result(record, output, answer)
                if result.outcome is Outcome.PASSED:
                    continue
                if result.outcome is not Outcome.SYNTAX_ERROR and (not record.first or record.doubtful):
                    unsure.append(record.index)
                if self._stop_at_failure:
                    break
        return results, unsure

    def _result(self, record: Record, output: bytes, answer: bytes) -> CaseResult:
        outcome, message = record.outcome, record.note or answer.decode("utf-8", "replace")
        shown = answer if outcome is Outcome.PASSED and self._suite.kind == "call" else output
        if outcome is Outcome.PASSED:
            message = self._mistake(record.index, output, answer)
            outcome = Outcome.WRONG_ANSWER if message else Outcome.PASSED
        return CaseResult(
            outcome,
            record.time_s,
            record.memory_bytes,
            shown[: 4 * _OUTPUT_SHOWN].decode("utf-8", "replace")[:_OUTPUT_SHOWN],
            message[:_MESSAGE_SHOWN],
        )

    def _mistake(self, index: int, output: bytes, answer: bytes) -> str:
        """What is wrong with what a program wrote that ran to its end; empty where nothing is."""
        suite = self._suite
        if suite.kind == "assert":
            return ""
        case = suite.cases[index]
        if suite.kind == "stdin":
            right = comparators.same_output(suite.comparator, output, case.output)
            shown = output[:_VALUE_SHOWN].decode("utf-8", "replace")
            note = f"; {answer.decode('utf-8', 'replace')}" if answer else ""
            return "" if right else f"wrote {_short(shown)}, not {_short(case.output[:_VALUE_SHOWN])}{note}"
        try:
            returned = long_integers.loads_returned(answer)
            right = comparators.same_value(suite.comparator, returned, case.expected)
            return "" if right else f"returned {_short(returned)}, not {_short(case.expected)}"
        except (ValueError, RecursionError) as error:
            return f"the result cannot be read: {error}"

    def _verdict(self, results: dict[int, CaseResult], tier: str) -> Verdict:
        total = len(self._suite)
        late = CaseResult(Outcome.TIME_LIMIT, message=f"not run: the tests took {self._limits.total_s:g} s together")
        cases = []
        for index in range(total):
            cases.append(results.get(index, late))
            if self._stop_at_failure and cases[-1].outcome is not Outcome.PASSED:
                break
        failed = next((case for case in cases if case.outcome is not Outcome.PASSED), None)
        if failed is None:
            return Verdict(Outcome.PASSED, total, tuple(cases), tier)
        return Verdict(failed.outcome, total, tuple(cases), tier, failed.message)


def _short(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # it holds an integer that is too long for this interpreter
        text = long_integers.dumps(value)
    return text if len(text) <= _VALUE_SHOWN else f"{text[:_VALUE_SHOWN]}..."


def _in_the_style_of_leetcode(suite: Suite) -> bool:
    return any("Solution()" in text for text in (suite.entry_point, suite.setup, *suite.tests))


def _packed(suite: Suite) -> tuple[bytes, list[tuple[int, int]]]:
    """What goes into the sandbox of a suite, without a single expected value where the kind allows it."""
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
    for each in inputs:
        extents.append((offset, len(each)))
        offset += len(each)
    return b"".join(inputs), extents
