"""Test processes: forked from the warm server, confined before they read a program, watched from outside."""

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

_START_TIMEOUT_S = 10.0
_ABOVE_ALL_SLOTS = 64
_OPEN_FILES = 64
# The kernel keeps at least 128 MiB of address space free below the main stack, whatever the limit at start was.
_STACK_BYTES = 112 << 20
_OWN_PROCESSES = 2  # the server, and the second process of an assert test
_MESSAGE_BYTES = 500
_MAX_PEAK_KIB = 1 << 30  # more than any process has; a forged larger number would not fit the result tables


class SpawnError(RuntimeError):
    """A test process did not start; this says nothing about the program."""


@dataclass
class Child:
    """One test process.

    Attributes:
        pid: its process id.
        control: the socket to it.
        ended: its wait status, once it has been waited for.
        peak_kib: its peak memory in KiB, once it has been waited for.
    """

    pid: int
    control: socket.socket
    ended: int | None = None
    peak_kib: int = 0
    _cpu_ns: int = 0
    _pidfd: int = -1

    def cpu_ns(self) -> int:
        """CPU time of all its threads, as accounted by the kernel."""
        if self.ended is None:
            try:
                self._cpu_ns = time.clock_gettime_ns(linux.cpu_clock(self.pid))
            except OSError:  # it has ended and was not waited for yet: use the last value
                return self._cpu_ns
        return self._cpu_ns

    @property
    def disconnected(self) -> bool:
        """Whether it closed its control socket."""
        return self._pidfd >= 0

    def open_pidfd(self) -> int:
        """A descriptor that becomes readable when the process ends, for one that closed its control socket early."""
        self._pidfd = os.pidfd_open(self.pid)
        return self._pidfd

    def ends_within(self, seconds: float) -> bool:
        """Whether it ends in this time, which is waited for; not by being killed here."""
        if self.ended is None and not self.disconnected:
            self.open_pidfd()
        return self.ended is not None or bool(select.select([self._pidfd], [], [], seconds)[0])

    def wait(self) -> int:
        """Wait for its end; returns the wait status."""
        if self.ended is None:
            _, self.ended, usage = os.wait4(self.pid, 0)
            self._cpu_ns = max(self._cpu_ns, int((usage.ru_utime + usage.ru_stime) * 1e9))
            self.peak_kib = usage.ru_maxrss
            self.control.close()
            if self.disconnected:
                os.close(self._pidfd)
        return self.ended

    def kill(self) -> int:
        """Kill it; returns the wait status."""
        if self.ended is None:
            os.kill(self.pid, signal.SIGKILL)
        return self.wait()


class Spawner:
    """Starts test processes with one confinement and one set of limits."""

    def __init__(self, confinement: Confinement, limits: Limits, base_memory: int) -> None:
        self._confinement, self._limits, self._base_memory = confinement, limits, base_memory

    def start(self, body: Callable[[], None], descriptors: Sequence[int | None], tests: int) -> Child:
        """Start a process.

        Args:
            body: runs in the process once it is confined.
            descriptors: its open descriptors, by number; None stands for its control socket.
            tests: the number of tests that it will run, which sets its CPU limit.

        Raises:
            SpawnError: it did not start.
        """
        server_end, child_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        inherited = [child_end.fileno() if number is None else number for number in descriptors]
        pid = linux.fork()
        if not pid:
            self._run_child(body, inherited, descriptors.index(None), tests)
        child_end.close()
        child = Child(pid, server_end)
        readable, _, _ = select.select([server_end], [], [], _START_TIMEOUT_S)
        message = server_end.recv(_MESSAGE_BYTES) if readable else f"no message within {_START_TIMEOUT_S:g} s".encode()
        if message != STARTED:
            child.kill()
            raise SpawnError(f"a test process did not start: {message.decode('utf-8', 'replace')}")
        return child

    def _run_child(self, body: Callable[[], None], descriptors: list[int], control: int, tests: int) -> None:
        status = 1
        try:
            linux.die_with_parent()
            _install_descriptors(descriptors)
            self._set_limits(tests)
            if self._confinement.filter is not None:
                self._confinement.filter.load()
            body()
            status = 0
        except BaseException as error:  # a forked process must never return into the server's code
            os.write(control, f"{type(error).__name__}: {error}".encode()[:_MESSAGE_BYTES])
        finally:
            os._exit(status)

    def _set_limits(self, tests: int) -> None:
        limits = self._limits
        seconds = math.ceil(limits.time_s * tests) + 1
        values = {
            resource.RLIMIT_FSIZE: limits.output_bytes + 1,
            resource.RLIMIT_CPU: seconds,
            resource.RLIMIT_STACK: _STACK_BYTES,
            resource.RLIMIT_NOFILE: _OPEN_FILES,
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_MEMLOCK: 0,
            resource.RLIMIT_MSGQUEUE: 0,
        }
        if self._confinement.private_id:
            values[resource.RLIMIT_NPROC] = limits.processes + _OWN_PROCESSES
        for kind, value in values.items():
            _set_limit(kind, value, value)
        memory = self._base_memory + limits.memory_bytes
        _set_limit(resource.RLIMIT_AS, memory, memory + host_calls.STACK_BYTES)


def _set_limit(kind: int, soft: int, hard: int) -> None:
    _, most = resource.getrlimit(kind)
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    resource.setrlimit(kind, (soft, hard))


def _install_descriptors(descriptors: list[int]) -> None:
    """Renumber the descriptors by their position, and close all others."""
    high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, _ABOVE_ALL_SLOTS) for descriptor in descriptors]
    for number, descriptor in enumerate(high):
        os.dup2(descriptor, number)
    linux.close_from(len(high))


def address_space_bytes() -> int:
    """The size of this process's address space, which a test process starts with."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def unpack_report(message: bytes) -> tuple[int, bool, int] | None:
    """Parse a test process's report; None if the message is not one, as the program may have written it."""
    if len(message) != REPORT.size:
        return None
    outcome, tainted, peak_kib = REPORT.unpack(message)
    if not 0 <= peak_kib < _MAX_PEAK_KIB:
        return None
    return outcome, bool(tainted), peak_kib
