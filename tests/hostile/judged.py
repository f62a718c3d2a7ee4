"""Inside the jail: judge hostile programs in one tier, and look around after each for what it did.

Its arguments are the outer namespaces, the tier and the programs' files. It prints one JSON object a program: its name,
outcome, message, and what is wrong. Exit status: 0, whatever was found; 3 refused, as the jail has a hole; 5 where the
tier cannot be had.
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

from codeplan_sandbox import Case, Judge, Limits, SandboxError, Suite, Verdict

REFUSED, NO_TIER = 3, 5
LIMITS = Limits(time_s=1.0, wall_factor=3.0, memory_bytes=256 << 20, output_bytes=1 << 20)
HONEST = "import heapq, math, random, json\nn = int(input())\nprint(n + 1, math.floor(1.5), json.loads('[1]'))"
HONEST_SUITE = Suite("stdin", cases=(Case("1\n", "2 1 [1]\n"), Case("5\n", "6 1 [1]\n")))
WATCHED = ("/tmp", "/var/tmp", "/home", "/root", "/run", "/srv", "/dev/shm")
INBOX = "/srv/judge/inbox"


class Surroundings:
    """What a program could change around it, as it was before."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._inboxes = [socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) for _ in range(2)]
        self._inboxes[0].bind(INBOX)
        Path(INBOX).chmod(0o666)
        self._inboxes[1].bind("\0judge-inbox")
        self.remember()

    def remember(self) -> None:
        """Take what is there now for the state that has to stay."""
        self._files, self._processes, self._server = _files(), _processes(), self._judge.pid

    def changes(self) -> list[str]:
        """What is not as it was; honest programs must still pass."""
        found = [f"{path}: {before} -> {after}" for path, before, after in _differences(self._files, _files())]
        if self._judge.pid != self._server:
            found.append("the fork server was lost")
        elif extra := _processes_after_a_moment(self._processes):
            found.append(f"processes are left: {sorted(extra)}")
        for inbox in self._inboxes:
            with contextlib.suppress(BlockingIOError):
                found.append(f"a message got out: {inbox.recv(100)!r}")
        verdict = self._judge.judge(HONEST, HONEST_SUITE)
        if not verdict.passed:
            found.append(f"an honest program gets {verdict.outcome}: {verdict.message}")
        return found


def _files() -> dict[str, str]:
    found = {}
    for top in WATCHED:
        for folder, folders, files in os.walk(top):
            if folder.startswith((sys.base_prefix, str(jail.HERE.parent.parent))):
                folders.clear()
                continue
            for path in (folder, *(f"{folder}/{each}" for each in files)):
                try:
                    status = os.lstat(path)
                except OSError as error:  # a program took the right to look
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
    return {int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()}


def _processes_after_a_moment(known: set[int]) -> set[int]:
    """Processes beyond those known: what was killed may need a moment to go."""
    deadline = time.monotonic() + 2.0
    while (extra := _processes() - known) and time.monotonic() < deadline:
        time.sleep(0.01)
    return extra


def _wrong(program: corpus.Hostile, verdict: Verdict) -> list[str]:
    found = []
    if verdict.outcome.value not in program.expected:
        found.append(f"{verdict.outcome} is none of {', '.join(sorted(program.expected))}")
    told = json.dumps([verdict.message, *((case.output, case.message) for case in verdict.cases)])
    found.extend(f"{word!r} came out" for word in ("HUNTER2", "root:x:", "LEAK", "POISON") if word in told)
    if any(not 0 <= case.memory_bytes < 1 << 40 or not 0 <= case.time_s < 100 for case in verdict.cases):
        found.append("its time or memory is nonsense")
    return found


def main(outer: str, tier: str, programs: list[str]) -> int:
    """Judge them all."""
    if holes := jail.broken(outer, programs):
        print(f"refused: {'; '.join(holes)}", file=sys.stderr)
        return REFUSED
    try:
        judge = Judge(LIMITS, allow_tier=tier, strongest_tier=tier)
    except SandboxError as error:
        print(error, file=sys.stderr)
        return NO_TIER
    with judge:
        surroundings = Surroundings(judge)
        for path in map(Path, programs):
            program = corpus.read(path)
            started, outcome, message = time.monotonic(), "", ""
            try:
                verdict = judge.judge(program.source, program.suite)
                outcome, message, wrong = verdict.outcome.value, verdict.message, _wrong(program, verdict)
            except SandboxError as error:
                wrong = [f"no verdict: {error}"]
            wrong += surroundings.changes()
            if wrong:
                surroundings.remember()
            seconds = round(time.monotonic() - started, 3)
            line = {"name": path.name, "outcome": outcome, "message": message, "wrong": wrong, "seconds": seconds}
            print(json.dumps(line), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
