"""A jail around the sandbox under test, so that a program that escapes from the sandbox cannot do harm.

    python jail.py SCRIPT USER ARGUMENT PROGRAM...

USER is root (the caller's id) or nobody (an id that owns nothing). Inside, all file systems are read-only, the folders
that users and programs write to are empty tmpfs mounts, and there are no other processes, no network but an empty
loopback, and no devices except five harmless ones. The interpreter, the repository and the programs are mounted there
again, read-only. SCRIPT of this folder runs inside, verifies all of this, and judges the programs: `judged.py` in the
tier that ARGUMENT names, `soak.py` as many programs as it says.

Exit status: that of the script; 4 if this machine does not allow such a jail.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path
from typing import NoReturn

from codeplan_sandbox import linux

NOT_AVAILABLE = 4
NOBODY = 61234
NAMESPACES = ("mnt", "pid", "ipc", "net")
PRIVATE = ("/tmp", "/var/tmp", "/home", "/root", "/run", "/srv", "/dev")
DEVICES = ("null", "zero", "full", "random", "urandom")
HERE = Path(__file__).resolve().parent

_READ_ONLY, _NO_SUID, _AT_RECURSIVE = 1, 2, 0x8000
_PR_CAPBSET_DROP = 24
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
# chown, dac_override, dac_read_search, fowner, kill, setgid, setuid, setpcap, sys_admin, setfcap: the capabilities that
# the sandbox uses as root. Not kernel modules, raw devices, the clock, reboot or device nodes.
_KEPT_CAPABILITIES = {0, 1, 2, 3, 5, 6, 7, 8, 21, 31}


def main(script: str, user: str, argument: str, programs: list[str]) -> int:
    """Build the jail around a child process, and wait for it."""
    outer = [str(Path(f"/proc/self/ns/{name}").readlink()) for name in NAMESPACES]
    owner = os.geteuid()
    try:
        if owner:
            _become_root_of_a_namespace(owner)
        linux.unshare(linux.NEWNS | linux.NEWPID | linux.NEWIPC | linux.NEWNET | linux.NEWUTS)
    except OSError as error:
        print(f"namespaces are not available: {error}", file=sys.stderr)
        return NOT_AVAILABLE
    first = os.fork()
    if not first:
        _first_process(user, owner, [sys.executable, str(HERE / script), ",".join(outer), argument, *programs])
    return os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])


def _become_root_of_a_namespace(owner: int) -> None:
    group = os.getegid()
    linux.unshare(linux.NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {owner} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def _first_process(user: str, owner: int, command: list[str]) -> NoReturn:
    """Process 1 of the jail; when it ends, all processes there end."""
    status = NOT_AVAILABLE
    try:
        linux.die_with_parent()
        kept = {sys.base_prefix, sys.prefix, str(HERE), str(Path(linux.__file__).parent.parent)}
        _build([*kept, *(str(Path(program).resolve().parent) for program in command[4:])])
        _loopback_up()
        _drop_dangerous_capabilities()
        runner = os.fork()
        if not runner:
            identity = os.geteuid() if user == "root" else NOBODY
            home = _furnish(identity)
            if user != "root":
                _become_nobody(owner)
            # The sandbox of this checkout, which may not be the one that is installed.
            package = str(Path(linux.__file__).parent.parent)
            environment = {"HOME": home, "JUDGE_SECRET": "HUNTER2", "PATH": "/usr/bin:/bin", "PYTHONPATH": package}
            os.execve(command[0], command, environment)
        while True:
            ended, how = os.wait()
            if ended == runner:
                status = os.waitstatus_to_exitcode(how) & 0xFF
                break
    except OSError as error:
        print(f"the jail cannot be built: {error}", file=sys.stderr)
    finally:
        os._exit(status)


def _build(kept: list[str]) -> None:
    handles = {path: os.open(path, os.O_PATH) for path in sorted(set(kept))}
    devices = {name: os.open(f"/dev/{name}", os.O_PATH) for name in DEVICES}
    linux.mount("none", "/", flags=linux.MS_PRIVATE | linux.MS_REC)
    _make_read_only("/")
    for folder in PRIVATE:
        if not Path(folder).is_dir():
            continue
        # A symbolic link (as /var/tmp may be) leads to a folder that is private already.
        if not Path(folder).is_symlink():
            linux.mount("tmpfs", folder, "tmpfs", linux.MS_NOSUID, "size=512m,mode=755")
    for path, handle in handles.items():
        if any(Path(path).is_relative_to(folder) for folder in PRIVATE):
            Path(path).mkdir(parents=True, exist_ok=True)
            linux.mount(f"/proc/self/fd/{handle}", path, flags=linux.MS_BIND | linux.MS_REC)
            _make_read_only(path)
    for name, handle in devices.items():
        Path(f"/dev/{name}").touch()
        linux.mount(f"/proc/self/fd/{handle}", f"/dev/{name}", flags=linux.MS_BIND)
    for handle in (*handles.values(), *devices.values()):
        os.close(handle)
    Path("/dev/shm").mkdir()
    # Shows only this jail's processes. It stays writable, as the sandbox writes the id maps of its namespaces there,
    # except for what affects the machine.
    linux.mount("proc", "/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV)
    for name in ("sys", "sysrq-trigger", "bus", "fs", "irq", "acpi", "scsi", "mtrr"):
        path = f"/proc/{name}"
        if Path(path).exists():
            linux.mount(path, path, flags=linux.MS_BIND | linux.MS_REC)
            _make_read_only(path)


def _make_read_only(path: str) -> None:
    attributes = struct.pack("QQQQ", _READ_ONLY | _NO_SUID, 0, 0, 0)
    linux.syscall("mount_setattr", -100, path.encode(), _AT_RECURSIVE, attributes, len(attributes))


def _loopback_up() -> None:
    """Let processes of the jail, such as those of Ray, reach one another; there is nothing else on this network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


def _drop_dangerous_capabilities() -> None:
    libc = ctypes.CDLL(None)
    for number in range(64):
        if number not in _KEPT_CAPABILITIES:
            libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)


def _furnish(identity: int) -> str:
    """Create the secrets that hostile programs look for, owned by the judge's user. Returns its home."""
    for folder in ("/tmp", "/var/tmp", "/dev/shm"):
        Path(folder).chmod(0o1777)
    home = Path("/home/judge")
    for file in (home / "password", home / ".ssh/id_rsa", Path("/srv/judge/secret/key"), Path("/tmp/secret")):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("HUNTER2")
    Path("/srv/judge/canary").mkdir()
    Path("/srv/judge/canary/keep").write_text("kept")
    for top in ("/srv/judge", "/home/judge", "/tmp/secret"):
        for path in (Path(top), *Path(top).rglob("*")):
            os.chown(path, identity, identity) if os.geteuid() == 0 and identity else None
            path.chmod(0o755 if path.is_dir() else 0o644)
    return str(home)


def _become_nobody(owner: int) -> None:
    if owner:  # an unprivileged caller acts as nobody: it owns nothing that is writable here
        linux.unshare(linux.NEWUSER)
        Path("/proc/self/uid_map").write_text(f"{owner} 0 1")
        Path("/proc/self/gid_map").write_text(f"{owner} 0 1")
        return
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def openings(outer: str, programs: list[str]) -> list[str]:
    """What is not closed about the jail around this process; programs must not run unless this is empty."""
    found = [
        f"the {name} namespace is the outer one"
        for name, before in zip(NAMESPACES, outer.split(","), strict=True)
        if str(Path(f"/proc/self/ns/{name}").readlink()) == before
    ]
    if os.getpid() != 2:
        found.append("there are processes from outside the jail")
    allowed = {*PRIVATE, "/proc", *(f"/dev/{name}" for name in DEVICES)}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if "ro" not in fields[5].split(",") and fields[4] not in allowed:
            found.append(f"{fields[4]} is mounted writable")
    if not os.statvfs("/").f_flag & os.ST_RDONLY:
        found.append("/ is not read-only")
    paths = {
        "/",
        "/etc",
        "/usr",
        sys.base_prefix,
        str(HERE),
        *(str(Path(program).resolve().parent) for program in programs),
    }
    for folder in sorted(paths):
        try:
            descriptor = os.open(folder, os.O_TMPFILE | os.O_WRONLY)
        except OSError:
            continue
        os.close(descriptor)
        found.append(f"{folder} is writable")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]))
