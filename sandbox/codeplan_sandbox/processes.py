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
_SLOTS = 16
"""Descriptors below this number are /dev/null in the server, so that no other file gets a number of a test process."""
_STDERR = 2
_OPEN_FILES = 64
# The kernel keeps at least 128 MiB of address space free below the main stack, whatever the limit at start was.
_STACK_BYTES = 112 << 20
_OWN_PROCESSES = 2  # the server, and the second process of an assert test
_MESSAGE_BYTES = 500
_MAX_PEAK_KIB = 1 << 30  # more than any process has; a forged larger number would not fit the result tables


_set_limit = resource.setrlimit  # not what `host_calls` replaces it with


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
        self._confinement, self._time_s = confinement, limits.time_s
        self._limits = _resource_limits(limits, base_memory, limit_threads=confinement.private_id)

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
        control = descriptors.index(None)
        cpu_s = _below_maximum(resource.RLIMIT_CPU, (math.ceil(self._time_s * tests) + 1,) * 2)
        pid = linux.fork()
        if not pid:
            self._run_child(body, inherited, control, cpu_s)
        child_end.close()
        child = Child(pid, server_end)
        readable, _, _ = select.select([server_end], [], [], _START_TIMEOUT_S)
        message = server_end.recv(_MESSAGE_BYTES) if readable else f"no message within {_START_TIMEOUT_S:g} s".encode()
        if message != STARTED:
            child.kill()
            raise SpawnError(f"a test process did not start: {message.decode('utf-8', 'replace')}")
        return child

    def _run_child(
        self, body: Callable[[], None], descriptors: list[int], control: int, cpu_s: tuple[int, int]
    ) -> None:
        status = 1
        try:
            linux.die_with_parent()
            _install_descriptors(descriptors)
            _set_limit(resource.RLIMIT_CPU, cpu_s)
            for kind, values in self._limits:
                _set_limit(kind, values)
            if self._confinement.filter is not None:
                self._confinement.filter.load()
            body()
            status = 0
        except BaseException as error:  # a forked process must never return into the server's code
            os.write(control, f"{type(error).__name__}: {error}".encode()[:_MESSAGE_BYTES])
        finally:
            os._exit(status)


def _resource_limits(limits: Limits, base_memory: int, *, limit_threads: bool) -> list[tuple[int, tuple[int, int]]]:
    """The limits of a test process except that of its CPU time, each as kind, soft and hard limit."""
    values = {
        resource.RLIMIT_FSIZE: limits.output_bytes + 1,
        resource.RLIMIT_STACK: _STACK_BYTES,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    if limit_threads:
        values[resource.RLIMIT_NPROC] = limits.processes + _OWN_PROCESSES
    memory = base_memory + limits.memory_bytes
    pairs = {kind: (value, value) for kind, value in values.items()}
    pairs[resource.RLIMIT_AS] = memory, memory + host_calls.STACK_BYTES
    return [(kind, _below_maximum(kind, pair)) for kind, pair in pairs.items()]


def _below_maximum(kind: int, limits: tuple[int, int]) -> tuple[int, int]:
    """A soft and a hard limit, lowered to this process's hard limit."""
    _, most = resource.getrlimit(kind)
    return limits if most == resource.RLIM_INFINITY else (min(limits[0], most), min(limits[1], most))


def _install_descriptors(descriptors: list[int]) -> None:
    """Renumber the descriptors by their position, and close all others."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    linux.close_from(len(descriptors))


def reserve_descriptors(kept: int) -> int:
    """Make the descriptors that test processes use refer to /dev/null, except 2.

    Args:
        kept: a descriptor whose file stays open.

    Returns:
        Its new number.
    """
    moved = fcntl.fcntl(kept, fcntl.F_DUPFD_CLOEXEC, _SLOTS)
    os.close(kept)
    devnull = os.open("/dev/null", os.O_RDWR)
    for number in range(_SLOTS):
        if number != _STDERR:
            os.dup2(devnull, number)
    if devnull >= _SLOTS:
        os.close(devnull)
    return moved


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
