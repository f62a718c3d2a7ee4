"""Judge real programs several times: agreement with what is known of them, and verdicts that change between rounds.

    python tests/benchmarks/agreement.py [--data NAME ...] [--rounds 3] [--busy 4] [--limit N] [--out FILE.jsonl]

``programs6928`` are programs of language models with labels, which are not always right; they get the imports of their
prompts and the names of ``typing``, as in the harnesses that labelled them. The others are solutions by people, which
should pass. In the last round ``--busy`` processes compute beside the judges. ``--out`` gets a line per
program that disagrees or changes, with its verdict, to be explained by hand.
"""

from __future__ import annotations

import argparse
import collections
import gzip
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codeplan.config import FileSource
from codeplan.problems import read
from codeplan_sandbox import Judge, Limits, Suite

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
WORKERS = len(os.sched_getaffinity(0))
LIMITS = Limits(time_s=4.0, total_s=60.0, memory_bytes=512 << 20)


@dataclass(frozen=True)
class Labelled:
    """A program, its tests, and whether it is said to pass them (None: unknown)."""

    name: str
    program: str
    suite: Suite
    label: bool | None


def rows(name: str) -> list[dict[str, Any]]:
    """A data set's rows."""
    with gzip.open(DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _programs6928() -> Iterator[Labelled]:
    tests = {row["test_id"]: row for row in rows("programs6928_tests")}
    for number, row in enumerate(rows("programs6928")):
        test = tests[row["test_id"]]
        given = ["from typing import *"]
        given += [line for line in (test["prompt"] or "").splitlines() if line.startswith(("import ", "from "))]
        program = test["prompt"] + row["code"] if row["body_only"] else "\n".join([*given, row["code"]])
        suite = Suite("assert", tests=(test["test"],), entry_point=row["entry_point"])
        yield Labelled(f"{number} {row['task_id']} ({row['run']})", program, suite, row["is_solved"])


def _read(reader: str, name: str) -> Callable[[], Iterator[Labelled]]:
    def found() -> Iterator[Labelled]:
        source = FileSource(reader=reader, path=str(DATA / f"{name}.jsonl.gz"))  # type: ignore[arg-type]  # a reader's name
        known = {str(row["problem_id"]): row.get("ref_ok") for row in rows(name)} if reader == "apps" else {}
        for problem in read(source).problems:
            suite = problem.hidden_tests
            number = known.get(problem.problem_id.rpartition("/")[2], 0)
            if suite is not None and problem.solutions and number is not None:
                yield Labelled(problem.problem_id, problem.solutions[number], suite, True)

    return found


SETS: dict[str, Callable[[], Iterator[Labelled]]] = {
    "apps_train150": _read("apps", "apps_train150"),
    "mbpp974": _read("mbpp", "mbpp974"),
    "humaneval164": _read("humaneval", "humaneval164"),
    "leetcode_train1890": _read("humaneval", "leetcode_train1890"),
    "programs6928": _programs6928,
}


def _judge_share(given: list[Labelled]) -> list[tuple[str, str]]:
    """Outcome and message of every program."""
    with Judge(LIMITS) as judge:
        verdicts = [judge.judge(one.program, one.suite, stop_at_failure=True) for one in given]
    return [(verdict.outcome.value, verdict.message) for verdict in verdicts]


def judge_all(given: list[Labelled]) -> list[tuple[str, str]]:
    """The same by as many workers as there are CPUs, in order."""
    with multiprocessing.get_context("spawn").Pool(WORKERS) as pool:
        shares = pool.map(_judge_share, [given[at::WORKERS] for at in range(WORKERS)], chunksize=1)
    found = [("", "")] * len(given)
    for at, share in enumerate(shares):
        found[at::WORKERS] = share
    return found


def _spin() -> None:
    while True:
        pass


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Processes that compute for nothing."""
    loops = [multiprocessing.get_context("spawn").Process(target=_spin, daemon=True) for _ in range(processes)]
    for loop in loops:
        loop.start()
    try:
        yield
    finally:
        for loop in loops:
            loop.terminate()
            loop.join()


def measure(name: str, given: list[Labelled], rounds: int, loops: int) -> Iterator[dict[str, Any]]:
    """Print the agreement of one data set; yields the programs that disagree or change."""
    verdicts = []
    for number in range(rounds):
        loaded = loops if number == rounds - 1 else 0
        start = time.monotonic()
        with busy(loaded):
            verdicts.append(judge_all(given))
        beside = f" beside {loaded} busy loops" if loaded else ""
        print(f"{name}: round {number + 1}, {time.monotonic() - start:.1f} s for {len(given):,} programs{beside}")
    first = verdicts[0]
    changed = [at for at in range(len(given)) if len({of_round[at][0] for of_round in verdicts}) > 1]
    for label in (True, False):
        labelled = [at for at, one in enumerate(given) if one.label is label]
        agreeing = sum((first[at][0] == "passed") is label for at in labelled)
        if labelled:
            print(f"{name}: of {len(labelled):,} labelled {'solved' if label else 'unsolved'} {agreeing:,} agree")
    unlabelled = collections.Counter(first[at][0] for at, one in enumerate(given) if one.label is None)
    print(f"{name}: without a label {dict(unlabelled)}; {len(changed)} verdicts changed in {rounds} rounds")
    for at, one in enumerate(given):
        disagrees = one.label is not None and (first[at][0] == "passed") is not one.label
        if disagrees or at in changed:
            found = [of_round[at] for of_round in verdicts]
            yield {"set": name, "name": one.name, "label": one.label, "verdicts": found, "program": one.program}


def main() -> None:
    """Measure the data sets, one after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=sorted(SETS), default=list(SETS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--busy", type=int, default=4)
    parser.add_argument("--limit", type=int, default=None)
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    if not DATA.is_dir():
        print(f"skipped: the data sets are not in {DATA}")
        return
    lines = []
    for name in arguments.data:
        given = list(SETS[name]())[: arguments.limit]
        lines += [json.dumps(found) for found in measure(name, given, arguments.rounds, arguments.busy)]
    if arguments.out is not None:
        arguments.out.write_text("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
