"""The layers that the isolation tiers consist of, each tried by itself.

A layer is entered alone, in a process of its own that then attempts what this layer has to deny. The attempts are
harmless; programs never run with fewer layers than a tier has.
"""

from __future__ import annotations

import json
import mmap
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from codeplan_sandbox import landlock, linux, namespaces, probes, processes, seccomp, syscalls, tiers

_TIMEOUT_S = 60.0
_HOME = str(Path(__file__).resolve().parent.parent)
_OPTIONS = ("-s", "-P", "-S", "-B", "-c")
_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from codeplan_sandbox.layers import main; main()"
_FILES = ("reads files of other users", "writes files")
_CALLS = (
    *("opens internet sockets", "opens unix sockets", "starts processes"),
    *("signals other processes", "enters namespaces", "traces other processes"),
)
_LANDLOCK_SCOPES_ABI = 6
_MEMORY_BYTES, _OUTPUT_BYTES = 64 << 20, 1 << 20


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer.

    Attributes:
        name: its name.
        purpose: what it is for.
        enter: confines the process, for good, by this layer; returns its version or what it lacks, and the attempts
            that it has to deny. Raises OSError if this machine does not support it.
    """

    name: str
    purpose: str
    enter: Callable[[], tuple[str, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class LayerStatus:
    """Whether a layer works on this machine.

    Attributes:
        name: its name.
        purpose: what it is for.
        holds: whether it could be set up and denied all attempts.
        detail: its version, or why it does not hold.
        denials: what denied each attempt; empty text where it succeeded.
    """

    name: str
    purpose: str
    holds: bool
    detail: str = ""
    denials: Mapping[str, str] = field(default_factory=dict)


def survey() -> tuple[LayerStatus, ...]:
    """Try every layer."""
    return tuple(map(_status, LAYERS))


def _status(layer: Layer) -> LayerStatus:
    with tempfile.NamedTemporaryFile(prefix="codeplan-sandbox-canary-") as canary:
        Path(canary.name).chmod(0o644)
        command = [sys.executable, *_OPTIONS, _START, _HOME, layer.name, canary.name]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=_TIMEOUT_S,
                cwd="/",
            )
            detail, denials = json.loads(done.stdout)
        except (OSError, subprocess.TimeoutExpired, ValueError) as error:
            return LayerStatus(layer.name, layer.purpose, False, f"its process did not report: {error}")
    succeeded = [name for name, denial in denials.items() if not denial]
    if succeeded:
        detail = f"does not hold: a process {', '.join(succeeded)}"
    return LayerStatus(layer.name, layer.purpose, bool(denials) and not succeeded, detail, denials)


def main() -> None:
    """Enter the layer that the command line names, and print its detail and the denials as JSON."""
    name, canary = sys.argv[1:]
    (layer,) = (layer for layer in LAYERS if layer.name == name)
    try:
        detail, attempts = layer.enter()
    except OSError as error:
        detail, attempts = error.strerror or str(error), ()
    except tiers.LayerError as error:
        detail, attempts = str(error), ()
    denials = {attempt: _LIMIT_ATTEMPTS[attempt]() for attempt in attempts if attempt in _LIMIT_ATTEMPTS}
    denials |= probes.denials(canary, [attempt for attempt in attempts if attempt not in _LIMIT_ATTEMPTS])
    os.write(1, json.dumps([detail, denials]).encode())
    os._exit(0)


def _enter_namespaces() -> tuple[str, tuple[str, ...]]:
    namespaces.enter(tiers.readable_files(), tiers.test_user_id())
    return "", _FILES


def _enter_landlock() -> tuple[str, tuple[str, ...]]:
    version = landlock.abi()
    if not version:
        raise OSError("the kernel does not support it, or a seccomp profile denies its calls")
    linux.no_new_privileges()
    landlock.restrict([(path, landlock.READ) for path in tiers.readable_files()])
    if version >= _LANDLOCK_SCOPES_ABI:
        return f"ABI {version}", (*_FILES, "signals other processes")
    return f"ABI {version}: signals are left to seccomp", _FILES


def _enter_seccomp() -> tuple[str, tuple[str, ...]]:
    architecture = syscalls.native()
    if architecture is None:
        raise OSError(f"there is no filter for {syscalls.describe_native()}")
    linux.no_new_privileges()
    # A test process has both.
    for code in (seccomp.server_filter(architecture), seccomp.test_filter(architecture, files=True)):
        seccomp.Filter(code).load()
    return "", _CALLS


def _enter_user_id() -> tuple[str, tuple[str, ...]]:
    if os.geteuid():
        raise OSError("the judge is not root: programs have its own user id")
    user_id = tiers.test_user_id()
    os.setgroups([])
    os.setresgid(user_id, user_id, user_id)
    os.setresuid(user_id, user_id, user_id)
    return f"id {user_id}", ("is root",)


def _enter_limits() -> tuple[str, tuple[str, ...]]:
    memory = processes.address_space_bytes() + _MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_OUTPUT_BYTES, _OUTPUT_BYTES))
    return "", tuple(_LIMIT_ATTEMPTS)


def _allocate() -> str:
    try:
        mmap.mmap(-1, 2 * _MEMORY_BYTES).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _write_too_much() -> str:
    file = os.memfd_create("output")  # Python ignores SIGXFSZ, so that the call fails
    try:
        return "" if os.write(file, bytes(_OUTPUT_BYTES + 1)) > _OUTPUT_BYTES else "File too large"
    except OSError as error:
        return error.strerror or str(error)


_LIMIT_ATTEMPTS: dict[str, Callable[[], str]] = {
    "allocates more memory than its limit": _allocate,
    "writes more output than its limit": _write_too_much,
}

LAYERS = (
    Layer(
        "namespaces",
        "own user, PID, network, IPC, mount and UTS namespaces: no other files, processes or network",
        _enter_namespaces,
    ),
    Layer("landlock", "nothing is writable, only system files are readable", _enter_landlock),
    Layer("seccomp", "no sockets, processes, signals or other system calls that programs do not need", _enter_seccomp),
    Layer("user id", "programs run under a user id that owns nothing", _enter_user_id),
    Layer("resource limits", "memory, output, CPU time and threads of each process are limited", _enter_limits),
)
