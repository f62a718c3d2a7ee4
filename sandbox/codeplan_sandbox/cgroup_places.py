"""Where this process may create control groups with limits, in both versions of the kernel's interface.

Version 2 allows limits only in groups whose parent has no processes of its own. There the first sandbox moves the
processes of the judge's group, the judge among them, to a group of their own beneath it (`_CALLERS`).
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

_CALLERS = "codeplan-callers"
_MOVE_ATTEMPTS = 10
_SYSTEM = Path("/proc/self")
_DELEGATION_MARKS = ("user.delegate", "trusted.delegate")  # set by systemd for Delegate=yes; users see the first


class CgroupError(RuntimeError):
    """No control group can be created; the message says why."""


@dataclass(frozen=True)
class Place:
    """Where groups can be created for one controller.

    Attributes:
        folder: the group of this process.
        version: of the interface, 1 or 2.
        is_root: whether it is the root of the whole hierarchy.
    """

    folder: Path
    version: int
    is_root: bool


def find(controller: str, system: Path = _SYSTEM) -> Place:
    """The group of this process for a controller; raises CgroupError if the machine has none.

    Args:
        controller: its name, such as ``memory``.
        system: a folder with the files ``cgroup`` and ``mountinfo`` of this process; other ones in tests.
    """
    own: dict[str, str] = {}
    try:
        for line in (system / "cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            own.update(dict.fromkeys(controllers.split(","), path))
        mounts = (system / "mountinfo").read_text().splitlines()
    except OSError as error:
        raise CgroupError(f"cannot read {error.filename}: {error.strerror}") from error
    version = 1 if controller in own else 2
    path = own.get(controller if version == 1 else "", "")
    for line in mounts:
        before, _, after = line.partition(" - ")
        root, folder = (part.replace(r"\040", " ") for part in before.split()[3:5])
        kind, _, options = (*after.split(" "), "", "")[:3]
        if kind != ("cgroup", "cgroup2")[version - 1] or (version == 1 and controller not in options.split(",")):
            continue
        beneath = os.path.relpath(path, root)
        if not path or ".." in path.split("/") or beneath.startswith(".."):
            break
        place = Path(folder, beneath)
        if version == 2 and controller not in _words(place / "cgroup.controllers"):
            break
        # The root of the hierarchy lacks the files that only other groups have, also where a container sees it as "/".
        return Place(place, version, is_root=version == 2 and not (place / "cgroup.type").exists())
    raise CgroupError(f"the controller for {controller} is not available to this process")


def prepare(place: Place, system: Path = _SYSTEM) -> Path:
    """The folder in which groups can have limits; in version 2 it moves the processes that are in the way.

    Args:
        place: what `find` returned.
        system: see `find`.

    Raises:
        CgroupError: the group of this process is not writable, or was not delegated to it.
    """
    folder = place.folder
    if place.version == 1:
        _require_writable(folder, ("",))
        return folder
    if folder.name == _CALLERS:
        folder = folder.parent
    _require_writable(folder, ("", "cgroup.procs", "cgroup.subtree_control"))
    if "memory" in _words(folder / "cgroup.subtree_control"):
        return folder
    if not place.is_root and not _is_delegated(folder, system):
        raise CgroupError(f"{folder} was not delegated to this process")
    try:
        _enable(folder, ["memory"], move=not place.is_root)
        with contextlib.suppress(OSError):
            _enable(folder, ["pids"], move=False)
    except OSError as error:
        raise CgroupError(f"cannot enable limits in {folder}: {error.strerror}") from error
    return folder


def _is_delegated(folder: Path, system: Path) -> bool:
    """Whether this process may arrange the group as it likes: it is the root of a container, or systemd delegated it.

    Being allowed to write is not enough: root may write to all groups, and a user to those of all its applications.
    """
    if "0::/" in (system / "cgroup").read_text().splitlines():
        return True
    for mark in _DELEGATION_MARKS:
        with contextlib.suppress(OSError):
            if os.getxattr(folder, mark) == b"1":
                return True
    return False


def _enable(folder: Path, controllers: list[str], *, move: bool) -> None:
    """Enable controllers for the groups beneath a folder; raises OSError if processes keep starting in it."""
    enabling = " ".join(f"+{name}" for name in controllers)
    if move:
        (folder / _CALLERS).mkdir(exist_ok=True)
    for attempt in range(_MOVE_ATTEMPTS):
        if move:
            for pid in _words(folder / "cgroup.procs"):
                with contextlib.suppress(ProcessLookupError):
                    write(folder / _CALLERS / "cgroup.procs", pid)
        try:
            write(folder / "cgroup.subtree_control", enabling)
            return
        except OSError:
            if attempt == _MOVE_ATTEMPTS - 1:
                raise


def _require_writable(folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        path = folder / name
        if not os.access(path, os.W_OK):
            raise CgroupError(f"{path} is not writable for this process")


def write(file: Path, text: str) -> None:
    """Write to an existing file of a group; raises OSError, FileNotFoundError if the kernel does not have it."""
    descriptor = os.open(file, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []
