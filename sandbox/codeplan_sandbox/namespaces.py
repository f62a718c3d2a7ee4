"""Moves the fork server into its own user, pid, network, ipc, mount and UTS namespaces.

The root is a read-only tmpfs that contains read-only mounts of the system libraries and the interpreter's prefix only;
there is no /proc, no home directory, no writable file system and no network interface except a loopback that is down.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from codeplan_sandbox import linux

# Not zero: mapping it gives shared memory of any size, which outlives the unmapping of all but one page.
DEVICES = ("null", "full", "random", "urandom")
INSIDE_ID = 1000
"""User and group id inside the namespace; it maps to an unused id, or to the caller's own."""

_MOUNT_POINTS = ("/tmp", "/mnt", "/var", "/srv")  # noqa: S108 - only mount points, no files are created there


def enter(readable: Iterable[str], outside_id: int) -> None:
    """Move this process into new namespaces, as their process 1, without privileges outside.

    Its parent stays outside and ends with it. The caller must be single-threaded.

    Args:
        readable: existing files and folders to mount read-only.
        outside_id: the user id of test processes as seen from outside; only root can use another than its own.

    Raises:
        OSError: the kernel does not permit one of the operations; programs must not be run then.
    """
    sources = _topmost(readable)
    _unshare_mapped(outside_id)
    child = os.fork()
    if child:
        _wait_for_init(child)
    linux.die_with_parent()
    root = _build_root(sources)
    linux.pivot_root(root)
    linux.mount(
        "none", "/", flags=linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | linux.MS_NOSUID | linux.MS_NODEV
    )
    os.setresgid(INSIDE_ID, INSIDE_ID, INSIDE_ID)
    os.setresuid(INSIDE_ID, INSIDE_ID, INSIDE_ID)
    linux.drop_capabilities()
    linux.die_with_parent()  # changing the user id resets it


def _unshare_mapped(outside_id: int) -> None:
    """Unshare, with a child outside that writes the id maps: only such a process may map more than one id."""
    own = os.geteuid()
    # Root stays root inside until the new root is built: the interpreter may be in a folder that only root can read.
    user_map = f"0 0 1\n{INSIDE_ID} {outside_id} 1\n" if own == 0 else f"{INSIDE_ID} {own} 1\n"
    group_map = f"0 0 1\n{INSIDE_ID} {outside_id} 1\n" if own == 0 else f"{INSIDE_ID} {os.getegid()} 1\n"
    ready_read, ready_write = os.pipe()
    process = os.getpid()
    writer = os.fork()
    if not writer:
        status = 1
        try:
            os.close(ready_write)
            if os.read(ready_read, 1):
                folder = Path(f"/proc/{process}")
                (folder / "setgroups").write_text("deny")
                (folder / "uid_map").write_text(user_map)
                (folder / "gid_map").write_text(group_map)
                status = 0
        finally:
            os._exit(status)
    os.close(ready_read)
    try:
        linux.unshare(linux.NEWUSER | linux.NEWNS | linux.NEWPID | linux.NEWNET | linux.NEWIPC | linux.NEWUTS)
        os.write(ready_write, b"1")
    finally:
        os.close(ready_write)
        _, status = os.waitpid(writer, 0)
    if status:
        raise PermissionError("cannot write the id maps of a user namespace")


def _wait_for_init(child: int) -> NoReturn:
    """Wait for process 1 of the namespace, which is killed together with this process."""
    os.closerange(0, 64)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.waitpid(child, 0)
    os._exit(0)


def _build_root(sources: list[str]) -> str:
    linux.mount("none", "/", flags=linux.MS_PRIVATE | linux.MS_REC)
    root = next(
        point
        for point in _MOUNT_POINTS
        if Path(point).is_dir() and not any(Path(source).is_relative_to(point) for source in sources)
    )
    linux.mount("tmpfs", root, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "size=1m,nr_inodes=1024,mode=755")
    os.umask(0o022)
    for source in sources:
        inside = Path(root + source)
        inside.parent.mkdir(parents=True, exist_ok=True)
        if Path(source).is_symlink():
            inside.symlink_to(Path(source).readlink())
            continue
        _bind(source, inside)
        linux.make_read_only(str(inside))
    for name in DEVICES:
        inside = Path(f"{root}/dev/{name}")
        inside.parent.mkdir(exist_ok=True)
        _bind(f"/dev/{name}", inside)
    return root


def _bind(source: str, target: Path) -> None:
    if Path(source).is_dir():
        target.mkdir(exist_ok=True)
    else:
        target.touch()
    linux.mount(source, str(target), flags=linux.MS_BIND | linux.MS_REC)


def _topmost(paths: Iterable[str]) -> list[str]:
    """The paths without those beneath another one; symbolic links are not resolved."""
    kept: list[str] = []
    for path in sorted(paths):
        if not any(Path(path).is_relative_to(parent) for parent in kept):
            kept.append(path)
    return kept
