"""Calls that plain Python allows and confinement would refuse, though what they ask for is harmless.

Contest programs open ``/dev/stdin``, ask for a stack of 256 MiB, or read their own file. In a test process these calls
lead to what the process has anyway: its own standard streams, its own text, one large stack.
"""

from __future__ import annotations

import _thread
import builtins
import contextlib
import functools
import io
import os
import re
import resource
import threading
from typing import Any

PROGRAM_FILE = "/program.py"
"""The program's ``__file__``; it exists for `open` alone."""
STACK_BYTES = 256 << 20
"""The largest stack of a thread. One may be had beyond the limit on memory: little of it is ever used."""

_STREAM = re.compile(r"/dev/(?:std(in|out|err)|fd/([012]))|/proc/(?:self|thread-self|(\d+))/fd/([012])")
_STREAMS = {"in": 0, "out": 1, "err": 2}


def install(program: bytes) -> None:
    """Put the stand-ins in place, in this process, for good.

    Args:
        program: the program's text.
    """
    _open_own_files(program)
    _admit_one_large_stack()
    _accept_stack_limits()


def _open_own_files(program: bytes) -> None:
    real_open, real_os_open = io.open, os.open

    @functools.wraps(real_open)
    def open_file(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        descriptor = _descriptor(file, program) if options.get("opener") is None else None
        if descriptor is None:
            return real_open(file, mode, *arguments, **options)
        try:
            return real_open(descriptor, mode, *arguments, **options)
        except BaseException:
            os.close(descriptor)
            raise

    @functools.wraps(real_os_open)
    def open_descriptor(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        descriptor = _descriptor(path, program)
        return real_os_open(path, flags, mode, dir_fd=dir_fd) if descriptor is None else descriptor

    # Not plain functions: as attributes of classes these would be methods.
    io.open = builtins.open = staticmethod(open_file)
    os.open = staticmethod(open_descriptor)


def _descriptor(file: Any, program: bytes) -> int | None:
    """A new descriptor for a file that this process has open anyway, None for every other file."""
    if isinstance(file, int):
        return None
    try:
        name = os.path.abspath(os.fsdecode(file))  # noqa: PTH100 - links are not to be followed
    except (TypeError, ValueError, OSError):  # the real call says what is wrong with it
        return None
    if name == PROGRAM_FILE:
        copy = os.memfd_create("program")
        os.pwrite(copy, program, 0)
        return copy
    found = _STREAM.fullmatch(name)
    if not found or found[3] not in (None, str(os.getpid())):
        return None
    number = _STREAMS[found[1]] if found[1] else int(found[2] or found[4])
    copy = os.dup(number)
    if number == 0:
        with contextlib.suppress(OSError):  # the program may have put a pipe there
            os.lseek(copy, 0, os.SEEK_SET)  # a file that is opened is read from its beginning
    return copy


def _admit_one_large_stack() -> None:
    real = _thread.stack_size
    normal, most = resource.getrlimit(resource.RLIMIT_AS)
    set_limit = resource.setrlimit
    asked = 0

    @functools.wraps(real)
    def stack_size(size: int = 0, /) -> int:
        nonlocal asked
        real(min(size, STACK_BYTES))
        current, _ = resource.getrlimit(resource.RLIMIT_AS)
        wanted = normal + min(size, STACK_BYTES)
        if normal != resource.RLIM_INFINITY and current < wanted:
            set_limit(resource.RLIMIT_AS, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most))
        before, asked = asked, size
        return before

    _thread.stack_size = threading.stack_size = staticmethod(stack_size)


def _accept_stack_limits() -> None:
    """Raising the limit on the main stack succeeds, and changes nothing: it is as large as it can be."""
    real_set, real_prlimit = resource.setrlimit, resource.prlimit

    @functools.wraps(real_set)
    def setrlimit(kind: int, limits: tuple[int, int], /) -> None:
        real_set(kind, _possible(limits) if kind == resource.RLIMIT_STACK else limits)

    @functools.wraps(real_prlimit)
    def prlimit(pid: int, kind: int, *limits: Any) -> tuple[int, int]:
        if limits and limits[0] is not None and kind == resource.RLIMIT_STACK:
            limits = (_possible(limits[0]),)
        return real_prlimit(pid, kind, *limits)

    resource.setrlimit, resource.prlimit = staticmethod(setrlimit), staticmethod(prlimit)


def _possible(limits: tuple[int, int]) -> tuple[int, int]:
    """What this process may have of the limits; those that nobody can set stay as they are, to fail as ever."""
    endless = resource.RLIM_INFINITY
    _, most = resource.getrlimit(resource.RLIMIT_STACK)
    try:
        soft, hard = limits
        if most == endless or (hard != endless and (soft == endless or soft > hard)):
            return limits
        return tuple(most if limit == endless else min(limit, most) for limit in (soft, hard))  # type: ignore[return-value]
    except (TypeError, ValueError):
        return limits
