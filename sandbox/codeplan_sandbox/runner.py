"""Runs the tests of one request in the fork server, and watches their time, their output and how they end."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from array import array
from dataclasses import dataclass

from codeplan_sandbox import assert_program, assert_tests, drivers, modules, unread
from codeplan_sandbox.module_state import ModuleState
from codeplan_sandbox.processes import Child, Spawner, SpawnError, unpack_report
from codeplan_sandbox.request_files import RequestFiles, devnull
from codeplan_sandbox.verdicts import Outcome
from codeplan_sandbox.wire import MAX_SHOWN_BYTES, OUTCOMES, RunRequest, WireRecord

_RUN = b"run"
_MIN_WAIT_S = 0.001
_EXIT_S = 0.2  # between the closing of a process's sockets and its end
# A program that uses a smaller fraction of a CPU is considered asleep; one that uses more is waiting for a busy CPU,
# which is not its fault.
_BUSY_FRACTION = 0.05


class JudgeDisconnectedError(Exception):
    """The judge closed its socket; the remaining tests are not wanted."""


@dataclass(frozen=True)
class TestEnd:
    """How one test ended, before its output is compared; `reusable` says whether its process may run another one."""

    outcome: Outcome
    message: str = ""
    retryable: bool = False
    reusable: bool = False
    peak_kib: int = 0


class TestRun:
    """Runs the tests of one request and sends a record of each."""

    def __init__(
        self, request: RunRequest, files: RequestFiles, spawner: Spawner, state: ModuleState, judge: socket.socket
    ) -> None:
        self._request, self._files, self._spawner, self._judge = request, files, spawner, judge
        self._state = state
        self._deadline = time.monotonic() + request.budget_s
        self._stopped = False
        self._restarted = False

    def run(self) -> None:
        """Run the tests until all are done, the judge stops the request, or its time is used up.

        Raises:
            JudgeDisconnectedError: the judge closed its socket.
            SpawnError: a test process did not start.
        """
        pending = memoryview(array("q", self._request.indices))
        while pending and not self._finished():
            done = self._run_batch(pending[:1] if self._request.fresh_processes else pending)
            pending = pending[done:]

    def _finished(self) -> bool:
        if not self._stopped and select.select([self._judge], [], [], 0)[0]:
            self._receive_stop()
        return self._stopped or time.monotonic() >= self._deadline

    def _run_batch(self, batch: memoryview[int]) -> int:
        """Run tests in one process (a pair for assert tests) while it is reusable; returns how many were run."""
        children = self._start(len(batch))
        try:
            for done, index in enumerate(batch):
                if done and time.monotonic() >= self._deadline:  # a stop is noticed while the next test runs
                    return done
                start_ns = _cpu_ns(children)
                end = self._run_test(index, children, first=done == 0)
                if not end.reusable:  # the kernel's accounting of a process is complete once it has ended
                    _kill(children)
                if self._stopped:
                    return done + 1
                cpu_s = (_cpu_ns(children) - start_ns) / 1e9
                peak_kib = end.peak_kib or children[0].peak_kib
                self._send_record(index, end, fresh_process=done == 0, time_s=cpu_s, memory_bytes=peak_kib * 1024)
                if not end.reusable:
                    return done + 1
            return len(batch)
        finally:
            _kill(children)

    def _start(self, tests: int) -> list[Child]:
        files, request = self._files, self._request
        files.prepare()
        null = devnull()
        own = [files.stdin, files.stdout, null, None, files.stdin, files.stdout, files.answer]
        sources = [files.program, files.compiled]
        store, self._restarted = self._restarted or request.fresh_processes, True
        names = modules.prelude() if request.prelude else {}
        if request.kind != "assert":
            test: drivers.TestDriver = drivers.run_stdin
            if request.kind == "call":
                test = drivers.call_test(request.entry_point, integer_keys=request.integer_keys)
            return [
                self._spawner.start(
                    lambda: drivers.serve(test, self._state, names, store=store), [*own, *sources], tests
                )
            ]
        program_side, test_side = socket.socketpair()
        with program_side, test_side:
            program = self._spawner.start(
                lambda: drivers.serve(assert_program.program_test, self._state, names, store=store),
                [*own, *sources, program_side.fileno()],
                tests + 1,
            )
            test_files = [null, null, null, None, null, null, files.test_answer, files.inputs, null, test_side.fileno()]
            try:
                return [program, self._spawner.start(assert_tests.serve_tests, test_files, tests + 1)]
            except SpawnError:
                program.kill()
                raise

    def _run_test(self, index: int, children: list[Child], *, first: bool) -> TestEnd:
        """Run one test in processes that are waiting for it."""
        program, tester = children[0], children[-1]
        if self._request.kind != "assert":
            start, stop = self._request.offsets[index : index + 2]
            if not self._files.provide_input(start, stop - start):
                return TestEnd(Outcome.EXITED_EARLY, "the program changed its input file between two tests")
            return self._watch(_RUN, program, children)
        if first:
            loading = self._watch(_RUN, program, children)
            if loading.outcome is not Outcome.PASSED or program.ended is not None:
                exited = loading.outcome in (Outcome.PASSED, Outcome.UNSEPARABLE)  # a program cannot know the latter
                return TestEnd(Outcome.EXITED_EARLY if exited else loading.outcome, loading.message, loading.retryable)
        end = self._watch(index.to_bytes(8, "little"), tester, children)
        if end.outcome is Outcome.EXITED_EARLY and not end.message and program.ends_within(_EXIT_S):
            return self._end_from_status(program.wait())
        return end

    def _watch(self, order: bytes, child: Child, children: list[Child]) -> TestEnd:
        """Send a process an order, and wait until it reports, ends, or reaches a limit."""
        limits = self._request.limits
        start_ns, cpu_s = _cpu_ns(children), 0.0
        now = started = time.monotonic()
        wall_limit_s = limits.time_s * limits.wall_factor
        try:
            child.control.send(order, socket.MSG_DONTWAIT)
        except OSError as error:
            return self._send_failed(child, error)
        waited_for, judge = child.control.fileno(), self._judge.fileno()
        while True:
            timeout = min(limits.time_s - cpu_s, started + wall_limit_s - now, self._deadline - now)
            readable, _, _ = select.select([waited_for, judge], [], [], max(timeout, _MIN_WAIT_S))
            if judge in readable:
                self._receive_stop()
                return TestEnd(Outcome.TIME_LIMIT)
            end = self._read_report(child) if waited_for in readable else None
            if waited_for in readable and end is None:
                waited_for = child.open_pidfd()
            cpu_s = (_cpu_ns(children) - start_ns) / 1e9
            now = time.monotonic()
            if cpu_s >= limits.time_s:
                return TestEnd(Outcome.TIME_LIMIT, f"more than {limits.time_s:g} s of CPU time")
            if end is not None:
                return end
            if now >= self._deadline:
                return TestEnd(Outcome.TIME_LIMIT, f"the limit of {limits.total_s:g} s for all tests was reached")
            if now >= started + wall_limit_s:
                if cpu_s < wall_limit_s * _BUSY_FRACTION:
                    message = f"not finished after {wall_limit_s:g} s, with only {cpu_s:.2g} s of CPU time"
                    return TestEnd(Outcome.TIME_LIMIT, message, retryable=True)
                wall_limit_s += limits.time_s * limits.wall_factor

    def _send_failed(self, child: Child, error: OSError) -> TestEnd:
        """How a process that cannot receive an order ended."""
        status = child.kill()
        if isinstance(error, BlockingIOError):
            return TestEnd(Outcome.EXITED_EARLY, "the program reported tests without running them")
        return self._end_from_status(status)  # it ended between two tests, because of what the last one left behind

    def _read_report(self, child: Child) -> TestEnd | None:
        """A process's report or end; None if it closed its control socket and is still running."""
        if child.disconnected:
            return self._end_from_status(child.wait())
        try:
            message = child.control.recv(64)
        except ConnectionResetError:  # it closed the socket with an order unread
            message = b""
        if not message:
            return None
        report = unpack_report(message)
        if report is None or report[0] >= len(OUTCOMES):
            child.kill()
            return TestEnd(Outcome.EXITED_EARLY, "the program wrote to a descriptor of the sandbox")
        outcome, tainted, peak_kib = report
        return TestEnd(OUTCOMES[outcome], reusable=not tainted, peak_kib=peak_kib)

    def _end_from_status(self, status: int) -> TestEnd:
        """How a test ended whose process ended without a report."""
        if os.WIFEXITED(status):
            code = os.WEXITSTATUS(status)
            if self._request.kind != "stdin":
                return TestEnd(Outcome.EXITED_EARLY, f"the program exited with status {code} before the test ended")
            if code == 0:
                return TestEnd(Outcome.PASSED)
            return TestEnd(Outcome.RUNTIME_ERROR, f"exit status {code}")
        number = os.WTERMSIG(status)
        message = f"ended by signal {number} ({signal.strsignal(number)}){_SIGNAL_HINTS.get(number, '')}"
        outcome = _SIGNAL_OUTCOMES.get(number, Outcome.RUNTIME_ERROR)
        return TestEnd(outcome, message, retryable=number == signal.SIGKILL)

    def _send_record(self, index: int, end: TestEnd, *, fresh_process: bool, time_s: float, memory_bytes: int) -> None:
        kind, max_output = self._request.kind, self._request.limits.output_bytes
        unread.wait_for_judge(self._files.results, self._judge, self._deadline)
        written, output_bytes, answer_bytes = self._files.collect(max_output if kind == "stdin" else MAX_SHOWN_BYTES)
        outcome, message = end.outcome, end.message
        if outcome is Outcome.PASSED and kind == "stdin" and written > max_output:
            outcome, message = Outcome.OUTPUT_LIMIT, f"more than {max_output} bytes of output"
        elif outcome is Outcome.OUTPUT_LIMIT and kind == "stdin" and written < max_output:
            outcome = Outcome.MEMORY_LIMIT  # another file of the program reached the limit, and its files are in memory
        record = WireRecord(
            index, outcome, fresh_process, end.retryable, time_s, memory_bytes, output_bytes, answer_bytes, message
        )
        self._judge.send(record.to_bytes())

    def _receive_stop(self) -> None:
        if not self._judge.recv(64):
            raise JudgeDisconnectedError
        self._stopped = True


_SIGNAL_OUTCOMES: dict[int, Outcome] = {
    signal.SIGXCPU: Outcome.TIME_LIMIT,
    signal.SIGXFSZ: Outcome.OUTPUT_LIMIT,
    signal.SIGSYS: Outcome.FORBIDDEN,
    signal.SIGKILL: Outcome.MEMORY_LIMIT,  # the judge finds out whether memory ran out, and whose
}
_SIGNAL_HINTS: dict[int, str] = {signal.SIGSEGV: ": recursion too deep for the stack is a common cause"}


def _cpu_ns(children: list[Child]) -> int:
    return sum(child.cpu_ns() for child in children)


def _kill(children: list[Child]) -> None:
    for child in children:
        child.kill()
