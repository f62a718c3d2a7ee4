"""The run's home: it is writable, supports locks, and has enough free space."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from codeplan.preflight.context import CheckContext
from codeplan.preflight.findings import Finding, failed, ok, warning

MEBIBYTE = 1 << 20
MIN_FREE = MEBIBYTE // 8
"""Bytes below which not even the problems of a small experiment fit."""
MIN_FREE_TO_TRAIN = 64 * MEBIBYTE
"""Bytes below which not even the checkpoints of the smallest student fit."""
LOW_FREE = 1024 * MEBIBYTE
"""Bytes below which a run of ordinary size may fill the disk."""
LOW_FILES = 20_000
"""Free inodes below which the teacher's answers, one file per answer, may use them up."""


def check(context: CheckContext) -> Iterator[Finding]:
    """Write and lock a file, and measure the free space."""
    home = context.home
    failure = _write(home)
    if failure is not None:
        context.home_usable = False
        yield failure
        return
    yield ok(f"{home.resolve()} is writable and supports locks")
    yield _space(context)


def _write(home: Path) -> Finding | None:
    try:
        home.mkdir(parents=True, exist_ok=True)
        probe = home / f".check-{uuid.uuid4().hex}"
        try:
            with probe.open("wb") as file:
                file.write(b"\0" * 4096)
                file.flush()
                os.fsync(file.fileno())
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        what = "does not support locks" if error.errno in _NO_LOCKS else "is not writable"
        advice = "free some space" if error.errno in _NO_SPACE else "choose a folder that this user can write to"
        return failed(f"execution.home {home} {what}: {error.strerror}", advice)
    return None


_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP}  # network file systems without a lock service
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


def _space(context: CheckContext) -> Finding:
    home = context.home
    free = shutil.disk_usage(home).free
    files = os.statvfs(home).f_favail
    shown = f"{free / MEBIBYTE:,.1f} MiB" if free < 10 * MEBIBYTE else f"{free / (1024 * MEBIBYTE):,.1f} GiB"
    minimum = MIN_FREE_TO_TRAIN if "finetune" in context.unfinished else MIN_FREE
    if free < minimum:
        needed = f"this run needs at least {minimum / MEBIBYTE:g} MiB"
        return failed(f"the disk is nearly full: {home} has {shown} free, and {needed}", "free some space")
    if free < LOW_FREE:
        return warning(f"{home} has {shown} free", "the checkpoints of a large student may need more")
    if 0 < files < LOW_FILES:
        return warning(
            f"{home} has {files:,} free inodes", "every answer of the teacher is stored in a file of its own"
        )
    return ok(f"{shown} free")
