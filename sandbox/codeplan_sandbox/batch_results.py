"""The results of a batch: JSON lines, in a file that a later run resumes, or on standard output.

A result line begins with its id. In a file each is written by one call, so that a process that is killed leaves at most
one line without an end, which the next run drops.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from codeplan_sandbox.batch_lines import LineId

_START = b'{"id":'
_CACHE_KIB = 8192


class ResultsError(ValueError):
    """The output file cannot be resumed; the message says why."""


class WriteError(RuntimeError):
    """A result could not be written."""


class IdIndex:
    """The ids of a batch and of the results in its file, in a temporary database: memory does not grow with them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # a batch that ends early closes it while another thread reads lines
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for statement in (
            "PRAGMA journal_mode = OFF",
            f"PRAGMA cache_size = -{_CACHE_KIB}",
            "CREATE TABLE ids (id TEXT PRIMARY KEY, digest TEXT, outcome TEXT, read INTEGER) WITHOUT ROWID",
            "BEGIN",
        ):
            self._database.execute(statement)

    def add_result(self, line_id: LineId, digest: str, outcome: str) -> bool:
        """Remember a result of the file; returns whether it replaces an earlier one of the same id."""
        known = self.result(line_id) is not None
        self._execute("INSERT OR REPLACE INTO ids VALUES (?, ?, ?, 0)", json.dumps(line_id), digest, outcome)
        return known

    def add_line(self, line_id: LineId) -> bool:
        """Remember a line of the batch; returns False if an earlier one has the same id."""
        key = json.dumps(line_id)
        if self._execute("SELECT read FROM ids WHERE id = ?", key) == (1,):
            return False
        self._execute("INSERT INTO ids VALUES (?, NULL, NULL, 1) ON CONFLICT (id) DO UPDATE SET read = 1", key)
        return True

    def result(self, line_id: LineId) -> tuple[str, str] | None:
        """Digest and outcome of the file's result for an id."""
        query = "SELECT digest, outcome FROM ids WHERE id = ? AND digest IS NOT NULL"
        found: tuple[str, str] | None = self._execute(query, json.dumps(line_id))
        return found

    def _execute(self, statement: str, *values: str) -> Any:
        """Run a statement; returns the first row of its result, None if there is none."""
        with self._lock:
            return self._database.execute(statement, values).fetchone()

    def close(self) -> None:
        """Delete the database; whoever uses it then gets `sqlite3.ProgrammingError`."""
        with self._lock:
            self._database.close()


class StandardOutput:
    """Results on standard output: nothing is resumed."""

    def __init__(self) -> None:
        self.index = IdIndex()

    def write(self, result: dict[str, Any]) -> None:
        """Print a result; raises BrokenPipeError if nobody reads."""
        print(_text(result), flush=True)

    def supersede(self) -> None:
        """There is no earlier result."""

    def close(self, *, finished: bool) -> None:  # noqa: ARG002 - as of `ResultFile`
        """Forget the ids."""
        self.index.close()


class ResultFile:
    """Results in a file, those of earlier runs included.

    Args:
        path: a file of results, or none; it is locked, and a line without an end is dropped.

    Raises:
        ResultsError: the file has something else in it, which stays as it is, or another process writes to it.
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        self.index = IdIndex()
        self._superseded = 0
        self._file = self._path.open("ab", buffering=0)
        try:
            self._lock()
            self._read()
        except BaseException:
            self._file.close()
            raise
        self._start = self._size = os.fstat(self._file.fileno()).st_size

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ResultsError(f"{self._path}: another process writes to it") from error

    def _read(self) -> None:
        end = 0
        for number, line in enumerate(_lines(self._path), 1):
            if not line.endswith(b"\n"):
                if line[: len(_START)] != _START[: len(line)]:
                    raise self._foreign(number)
                os.ftruncate(self._file.fileno(), end)
                return
            result = _result(line)
            if result is None:
                raise self._foreign(number)
            end += len(line)
            if "error" in result:  # tried again, or gone from the batch
                self._superseded += 1
            else:
                self._superseded += self.index.add_result(result["id"], result["digest"], result["outcome"])

    def _foreign(self, number: int) -> ResultsError:
        return ResultsError(f"{self._path}, line {number}: not a result of a batch; name another output file")

    def write(self, result: dict[str, Any]) -> None:
        """Append a result; raises WriteError if the file cannot hold it."""
        line = f"{_text(result)}\n".encode()
        try:
            if os.write(self._file.fileno(), line) < len(line):
                os.ftruncate(self._file.fileno(), self._size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise WriteError(f"{self._path}: {error}") from error
        self._size += len(line)

    def supersede(self) -> None:
        """An earlier result is replaced by one that will be written."""
        self._superseded += 1

    def close(self, *, finished: bool) -> None:
        """Close the file; if the batch was finished, first leave out what newer results replace."""
        try:
            os.fsync(self._file.fileno())
            if finished and self._superseded:
                self._rewrite()
        finally:
            self._file.close()
            self.index.close()

    def _rewrite(self) -> None:
        with contextlib.ExitStack() as exit_stack:
            last = IdIndex()
            exit_stack.callback(last.close)
            for offset, _, result in self._results():
                if result["id"] is not None:
                    last.add_result(result["id"], str(offset), "")
            # In the same folder: it replaces the file by a rename.
            kept = exit_stack.enter_context(tempfile.NamedTemporaryFile(dir=self._path.parent, delete=False))
            exit_stack.callback(Path(kept.name).unlink, missing_ok=True)
            for offset, line, result in self._results():
                if result["id"] is None or last.result(result["id"]) == (str(offset), ""):
                    kept.write(line)
            kept.flush()
            os.fchmod(kept.fileno(), os.fstat(self._file.fileno()).st_mode & 0o777)
            os.fsync(kept.fileno())
            Path(kept.name).replace(self._path)

    def _results(self) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
        """Offset, line and content of the results, without the errors of earlier runs."""
        offset = 0
        for line in _lines(self._path):
            result = _result(line)
            if result is not None and not ("error" in result and offset < self._start):
                yield offset, line, result
            offset += len(line)


Results = StandardOutput | ResultFile


def _text(result: dict[str, Any]) -> str:
    return json.dumps(result, separators=(",", ":"))


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file


def _result(line: bytes) -> dict[str, Any] | None:
    """A result line's content; None if the line is something else."""
    if not line.startswith(_START):
        return None
    try:
        result = json.loads(line)
    except (ValueError, RecursionError):
        return None
    verdict = isinstance(result.get("digest"), str) and isinstance(result.get("outcome"), str)
    return result if verdict or "error" in result else None
