"""A stage's identity, its folder and its done marker: what makes work reusable and resumable.

A stage is what it is (settings, inputs, version: the fingerprint), apart from how it is run. Its folder is named by the
fingerprint; ``done.json`` is written last. A folder with a marker is reused; one without is gone on with, from the
parts that are there. State is files: delete a folder and the stage runs again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from codeplan.errors import UserError

DONE = "done.json"


class StageError(UserError):
    """A stage cannot go on, for a reason that a person can act on; what was done is kept."""


@dataclass(frozen=True)
class Account:
    """Where every row of a stage's input went: in = out + losses, each loss with a name."""

    rows_in: int
    rows_out: int
    losses: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.rows_in != self.rows_out + sum(self.losses.values()):
            raise AssertionError(f"rows are unaccounted for: {self}")


@dataclass(frozen=True)
class Outcome:
    """What a finished stage says of itself; kept in its done marker.

    Attributes:
        accounts: a row account for each kind of input row, by the rows' name.
        metrics: numbers worth comparing between runs.
    """

    accounts: Mapping[str, Account]
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """What a stage is.

    Attributes:
        name: for example ``distill``.
        version: raised when the stage's code changes what it writes for the same settings.
        settings: everything that changes the result, as plain JSON data.
        inputs: the stages whose records it reads, by name.
        home: the folder that holds all stages.
    """

    name: str
    version: int
    settings: Mapping[str, Any]
    inputs: Mapping[str, Stage]
    home: Path

    @cached_property
    def fingerprint(self) -> str:
        """64 hexadecimal digits: SHA-256 over name, version, settings and the inputs' fingerprints."""
        return hashlib.sha256(canonical(self.identity()).encode()).hexdigest()

    def identity(self) -> dict[str, Any]:
        """What the fingerprint covers."""
        return {
            "name": self.name,
            "version": self.version,
            "settings": dict(self.settings),
            "inputs": {name: stage.fingerprint for name, stage in sorted(self.inputs.items())},
        }

    @property
    def folder(self) -> Path:
        """Where its records lie: ``home/stages/name/first 16 digits``."""
        return self.home / "stages" / self.name / self.fingerprint[:16]

    def done(self) -> Outcome | None:
        """What it said when it finished, or None where it did not finish yet."""
        try:
            plain = json.loads((self.folder / DONE).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        accounts = {name: Account(**account) for name, account in plain["accounts"].items()}
        return Outcome(accounts=accounts, metrics=plain["metrics"])

    def finish(self, outcome: Outcome) -> None:
        """Write the done marker; everything else of the folder is on disk before."""
        accounts = {
            name: {"rows_in": each.rows_in, "rows_out": each.rows_out, "losses": dict(each.losses)}
            for name, each in outcome.accounts.items()
        }
        write_text(self.folder / DONE, json.dumps({"accounts": accounts, "metrics": dict(outcome.metrics)}, indent=1))

    @contextmanager
    def claimed(self, run: str = "", on_wait: Callable[[str], None] | None = None) -> Iterator[Path]:
        """Hold the folder for this process alone; the lock ends with the process, however it ends.

        Args:
            run: the MLflow run that works on the stage, told to those who wait for it.
            on_wait: called once, with who holds the stage, where another process does; this one then waits for its
                end. What it waited for may be done afterwards: ask `done` again.

        Raises:
            StageError: another process works on the same stage, and there is no ``on_wait``.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        refuse = on_wait or self._refuse
        with locked(self.folder / "lock", {"mlflow_run": run}, refuse):
            write_text(self.folder / "identity.json", json.dumps(self.identity(), indent=1))
            yield self.folder

    def _refuse(self, holder: str) -> None:
        raise StageError(f"another run works on stage {self.name} in {self.folder} ({holder}); wait for it, or end it")


@contextmanager
def locked(path: Path, note: Mapping[str, str], on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold a lock file for this process alone; the lock ends with the process, however it ends.

    Args:
        path: the file, made where it is missing; its folder exists.
        note: kept in the file beside the process and machine, for those who wait.
        on_wait: called once before waiting, with who holds the lock.

    Raises:
        StageError: the file system has no locks.
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
            raise StageError(
                f"{path} cannot be locked: {error.strerror}; execution.home must lie on a file system with file locks"
            ) from error
        lock.seek(0)
        lock.truncate()
        lock.write(json.dumps({"process": os.getpid(), "host": socket.gethostname(), **note}))
        lock.flush()
        yield


def _holder(text: str) -> str:
    try:
        found = json.loads(text)
        holder = f"process {found['process']} on {found['host']}"
        return holder + (f", MLflow run {found['mlflow_run']}" if found.get("mlflow_run") else "")
    except (ValueError, KeyError, TypeError):
        return "process unknown"  # it has the lock, and has not written yet who it is


def canonical(plain: Any) -> str:
    """JSON text that is the same for equal data."""
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def write_text(path: Path, text: str) -> None:
    """Write a file all or nothing, and make sure it is on disk."""
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes or, for a folder, of its files' names and bytes in order of name."""
    if path.is_file():
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    whole = hashlib.sha256()
    for file in sorted(each for each in path.rglob("*") if each.is_file()):
        whole.update(f"{file.relative_to(path).as_posix()}\0{digest(file)}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()
