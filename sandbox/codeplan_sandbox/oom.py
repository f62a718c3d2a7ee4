"""Why the kernel killed a process: whose memory had run out.

A test process that is killed may have been the victim of other programs, if the machine ran out of memory; that says
nothing about its own program, whose memory is limited before. It may also have sent itself the signal, with a timer.
"""

from __future__ import annotations

import contextlib
from enum import Enum
from pathlib import Path

from codeplan_sandbox.cgroups import Cgroup

_STATISTICS = Path("/proc/vmstat")
_COUNTER = "oom_kill "


class KillCause(Enum):
    """Why a process was killed."""

    SANDBOX = "the processes of the sandbox together reached its limit on memory"
    MACHINE = "the machine, or a control group above the sandbox, ran out of memory"
    SIGNAL = "it was not for memory: a signal of the program or of somebody outside"
    UNKNOWN = "the kernel does not count for what it kills"


class OutOfMemoryWatch:
    """Compares the kernel's counters with what they were when the last process was killed."""

    def __init__(self, group: Cgroup | None, statistics: Path = _STATISTICS) -> None:
        self._group, self._statistics = group, statistics
        self._hits, self._kills = self._counts()

    def cause(self) -> KillCause:
        """Why a process of the sandbox was killed since the last call, or since the start."""
        hits, kills = self._counts()
        before, self._hits, self._kills = (self._hits, self._kills), hits, kills
        if hits > before[0]:
            return KillCause.SANDBOX
        if kills is None or before[1] is None:
            return KillCause.UNKNOWN
        return KillCause.MACHINE if kills > before[1] else KillCause.SIGNAL

    def _counts(self) -> tuple[int, int | None]:
        hits = self._group.limit_hits() if self._group is not None else 0
        with contextlib.suppress(OSError, ValueError):
            for line in self._statistics.read_text().splitlines():
                if line.startswith(_COUNTER):
                    return hits, int(line.removeprefix(_COUNTER))
        return hits, None
