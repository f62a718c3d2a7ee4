"""Forbidden operations, attempted in a test process at start to verify that the confinement holds."""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

from codeplan_sandbox import linux

_WRITABLE_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/", ".")  # noqa: S108 - attempted, and expected to fail
_PTRACE_ATTACH = 16


def denials(canary: str, names: Iterable[str] | None = None) -> dict[str, str]:
    """What denies each forbidden operation to this process; empty text where it succeeds.

    Args:
        canary: a world-readable file outside the sandbox.
        names: the operations of `ATTEMPTS` to try, by default all.
    """
    return {name: _denial(ATTEMPTS[name], canary) for name in (ATTEMPTS if names is None else names)}


def _denial(attempt: Callable[[str], bool], canary: str) -> str:
    try:
        return "" if attempt(canary) else "not so"
    except OSError as error:
        return error.strerror or str(error)


def _read(canary: str) -> bool:
    return Path(canary).read_bytes() is not None


def _write(_: str) -> bool:
    denied = OSError()
    for folder in _WRITABLE_FOLDERS:
        path = Path(folder) / f"codeplan-sandbox-probe-{os.getpid()}"
        try:
            path.touch(exist_ok=False)
        except OSError as error:
            denied = error
            continue
        path.unlink()
        return True
    raise denied


def _connect(family: socket.AddressFamily) -> Callable[[str], bool]:
    def attempt(_: str) -> bool:
        socket.socket(family, socket.SOCK_STREAM).close()
        return True

    return attempt


def _fork(_: str) -> bool:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return True


def _signal(_: str) -> bool:
    os.kill(os.getppid(), 0)
    return True


def _unshare(_: str) -> bool:
    linux.unshare(linux.NEWUSER)
    return True


def _trace(_: str) -> bool:
    if ctypes.CDLL(None, use_errno=True).ptrace(_PTRACE_ATTACH, os.getppid(), 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return True


def _user(_: str) -> bool:
    return os.geteuid() == 0


def _environment(_: str) -> bool:
    return bool(os.environ)


ATTEMPTS: dict[str, Callable[[str], bool]] = {
    "reads files of other users": _read,
    "writes files": _write,
    "opens internet sockets": _connect(socket.AF_INET),
    "opens unix sockets": _connect(socket.AF_UNIX),
    "starts processes": _fork,
    "signals other processes": _signal,
    "enters namespaces": _unshare,
    "traces other processes": _trace,
    "is root": _user,
    "has an environment": _environment,
}
