"""How much memory one sandbox can take, and whether a control group holds it to that.

Without a control group the bound is the sum of what each process may take: only the fork server can start processes,
and it has at most two test processes at once. Their address spaces are limited, and so are the files in memory:
programs cannot create any, in addition to the ones that they get.
"""

from __future__ import annotations

from dataclasses import dataclass

from codeplan_sandbox import host_calls
from codeplan_sandbox.cgroup_places import CgroupError, find
from codeplan_sandbox.cgroups import Cgroup
from codeplan_sandbox.suites import Limits
from codeplan_sandbox.unread import UNREAD_BYTES

TEST_PROCESSES = 2
"""The most test processes at once: the two of an assert test."""
KERNEL_BYTES = 128 << 20
"""Memory of the kernel that a test process may cause: pipes (64 MiB per user), sockets, timers, page tables."""

_FILES = 5  # of the size of an output: input, output, two answers, the compiled program
_OWN_TASKS = 4  # the server, its parent outside the namespace, and one for the time in which another one ends
_MAX_TASKS = 1 << 22  # the kernel's PID_MAX_LIMIT
_REQUEST_FACTOR = 16  # a request's text, and the objects that it becomes


@dataclass(frozen=True, slots=True)
class MemoryBound:
    """Whether the memory of all processes of a sandbox together is limited by the kernel.

    Attributes:
        enforced: whether a control group limits it.
        bytes: the limit for the default `Limits`, per sandbox; without a control group, what it can add up to.
        how: what limits it.
        advice: how to get a control group; empty if there is one.
    """

    enforced: bool
    bytes: int
    how: str
    advice: str = ""


_ADVICE = (
    "start the command with: systemd-run --user --scope -p Delegate=yes (systemd 251 or newer); in Docker with "
    "--cgroupns=private and /sys/fs/cgroup mounted writable; on Kubernetes, whose pods may not create groups unless "
    "the runtime mounts /sys/fs/cgroup writable, limit the pod's memory to the sum over its sandboxes"
)


def sandbox_bytes(limits: Limits, base_bytes: int, input_bytes: int = 0, request_bytes: int = 0) -> int:
    """The memory that the processes of one sandbox can take together.

    Args:
        limits: for programs.
        base_bytes: the address space of the fork server.
        input_bytes: the size of the largest input, or of all.
        request_bytes: the size of the request.
    """
    process = base_bytes + limits.memory_bytes + host_calls.STACK_BYTES + KERNEL_BYTES
    files = _FILES * (limits.output_bytes + 1) + input_bytes
    results = UNREAD_BYTES + 2 * limits.output_bytes
    return base_bytes + _REQUEST_FACTOR * request_bytes + TEST_PROCESSES * process + files + results


def sandbox_tasks(limits: Limits) -> int:
    """The processes and threads that one sandbox can have."""
    return min(_OWN_TASKS + TEST_PROCESSES * (1 + limits.processes), _MAX_TASKS)


def memory_bound() -> MemoryBound:
    """Whether the memory of a sandbox is bounded on this machine, and how; creates a control group to find out."""
    size = sandbox_bytes(Limits(), TYPICAL_BASE_BYTES)
    try:
        group = Cgroup.create()
    except CgroupError as error:
        how = f"limits per process, as there is no control group: {error}"
        return MemoryBound(False, size, how, _ADVICE)
    group.remove()
    return MemoryBound(True, size, f"a control group (version {find('memory').version}) per sandbox")


TYPICAL_BASE_BYTES = 32 << 20
"""The address space of a fork server without packages: 30 MiB with Python 3.11 on Debian 12."""
