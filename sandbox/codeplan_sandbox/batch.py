"""Judges the programs of a batch in parallel: every worker is a thread with a judge, and so a fork server, of its own.

One thread reads and checks the lines, the workers judge, and the caller's thread writes the results as they come. What
is between them is bounded: memory does not grow with the length of the batch.
"""

from __future__ import annotations

import math
import os
import queue
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from codeplan_sandbox.batch_lines import BadLine, BatchLine, BatchReader, LineId
from codeplan_sandbox.batch_results import Results
from codeplan_sandbox.judging import Judge
from codeplan_sandbox.suites import Limits
from codeplan_sandbox.tiers import MINIMUM_TIER
from codeplan_sandbox.verdicts import SuiteVerdict

_LINES_PER_WORKER = 2
_STOP_POLL_S = 0.2
_CPU_QUOTAS = ("/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us")


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How a batch is judged.

    Attributes:
        limits: for lines that do not override them.
        allow_tier: the weakest isolation tier to accept.
        stop_at_failure: skip the tests of a program after the first failure.
        workers: programs that are judged at a time.
        cases: whether results have those of the single tests.
        packages: the packages that programs may import.
    """

    limits: Limits
    allow_tier: str = MINIMUM_TIER
    stop_at_failure: bool = False
    workers: int = 1
    cases: bool = True
    packages: tuple[str, ...] = ()

    def digest_of(self, line: BatchLine) -> str:
        """What a line's verdict depends on."""
        return line.digest(stop_at_failure=self.stop_at_failure, packages=self.packages)


@dataclass(frozen=True, slots=True)
class Failure:
    """A line that was not judged because the sandbox failed."""

    number: int
    id: LineId
    message: str


@dataclass(slots=True)
class Summary:
    """What became of a batch's lines.

    Attributes:
        judged: programs by outcome, of this run.
        kept: programs by outcome whose results of an earlier run still hold.
        bad_lines: lines that are not valid.
        sandbox_failures: lines that the sandbox failed on.
    """

    judged: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    bad_lines: int = 0
    sandbox_failures: int = 0

    @property
    def lines(self) -> int:
        """How many lines are done."""
        return self.judged.total() + self.kept.total() + self.bad_lines + self.sandbox_failures


_Judged: TypeAlias = tuple[BatchLine, SuiteVerdict]
_Event: TypeAlias = _Judged | BadLine | Failure | BaseException | None


class Batch:
    """One run over a batch.

    Args:
        source: the lines.
        name: the source, in messages.
        folder: what relative paths in the lines refer to.
        results: where the results go, and which are there already.
        options: how programs are judged.

    Raises:
        SandboxError: this machine supports none of the accepted tiers.
    """

    def __init__(self, source: BinaryIO, name: str, folder: Path, results: Results, options: BatchOptions) -> None:
        self._name, self._results, self._options = name, results, options
        self._reader = BatchReader(source, folder, options.limits)
        self._lines: queue.Queue[BatchLine | None] = queue.Queue(_LINES_PER_WORKER * options.workers)
        self._events: queue.Queue[_Event] = queue.Queue(_LINES_PER_WORKER * options.workers)
        self._stopped = threading.Event()
        self.summary = Summary()
        self._first_judge = self._new_judge()  # before anything is written

    @property
    def position(self) -> int:
        """How many bytes of the source have been read."""
        return self._reader.position

    def run(self, report: Callable[[str], None], advance: Callable[[Batch], None]) -> None:
        """Judge all lines.

        Args:
            report: is told of every line that is not judged.
            advance: is called after every result.

        Raises:
            WriteError: a result could not be written.
            BrokenPipeError: nobody reads standard output.
            OSError: the source cannot be read.
        """
        judges: list[Judge | None] = [self._first_judge, *[None] * (self._options.workers - 1)]
        tasks: list[Callable[[], None]] = [self._read, *(lambda judge=judge: self._work(judge) for judge in judges)]
        threads = [threading.Thread(target=self._guarded, args=(task,), daemon=True) for task in tasks]
        for thread in threads:
            thread.start()
        running = len(threads)
        try:
            while running:
                event = self._events.get()
                if event is None:
                    running -= 1
                elif isinstance(event, BaseException):
                    raise event
                else:
                    self._write(event, report)
                    advance(self)
        finally:  # where this is early, the threads end by themselves: programs that are being judged are dropped
            self._stopped.set()

    def _guarded(self, task: Callable[[], None]) -> None:
        try:
            task()
        except _StoppedError:
            return
        except BaseException as error:  # the caller's thread raises it
            self._send(error)
        self._send(None)

    def _read(self) -> None:
        """Check the lines, and hand out those that are not judged yet."""
        index = self._results.index
        for line in self._reader:
            if line.id is not None and not index.add_line(line.id):
                self._put(self._events, BadLine(line.number, None, f"an earlier line has the id {line.id!r} too"))
            elif isinstance(line, BadLine):
                if line.id is not None and index.result(line.id) is not None:
                    self._results.supersede()
                self._put(self._events, line)
            elif (known := index.result(line.id)) is None:
                self._put(self._lines, line)
            elif known[0] == self._options.digest_of(line):
                self.summary.kept[known[1]] += 1
            else:
                self._results.supersede()
                self._put(self._lines, line)
        for _ in range(self._options.workers):
            self._put(self._lines, None)

    def _work(self, judge: Judge | None) -> None:
        """Judge lines until there are no more."""
        try:
            while (line := self._next_line()) is not None:
                try:
                    judge = judge or self._new_judge()
                    verdict = judge.judge(
                        line.program, line.suite, line.limits, stop_at_failure=self._options.stop_at_failure
                    )
                # Whatever it is, it says nothing about the program, and the other programs can still be judged.
                except Exception as error:
                    self._put(self._events, Failure(line.number, line.id, f"{type(error).__name__}: {error}"))
                    if judge is not None:
                        judge.close()
                else:
                    self._put(self._events, (line, verdict))
        finally:
            if judge is not None:
                judge.close()

    def _new_judge(self) -> Judge:
        options = self._options
        return Judge(options.limits, allow_tier=options.allow_tier, program_packages=options.packages)

    def _next_line(self) -> BatchLine | None:
        while not self._stopped.is_set():
            try:
                return self._lines.get(timeout=_STOP_POLL_S)
            except queue.Empty:
                continue
        raise _StoppedError

    def _put(self, target: queue.Queue[Any], item: object) -> None:
        while not self._stopped.is_set():
            try:
                return target.put(item, timeout=_STOP_POLL_S)
            except queue.Full:
                continue
        raise _StoppedError

    def _send(self, event: _Event) -> None:
        try:
            self._put(self._events, event)
        except _StoppedError:
            return

    def _write(self, event: _Judged | BadLine | Failure, report: Callable[[str], None]) -> None:
        if isinstance(event, tuple):
            line, verdict = event
            plain = verdict.to_dict()
            if not self._options.cases:
                del plain["cases"]
            digest = self._options.digest_of(line)
            self._results.write({"id": line.id, **plain, "digest": digest})
            self.summary.judged[verdict.outcome.value] += 1
            return
        bad = isinstance(event, BadLine)
        self.summary.bad_lines += bad
        self.summary.sandbox_failures += not bad
        kind = "line" if bad else "sandbox"
        self._results.write({"id": event.id, "line": event.number, "error": event.message, "error_kind": kind})
        report(f"{self._name}, line {event.number}: {event.message}")


class _StoppedError(Exception):
    """The batch has ended early."""


def available_cpus() -> int:
    """The CPUs that this process may use: by its affinity, and by the quota of its control group."""
    cpus = len(os.sched_getaffinity(0))
    for path in map(Path, _CPU_QUOTAS):
        try:
            quota, *period = path.read_text().split()
            share = int(quota) / int(period[0] if period else path.with_name("cpu.cfs_period_us").read_text())
        except (OSError, ValueError):  # no such control group, or no quota: "max"
            continue
        if share > 0:
            cpus = min(cpus, math.ceil(share))
    return cpus
