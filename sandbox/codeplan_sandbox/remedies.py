"""What to change on a machine so that it gives the sandbox a layer that is missing."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from codeplan_sandbox import syscalls

_SECCOMP_FILTERED = 2
_LANDLOCK_KERNEL = (5, 13)
_PROFILE = "cluster/kubernetes/nodes/codeplan-sandbox"


@dataclass(frozen=True, slots=True)
class Machine:
    """What decides which layers there are; None where the kernel does not say.

    Attributes:
        kernel: major and minor version.
        architecture: as ``uname -m`` prints it.
        filtered: whether a seccomp filter is loaded already, as in most containers.
        root: whether this process is root.
        max_user_namespaces: ``user.max_user_namespaces``.
        unprivileged_user_namespaces: ``kernel.unprivileged_userns_clone``, of Debian's kernels.
        apparmor_restricts_user_namespaces: ``kernel.apparmor_restrict_unprivileged_userns``, of Ubuntu's kernels.
        security_modules: the active ones, separated by commas.
    """

    kernel: tuple[int, int]
    architecture: str
    filtered: bool
    root: bool
    max_user_namespaces: int | None = None
    unprivileged_user_namespaces: int | None = None
    apparmor_restricts_user_namespaces: int | None = None
    security_modules: str | None = None

    @classmethod
    def read(cls, root: Path = Path("/")) -> Machine:
        """Read this machine's state from the files below a root folder."""
        kernel = re.match(r"(\d+)\.(\d+)", os.uname().release)
        status = _read(root / "proc/self/status") or ""
        mode = re.search(r"^Seccomp:\s*(\d+)", status, re.MULTILINE)
        return cls(
            (int(kernel[1]), int(kernel[2])) if kernel else (0, 0),
            os.uname().machine,
            mode is not None and int(mode[1]) == _SECCOMP_FILTERED,
            os.geteuid() == 0,
            _number(root / "proc/sys/user/max_user_namespaces"),
            _number(root / "proc/sys/kernel/unprivileged_userns_clone"),
            _number(root / "proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
            _read(root / "sys/kernel/security/lsm"),
        )


def remedies(layer: str, machine: Machine) -> list[str]:
    """How to get a missing layer on such a machine: one text per cause, each with its command or setting."""
    return _REMEDIES[layer](machine) if layer in _REMEDIES else []


def _namespaces(machine: Machine) -> list[str]:
    found = []
    if machine.max_user_namespaces == 0:
        found.append("user namespaces are switched off: sysctl -w user.max_user_namespaces=15000")
    if machine.unprivileged_user_namespaces == 0 and not machine.root:
        found.append("only root may make user namespaces: sysctl -w kernel.unprivileged_userns_clone=1")
    if machine.apparmor_restricts_user_namespaces and not machine.root:
        found.append(
            "AppArmor restricts user namespaces, as on Ubuntu 24.04: load an AppArmor profile for this Python that has "
            "the rule `userns,`, or for the whole machine: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
        )
    if machine.filtered:
        found.append(
            "a seccomp profile denies the calls, as Docker's default one does: "
            f"docker run --security-opt seccomp={_PROFILE}.json --security-opt apparmor=unconfined "
            "(AppArmor's default profile for containers denies mounts)"
        )
        found.append(
            f"in Kubernetes: copy {_PROFILE}.json to the nodes and name it in seccompProfile.localhostProfile; see "
            "docs/kubernetes.md"
        )
    return found or ["the kernel needs CONFIG_USER_NS and Linux 5.12 (mount_setattr); gVisor has no mount_setattr"]


def _landlock(machine: Machine) -> list[str]:
    modules = machine.security_modules
    if machine.kernel < _LANDLOCK_KERNEL:
        found = f"Landlock needs Linux 5.13; this is {machine.kernel[0]}.{machine.kernel[1]} (gVisor has no Landlock)"
    elif modules is not None and "landlock" not in modules.split(","):
        found = (
            "it is not active: start the kernel with the parameter "
            f"lsm=landlock,{modules} (it must be built in: CONFIG_SECURITY_LANDLOCK)"
        )
    elif machine.filtered:
        found = (
            "a seccomp profile denies the three landlock_ calls: use a runtime whose default profile allows them, as "
            f"Docker's and Podman's do today, or {_PROFILE}.json"
        )
    else:
        found = "the kernel needs CONFIG_SECURITY_LANDLOCK, and landlock in its parameter lsm= (gVisor has no Landlock)"
    return [found]


def _seccomp(machine: Machine) -> list[str]:
    if syscalls.native() is None:
        supported = " or ".join(syscalls.ARCHITECTURES)
        return [f"there is no filter for {machine.architecture}: judge on {supported}, with a 64-bit Python"]
    return ["the kernel needs CONFIG_SECCOMP_FILTER, and a container's profile must allow the calls prctl and seccomp"]


def _user_id(_: Machine) -> list[str]:
    return ["start the judge as root: it then gives programs an unassigned user id; the other layers do not need it"]


_REMEDIES: dict[str, Callable[[Machine], list[str]]] = {
    "namespaces": _namespaces,
    "landlock": _landlock,
    "seccomp": _seccomp,
    "user id": _user_id,
}


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _number(path: Path) -> int | None:
    text = _read(path)
    return int(text) if text is not None and text.isdecimal() else None
