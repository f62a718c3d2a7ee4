"""The run's home: it can be written to and locked, and has room for what a run leaves there."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from codeplan.preflight.findings import Finding, failed, ok, warning
from codeplan.preflight.subject import Subject

MEBIBYTE = 1 << 20
LEAST_FREE = MEBIBYTE // 8
"""Bytes below which not even the problems of a small experiment can be kept."""
LEAST_FREE_TO_TRAIN = 64 * MEBIBYTE
"""Bytes below which not even the checkpoints of the smallest student can be kept."""
LITTLE_FREE = 1024 * MEBIBYTE
"""Bytes below which a run of ordinary size may fill the disk."""
FEW_FILES = 20_000
"""Free inodes below which the teacher's answers, a file each, may use them up."""


def check(subject: Subject) -> Iterator[Finding]:
    """Write, lock, and measure."""
    home = subject.home
    trouble = _write(home)
    if trouble is not None:
        subject.home_usable = False
        yield trouble
        return
    yield ok(f"{home.resolve()} can be written to and locked")
    yield _space(subject)


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
        what = "cannot be locked" if error.errno in _NO_LOCKS else "cannot be written to"
        advice = "free some space" if error.errno in _NO_SPACE else "name a folder that this user can write to"
        return failed(f"execution.home {home} {what}: {error.strerror}", advice)
    return None


_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP}  # network file systems without a lock service
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


def _space(subject: Subject) -> Finding:
    home = subject.home
    free = shutil.disk_usage(home).free
    files = os.statvfs(home).f_favail
    shown = f"{free / MEBIBYTE:,.1f} MiB" if free < 10 * MEBIBYTE else f"{free / (1024 * MEBIBYTE):,.1f} GiB"
    least = LEAST_FREE_TO_TRAIN if "finetune" in subject.unfinished else LEAST_FREE
    if free < least:
        needed = f"{least / MEBIBYTE:g} MiB are the least that this run can need"
        return failed(f"the disk is nearly full: {home} has {shown} free, and {needed}", "free some space")
    if free < LITTLE_FREE:
        return warning(f"{home} has {shown} free", "checkpoints of a large student may need more")
    if 0 < files < FEW_FILES:
        return warning(f"{home} has room for {files:,} more files", "each answer of the teacher is a file")
    return ok(f"{shown} free")
