"""Seccomp filters: an allow-list for the fork server, and a stricter second filter for test processes.

A call that is not allowed fails with EPERM, which a program sees as PermissionError. Filters are balanced trees over
the system call number: since Linux 5.11 the kernel evaluates a filter for every number when it is loaded, so short
paths make loading fast, and every test process loads one.

Calls by another interface than the architecture's own, as of 32-bit programs, end the process. On x86-64 the calls of
the x32 interface have numbers with bit 30 set, which are not listed.
Arguments are 64 bits wide. The rules look at the low half only, as the kernel does: those that they check are 32-bit
integers there.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Iterable

from codeplan_sandbox import linux
from codeplan_sandbox.syscalls import Architecture

# Names that an architecture does not have are ignored there: these lists contain old calls and what replaced them.
FILE_CALLS = tuple(
    """
open openat readlink readlinkat stat lstat statx access faccessat faccessat2 statfs chdir
""".split()  # noqa: SIM905 - more readable as text
)

# Calls that change files by name are missing: Landlock does not cover their modes and times.
# newfstatat is also how the C library implements fstat; it reveals names and sizes, but not contents.
PROGRAM_CALLS = tuple(
    """
read write readv writev pread64 pwrite64 preadv pwritev close close_range fstat lseek newfstatat getcwd fchdir
getdents getdents64 dup dup2 dup3 pipe pipe2 ftruncate umask fsync fdatasync flock fallocate sendfile
copy_file_range fstatfs fadvise64 mmap munmap mprotect mremap madvise brk msync mincore membarrier rseq
set_robust_list get_robust_list futex futex_waitv set_tid_address rt_sigaction rt_sigprocmask rt_sigreturn
rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack pause alarm setitimer getitimer nanosleep clock_nanosleep
clock_gettime clock_getres gettimeofday time times timer_create timer_settime timer_gettime timer_delete
timer_getoverrun timerfd_create timerfd_settime timerfd_gettime eventfd eventfd2 signalfd4 epoll_create
epoll_create1 epoll_ctl epoll_wait epoll_pwait poll ppoll select pselect6 getpid getppid gettid getuid geteuid
getgid getegid getresuid getresgid getpgrp getpgid getsid getgroups capget uname sysinfo getrusage getrlimit
setrlimit getcpu getpriority sched_yield sched_getaffinity sched_getparam sched_getscheduler sched_get_priority_max
sched_get_priority_min exit exit_group wait4 waitid arch_prctl getrandom restart_syscall recvfrom shutdown
getsockopt getsockname
""".split()  # noqa: SIM905 - more readable as text
)

# memfd_create: a file lives as long as one of its pages is mapped, so that its size escapes the limit on address space.
SERVER_CALLS = ("fork", "kill", "prctl", "seccomp", "recvmsg", "sendmsg", "pidfd_open", "memfd_create")
"""Calls that the fork server needs and test processes must not make."""

_AF_UNIX = 1
_MAP_SHARED, _MAP_ANONYMOUS = 0x01, 0x20
_CLONE_THREAD = 0x00010000
_CLONE_ANY_NAMESPACE = 0x7E020080
# Commands with which the kernel sends signals to other processes for us: F_SETOWN, F_SETSIG, F_SETOWN_EX ...
_FCNTL_SIGNALS = (8, 10, 15)
# ... FIOSETOWN, SIOCSPGRP, and TIOCSTI, which types into a terminal.
_IOCTL_SIGNALS = (0x8901, 0x8902, 0x5412)

_LOAD, _JUMP, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x05, 0x15, 0x35, 0x45, 0x06
_KILL_PROCESS, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16
_SET_MODE_FILTER = 1


def _instruction(code: int, if_true: int, if_false: int, value: int) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value & 0xFFFFFFFF)


def _fail(number: int) -> bytes:
    return _instruction(_RETURN, 0, 0, _ERRNO | number)


ALLOW = _instruction(_RETURN, 0, 0, _ALLOW)
DENY = _fail(errno.EPERM)


def _argument(index: int) -> bytes:
    return _instruction(_LOAD, 0, 0, _ARGUMENTS_AT + 8 * index)


def _unless_any_bit(index: int, bits: int) -> bytes:
    return _argument(index) + _instruction(_ANY_BIT, 0, 1, bits) + DENY + ALLOW


def _unless_equal_to(index: int, values: tuple[int, ...]) -> bytes:
    return _argument(index) + b"".join(_instruction(_EQUAL, 0, 1, value) + DENY for value in values) + ALLOW


def _only_if_equal(index: int, value: int) -> bytes:
    return _argument(index) + _instruction(_EQUAL, 1, 0, value) + DENY + ALLOW


def _tree(rules: dict[int, bytes], default: bytes) -> bytes:
    """A balanced tree over ranges of call numbers. The accumulator holds the number; every rule ends in a return."""
    ranges: list[tuple[int, bytes]] = [(0, default)]
    for number in sorted(rules):
        for start, body in ((number, rules[number]), (number + 1, default)):
            if ranges[-1][0] == start:
                ranges.pop()
            if not ranges or ranges[-1][1] != body:
                ranges.append((start, body))

    def emit(part: list[tuple[int, bytes]]) -> bytes:
        if len(part) == 1:
            return part[0][1]
        middle = len(part) // 2
        low, high = emit(part[:middle]), emit(part[middle:])
        skip = len(low) // 8
        if skip < 256:
            return _instruction(_AT_LEAST, skip, 0, part[middle][0]) + low + high
        return _instruction(_AT_LEAST, 0, 1, part[middle][0]) + _instruction(_JUMP, 0, 0, skip) + low + high

    return emit(ranges)


def _each(names: Iterable[str], architecture: Architecture, body: bytes) -> dict[int, bytes]:
    numbers = architecture.numbers
    return {numbers[name]: body for name in names if name in numbers}


def server_filter(architecture: Architecture) -> bytes:
    """The allow-list for the fork server and its children."""
    numbers = architecture.numbers
    rules = _each((*FILE_CALLS, *PROGRAM_CALLS, *SERVER_CALLS), architecture, ALLOW)
    # A filter cannot read its flags in memory; the C library falls back to clone.
    rules[numbers["clone3"]] = _fail(errno.ENOSYS)
    rules[numbers["clone"]] = _unless_any_bit(0, _CLONE_ANY_NAMESPACE)
    rules[numbers["prlimit64"]] = _only_if_equal(0, 0)  # only the limits of the calling process
    rules[numbers["fcntl"]] = _unless_equal_to(1, _FCNTL_SIGNALS)
    rules[numbers["ioctl"]] = _unless_equal_to(1, _IOCTL_SIGNALS)
    # A datagram socket of a pair could otherwise send to any named socket: require an address of length 0.
    rules[numbers["sendto"]] = _only_if_equal(5, 0)
    rules[numbers["socketpair"]] = _only_if_equal(0, _AF_UNIX)
    head = (
        _instruction(_LOAD, 0, 0, _ARCH_AT)
        + _instruction(_EQUAL, 1, 0, architecture.audit)
        + _instruction(_RETURN, 0, 0, _KILL_PROCESS)
        + _instruction(_LOAD, 0, 0, _NUMBER_AT)
    )
    return head + _tree(rules, DENY)


def test_filter(architecture: Architecture, *, files: bool) -> bytes:
    """The filter of a test process, on top of `server_filter`: threads, but no processes and no signals to others.

    Args:
        architecture: that of this process.
        files: whether it may open files, because another layer restricts them.
    """
    rules = _each(SERVER_CALLS, architecture, DENY)
    rules[architecture.numbers["clone"]] = _argument(0) + _instruction(_ANY_BIT, 1, 0, _CLONE_THREAD) + DENY + ALLOW
    # Shared anonymous memory is a file as well, of any size; a process without children needs none.
    rules[architecture.numbers["mmap"]] = (
        _argument(3)
        + _instruction(_ANY_BIT, 1, 0, _MAP_ANONYMOUS)
        + ALLOW
        + _instruction(_ANY_BIT, 0, 1, _MAP_SHARED)
        + DENY
        + ALLOW
    )
    if not files:
        rules |= _each(FILE_CALLS, architecture, _fail(errno.EACCES))
    return _instruction(_LOAD, 0, 0, _NUMBER_AT) + _tree(rules, ALLOW)


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


class Filter:
    """A filter in the kernel's format, which can be loaded many times."""

    def __init__(self, instructions: bytes) -> None:
        self._instructions = ctypes.create_string_buffer(instructions, len(instructions))
        self._program = _FilterProgram(len(instructions) // 8, ctypes.addressof(self._instructions))

    def load(self) -> None:
        """Apply the filter to this process, permanently; requires `linux.no_new_privileges`."""
        linux.syscall("seccomp", _SET_MODE_FILTER, 0, ctypes.byref(self._program))
