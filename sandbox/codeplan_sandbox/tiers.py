"""Isolation tiers: what each is made of, and how the fork server enters one.

===========  ========================================================================================================
namespaces   own user, pid, network, ipc, mount and host name spaces; Landlock where the kernel has it; seccomp
landlock     Landlock (nothing may be written, system files may be read); seccomp
seccomp      seccomp alone, which then denies every call that names a file; modules are imported beforehand
limits       resource limits only: no protection against malice. Never chosen unless asked for by name
===========  ========================================================================================================

All tiers have resource limits, an empty environment and no inherited descriptors, and run as an id that owns nothing
where the caller is root.
"""

from __future__ import annotations

import os
import pwd
import sys
from dataclasses import dataclass
from pathlib import Path

from codeplan_sandbox import landlock, linux, modules, namespaces, seccomp

TIERS = ("namespaces", "landlock", "seccomp", "limits")
"""Strongest first."""
MINIMUM_TIER = "seccomp"
"""Below this the sandbox refuses to run programs, unless it is allowed by name."""

_SYSTEM_FILES = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives")
# Ids between those that Linux distributions give to people and to services, and the 65,536 that containers map.
_FREE_IDS = range(61200, 62000)


class LayerError(RuntimeError):
    """This machine does not give a layer of the tier; the message says which, and why."""


@dataclass(frozen=True)
class Confinement:
    """What holds for the fork server, and what is left to do in every test process.

    Attributes:
        tier: the tier's name.
        filter: the seccomp filter of test processes.
        private_id: whether no other process has this user id, so that its processes can be counted.
    """

    tier: str
    filter: seccomp.Filter | None
    private_id: bool


def enter(tier: str) -> Confinement:
    """Confine this process, the fork server, for good; the common modules are imported before.

    Raises:
        LayerError: a layer cannot be had. The process must end then, as it may be confined in part.
    """
    if tier != "limits" and not seccomp.supported():
        raise LayerError("the seccomp filters are written for x86-64 only")
    root = os.geteuid() == 0
    outside_id = _free_id() if root else os.geteuid()
    readable = [path for path in (*_SYSTEM_FILES, *_interpreter_files()) if Path(path).exists()]
    if tier == "seccomp" or (tier == "landlock" and root and not all(map(_open_to_all, _interpreter_files()))):
        modules.load(modules.RARE)
    try:
        if tier == "namespaces":
            namespaces.enter(readable, outside_id)
        elif root:
            _become(outside_id)
    except OSError as error:
        raise LayerError(f"namespaces: {error}" if tier == "namespaces" else f"change of user id: {error}") from error
    linux.no_new_privileges()
    _restrict_files(tier, readable)
    if tier != "limits":
        _load(seccomp.Filter(seccomp.server_filter()))
    test_filter = None if tier == "limits" else seccomp.Filter(seccomp.test_filter(files=tier != "seccomp"))
    return Confinement(tier, test_filter, private_id=root or tier == "namespaces")


def _restrict_files(tier: str, readable: list[str]) -> None:
    """Landlock, where the tier has it: a must for ``landlock``, one wall more for ``namespaces``."""
    if tier not in ("namespaces", "landlock"):
        return
    if landlock.abi() == 0:
        if tier == "landlock":
            raise LayerError("landlock: the kernel has none")
        return
    devices = [(f"/dev/{name}", landlock.READ_WRITE_FILE) for name in namespaces.DEVICES]
    # The namespace's root holds nothing but what may be read.
    trees = ["/"] if tier == "namespaces" else readable
    try:
        landlock.restrict([*((path, landlock.READ) for path in trees), *devices])
    except OSError as error:
        raise LayerError(f"landlock: {error}") from error


def _load(server_filter: seccomp.Filter) -> None:
    try:
        server_filter.load()
    except OSError as error:
        raise LayerError(f"seccomp: {error}") from error


def _become(user_id: int) -> None:
    os.setgroups([])
    os.setresgid(user_id, user_id, user_id)
    os.setresuid(user_id, user_id, user_id)


def _free_id() -> int:
    """A user id without a name; servers that run at once take different ones."""
    for step in range(len(_FREE_IDS)):
        candidate = _FREE_IDS[(os.getpid() + step) % len(_FREE_IDS)]
        try:
            pwd.getpwuid(candidate)
        except KeyError:
            return candidate
    raise LayerError(f"every user id from {_FREE_IDS[0]} to {_FREE_IDS[-1]} has a name; none is free for programs")


def _interpreter_files() -> tuple[str, ...]:
    return tuple({sys.base_prefix, os.path.realpath(sys.base_prefix)})


def _open_to_all(path: str) -> bool:
    """Whether every user may walk to the path: the interpreter may lie in somebody's private folder."""
    return all(each.stat().st_mode & 0o001 for each in (Path(path), *Path(path).parents))
