"""Files that appear whole or not at all, their digests, and locks between processes."""

from __future__ import annotations

import fcntl
import glob
import hashlib
import json
import os
import shutil
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from codeplan.errors import UserError


class LockError(UserError):
    """The file system has no locks."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``, for a file or a folder, that becomes ``path`` when the block ends well.

    A file is brought to disk before it is renamed. What was there is replaced; of a folder, a reader may for a moment
    see nothing instead.
    """
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        yield unfinished
        if unfinished.is_file():
            with unfinished.open("rb") as written:
                os.fsync(written.fileno())
        if unfinished.is_dir() and path.is_dir():
            shutil.rmtree(path)
        unfinished.replace(path)
    finally:
        if unfinished.is_dir():
            shutil.rmtree(unfinished, ignore_errors=True)
        else:
            unfinished.unlink(missing_ok=True)


def remove_leftovers(folder: Path, name: str = "") -> None:
    """Remove what `atomic_write` left in a folder when its process was killed; nobody else may be writing there.

    Args:
        folder: where it wrote.
        name: how the names of its files begin, where others may be writing other files there.
    """
    for leftover in folder.glob(f".{glob.escape(name)}*"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file all or nothing, and make sure it is on disk."""
    with atomic_write(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes or, for a folder, of its files' names and bytes in order of name."""
    if path.is_file():
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    whole = hashlib.sha256()
    for file in sorted(inside for inside in path.rglob("*") if inside.is_file()):
        whole.update(f"{file.relative_to(path).as_posix()}\0{digest(file)}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


@contextmanager
def locked(
    path: Path, note: Mapping[str, str] | None = None, on_wait: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Hold a lock file for this process alone; the lock ends with the process, however it ends.

    Args:
        path: the file, made where it is missing; its folder exists.
        note: kept in the file beside the process and machine, for those who wait.
        on_wait: called once before waiting, with who holds the lock.

    Raises:
        LockError: the file system has no locks.
    """
    # Not truncated before it is ours: it says who holds the lock.
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if on_wait is not None:
                on_wait(_holder(lock.read()))
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:  # some network file systems have no locks
            raise LockError(
                f"{path} cannot be locked: {error.strerror}; execution.home must be on a file system with file locks"
            ) from error
        lock.seek(0)
        lock.truncate()
        lock.write(json.dumps({"process": os.getpid(), "host": socket.gethostname(), **(note or {})}))
        lock.flush()
        yield


def _holder(text: str) -> str:
    try:
        found = json.loads(text)
        holder = f"process {found['process']} on {found['host']}"
        return holder + (f", MLflow run {found['mlflow_run']}" if found.get("mlflow_run") else "")
    except (ValueError, KeyError, TypeError):
        return "process unknown"  # it has the lock, and has not written yet who it is
