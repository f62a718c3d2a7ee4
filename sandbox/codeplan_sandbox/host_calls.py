"""Emulate harmless calls that plain Python allows and the confinement would refuse.

Contest programs open ``/dev/stdin``, request a stack of 256 MiB, or read their own source file. In a test process these
calls give access to what the process has anyway: its standard streams, its source, one large stack.
"""

from __future__ import annotations

import _thread
import builtins
import contextlib
import fcntl
import functools
import io
import os
import re
import resource
import threading
from typing import Any

PROGRAM_FILE = "/program.py"
"""The program's ``__file__``; only `open` can find it."""
STACK_BYTES = 256 << 20
"""The largest stack of a thread. One such stack does not count against the memory limit, as little of it is used."""

_STREAM = re.compile(r"/dev/(?:std(in|out|err)|fd/([012]))|/proc/(?:self|thread-self|(\d+))/fd/([012])")
_STREAMS = {"in": 0, "out": 1, "err": 2}


_program: bytes | None = None


def install() -> None:
    """Replace the calls in this process, permanently; the fork server does, so that test processes need not."""
    _open_own_files()
    _allow_one_large_stack()
    _accept_stack_limits()


def set_program(source: bytes | None) -> None:
    """Say which program this process runs, None if it runs none any more."""
    global _program  # noqa: PLW0603 - one program per process
    _program = source


def program() -> bytes:
    """The source of the program that this process runs; empty if it runs none."""
    return _program or b""


def _open_own_files() -> None:
    real_open, real_os_open = io.open, os.open

    @functools.wraps(real_open)
    def open_file(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        descriptor = _descriptor(file) if options.get("opener") is None else None
        if descriptor is None:
            return real_open(file, mode, *arguments, **options)
        try:
            return real_open(descriptor, mode, *arguments, **options)
        except BaseException:
            os.close(descriptor)
            raise

    @functools.wraps(real_os_open)
    def open_descriptor(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        descriptor = _descriptor(path)
        return real_os_open(path, flags, mode, dir_fd=dir_fd) if descriptor is None else descriptor

    # staticmethod: a plain function would become a method if a class has it as an attribute.
    io.open = builtins.open = staticmethod(open_file)
    os.open = staticmethod(open_descriptor)


def _descriptor(file: Any) -> int | None:
    """A new descriptor for a file that this process has open anyway; None for other files."""
    if isinstance(file, int) or _program is None:
        return None
    try:
        name = os.path.abspath(os.fsdecode(file))  # noqa: PTH100 - must not follow links
    except (TypeError, ValueError, OSError):  # the real call reports the error
        return None
    if name == PROGRAM_FILE:
        return _pipe_with(_program)
    found = _STREAM.fullmatch(name)
    if not found or found[3] not in (None, str(os.getpid())):
        return None
    number = _STREAMS[found[1]] if found[1] else int(found[2] or found[4])
    copy = os.dup(number)
    if number == 0:
        with contextlib.suppress(OSError):  # the program may have replaced it with a pipe
            os.lseek(copy, 0, os.SEEK_SET)  # an opened file is read from its beginning
    return copy


def _pipe_with(program: bytes) -> int | None:
    """The reading end of a pipe that contains the program; None if it is larger than a pipe can be (1 MiB)."""
    reading, writing = os.pipe()
    try:
        if len(program) > fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ):
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, len(program))
        os.set_blocking(writing, False)
        os.write(writing, program)
    except OSError:
        os.close(reading)
        return None
    finally:
        os.close(writing)
    return reading


def _allow_one_large_stack() -> None:
    real = _thread.stack_size
    set_limit = resource.setrlimit
    normal: int | None = None
    requested = 0

    @functools.wraps(real)
    def stack_size(size: int = 0, /) -> int:
        nonlocal normal, requested
        real(min(size, STACK_BYTES))
        current, maximum = resource.getrlimit(resource.RLIMIT_AS)
        normal = current if normal is None else normal
        raised = normal + min(size, STACK_BYTES)
        if normal != resource.RLIM_INFINITY and current < raised:
            set_limit(
                resource.RLIMIT_AS, (raised if maximum == resource.RLIM_INFINITY else min(raised, maximum), maximum)
            )
        before, requested = requested, size
        return before

    _thread.stack_size = threading.stack_size = staticmethod(stack_size)


def _accept_stack_limits() -> None:
    """Let calls that raise the limit of the main stack succeed without effect: it is at its maximum."""
    real_set, real_prlimit = resource.setrlimit, resource.prlimit

    @functools.wraps(real_set)
    def setrlimit(kind: int, limits: tuple[int, int], /) -> None:
        real_set(kind, _clamped(limits) if kind == resource.RLIMIT_STACK else limits)

    @functools.wraps(real_prlimit)
    def prlimit(pid: int, kind: int, *limits: Any) -> tuple[int, int]:
        if limits and limits[0] is not None and kind == resource.RLIMIT_STACK:
            limits = (_clamped(limits[0]),)
        return real_prlimit(pid, kind, *limits)

    resource.setrlimit, resource.prlimit = staticmethod(setrlimit), staticmethod(prlimit)


def _clamped(limits: tuple[int, int]) -> tuple[int, int]:
    """The limits reduced to what this process may set; invalid ones are unchanged, so that the real call fails."""
    unlimited = resource.RLIM_INFINITY
    _, maximum = resource.getrlimit(resource.RLIMIT_STACK)
    try:
        soft, hard = limits
        if maximum == unlimited or (hard != unlimited and (soft == unlimited or soft > hard)):
            return limits
        return tuple(maximum if limit == unlimited else min(limit, maximum) for limit in (soft, hard))  # type: ignore[return-value]
    except (TypeError, ValueError):
        return limits
