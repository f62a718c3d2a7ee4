"""Isolation tiers: the layers of each, and how the fork server enters one.

===========  ========================================================================================================
namespaces   own user, pid, network, ipc, mount and UTS namespaces; Landlock where the kernel supports it; seccomp
landlock     Landlock (no writing, only system files are readable); seccomp
seccomp      seccomp only, denying all calls that open files by name; modules are imported beforehand
limits       resource limits only: no protection against hostile programs; used only if allowed explicitly
===========  ========================================================================================================

In all tiers programs have resource limits, an empty environment, no inherited descriptors, and, if the caller is root,
a user id that owns nothing.
"""

from __future__ import annotations

import os
import pwd
import sys
from dataclasses import dataclass
from pathlib import Path

from codeplan_sandbox import landlock, linux, modules, namespaces, seccomp, syscalls

TIERS = ("namespaces", "landlock", "seccomp", "limits")
"""Strongest first."""
MINIMUM_TIER = "seccomp"
"""The sandbox does not use weaker tiers unless they are allowed explicitly."""

_SYSTEM_FILES = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives")
# Below the 65,536 ids that containers map, outside the ranges that distributions use for users and services.
_FREE_IDS = range(61200, 62000)


class LayerError(RuntimeError):
    """This machine does not support a layer of the tier; the message says which, and why."""


@dataclass(frozen=True)
class Confinement:
    """The confinement of the fork server, and what test processes add to it.

    Attributes:
        tier: the tier's name.
        filter: the seccomp filter of test processes.
        private_id: whether no other process has this user id, so that the kernel can limit the number of threads.
    """

    tier: str
    filter: seccomp.Filter | None
    private_id: bool


def enter(tier: str) -> Confinement:
    """Confine this process, the fork server, permanently; the common modules must have been imported.

    Raises:
        LayerError: a layer is not available. The process must end then, as it may be partly confined.
    """
    filters = None if tier == "limits" else _filters(tier)
    root = os.geteuid() == 0
    outside_id = test_user_id()
    readable = readable_files()
    if tier == "seccomp" or (tier == "landlock" and root and not all(map(_reachable_by_all, _interpreter_files()))):
        modules.load(modules.RARE)
    try:
        if tier == "namespaces":
            namespaces.enter(readable, outside_id)
        elif root:
            _change_user(outside_id)
    except OSError as error:
        raise LayerError(f"namespaces: {error}" if tier == "namespaces" else f"change of user id: {error}") from error
    linux.no_new_privileges()
    _restrict_files(tier, readable)
    test_filter = None
    if filters is not None:
        server_filter, test_filter = filters
        _load(server_filter)
    return Confinement(tier, test_filter, private_id=root or tier == "namespaces")


def readable_files() -> list[str]:
    """The files and folders that programs may read: those of the system and of the interpreter."""
    return [path for path in (*_SYSTEM_FILES, *_interpreter_files()) if Path(path).exists()]


def test_user_id() -> int:
    """The user id of test processes as seen from outside: an unassigned one for root, otherwise the caller's own."""
    return _free_id() if os.geteuid() == 0 else os.geteuid()


def _filters(tier: str) -> tuple[seccomp.Filter, seccomp.Filter]:
    """The filters of the server and of its test processes."""
    architecture = syscalls.native()
    if architecture is None:
        supported = " and ".join(syscalls.ARCHITECTURES)
        raise LayerError(
            f"seccomp: the filters support 64-bit programs on {supported}, not {syscalls.describe_native()}"
        )
    return (
        seccomp.Filter(seccomp.server_filter(architecture)),
        seccomp.Filter(seccomp.test_filter(architecture, files=tier != "seccomp")),
    )


def _restrict_files(tier: str, readable: list[str]) -> None:
    """Apply Landlock: required in the ``landlock`` tier, an additional layer in ``namespaces``."""
    if tier not in ("namespaces", "landlock"):
        return
    if landlock.abi() == 0:
        if tier == "landlock":
            raise LayerError("landlock: the kernel does not support it")
        return
    devices = [(f"/dev/{name}", landlock.READ_WRITE_FILE) for name in namespaces.DEVICES]
    # The namespace's root contains readable files only.
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


def _change_user(user_id: int) -> None:
    os.setgroups([])
    os.setresgid(user_id, user_id, user_id)
    os.setresuid(user_id, user_id, user_id)


def _free_id() -> int:
    """An unassigned user id; concurrent servers use different ones."""
    for offset in range(len(_FREE_IDS)):
        candidate = _FREE_IDS[(os.getpid() + offset) % len(_FREE_IDS)]
        try:
            pwd.getpwuid(candidate)
        except KeyError:
            return candidate
    raise LayerError(f"user id: all of {_FREE_IDS[0]} to {_FREE_IDS[-1]} are assigned; programs need an unassigned one")


def _interpreter_files() -> tuple[str, ...]:
    return tuple({sys.base_prefix, os.path.realpath(sys.base_prefix)})


def _reachable_by_all(path: str) -> bool:
    """Whether every user can reach the path: the interpreter may be in a private folder."""
    return all(folder.stat().st_mode & 0o001 for folder in (Path(path), *Path(path).parents))
