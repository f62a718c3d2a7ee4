"""Linux system calls that Python does not wrap, through ctypes.

Every function raises OSError with the name of the call if the call fails.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Any

from codeplan_sandbox import syscalls

NEWNS = 0x00020000
NEWUTS = 0x04000000
NEWIPC = 0x08000000
NEWUSER = 0x10000000
NEWPID = 0x20000000
NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_MNT_DETACH = 2
_KEEP_SIZE, _PUNCH_HOLE = 1, 2
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_MOUNT_ATTR_RDONLY_NOSUID_NODEV = 0x1 | 0x2 | 0x4
_CAPABILITY_VERSION_3 = 0x20080522
_MAX_DESCRIPTOR = os.sysconf("SC_OPEN_MAX")

_libc = ctypes.CDLL(None, use_errno=True)
_raw_fork = ctypes.PyDLL(None).fork


def _checked(result: int, name: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def syscall(name: str, *arguments: Any) -> int:
    """Make a system call that the C library may not wrap; ints are passed as C longs, bytes as pointers."""
    passed = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return _checked(_libc.syscall(ctypes.c_long(syscalls.number(name)), *passed), name)


def fork() -> int:
    """Fork without Python's at-fork hooks, which take a third of the time of a fork.

    Safe only in a single-threaded process: then no lock of the interpreter is held, and the hooks are not needed.
    """
    return int(_checked(_raw_fork(), "fork"))


def no_new_privileges() -> None:
    """Prevent gaining privileges through set-user-id files; seccomp and Landlock require this."""
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")


def die_with_parent() -> None:
    """Have this process killed when the thread that forked it ends."""
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")


def unshare(flags: int) -> None:
    """Enter new namespaces."""
    _checked(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str = "none", flags: int = 0, options: str = "") -> None:
    """Mount a file system, bind a path to another one, or change a mount, depending on the flags."""
    texts = [text.encode() for text in (source, target, kind)]
    _checked(_libc.mount(*texts, ctypes.c_ulong(flags), options.encode()), f"mount {target}")


def make_read_only(path: str) -> None:
    """Make a mount and those below it read-only, nodev and nosuid (Linux 5.12)."""
    attributes = struct.pack("QQQQ", _MOUNT_ATTR_RDONLY_NOSUID_NODEV, 0, 0, 0)
    syscall("mount_setattr", _AT_FDCWD, path.encode(), _AT_RECURSIVE, attributes, len(attributes))


def pivot_root(new_root: str) -> None:
    """Make a mount the root, and detach the old root."""
    os.chdir(new_root)
    syscall("pivot_root", b".", b".")
    _checked(_libc.umount2(b".", _MNT_DETACH), "umount2")
    os.chdir("/")


def drop_capabilities() -> None:
    """Drop all capabilities of this process."""
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    syscall("capset", header, bytes(24))


def free_memory(file: int, offset: int, length: int) -> None:
    """Free the memory of a part of a memfd, which then reads as zeros."""
    arguments = (
        ctypes.c_int(file),
        ctypes.c_int(_PUNCH_HOLE | _KEEP_SIZE),
        ctypes.c_long(offset),
        ctypes.c_long(length),
    )
    _checked(_libc.fallocate(*arguments), "fallocate")


def cpu_clock(pid: int) -> int:
    """The clock id of a process's CPU time, for `time.clock_gettime_ns` (clock_getcpuclockid(3))."""
    return (~pid << 3) | 2


def close_from(first: int) -> None:
    """Close all descriptors from this number on."""
    os.closerange(first, _MAX_DESCRIPTOR)
