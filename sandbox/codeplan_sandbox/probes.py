"""Forbidden operations, attempted in a test process at start to verify that the confinement holds."""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Callable
from pathlib import Path

from codeplan_sandbox import linux

_WRITABLE_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/", ".")  # noqa: S108 - attempted, and expected to fail
_PTRACE_ATTACH = 16


def violations(canary: str) -> list[str]:
    """The forbidden operations that succeed in this process; none if the confinement holds.

    Args:
        canary: a world-readable file outside the sandbox.
    """
    return [name for name, attempt in ATTEMPTS.items() if _succeeds(attempt, canary)]


def _succeeds(attempt: Callable[[str], bool], canary: str) -> bool:
    try:
        return attempt(canary)
    except OSError:
        return False


def _read(canary: str) -> bool:
    return Path(canary).read_bytes() is not None


def _write(_: str) -> bool:
    for folder in _WRITABLE_FOLDERS:
        path = Path(folder) / f"codeplan-sandbox-probe-{os.getpid()}"
        try:
            path.touch(exist_ok=False)
        except OSError:
            continue
        path.unlink()
        return True
    return False


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
    return bool(ctypes.CDLL(None).ptrace(_PTRACE_ATTACH, os.getppid(), 0, 0) == 0)


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
