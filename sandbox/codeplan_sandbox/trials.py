"""One request in the fork server: its tests, one after another, each watched against time, output and its own end."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import time
from dataclasses import dataclass

from codeplan_sandbox import children, drivers, modules, served_program, split
from codeplan_sandbox.children import Child
from codeplan_sandbox.verdicts import Outcome
from codeplan_sandbox.wire import OUTCOMES, SHOWN_BYTES, Record, Request

_GO = b"go"
_SHORTEST_WAIT_S = 0.001
# A program that gets less of a processor than this is taken to be asleep, one that gets more to wait for its turn on a
# busy machine, which is not its fault.
_BUSY_SHARE = 0.05


class JudgeGoneError(Exception):
    """The judge hung up: nobody wants the rest."""


@dataclass(frozen=True)
class Files:
    """The descriptors of one request: three come from the judge, the others are made for the test processes."""

    program: int
    inputs: int
    results: int
    compiled: int
    stdin: int
    stdout: int
    answer: int
    test_answer: int
    nothing: int

    @classmethod
    def around(cls, program: int, inputs: int, results: int) -> Files:
        """The judge's three, and empty ones for the test processes."""
        compiled, stdin, stdout, answer, test_answer = map(os.memfd_create, ("c", "i", "o", "a", "t"))
        nothing = os.open("/dev/null", os.O_RDWR)
        return cls(program, inputs, results, compiled, stdin, stdout, answer, test_answer, nothing)

    def close(self) -> None:
        """Close them all."""
        for name in self.__dataclass_fields__:
            os.close(getattr(self, name))


@dataclass(frozen=True)
class End:
    """How one test ended, before anybody looked at its output."""

    outcome: Outcome
    note: str = ""
    doubtful: bool = False
    goes_on: bool = False
    """Whether its process may run another test."""
    peak_kib: int = 0


class Trial:
    """Runs the tests of one request and sends a record of each."""

    def __init__(self, request: Request, files: Files, spawner: children.Spawner, judge: socket.socket) -> None:
        self._request, self._files, self._spawner, self._judge = request, files, spawner, judge
        self._deadline = time.monotonic() + request.budget_s
        self._stopped = False

    def run(self) -> None:
        """Run all tests, or as many as the judge and the time want.

        Raises:
            JudgeGoneError: the judge hung up.
            FaultError: a test process could not be started.
        """
        pending = list(self._request.indices)
        while pending and not self._over():
            batch = pending[:1] if self._request.fresh else pending
            done = self._run_batch(batch)
            pending = pending[done:]

    def _over(self) -> bool:
        if not self._stopped and select.select([self._judge], [], [], 0)[0]:
            self._hear_judge()
        return self._stopped or time.monotonic() >= self._deadline

    def _run_batch(self, batch: list[int]) -> int:
        """Run tests in one process (for assert tests: one pair) until it is used up; returns how many were run."""
        processes = self._start(len(batch))
        try:
            for done, index in enumerate(batch):
                if done and self._over():
                    return done
                before = [each.cpu_ns() for each in processes]
                end = self._attempt(index, processes, first=done == 0)
                if not end.goes_on:  # the kernel's accounts of a process are complete when it is gone
                    for each in processes:
                        each.kill()
                if self._stopped:
                    return done + 1
                used = sum(each.cpu_ns() for each in processes) - sum(before)
                peak = end.peak_kib or processes[0].peak_kib
                self._send(index, end, first=done == 0, time_s=used / 1e9, memory_bytes=peak * 1024)
                if not end.goes_on:
                    return done + 1
            return len(batch)
        finally:
            for each in processes:
                each.kill()

    def _start(self, tests: int) -> list[Child]:
        files, request = self._files, self._request
        for each in (files.stdout, files.answer, files.test_answer):
            _empty(each)
        own = [files.stdin, files.stdout, files.nothing, None, files.stdin, files.stdout, files.answer]
        loaded = [files.program, files.compiled]
        names = modules.prelude() if request.prelude else None
        if request.kind != "assert":
            test: drivers.Test = drivers.run_stdin
            if request.kind == "call":
                test = drivers.call_test(request.entry_point, whole_keys=request.whole_keys)
            return [self._spawner.start(lambda: drivers.serve(test, names), [*own, *loaded], tests)]
        _empty(files.stdin)
        program_side, test_side = socket.socketpair()
        tests_files = [files.nothing, files.nothing, files.nothing, None, files.nothing, files.nothing]
        with program_side, test_side:
            program = self._spawner.start(
                lambda: drivers.serve(served_program.program_test, names),
                [*own, *loaded, program_side.fileno()],
                tests + 1,
            )
            try:
                test_files = [*tests_files, files.test_answer, files.inputs, files.nothing, test_side.fileno()]
                return [program, self._spawner.start(split.serve_tests, test_files, tests + 1)]
            except children.FaultError:
                program.kill()
                raise

    def _attempt(self, index: int, processes: list[Child], *, first: bool) -> End:
        """Run one test in processes that wait for it."""
        files = self._files
        program, judged = processes[0], processes[-1]
        if self._request.kind != "assert":
            offset, length = self._request.extents[index]
            try:
                _empty(files.stdin)
                copied = _copy(files.inputs, offset, length, files.stdin)
                os.lseek(files.stdin, 0, os.SEEK_SET)
            except OSError:  # its process has the same file open, and may not be as idle as it said
                copied = -1
            if copied != length:
                return End(Outcome.EXITED_EARLY, "the program changed its input file while it waited")
            return self._watch(_GO, program, processes)
        if first:
            loading = self._watch(_GO, program, processes)
            if loading.outcome is not Outcome.PASSED or program.ended is not None:
                early = loading.outcome is Outcome.PASSED
                return End(Outcome.EXITED_EARLY if early else loading.outcome, loading.note, loading.doubtful)
        end = self._watch(index.to_bytes(8, "little"), judged, processes)
        if end.outcome is Outcome.EXITED_EARLY and not end.note:
            died = self._end_of(program.kill())
            if died.outcome is not Outcome.MEMORY_LIMIT:
                return died
        return end

    def _watch(self, go: bytes, child: Child, processes: list[Child]) -> End:
        """Send a process off and watch until it reports, ends, or one of the limits is reached."""
        limits = self._request.limits
        before = sum(each.cpu_ns() for each in processes)
        started = time.monotonic()
        patience = limits.time_s * limits.wall_factor
        try:
            child.control.send(go, socket.MSG_DONTWAIT)
        except OSError as error:
            return self._not_sent(child, error)
        line, judge = child.control.fileno(), self._judge.fileno()
        while True:
            used = (sum(each.cpu_ns() for each in processes) - before) / 1e9
            now = time.monotonic()
            if used >= limits.time_s:
                return End(Outcome.TIME_LIMIT, f"more than {limits.time_s:g} s of processor time")
            if now >= self._deadline:
                return End(Outcome.TIME_LIMIT, f"no time left: all tests together took {limits.total_s:g} s")
            if now >= started + patience:
                if used < patience * _BUSY_SHARE:
                    note = f"not done after {patience:g} s, and only {used:.2g} s of processor time"
                    return End(Outcome.TIME_LIMIT, note, doubtful=True)
                patience += limits.time_s * limits.wall_factor
            timeout = min(limits.time_s - used, started + patience - now, self._deadline - now)
            readable, _, _ = select.select([line, judge], [], [], max(timeout, _SHORTEST_WAIT_S))
            if judge in readable:
                self._hear_judge()
                return End(Outcome.TIME_LIMIT)
            if line in readable and (end := self._heard(child)) is not None:
                used = (sum(each.cpu_ns() for each in processes) - before) / 1e9
                late = End(Outcome.TIME_LIMIT, f"more than {limits.time_s:g} s of processor time")
                return end if used < limits.time_s else late
            if line in readable:
                line = child.lifeline()

    def _not_sent(self, child: Child, error: OSError) -> End:
        """What it means that a process takes no order."""
        status = child.kill()
        if isinstance(error, BlockingIOError):
            return End(Outcome.EXITED_EARLY, "the program reported tests without running them")
        return self._end_of(status)  # it died between two tests, of something that the last one left behind

    def _heard(self, child: Child) -> End | None:
        """What a process said or did; None when it hung up and has not ended yet."""
        if child.hung_up:
            return self._end_of(child.wait())
        try:
            message = child.control.recv(64)
        except ConnectionResetError:  # it hung up with our last order unread
            message = b""
        if not message:
            return None
        report = children.unpack_report(message)
        if report is None or report[0] >= len(OUTCOMES):
            child.kill()
            return End(Outcome.EXITED_EARLY, "the program wrote to descriptors that are not its own")
        outcome, tainted, peak_kib = report
        return End(OUTCOMES[outcome], goes_on=not tainted, peak_kib=peak_kib)

    def _end_of(self, status: int) -> End:
        """What it means that a process ended without a report."""
        if os.WIFEXITED(status):
            code = os.WEXITSTATUS(status)
            if self._request.kind != "stdin":
                return End(Outcome.EXITED_EARLY, f"the program ended itself with status {code}")
            if code == 0:
                return End(Outcome.PASSED)
            return End(Outcome.RUNTIME_ERROR, f"exit status {code}")
        number = os.WTERMSIG(status)
        note = f"ended by signal {number} ({signal.strsignal(number)}){_CAUSE_OF_SIGNAL.get(number, '')}"
        outcome = _OUTCOME_OF_SIGNAL.get(number, Outcome.RUNTIME_ERROR)
        return End(outcome, note, doubtful=number == signal.SIGKILL)

    def _send(self, index: int, end: End, *, first: bool, time_s: float, memory_bytes: int) -> None:
        """Append output and answer to the results, empty them for the next test, and send the record."""
        files, request = self._files, self._request
        written = os.fstat(files.stdout).st_size
        outcome, note = end.outcome, end.note
        if outcome is Outcome.PASSED and request.kind == "stdin" and written > request.limits.output_bytes:
            outcome, note = Outcome.OUTPUT_LIMIT, f"more than {request.limits.output_bytes} bytes of output"
        elif (outcome, request.kind) == (Outcome.OUTPUT_LIMIT, "stdin") and written < request.limits.output_bytes:
            outcome = Outcome.MEMORY_LIMIT  # it was some other file of its own, which are all in memory
        kept = min(written, request.limits.output_bytes if request.kind == "stdin" else SHOWN_BYTES)
        answer = files.answer
        if request.kind == "assert" and os.fstat(files.test_answer).st_size:
            answer = files.test_answer
        answered = os.fstat(answer).st_size
        # A program that still runs may shorten them meanwhile.
        kept, answered = (
            _copy(source, 0, size, files.results) for source, size in ((files.stdout, kept), (answer, answered))
        )
        for each in (files.stdout, files.answer, files.test_answer):
            _empty(each)
        record = Record(index, outcome, first, end.doubtful, time_s, memory_bytes, kept, answered, note)
        self._judge.send(record.to_json())

    def _hear_judge(self) -> None:
        if not self._judge.recv(64):
            raise JudgeGoneError
        self._stopped = True


_OUTCOME_OF_SIGNAL: dict[int, Outcome] = {
    signal.SIGXCPU: Outcome.TIME_LIMIT,
    signal.SIGXFSZ: Outcome.OUTPUT_LIMIT,
    signal.SIGSYS: Outcome.FORBIDDEN,
    signal.SIGKILL: Outcome.MEMORY_LIMIT,  # nobody but the kernel, short of memory, kills here
}


_CAUSE_OF_SIGNAL: dict[int, str] = {signal.SIGSEGV: ": recursion that is too deep for the stack does this"}


def _empty(file: int) -> None:
    fcntl.fcntl(file, fcntl.F_SETFL, 0)  # programs share the open file, and sendfile writes to none that appends
    os.ftruncate(file, 0)
    os.lseek(file, 0, os.SEEK_SET)


def _copy(source: int, offset: int, length: int, target: int) -> int:
    """Copy between files without reading them into this process; returns how much there was."""
    end = offset + length
    at = offset
    while at < end and (copied := os.sendfile(target, source, at, end - at)):
        at += copied
    return at - offset
