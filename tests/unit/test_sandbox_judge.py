"""Programs of all kinds, honest, awkward and cheating, get the verdict that they deserve."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from codeplan_sandbox import Case, Judge, Limits, Outcome, Suite, SuiteError, Verdict, judge

LIMITS = Limits(time_s=0.3, wall_factor=2.0, total_s=20.0)
ADD_ONE = Suite("stdin", cases=tuple(Case(input=f"{n}\n", output=f"{n + 1}\n") for n in range(4)))
ADD = Suite("call", cases=(Case(args=(1, 2), expected=3), Case(args=(4, 5), expected=9)), entry_point="add")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Judge]:
    with Judge(LIMITS) as warm:
        yield warm


def asserts(*tests: str, setup: str = "", entry_point: str = "") -> Suite:
    return Suite("assert", tests=tests, setup=setup, entry_point=entry_point)


def outcomes(verdict: Verdict) -> list[str]:
    return [case.outcome.value for case in verdict.cases]


HONEST = {
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


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_program_passes(sandbox: Judge, name: str) -> None:
    verdict = sandbox.judge(HONEST[name], ADD_ONE)
    assert outcomes(verdict) == ["passed"] * 4, verdict.message


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
    "memory by and by": ("x = []\nwhile True: x.append(bytes(10**6))", Outcome.MEMORY_LIMIT),
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
    "forged report": ("import os\nos.write(3, b'nonsense')\nprint(int(input()) + 1)", Outcome.EXITED_EARLY),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_failing_program_fails_for_its_reason(sandbox: Judge, name: str) -> None:
    program, expected = FAILING[name]
    verdict = sandbox.judge(program, ADD_ONE, stop_at_failure=True)
    assert (verdict.outcome, len(verdict.cases)) == (expected, 1), verdict.message
    assert verdict.message or expected is Outcome.WRONG_ANSWER
    assert sandbox.judge(HONEST["print"], ADD_ONE).passed  # and leaves nothing behind


def test_every_test_is_judged_unless_asked_to_stop(sandbox: Judge) -> None:
    program = "n = int(input())\nprint(n + 1 if n != 1 else 0)"
    assert outcomes(sandbox.judge(program, ADD_ONE)) == ["passed", "wrong_answer", "passed", "passed"]
    stopped = sandbox.judge(program, ADD_ONE, stop_at_failure=True)
    assert outcomes(stopped) == ["passed", "wrong_answer"]
    assert (stopped.total, stopped.passed_tests) == (4, 1)


def test_a_failure_says_what_was_written_and_where_it_failed(sandbox: Judge) -> None:
    wrong = sandbox.judge("print('x' * 5000)", ADD_ONE, stop_at_failure=True)
    assert len(wrong.cases[0].output) == 1000
    assert "'1\\n'" in wrong.message
    raised = sandbox.judge("n = input()\nint('x')", ADD_ONE, stop_at_failure=True)
    assert raised.message == "ValueError: invalid literal for int() with base 10: 'x' (line 2)"


def test_time_is_processor_time_of_each_test(sandbox: Judge) -> None:
    # Sleeps longer than the limit of processor time, and less than the guard: that is no offence.
    program = "import time\ntime.sleep(0.4)\nprint(int(input()) + 1)"
    one = Suite("stdin", cases=ADD_ONE.cases[:1])
    verdict = sandbox.judge(program, one)
    assert verdict.passed
    assert 0 < verdict.cases[0].time_s < LIMITS.time_s
    assert verdict.cases[0].memory_bytes > 1 << 20


def test_when_the_time_for_all_tests_is_over_the_rest_counts_as_too_slow(sandbox: Judge) -> None:
    limits = Limits(time_s=5.0, total_s=1.0)
    verdict = sandbox.judge("n = input()\nwhile n != '0': pass\nprint(1)", ADD_ONE, limits)
    assert outcomes(verdict) == ["passed", "time_limit", "time_limit", "time_limit"]
    assert "together" in verdict.message


def test_a_program_sees_no_environment_and_no_home(sandbox: Judge) -> None:
    program = "import os\nprint(dict(os.environ), os.path.exists(os.path.expanduser('~/.ray')), os.geteuid() == 0)"
    verdict = sandbox.judge(program, Suite("stdin", cases=(Case(output="{} False False"),)))
    assert verdict.passed, verdict.message


def test_the_same_program_gets_the_same_random_numbers_and_hashes() -> None:
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
def test_calls(sandbox: Judge, program: str, expected: Outcome) -> None:
    verdict = sandbox.judge(program, ADD, stop_at_failure=True)
    assert verdict.outcome is expected, verdict.message


def test_a_tuple_equals_a_list_in_calls(sandbox: Judge) -> None:
    suite = Suite("call", cases=(Case(args=([1, 2],), expected=[[1, 2], "é"]),), entry_point="f")
    assert sandbox.judge("def f(x): return tuple(x), 'é'", suite).passed


@pytest.mark.parametrize(
    ("program", "suite", "expected"),
    [
        ("def f(x): return x + 1", asserts("assert f(1) == 2", "assert f(-1) == 0"), Outcome.PASSED),
        ("def f(x): return x", asserts("assert f(1) == 2"), Outcome.WRONG_ANSWER),
        ("def f(x): return [x, (x,)]", asserts("assert f(1) == [1, (1,)]"), Outcome.PASSED),
        ("def f(x): return [x]", asserts("assert f(1) == (1,)"), Outcome.WRONG_ANSWER),
        ("def f(x): return x / 3", asserts("assert abs(f(1) - 0.333333) < 1e-5"), Outcome.PASSED),
        ("def f(x): x.append(1)", asserts("a = []\nf(a)\nf(a)\nassert a == [1, 1]"), Outcome.PASSED),
        ("def f(x): raise KeyError(x)", asserts("try:\n    f(1)\nexcept KeyError: pass"), Outcome.PASSED),
        ("def f(x): raise KeyError(x)", asserts("assert f(1) == 2"), Outcome.RUNTIME_ERROR),
        ("def f(x): assert False", asserts("assert f(1) == 2"), Outcome.RUNTIME_ERROR),
        ("def sum(a, b): return a * b", asserts("assert sum(2, 3) == 6"), Outcome.PASSED),
        ("def f(x): return -x", asserts("def check(c):\n    assert abs(c(1)) == 1", entry_point="f"), Outcome.PASSED),
        ("x = 1", asserts("assert abs(-1) == 1"), Outcome.PASSED),
        ("import sys\ndef f(x): return x", asserts("assert f(1) < sys.maxsize"), Outcome.PASSED),
        ("def f(x): return y * x", asserts("assert f(1) == 2", setup="y = 2"), Outcome.RUNTIME_ERROR),
        ("def f(x): return x", asserts("assert f(y) == 2", setup="y = 2"), Outcome.PASSED),
        ("LIMIT = [3]", asserts("assert LIMIT == [3]"), Outcome.PASSED),
        ("def f(x): return x", asserts("def check(c):\n    assert c(1) == 1", entry_point="f"), Outcome.PASSED),
        ("def f(x): return 2", asserts("def check(c):\n    assert c(1) == 1", entry_point="f"), Outcome.WRONG_ANSWER),
        (
            "class Solution:\n    def f(self, n): return [n]",
            asserts("def check(c):\n    assert c(n=1) == [1]", entry_point="Solution().f"),
            Outcome.PASSED,
        ),
        ("def g(x): return x", asserts("def check(c):\n    assert c(1) == 1", entry_point="f"), Outcome.RUNTIME_ERROR),
        ("def f(", asserts("assert f(1) == 2"), Outcome.SYNTAX_ERROR),
        ("while True: pass", asserts("assert f(1) == 2"), Outcome.TIME_LIMIT),
        ("def f(x):\n    while True: pass", asserts("assert f(1) == 2"), Outcome.TIME_LIMIT),
        ("def f(x): return [0] * 10**9", asserts("assert f(1) == 2"), Outcome.MEMORY_LIMIT),
        ("def f(x): open('/tmp/x', 'w')", asserts("assert f(1) == 2"), Outcome.RUNTIME_ERROR),
    ],
)
def test_asserts(sandbox: Judge, program: str, suite: Suite, expected: Outcome) -> None:
    verdict = sandbox.judge(program, suite)
    if expected is Outcome.RUNTIME_ERROR and verdict.outcome is Outcome.FORBIDDEN:
        return  # a file that may not be written: not there in one tier, forbidden in another
    assert verdict.outcome is expected, verdict.message


CHEATS = {
    "exits": "import os\nos._exit(0)",
    "exits in the call": "import os\ndef f(x): os._exit(0)",
    "leaves by SystemExit": "def f(x): exit(0)",
    "equals everything": "class A:\n    def __eq__(self, o): return True\ndef f(x): return A()",
    "an integer that equals everything": "class I(int):\n    def __eq__(self, o): return True\ndef f(x): return I(7)",
    "patches what compares": "import builtins\nbuiltins.AssertionError = int\ndef f(x): return 0",
    "own abs": "def abs(x): return 0\ndef f(x): return 0",
    "walks frames": "import sys\ndef f(x):\n    frame = sys._getframe()\n    while frame:\n"
    "        frame.f_globals['f'] = lambda x: x + 1\n        frame = frame.f_back\n    return 0",
    "forges a report": "import os, struct\nos.write(3, struct.pack('=BBq', 0, 0, 0))\nos._exit(0)",
    "forges replies": "import os\nfor fd in range(3, 64):\n    try: os.write(fd, b'\\x01' + bytes(7) + b'2')\n"
    "    except OSError: pass\ndef f(x): return 0",
    "closes everything": "import os\nos.closerange(0, 99)\ndef f(x): return 2",
    "deep reply": "def f(x):\n    a = []\n    for _ in range(10**5): a = [a]\n    return a",
    "huge reply": "def f(x): return 'x' * 10**8",
    "module that lies": "class M:\n    isclose = lambda *a: True\nmath = M()\ndef f(x): return 0",
    "looks for the expected": "import gc\ndef f(x):\n    wanted = f'assert f({x}) == {x + 1}'\n"
    "    for o in gc.get_objects():\n"
    "        if isinstance(o, (list, tuple, dict)) and wanted in str(o)[:10**4]: return x + 1\n    return 0",
}


@pytest.mark.parametrize("name", CHEATS)
def test_no_cheat_passes(sandbox: Judge, name: str) -> None:
    suite = asserts("assert f(10) == 11", "assert abs(f(1.5) - 2.5) < 1e-6", "assert math.isclose(f(2), 3)")
    verdict = sandbox.judge(CHEATS[name], suite)
    assert verdict.passed_tests == 0, verdict


@pytest.mark.parametrize(
    ("program", "test"),
    [
        ("class Node:\n    pass\ndef f(x): return 1", "assert f(Node()) == 1"),
        ("def f(x): return x(1)", "assert f(lambda x: x) == 1"),
        ("def f(x): return 1", "assert f != 3"),
        ("def f(x): return 1", "assert f"),
        ("def f(x): return 1", "assert f(1) == "),
        (
            "class A:\n    def __eq__(self, o): return True\ndef f(x): return A()",
            "try:\n    f(1)\nexcept Exception: pass",
        ),
    ],
)
def test_what_cannot_be_kept_apart_is_unseparable_and_no_pass(sandbox: Judge, program: str, test: str) -> None:
    assert sandbox.judge(program, asserts(test)).outcome is Outcome.UNSEPARABLE


def test_a_suite_without_tests_is_refused(sandbox: Judge) -> None:
    with pytest.raises(SuiteError, match="without tests"):
        sandbox.judge("print(1)", Suite("stdin"))


def test_a_server_that_died_is_replaced() -> None:
    with Judge(LIMITS) as warm:
        assert warm.judge(HONEST["print"], ADD_ONE).passed
        before = warm.pid
        os.kill(before, signal.SIGKILL)
        os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)  # what it kept alive gets its signal before it is gone
        assert warm.judge(HONEST["print"], ADD_ONE).passed
        assert warm.pid != before


def test_hundreds_of_tests_and_large_inputs(sandbox: Judge) -> None:
    large = "7" * 500_000
    suite = Suite("stdin", cases=tuple(Case(input=large, output=large) for _ in range(3)))
    assert sandbox.judge("print(input())", suite).passed
    many = Suite("stdin", cases=tuple(Case(input=str(n), output=str(-n)) for n in range(500)))
    verdict = sandbox.judge("print(-int(input()))", many)
    assert verdict.passed_tests == 500
