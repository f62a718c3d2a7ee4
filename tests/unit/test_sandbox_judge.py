"""The verdicts for correct, failing and cheating programs."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from codeplan_sandbox import Case, Judge, Limits, Outcome, Suite, SuiteError, SuiteVerdict, judge
from codeplan_sandbox.wire import OUTCOMES, REPORT

LIMITS = Limits(time_s=0.3, wall_factor=2.0, total_s=20.0)
ADD_ONE = Suite("stdin", cases=tuple(Case(input=f"{n}\n", output=f"{n + 1}\n") for n in range(4)))
ADD = Suite("call", cases=(Case(args=(1, 2), expected=3), Case(args=(4, 5), expected=9)), entry_point="add")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Judge]:
    with Judge(LIMITS) as warm:
        yield warm


def outcomes(verdict: SuiteVerdict) -> list[str]:
    return [case.outcome.value for case in verdict.cases]


CORRECT = {
    "print": "print(int(input()) + 1)",
    "stdin lines": "import sys\nfor line in sys.stdin: print(int(line) + 1)",
    "stdin bytes": "import sys\nprint(int(sys.stdin.buffer.read()) + 1)",
    "open(0)": "print(int(open(0).read()) + 1)",
    "os.read": "import os\nos.write(1, str(int(os.read(0, 99)) + 1).encode())",
    "main guard": "def main(): print(int(input()) + 1)\nif __name__ == '__main__': main()",
    "global": "n = 0\ndef f():\n    global n\n    n = int(input())\nf()\nprint(n + 1)",
    "exit()": "print(int(input()) + 1)\nexit()",
    "sys.exit(0)": "import sys\nprint(int(input()) + 1)\nsys.exit(0)",
    "os._exit": "import os\nprint(int(input()) + 1, flush=True)\nos._exit(0)",
    "atexit": "import atexit\nn = int(input())\natexit.register(lambda: print(n + 1))",
    "own stdout": "import sys, io\nout = sys.stdout\nsys.stdout = io.StringIO()\nprint(int(input()) + 1)\n"
    "out.write(sys.stdout.getvalue())",
    "unclosed file": "f = open(1, 'w')\nf.write(str(int(input()) + 1))",
    "thread": "import threading\nthreading.Thread(target=lambda: print(int(input()) + 1)).start()",
    "daemon thread": "import threading, time\n"
    "threading.Thread(target=time.sleep, args=(99,), daemon=True).start()\nprint(int(input()) + 1)",
    "executor": "from concurrent.futures import ThreadPoolExecutor\n"
    "with ThreadPoolExecutor(2) as pool: print(*pool.map(lambda n: n + 1, [int(input())]))",
    "big stack": "import sys, threading\nsys.setrecursionlimit(10**6)\nthreading.stack_size(2**26)\n"
    "def f(n): return n and 1 + f(n - 1)\n"
    "threading.Thread(target=lambda: print(int(input()) + f(20000) - 19999)).start()",
    "asyncio": "import asyncio\nasync def f(): print(int(input()) + 1)\nasyncio.run(f())",
    "closes descriptors": "import os\nn = int(input())\nos.closerange(3, 4096)\nprint(n + 1)",
    "closes stdout": "import sys\nprint(int(input()) + 1)\nsys.stdout.close()",
    "no newline": "import sys\nsys.stdout.write(str(int(input()) + 1))",
    "noisy stderr": "import sys\nprint('x' * 10**6, file=sys.stderr)\nprint(int(input()) + 1)",
    "state in a module": "import math\nfirst = not hasattr(math, 'seen')\nmath.seen = 1\n"
    "if first: print(int(input()) + 1)",
    "byte order mark": "\ufeffprint(int(input()) + 1)\r\n",
    "alarm left": "import signal\nleft = signal.alarm(60)\nif not left: print(int(input()) + 1)",
    "recursion": "def f(n): return n and 1 + f(n - 1)\nprint(int(input()) + f(990) - 989)",
}


@pytest.mark.parametrize("name", CORRECT)
def test_correct_program_passes(sandbox: Judge, name: str) -> None:
    verdict = sandbox.judge(CORRECT[name], ADD_ONE)
    assert outcomes(verdict) == ["passed"] * 4, verdict.message


# A program cannot know that a test is unseparable; such a test counts neither as a pass nor as a failure.
FORGED = REPORT.pack(OUTCOMES.index(Outcome.UNSEPARABLE), 0, 1)

FAILING = {
    "wrong": ("print(int(input()) + 2)", Outcome.WRONG_ANSWER),
    "silent": ("", Outcome.WRONG_ANSWER),
    "no utf-8": ("import os\nos.write(1, b'\\xff')", Outcome.WRONG_ANSWER),
    "syntax": ("print(int(input() + 1", Outcome.SYNTAX_ERROR),
    "null byte": ("print(1)\0", Outcome.SYNTAX_ERROR),
    "lone surrogate in the text": ("print('\ud800')", Outcome.SYNTAX_ERROR),
    "raises": ("1 / 0", Outcome.RUNTIME_ERROR),
    "exit status": ("import sys\nprint(int(input()) + 1)\nsys.exit(3)", Outcome.RUNTIME_ERROR),
    "reads too much": ("input()\ninput()", Outcome.RUNTIME_ERROR),
    "exception that cannot be printed": (
        "class E(Exception):\n    def __str__(self): raise E\nraise E",
        Outcome.RUNTIME_ERROR,
    ),
    "segmentation fault": ("import ctypes\nctypes.string_at(0)", Outcome.RUNTIME_ERROR),
    "endless recursion": ("def f(): f()\nf()", Outcome.RUNTIME_ERROR),
    "installed packages": ("import numpy", Outcome.RUNTIME_ERROR),
    "endless loop": ("while True: pass", Outcome.TIME_LIMIT),
    "endless loop that catches": (
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        Outcome.TIME_LIMIT,
    ),
    "sleep": ("import time\ntime.sleep(99)", Outcome.TIME_LIMIT),
    "hangs after closing": ("import os, time\nos.closerange(3, 99)\ntime.sleep(99)", Outcome.TIME_LIMIT),
    "memory": ("x = [0] * 10**9", Outcome.MEMORY_LIMIT),
    "memory gradually": ("x = []\nwhile True: x.append(bytes(10**6))", Outcome.MEMORY_LIMIT),
    "output": ("while True: print('x' * 1000)", Outcome.OUTPUT_LIMIT),
    "output, caught": (
        "try:\n    while True: print('x' * 1000, flush=True)\nexcept OSError: pass",
        Outcome.OUTPUT_LIMIT,
    ),
    "threads": (
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
        Outcome.PROCESS_LIMIT,
    ),
    "fork": ("import os\nos.fork()", Outcome.FORBIDDEN),
    "subprocess": ("import os\nos.posix_spawn('/bin/true', ['true'], {})", Outcome.FORBIDDEN),
    "socket": ("import socket\nsocket.socket()", Outcome.FORBIDDEN),
    "kill": ("import os\nos.kill(os.getppid(), 9)", Outcome.FORBIDDEN),
    "forged unseparable test": (f"import os\nos.write(3, {FORGED!r})\nwhile True: pass", Outcome.EXITED_EARLY),
    "forged report": ("import os\nos.write(3, b'nonsense')\nprint(int(input()) + 1)", Outcome.EXITED_EARLY),
}


@pytest.mark.parametrize("name", FAILING)
def test_failing_program_gets_the_outcome_of_its_failure(sandbox: Judge, name: str) -> None:
    program, expected = FAILING[name]
    verdict = sandbox.judge(program, ADD_ONE, stop_at_failure=True)
    assert (verdict.outcome, len(verdict.cases)) == (expected, 1), verdict.message
    assert verdict.message or expected is Outcome.WRONG_ANSWER
    assert sandbox.judge(CORRECT["print"], ADD_ONE).passed  # the failure does not affect the next program


def test_all_tests_run_unless_stop_at_failure(sandbox: Judge) -> None:
    program = "n = int(input())\nprint(n + 1 if n != 1 else 0)"
    assert outcomes(sandbox.judge(program, ADD_ONE)) == ["passed", "wrong_answer", "passed", "passed"]
    stopped = sandbox.judge(program, ADD_ONE, stop_at_failure=True)
    assert outcomes(stopped) == ["passed", "wrong_answer"]
    assert (stopped.total_tests, stopped.passed_tests) == (4, 1)


def test_failure_message_shows_the_output_or_the_line(sandbox: Judge) -> None:
    wrong = sandbox.judge("print('x' * 5000)", ADD_ONE, stop_at_failure=True)
    assert len(wrong.cases[0].output) == 1000
    assert "'1\\n'" in wrong.message
    raised = sandbox.judge("n = input()\nint('x')", ADD_ONE, stop_at_failure=True)
    assert raised.message == "ValueError: invalid literal for int() with base 10: 'x' (line 2)"


def test_time_limit_is_cpu_time_per_test(sandbox: Judge) -> None:
    # Sleeps longer than the CPU limit but less than the wall-clock limit: allowed.
    program = "import time\ntime.sleep(0.4)\nprint(int(input()) + 1)"
    one = Suite("stdin", cases=ADD_ONE.cases[:1])
    verdict = sandbox.judge(program, one)
    assert verdict.passed
    assert 0 < verdict.cases[0].time_s < LIMITS.time_s
    assert verdict.cases[0].memory_bytes > 1 << 20


def test_tests_beyond_total_s_are_time_limit(sandbox: Judge) -> None:
    limits = Limits(time_s=5.0, total_s=1.0)
    verdict = sandbox.judge("n = input()\nwhile n != '0': pass\nprint(1)", ADD_ONE, limits)
    assert outcomes(verdict) == ["passed", "time_limit", "time_limit", "time_limit"]
    assert verdict.message == "the limit of 1 s for all tests was reached"
    assert "not run" in verdict.cases[-1].message


def test_program_has_no_environment_and_no_home(sandbox: Judge) -> None:
    program = "import os\nprint(dict(os.environ), os.path.exists(os.path.expanduser('~/.ray')), os.geteuid() == 0)"
    verdict = sandbox.judge(program, Suite("stdin", cases=(Case(output="{} False False"),)))
    assert verdict.passed, verdict.message


def test_random_numbers_and_hashes_are_reproducible() -> None:
    program = "import random\nprint(random.random(), hash('a'), list({'a', 'b', 'c', 'd'}))"
    suite = Suite("stdin", cases=(Case(), Case()))
    first, second = (judge(program, suite, LIMITS) for _ in range(2))
    assert first.cases[0].output == first.cases[1].output == second.cases[0].output != ""


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("def add(a, b): return a + b", Outcome.PASSED),
        ("class Solution:\n    def add(self, a, b): return a + b", Outcome.PASSED),
        ("def add(a, b):\n    print('noise')\n    return a + b", Outcome.PASSED),
        ("class Solution:\n    def add(self, a: List[int], b): return [*accumulate([a, b])][1]", Outcome.PASSED),
        ("def add(a, b): return bisect.bisect_left([0, 1], 1) + pow(1, 1) and a + b", Outcome.PASSED),
        ("def add(a, b): return a + b + 1", Outcome.WRONG_ANSWER),
        ("def add(a, b): return {a + b}", Outcome.WRONG_ANSWER),
        ("def add(a, b):\n    x = []\n    x.append(x)\n    return x", Outcome.WRONG_ANSWER),
        ("class I(int):\n    def __eq__(self, o): return True\ndef add(a, b): return I(0)", Outcome.WRONG_ANSWER),
        ("def add(a, b): return '3' * 10**7", Outcome.OUTPUT_LIMIT),
        ("def plus(a, b): return a + b", Outcome.RUNTIME_ERROR),
        ("def add(a): return a", Outcome.RUNTIME_ERROR),
        ("import os\nos._exit(0)", Outcome.EXITED_EARLY),
        ("exit()", Outcome.EXITED_EARLY),
        ("import os\nos.write(6, b'3')\nos._exit(0)", Outcome.EXITED_EARLY),
        ("def add(", Outcome.SYNTAX_ERROR),
    ],
)
def test_call_suites(sandbox: Judge, program: str, expected: Outcome) -> None:
    verdict = sandbox.judge(program, ADD, stop_at_failure=True)
    assert verdict.outcome is expected, verdict.message


def test_call_result_tuple_equals_list(sandbox: Judge) -> None:
    suite = Suite("call", cases=(Case(args=([1, 2],), expected=[[1, 2], "é"]),), entry_point="f")
    assert sandbox.judge("def f(x): return tuple(x), 'é'", suite).passed


def test_suite_without_tests_is_rejected(sandbox: Judge) -> None:
    with pytest.raises(SuiteError, match="has no tests"):
        sandbox.judge("print(1)", Suite("stdin"))


def test_killed_server_is_replaced() -> None:
    with Judge(LIMITS) as warm:
        assert warm.judge(CORRECT["print"], ADD_ONE).passed
        before = warm.pid
        os.kill(before, signal.SIGKILL)
        os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)  # its children are killed before it is reaped
        assert warm.judge(CORRECT["print"], ADD_ONE).passed
        assert warm.pid != before


def test_many_tests_and_large_inputs(sandbox: Judge) -> None:
    large = "7" * 500_000
    suite = Suite("stdin", cases=tuple(Case(input=large, output=large) for _ in range(3)))
    assert sandbox.judge("print(input())", suite).passed
    many = Suite("stdin", cases=tuple(Case(input=str(n), output=str(-n)) for n in range(500)))
    verdict = sandbox.judge("print(-int(input()))", many)
    assert verdict.passed_tests == 500


def test_number_of_tests_takes_no_memory_from_the_program(sandbox: Judge) -> None:
    many = Suite("stdin", cases=(Case(input="a", output="a"),) * 300_000)
    program = "x = bytearray(240 << 20)\nprint(input())"
    verdict = sandbox.judge(program, many, Limits(time_s=5.0, total_s=8.0), stop_at_failure=True)
    assert verdict.cases[0].outcome is Outcome.PASSED, verdict.message
    assert verdict.outcome is Outcome.TIME_LIMIT


def test_output_limit_does_not_apply_to_the_compiled_program(sandbox: Judge) -> None:
    limits = Limits(time_s=1.0, output_bytes=2)
    assert sandbox.judge("print(1)", Suite("stdin", cases=(Case("", "1"), Case("", "1"))), limits).passed


def test_arguments_that_are_not_json_are_rejected(sandbox: Judge) -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    for argument in (object(), deep):
        suite = Suite("call", cases=(Case(args=(argument,), expected=1),), entry_point="f")
        with pytest.raises(SuiteError, match="the inputs cannot be written as JSON"):
            sandbox.judge("def f(x): return 1", suite)


def test_limits_that_no_machine_has_are_accepted(sandbox: Judge) -> None:
    most = (1 << 62) - 1
    for limits in (Limits(memory_bytes=most), Limits(processes=most), Limits(output_bytes=most), Limits(time_s=1e18)):
        assert sandbox.judge(CORRECT["print"], ADD_ONE, limits).passed


def test_source_that_does_not_fit_into_memory_is_memory_limit(sandbox: Judge) -> None:
    verdict = sandbox.judge("#" * (40 << 20), ADD_ONE, Limits(time_s=9.0, memory_bytes=32 << 20), stop_at_failure=True)
    assert verdict.outcome is Outcome.MEMORY_LIMIT, verdict.message
