"""A control group per fork server: a limit on the memory and the processes of all that one sandbox runs.

The judge creates the group beneath its own one before the server starts, moves the server into it, and removes it when
the server has ended. Where the judge was killed, the next sandbox that starts in the same place removes its group. Both
versions of the interface are supported; a group needs no privileges where its parent has been delegated to the user.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from codeplan_sandbox.cgroup_places import CgroupError, find, prepare, write

PREFIX = "codeplan-sandbox-"
"""The names of the groups start with this."""

_CREATE_ATTEMPTS = 5
_REMOVE_TIMEOUT_S = 2.0
_REMOVE_PAUSE_S = 0.01


@dataclass(frozen=True)
class _Files:
    """The names of a version's files.

    Attributes:
        memory: limits on memory, and on memory and swap together; machines without swap accounting lack the latter.
        counter: a file that counts how often this very group reached its limit, and the word before the number.
    """

    memory: tuple[str, ...]
    counter: tuple[str, str]


_FILES = {
    1: _Files(("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"), ("memory.failcnt", "")),
    2: _Files(("memory.max",), ("memory.events", "oom ")),
}
# The limit with swap must not be the first to be reached: Linux 6.18 counts only for the other one.
_SWAP_BYTES = 1 << 20


class Cgroup:
    """The control group of one fork server.

    The limit is raised for requests with larger limits, and never lowered: what it bounds is the largest so far.
    """

    def __init__(self, folders: dict[str, Path], locks: list[int], version: int) -> None:
        self._folders, self._locks, self._files = folders, locks, _FILES[version]
        self._memory_bytes = self._tasks = 0

    @classmethod
    def create(cls) -> Cgroup:
        """Create a group beneath that of this process, and remove those that killed judges have left there.

        Raises:
            CgroupError: there is no controller for memory, or it was not delegated to this user.
        """
        place = find("memory")
        parent = prepare(place)
        places = {"memory": parent}
        if place.version == 1:
            with contextlib.suppress(CgroupError):
                places["pids"] = find("pids").folder
        for folder in places.values():
            _remove_stale(folder)
        folders: dict[str, Path] = {}
        locks: list[int] = []
        try:
            for controller, folder in places.items():
                try:
                    folders[controller], lock = _create_locked(folder)
                    locks.append(lock)
                except OSError:
                    if controller == "memory":
                        raise
        except OSError as error:
            raise CgroupError(f"cannot create a group in {parent}: {error.strerror}") from error
        if place.version == 2 and (folders["memory"] / "pids.max").exists():
            folders["pids"] = folders["memory"]
        return cls(folders, locks, place.version)

    def add(self, pid: int) -> None:
        """Move a process into the group; those that it starts later follow it. Raises OSError."""
        for folder in set(self._folders.values()):
            write(folder / "cgroup.procs", str(pid))

    def allow(self, memory_bytes: int, tasks: int) -> None:
        """Raise the limits to these, if they are lower. Raises OSError."""
        if memory_bytes > self._memory_bytes:
            self._set_memory(memory_bytes)
        if tasks > self._tasks and "pids" in self._folders:
            write(self._folders["pids"] / "pids.max", str(tasks))
            self._tasks = tasks

    def _set_memory(self, memory_bytes: int) -> None:
        folder, names = self._folders["memory"], self._files.memory
        # The limit with swap must at no time be below the other one.
        for name in reversed(names) if self._memory_bytes else names:
            with contextlib.suppress(FileNotFoundError):
                write(folder / name, str(memory_bytes + _SWAP_BYTES * names.index(name)))
        with contextlib.suppress(FileNotFoundError):
            write(folder / "memory.swap.max", "0")
        self._memory_bytes = memory_bytes

    def limit_hits(self) -> int:
        """How often the limit on memory was reached; this group's own one, not that of a group above it."""
        name, word = self._files.counter
        with contextlib.suppress(OSError):
            for line in (self._folders["memory"] / name).read_text().splitlines():
                if line.startswith(word):
                    return int(line.removeprefix(word))
        return 0

    def remove(self) -> None:
        """Remove the group once its processes have ended; the next sandbox does it if they take too long."""
        deadline = time.monotonic() + _REMOVE_TIMEOUT_S
        for folder in set(self._folders.values()):
            while not _removed(folder) and time.monotonic() < deadline:
                time.sleep(_REMOVE_PAUSE_S)
        for lock in self._locks:
            os.close(lock)
        self._locks = []


def _create_locked(parent: Path) -> tuple[Path, int]:
    """A new group and the lock on it, which shows other sandboxes that it is in use."""
    for _ in range(_CREATE_ATTEMPTS):
        folder = parent / f"{PREFIX}{os.getpid()}-{os.urandom(4).hex()}"
        folder.mkdir()
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # another sandbox took it for one of a killed judge
            continue
        if _locked(lock) and folder.exists():
            return folder, lock
        os.close(lock)
    raise BlockingIOError(0, "other sandboxes keep removing it")


def _remove_stale(parent: Path) -> None:
    """Remove the groups whose judge has ended: nobody holds their lock. The kernel keeps those with processes."""
    for folder in _groups(parent):
        with contextlib.suppress(OSError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                if _locked(lock):
                    _removed(folder)
            finally:
                os.close(lock)


def _groups(parent: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from parent.glob(f"{PREFIX}*")


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
