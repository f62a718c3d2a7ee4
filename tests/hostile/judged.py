"""Judges hostile programs in one tier, inside the jail, and checks the surroundings after every program.

The arguments are the outer namespaces, the tier and the files of the programs. It prints one JSON object per program:
its name, outcome, message and violations. Exit status: 0 if all were judged; 3 if the jail is not closed; 5 if the tier
is not available.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from pathlib import Path

import corpus
import jail

from codeplan_sandbox import Case, Judge, Limits, SandboxError, Suite, SuiteVerdict

JAIL_NOT_CLOSED, TIER_NOT_AVAILABLE = 3, 5
LIMITS = Limits(time_s=1.0, wall_factor=3.0, memory_bytes=256 << 20, output_bytes=1 << 20)
CORRECT = "import heapq, math, random, json\nn = int(input())\nprint(n + 1, math.floor(1.5), json.loads('[1]'))"
CORRECT_SUITE = Suite("stdin", cases=(Case("1\n", "2 1 [1]\n"), Case("5\n", "6 1 [1]\n")))
WATCHED = ("/tmp", "/var/tmp", "/home", "/root", "/run", "/srv", "/dev/shm")
INBOX = "/srv/judge/inbox"


class Surroundings:
    """The files, processes and sockets that a program could affect, compared with their state before it."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._inboxes = [socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) for _ in range(2)]
        self._inboxes[0].bind(INBOX)
        Path(INBOX).chmod(0o666)
        self._inboxes[1].bind("\0judge-inbox")
        self.remember()

    def remember(self) -> None:
        """Record the current state."""
        self._files, self._processes, self._server = _files(), _processes(), self._judge.pid

    def changes(self) -> list[str]:
        """The differences from the recorded state; a correct program must still pass."""
        found = [f"{path}: {before} -> {after}" for path, before, after in _differences(self._files, _files())]
        if self._judge.pid != self._server:
            found.append("the fork server was replaced")
        elif extra := _processes_after_a_moment(self._processes):
            found.append(f"processes are still running: {sorted(extra)}")
        for inbox in self._inboxes:
            with contextlib.suppress(BlockingIOError):
                found.append(f"a message was received outside: {inbox.recv(100)!r}")
        verdict = self._judge.judge(CORRECT, CORRECT_SUITE)
        if not verdict.passed:
            found.append(f"a correct program gets {verdict.outcome}: {verdict.message}")
        return found


def _files() -> dict[str, str]:
    found = {}
    for top in WATCHED:
        for folder, folders, files in os.walk(top):
            if folder.startswith((sys.base_prefix, str(jail.HERE.parent.parent))):
                folders.clear()
                continue
            for path in (folder, *(f"{folder}/{name}" for name in files)):
                try:
                    status = os.lstat(path)
                except OSError as error:  # a program removed our permission
                    found[path] = str(error)
                    continue
                found[path] = f"{status.st_mode:o} {status.st_uid} {status.st_size} {status.st_mtime_ns}"
    return found


def _differences(before: dict[str, str], after: dict[str, str]) -> list[tuple[str, str, str]]:
    paths = sorted({*before, *after})
    return [
        (path, before.get(path, "absent"), after.get(path, "absent"))
        for path in paths
        if before.get(path) != after.get(path)
    ]


def _processes() -> set[int]:
    return {int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()}


def _processes_after_a_moment(known: set[int]) -> set[int]:
    """New processes; killed ones may take a moment to disappear."""
    deadline = time.monotonic() + 2.0
    while (extra := _processes() - known) and time.monotonic() < deadline:
        time.sleep(0.01)
    return extra


def _violations(program: corpus.Hostile, verdict: SuiteVerdict) -> list[str]:
    found = []
    if verdict.outcome not in program.expected:
        found.append(f"{verdict.outcome} is not one of {', '.join(sorted(program.expected))}")
    shown = json.dumps([verdict.message, *((case.output, case.message) for case in verdict.cases)])
    found.extend(f"{word!r} leaked" for word in ("HUNTER2", "root:x:", "LEAK", "POISON") if word in shown)
    if any(not 0 <= case.memory_bytes < 1 << 40 or not 0 <= case.time_s < 100 for case in verdict.cases):
        found.append("its time or memory is implausible")
    return found


def main(outer: str, tier: str, programs: list[str]) -> int:
    """Judge the programs."""
    if openings := jail.openings(outer, programs):
        print(f"the jail is not closed: {'; '.join(openings)}", file=sys.stderr)
        return JAIL_NOT_CLOSED
    try:
        judge = Judge(LIMITS, allow_tier=tier, strongest_tier=tier, checker_limits=LIMITS)
    except SandboxError as error:
        print(error, file=sys.stderr)
        return TIER_NOT_AVAILABLE
    with judge:
        surroundings = Surroundings(judge)
        for path in map(Path, programs):
            program = corpus.read(path)
            started, outcome, message = time.monotonic(), "", ""
            try:
                verdict = judge.judge(program.source, program.suite)
                outcome, message = verdict.outcome.value, verdict.message
                violations = _violations(program, verdict)
            except SandboxError as error:
                violations = [f"no verdict: {error}"]
            violations += surroundings.changes()
            if violations:
                surroundings.remember()
            seconds = round(time.monotonic() - started, 3)
            result = {"name": path.name, "outcome": outcome, "message": message, "seconds": seconds}
            print(json.dumps({**result, "violations": violations}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
