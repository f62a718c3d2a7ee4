"""Landlock: restricts the files that a process can access. Needs no privileges (Linux 5.13)."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from pathlib import Path

from codeplan_sandbox import linux

_VERSION = 1
_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_FILE_RIGHTS_OF_ABI = {1: 13, 2: 14, 3: 15, 4: 15}
_NEWEST_FILE_RIGHTS = 16
_TCP_RIGHTS = 0b11
_SCOPES = 0b11  # abstract sockets, signals

READ = _EXECUTE | _READ_FILE | _READ_DIR
READ_WRITE_FILE = _READ_FILE | _WRITE_FILE


def abi() -> int:
    """The kernel's Landlock ABI version, 0 if it does not support Landlock."""
    try:
        return linux.syscall("landlock_create_ruleset", 0, 0, _VERSION)
    except OSError:
        return 0


def restrict(rules: Iterable[tuple[str, int]]) -> None:
    """Confine this process and its children: only the files in the rules, no TCP, no signals or sockets to others.

    TCP and the scopes need ABI 4 and 6; on older kernels only seccomp denies them.

    Args:
        rules: pairs of a path and the access that is allowed beneath it; missing paths are ignored.

    Raises:
        OSError: the kernel does not support Landlock.
    """
    version = abi()
    file_rights = (1 << _FILE_RIGHTS_OF_ABI.get(version, _NEWEST_FILE_RIGHTS)) - 1
    fields = [file_rights, _TCP_RIGHTS, _SCOPES][: 3 if version >= 6 else 2 if version >= 4 else 1]
    attributes = struct.pack(f"{len(fields)}Q", *fields)
    ruleset = linux.syscall("landlock_create_ruleset", attributes, len(attributes), 0)
    try:
        for path, access in rules:
            _allow(ruleset, path, access)
        linux.syscall("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        applicable = access if Path(path).is_dir() else access & ~_READ_DIR
        linux.syscall("landlock_add_rule", ruleset, _PATH_BENEATH, struct.pack("=Qi", applicable, handle), 0)
    finally:
        os.close(handle)
