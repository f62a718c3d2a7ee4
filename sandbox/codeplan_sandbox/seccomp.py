"""Seccomp filters: an allow-list for the fork server, and a stricter second filter for test processes.

A call that is not allowed fails with EPERM, which a program sees as PermissionError. Filters are balanced trees over
the system call number: since Linux 5.11 the kernel evaluates a filter for every number when it is loaded, so short
paths make loading fast, and every test process loads one. The numbers are those of x86-64.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

from codeplan_sandbox import linux

_FILE_CALLS = """
open=2 openat=257 readlink=89 readlinkat=267
stat=4 lstat=6 statx=332 access=21 faccessat=269 faccessat2=439 statfs=137 chdir=80
"""

# Calls that change files by name are missing: Landlock does not cover their modes and times.
# newfstatat is also how the C library implements fstat; it reveals names and sizes, but not contents.
_PROGRAM_CALLS = """
read=0 write=1 readv=19 writev=20 pread64=17 pwrite64=18 preadv=295 pwritev=296 close=3 close_range=436 fstat=5 lseek=8
newfstatat=262
getcwd=79 fchdir=81 getdents=78 getdents64=217 dup=32 dup2=33 dup3=292 pipe=22 pipe2=293 ftruncate=77 umask=95
fsync=74 fdatasync=75 flock=73 fallocate=285 sendfile=40 copy_file_range=326 fstatfs=138 fadvise64=221
mmap=9 munmap=11 mprotect=10 mremap=25 madvise=28 brk=12 msync=26 mincore=27 membarrier=324 rseq=334
set_robust_list=273 get_robust_list=274 futex=202 futex_waitv=449 set_tid_address=218
rt_sigaction=13 rt_sigprocmask=14 rt_sigreturn=15 rt_sigpending=127 rt_sigtimedwait=128 rt_sigsuspend=130
sigaltstack=131 pause=34 alarm=37 setitimer=38 getitimer=36 nanosleep=35 clock_nanosleep=230 clock_gettime=228
clock_getres=229 gettimeofday=96 time=201 times=100 timer_create=222 timer_settime=223 timer_gettime=224
timer_delete=226 timer_getoverrun=225 timerfd_create=283 timerfd_settime=286 timerfd_gettime=287 eventfd=284
eventfd2=290 signalfd4=289 epoll_create=213 epoll_create1=291 epoll_ctl=233 epoll_wait=232 epoll_pwait=281 poll=7
ppoll=271 select=23 pselect6=270 getpid=39 getppid=110 gettid=186 getuid=102 geteuid=107 getgid=104 getegid=108
getresuid=118 getresgid=120 getpgrp=111 getpgid=121 getsid=124 getgroups=115 capget=125 uname=63 sysinfo=99
getrusage=98 getrlimit=97 setrlimit=160 getcpu=309 getpriority=140 sched_yield=24 sched_getaffinity=204
sched_getparam=143 sched_getscheduler=145 sched_get_priority_max=146 sched_get_priority_min=147 exit=60 exit_group=231
wait4=61 waitid=247 arch_prctl=158 getrandom=318 restart_syscall=219 recvfrom=45 shutdown=48
getsockopt=55 getsockname=51
"""

# memfd_create: a file lives as long as one of its pages is mapped, so that its size escapes the limit on address space.
_SERVER_CALLS = "fork=57 kill=62 prctl=157 seccomp=317 recvmsg=47 sendmsg=46 pidfd_open=434 memfd_create=319"


def _numbers(table: str) -> dict[str, int]:
    return {name: int(number) for name, number in (entry.split("=") for entry in table.split())}


FILE_CALLS = _numbers(_FILE_CALLS)
PROGRAM_CALLS = _numbers(_PROGRAM_CALLS)
SERVER_CALLS = _numbers(_SERVER_CALLS)
"""Calls that the fork server needs and test processes must not make."""

_FCNTL, _IOCTL, _CLONE, _CLONE3, _PRLIMIT64, _SENDTO, _SOCKETPAIR = 72, 16, 56, 435, 302, 44, 53
_AF_UNIX = 1
_MMAP = 9
_MAP_SHARED, _MAP_ANONYMOUS = 0x01, 0x20
_CLONE_THREAD = 0x00010000
_CLONE_ANY_NAMESPACE = 0x7E020080
# Commands with which the kernel sends signals to other processes for us: F_SETOWN, F_SETSIG, F_SETOWN_EX ...
_FCNTL_SIGNALS = (8, 10, 15)
# ... FIOSETOWN, SIOCSPGRP, and TIOCSTI, which types into a terminal.
_IOCTL_SIGNALS = (0x8901, 0x8902, 0x5412)

_LOAD, _JUMP, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x05, 0x15, 0x35, 0x45, 0x06
_KILL_PROCESS, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_AUDIT_ARCH_X86_64 = 0xC000003E
_X32_BIT = 0x40000000
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


def server_filter() -> bytes:
    """The allow-list for the fork server and its children."""
    rules = {number: ALLOW for calls in (FILE_CALLS, PROGRAM_CALLS, SERVER_CALLS) for number in calls.values()}
    rules[_CLONE3] = _fail(errno.ENOSYS)  # a filter cannot read its flags in memory; glibc falls back to clone
    rules[_CLONE] = _unless_any_bit(0, _CLONE_ANY_NAMESPACE)
    rules[_PRLIMIT64] = (
        _argument(0) + _instruction(_EQUAL, 1, 0, 0) + DENY + ALLOW
    )  # only the limits of the calling process
    rules[_FCNTL] = _unless_equal_to(1, _FCNTL_SIGNALS)
    rules[_IOCTL] = _unless_equal_to(1, _IOCTL_SIGNALS)
    # A datagram socket of a pair could otherwise send to any named socket: require an address of length 0.
    rules[_SENDTO] = _argument(5) + _instruction(_EQUAL, 1, 0, 0) + DENY + ALLOW
    rules[_SOCKETPAIR] = _argument(0) + _instruction(_EQUAL, 1, 0, _AF_UNIX) + DENY + ALLOW
    head = (
        _instruction(_LOAD, 0, 0, _ARCH_AT)
        + _instruction(_EQUAL, 1, 0, _AUDIT_ARCH_X86_64)
        + _instruction(_RETURN, 0, 0, _KILL_PROCESS)
        + _instruction(_LOAD, 0, 0, _NUMBER_AT)
        + _instruction(_AT_LEAST, 0, 1, _X32_BIT)
        + DENY
    )
    return head + _tree(rules, DENY)


def test_filter(files: bool) -> bytes:
    """The filter of a test process, on top of `server_filter`: threads, but no processes and no signals to others.

    Args:
        files: whether it may open files, because another layer restricts them.
    """
    rules = dict.fromkeys(SERVER_CALLS.values(), DENY)
    rules[_CLONE] = _argument(0) + _instruction(_ANY_BIT, 1, 0, _CLONE_THREAD) + DENY + ALLOW
    # Shared anonymous memory is a file as well, of any size; a process without children needs none.
    rules[_MMAP] = (
        _argument(3)
        + _instruction(_ANY_BIT, 1, 0, _MAP_ANONYMOUS)
        + ALLOW
        + _instruction(_ANY_BIT, 0, 1, _MAP_SHARED)
        + DENY
        + ALLOW
    )
    if not files:
        rules.update(dict.fromkeys(FILE_CALLS.values(), _fail(errno.EACCES)))
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
        linux.syscall("seccomp", SERVER_CALLS["seccomp"], _SET_MODE_FILTER, 0, ctypes.byref(self._program))


def supported() -> bool:
    """Whether the filters match this machine's system call numbers."""
    return platform.machine() == "x86_64"
