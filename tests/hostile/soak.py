"""Judges many hostile and honest programs on a pool of Ray actors, inside the jail, and looks for what is left of them.

    python jail.py soak.py root COUNT programs/*.py

COUNT programs: one hostile for every nineteen honest ones, of which a fifth fail. Meanwhile an actor and a fork server
are killed. Then 1,000 programs that never end, with 1,000 honest ones among them. Prints one JSON object: processes,
descriptors, memory, and files before and after, wrong verdicts of honest programs, and seconds.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import corpus
import jail

from codeplan_sandbox import Case, Limits, Suite

LIMITS = Limits(time_s=0.25, wall_factor=2.0, memory_bytes=256 << 20)
HONEST_PER_HOSTILE = 19
ENDLESS = 1000
ACTORS = 4
WATCHED = ("/tmp", "/var/tmp", "/home", "/root", "/run", "/srv", "/dev/shm")
Judged = tuple[str, Suite, str]
"""A program, its tests, and its outcome; an empty one for any."""


def honest(rng: random.Random) -> Judged:
    """A short program with ten tests; one in five is wrong or fails."""
    add = rng.randrange(1000)
    suite = Suite("stdin", cases=tuple(Case(f"{n}", f"{n + add}") for n in range(10)))
    kind = rng.randrange(10)
    if kind == 0:
        return f"print(int(input()) + {add + 1})", suite, "wrong_answer"
    if kind == 1:
        return f"print([][{add}])", suite, "runtime_error"
    return f"import math\nn = int(input())\nprint(n + {add})", suite, "passed"


def mixed(count: int, files: Sequence[str]) -> Iterator[Judged]:
    """Programs of both kinds."""
    rng = random.Random(0)
    programs = itertools.cycle([corpus.read(Path(file)) for file in files])
    for number in range(count):
        if number % (HONEST_PER_HOSTILE + 1):
            yield honest(rng)
        else:
            hostile = next(programs)
            yield hostile.source, hostile.suite, ""


def endless(count: int) -> Iterator[Judged]:
    """Programs that reach their time limit, each followed by an honest one."""
    rng = random.Random(1)
    suite = Suite("stdin", cases=(Case("", ""),))
    for number in range(count):
        yield ("while True: pass" if number % 2 else "import time\ntime.sleep(99)"), suite, "time_limit"
        yield honest(rng)


def state(pids: Sequence[int]) -> dict[str, Any]:
    """What there is: processes of the jail, and of the actors with their fork servers descriptors and memory."""
    processes = [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]
    family = [pid for pid in processes if _has_ancestor(pid, set(pids))]
    files = [path for top in WATCHED for path in Path(top).rglob("*") if "/tmp/ray" not in str(path)]
    return {
        "processes": len(processes),
        "descriptors": sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in family),
        "memory_mib": round(sum(_proportional_kib(pid) for pid in family) / 1024, 1),
        "files": len(files),
        "shm_bytes": sum(path.lstat().st_size for path in files if str(path).startswith("/dev/shm")),
        "memfd": sum("memfd:" in _link(fd) for pid in family for fd in Path(f"/proc/{pid}/fd").iterdir()),
    }


def _has_ancestor(pid: int, wanted: set[int]) -> bool:
    while pid > 1:
        if pid in wanted:
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False


def _proportional_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def main(outer: str, count: int, files: list[str]) -> int:
    """Judge, and report."""
    if openings := jail.openings(outer, files):
        print(f"the jail is not closed: {'; '.join(openings)}", file=sys.stderr)
        return 3
    import ray

    from codeplan.config import ExecutionConfig
    from codeplan.on_ray.judge_actors import JudgeActors

    # Ray would ask for the memory of the machine, and its workers start with its environment.
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=100 << 20)
    judges = JudgeActors.start(ExecutionConfig(judge_actors=ACTORS), LIMITS)
    judges.tiers()
    list(judges.judge_many([program[:2] for program in mixed(400, files)]))  # what is loaded once, is loaded now
    pids = [ray.get(actor.pid.remote()) for actor in judges.actors]
    report: dict[str, Any] = {"tiers": sorted(set(judges.tiers())), "before": state(pids)}
    report["mixed"] = judged(judges, list(mixed(count, files)), killing=True)
    print(json.dumps(report), file=sys.stderr)
    report["endless"] = judged(judges, list(endless(ENDLESS)), killing=False)
    time.sleep(2.0)  # killed processes may take a moment to disappear
    pids = [ray.get(actor.pid.remote()) for actor in judges.actors]
    print(json.dumps({**report, "after": state(pids)}, indent=1))
    return 0


def judged(judges: Any, programs: list[Judged], *, killing: bool) -> dict[str, Any]:
    """Judge programs; an actor dies after a third of them, a fork server after two thirds."""
    import ray

    outcomes: Counter[str] = Counter()
    wrong = []
    start = time.monotonic()
    for done, (index, verdict) in enumerate(judges.judge_many([program[:2] for program in programs])):
        _, _, expected = programs[index]
        outcomes[verdict.outcome.value] += 1
        if expected and verdict.outcome.value != expected:
            wrong.append(f"{index}: {verdict.outcome.value} for {expected}: {verdict.message}")
        if killing and done == len(programs) // 3:
            os.kill(ray.get(judges.actors[0].pid.remote()), signal.SIGKILL)
        if killing and done == 2 * len(programs) // 3:
            os.kill(_child(ray.get(judges.actors[1].pid.remote())), signal.SIGKILL)
    seconds = round(time.monotonic() - start, 1)
    known = sum(bool(expected) for _, _, expected in programs)
    return {
        "programs": len(programs),
        "seconds": seconds,
        "outcomes": dict(outcomes),
        "of known outcome": known,
        "wrong": wrong[:10],
        "wrong verdicts": len(wrong),
    }


def _child(pid: int) -> int:
    """A fork server: the child of an actor."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
