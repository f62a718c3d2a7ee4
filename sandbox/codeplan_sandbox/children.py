"""Test processes: forked from the warm server, confined before they see a program, watched from outside."""

from __future__ import annotations

import fcntl
import math
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from codeplan_sandbox import host_calls, linux
from codeplan_sandbox.suites import Limits
from codeplan_sandbox.tiers import Confinement
from codeplan_sandbox.wire import REPORT, STARTED

_START_SECONDS = 10.0
_ABOVE_ALL_SLOTS = 64
_OPEN_FILES = 64
# The kernel keeps at least 128 MiB free below the main thread's stack, whatever the limit was at start.
_STACK_BYTES = 112 << 20
_OWN_PROCESSES = 2  # the server, and the process of assert tests
_MESSAGE_BYTES = 500
_NO_PEAK_KIB = 1 << 30  # what nobody can use; tables hold no numbers of any size


class FaultError(RuntimeError):
    """Something of ours failed; it says nothing about the program."""


@dataclass
class Child:
    """One test process.

    Attributes:
        pid: its id.
        control: the line to it.
        ended: its wait status, once it is known.
        peak_kib: its peak memory, once it has ended.
    """

    pid: int
    control: socket.socket
    ended: int | None = None
    peak_kib: int = 0
    _cpu_ns: int = 0
    _lifeline: int = -1

    def cpu_ns(self) -> int:
        """Processor time of all its threads, by the kernel's account."""
        if self.ended is None:
            try:
                self._cpu_ns = time.clock_gettime_ns(linux.cpu_clock(self.pid))
            except OSError:  # it is dead and not yet waited for: what was read before stands until then
                return self._cpu_ns
        return self._cpu_ns

    @property
    def hung_up(self) -> bool:
        """Whether it closed its line to us."""
        return self._lifeline >= 0

    def lifeline(self) -> int:
        """A descriptor that is readable when the process has ended: for one that closed its line and lives on."""
        self._lifeline = os.pidfd_open(self.pid)
        return self._lifeline

    def wait(self) -> int:
        """Wait for its end; returns the wait status."""
        if self.ended is None:
            _, self.ended, usage = os.wait4(self.pid, 0)
            self._cpu_ns = max(self._cpu_ns, int((usage.ru_utime + usage.ru_stime) * 1e9))
            self.peak_kib = usage.ru_maxrss
            self.control.close()
            if self.hung_up:
                os.close(self._lifeline)
        return self.ended

    def kill(self) -> int:
        """End it, whatever it does; returns the wait status."""
        if self.ended is None:
            os.kill(self.pid, signal.SIGKILL)
        return self.wait()


class Spawner:
    """Starts test processes under one confinement and one set of limits."""

    def __init__(self, confinement: Confinement, limits: Limits, base_memory: int) -> None:
        self._confinement, self._limits, self._base_memory = confinement, limits, base_memory

    def start(self, body: Callable[[], None], descriptors: Sequence[int | None], tests: int) -> Child:
        """Start a process.

        Args:
            body: what it does once it is confined; it does not return.
            descriptors: what it has open, by number; None is the line to the server.
            tests: for how many tests, which sets its limit of processor time.

        Raises:
            FaultError: it did not come up.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        placed = [theirs.fileno() if each is None else each for each in descriptors]
        pid = linux.fork()
        if not pid:
            self._become(body, placed, descriptors.index(None), tests)
        theirs.close()
        child = Child(pid, ours)
        readable, _, _ = select.select([ours], [], [], _START_SECONDS)
        message = ours.recv(_MESSAGE_BYTES) if readable else b"no word from it"
        if message != STARTED:
            child.kill()
            raise FaultError(f"a test process did not start: {message.decode('utf-8', 'replace')}")
        return child

    def _become(self, body: Callable[[], None], descriptors: list[int], line: int, tests: int) -> None:
        status = 1
        try:
            linux.die_with_parent()
            _place(descriptors)
            self._limit(tests)
            if self._confinement.filter is not None:
                self._confinement.filter.load()
            body()
            status = 0
        except BaseException as error:  # a forked process must never return into the server's code
            os.write(line, f"{type(error).__name__}: {error}".encode()[:_MESSAGE_BYTES])
        finally:
            os._exit(status)

    def _limit(self, tests: int) -> None:
        limits = self._limits
        seconds = math.ceil(limits.time_s * tests) + 1
        wanted = {
            resource.RLIMIT_FSIZE: limits.output_bytes + 1,
            resource.RLIMIT_CPU: seconds,
            resource.RLIMIT_STACK: _STACK_BYTES,
            resource.RLIMIT_NOFILE: _OPEN_FILES,
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_MEMLOCK: 0,
            resource.RLIMIT_MSGQUEUE: 0,
        }
        if self._confinement.private_id:
            wanted[resource.RLIMIT_NPROC] = limits.processes + _OWN_PROCESSES
        for kind, value in wanted.items():
            _set_limit(kind, value, value)
        memory = self._base_memory + limits.memory_bytes
        _set_limit(resource.RLIMIT_AS, memory, memory + host_calls.STACK_BYTES)


def _set_limit(kind: int, soft: int, hard: int) -> None:
    _, most = resource.getrlimit(kind)
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    resource.setrlimit(kind, (soft, hard))


def _place(descriptors: list[int]) -> None:
    """Give the descriptors the numbers of their places, and close all others."""
    high = [fcntl.fcntl(each, fcntl.F_DUPFD, _ABOVE_ALL_SLOTS) for each in descriptors]
    for number, each in enumerate(high):
        os.dup2(each, number)
    linux.close_from(len(high))


def own_memory() -> int:
    """This process's address space in bytes: what a test process has before its program runs."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def unpack_report(message: bytes) -> tuple[int, bool, int] | None:
    """A test process's report, None where the message is none: the program may have written it."""
    if len(message) != REPORT.size:
        return None
    outcome, tainted, peak_kib = REPORT.unpack(message)
    if not 0 <= peak_kib < _NO_PEAK_KIB:
        return None
    return outcome, bool(tainted), peak_kib
