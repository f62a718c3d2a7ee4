"""Writes that wait for MLflow, on disk: whatever becomes of the server or of this process, none is lost.

    tracking_outbox/
      waiting/<outbox>/lock           locked while the process that writes to it, or one that sends it, lives
      waiting/<outbox>/address        the tracking URI without its password; empty for the database in the home
      waiting/<outbox>/000001.jsonl   writes in order, one a line; a new segment every 4 MiB
      waiting/<outbox>/acknowledged   the segment and byte up to which MLflow has them
      waiting/<outbox>/ids            MLflow's ids of runs that were given a local id first
      waiting/<outbox>/files/00000001 an artifact and its record
      rejected.jsonl, rejected/       what MLflow rejected, and why
      ids/<local id>                  MLflow's id of a run whose local id was handed out

A line is in the page cache before `append` returns, so that it outlives the process; `sync` brings it to disk.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO

from codeplan.files import write_text
from codeplan.tracking.segments import Record, Waiting, parsed, position, read, segment_path, segments

FOLDER = "tracking_outbox"
_SEGMENT_BYTES = 4 << 20


class Outbox:
    """One process's writes to one MLflow: threads may append while one thread reads and acknowledges."""

    def __init__(self, folder: Path, lock: IO[str], *, adopted: bool) -> None:
        self.folder = folder
        self.adopted = adopted
        """Left behind by another process: MLflow may have received more than is acknowledged."""
        self.address = (folder / "address").read_text(encoding="utf-8")
        self.ids = {known[0]: known[1] for known in map(str.split, _lines(folder / "ids")) if len(known) == 2}
        self._lock_file = lock
        self._lock = threading.Lock()
        self._acknowledged = position(folder / "acknowledged")
        # A killed process may have cut off its last line: what is appended now gets a segment of its own.
        self._segment = max(segments(folder), default=0) + 1
        self._output: int | None = None
        self._unsynced: set[Path] = set()
        self._files = {path.name for path in (folder / "files").glob("[0-9]*")}
        self._file_number = max(map(int, self._files), default=0)
        self.appended = sum(1 for _ in self.records())
        """Records appended so far, or found in an adopted outbox."""
        self.sent = 0
        """Records acknowledged so far."""

    @property
    def left(self) -> int:
        """Writes that wait."""
        return self.appended - self.sent + len(self._files)

    def append(self, record: Record) -> None:
        """Add a record.

        Raises:
            OSError: the disk is full.
        """
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            if self._output is None:
                path = segment_path(self.folder, self._segment)
                self._output = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            size = os.fstat(self._output).st_size
            try:
                if os.write(self._output, line) != len(line):
                    raise OSError(28, "No space left on device", str(self.folder))
            except OSError:
                os.ftruncate(self._output, size)
                raise
            self._unsynced.add(segment_path(self.folder, self._segment))
            self.appended += 1
            if size + len(line) >= _SEGMENT_BYTES:
                os.close(self._output)
                self._output, self._segment = None, self._segment + 1

    def append_file(self, record: Record, fill: Callable[[Path], None]) -> None:
        """Add an artifact: ``fill`` writes one file into the folder that it is given.

        Raises:
            OSError: the disk is full.
        """
        with self._lock:
            self._file_number += 1
            name = f"{self._file_number:08d}"
        final = self.folder / "files" / name
        unfinished = final.with_name(f".{name}")
        try:
            (unfinished / "content").mkdir(parents=True)
            fill(unfinished / "content")
            (unfinished / "record.json").write_text(json.dumps(record), encoding="utf-8")
            with self._lock:
                unfinished.rename(final)
                self._files.add(name)
                self._unsynced |= {path for path in final.rglob("*") if path.is_file()}
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def sync(self) -> None:
        """Bring to disk what was appended."""
        with self._lock:
            unsynced, self._unsynced = self._unsynced, set()
        for path in unsynced:
            try:
                with path.open("rb") as written:
                    os.fsync(written.fileno())
            except FileNotFoundError:  # acknowledged meanwhile
                continue

    def read(self, limit: int = 2000) -> list[Waiting]:
        """The first records that wait, oldest first."""
        return list(islice(read(self.folder, self._acknowledged), limit))

    def records(self) -> Iterator[Record]:
        """All records that wait, oldest first."""
        return (waiting.record for waiting in read(self.folder, self._acknowledged))

    def acknowledge(self, last: Waiting, count: int) -> None:
        """Remove the first ``count`` records, of which ``last`` is the last."""
        self._acknowledged = (last.segment, last.end)
        unfinished = self.folder / ".acknowledged"
        unfinished.write_text(f"{last.segment} {last.end}")
        unfinished.replace(self.folder / "acknowledged")
        for segment in segments(self.folder):
            if segment < last.segment:
                segment_path(self.folder, segment).unlink()
        self.sent += count

    def files(self) -> list[tuple[str, Record, Path]]:
        """The artifacts that wait: name, record and path."""
        found = []
        for name in sorted(self.pending_files()):
            folder = self.folder / "files" / name
            record = parsed((folder / "record.json").read_bytes())
            found.append((name, record, next((folder / "content").iterdir(), folder)))
        return found

    def acknowledge_file(self, name: str) -> None:
        """Remove an artifact."""
        shutil.rmtree(self.folder / "files" / name, ignore_errors=True)
        self._files.discard(name)

    def pending_files(self) -> frozenset[str]:
        """The names of the artifacts that wait."""
        with self._lock:
            return frozenset(self._files)

    def remember(self, local: str, run_id: str) -> None:
        """Keep MLflow's id of a run that has a local one."""
        with (self.folder / "ids").open("a", encoding="utf-8") as ids:
            ids.write(f"{local} {run_id}\n")
        self.ids[local] = run_id
        handed_out = self.folder.parents[1] / "ids" / local
        if handed_out.exists():
            write_text(handed_out, run_id)

    def hand_out(self, local: str) -> None:
        """Keep MLflow's id of the run, once known, for whoever reads this local id later."""
        handed_out = self.folder.parents[1] / "ids" / local
        handed_out.parent.mkdir(exist_ok=True)
        handed_out.touch()
        if local in self.ids:
            write_text(handed_out, self.ids[local])

    def mlflow_id(self, local: str) -> str | None:
        """MLflow's id of a run with a local id, of this outbox or another of the home; None if there is none yet."""
        return self.ids.get(local) or handed_out_id(self.folder.parents[2], local)

    def reject(self, record: Record, why: str, file: str = "") -> None:
        """Keep a record that MLflow will never take, and its artifact, apart from those that wait."""
        place = self.folder.parents[1]
        entry: Record = {"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "why": why, "record": record}
        if file:
            kept = place / "rejected" / f"{self.folder.name}-{file}"
            kept.parent.mkdir(exist_ok=True)
            (self.folder / "files" / file).rename(kept)
            self._files.discard(file)
            entry["file"] = str(kept.relative_to(place))
        with rejected_path(place.parent).open("ab") as rejected:
            rejected.write(json.dumps(entry).encode() + b"\n")

    def close(self) -> None:
        """Remove the outbox if nothing waits, and let go of its lock."""
        if self._output is not None:
            os.close(self._output)
            self._output = None
        if not self.left:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock_file.close()


def create(home: Path, address: str) -> Outbox:
    """A new outbox, locked by this process.

    Args:
        home: the runs' home.
        address: the tracking URI without its password; empty for the database in the home.

    Raises:
        OSError: the home cannot be written to.
    """
    folder = home / FOLDER / "waiting" / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    unlocked = folder.with_name(f".{folder.name}")
    (unlocked / "files").mkdir(parents=True)
    (unlocked / "address").write_text(address, encoding="utf-8")
    lock = (unlocked / "lock").open("w", encoding="utf-8")
    fcntl.flock(lock, fcntl.LOCK_EX)
    unlocked.rename(folder)  # never visible without its lock: an unlocked outbox means a dead process
    return Outbox(folder, lock, adopted=False)


def found(home: Path) -> list[Path]:
    """The folders of all outboxes of a home, oldest first."""
    return sorted((home / FOLDER / "waiting").glob("[0-9]*"))


def adopt(folder: Path) -> Outbox | None:
    """The outbox of a process that has ended; None if that process lives, or another one is sending it."""
    try:
        lock = (folder / "lock").open("r+", encoding="utf-8")
    except OSError:  # sent and removed meanwhile, or another user's
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if (folder / "lock").exists():
            return Outbox(folder, lock, adopted=True)
    except OSError:
        pass
    lock.close()
    return None


def count(folder: Path) -> int:
    """How many writes wait in an outbox."""
    records = sum(1 for _ in read(folder, position(folder / "acknowledged")))
    return records + sum(1 for _ in (folder / "files").glob("[0-9]*"))


def handed_out_id(home: Path, local: str) -> str | None:
    """MLflow's id of a run whose local id was handed out; None if it has none yet, or no such id was."""
    try:
        return (home / FOLDER / "ids" / local).read_text(encoding="utf-8") or None
    except OSError:
        return None


def rejected_path(home: Path) -> Path:
    """The file of what MLflow rejected."""
    return home / FOLDER / "rejected.jsonl"


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
