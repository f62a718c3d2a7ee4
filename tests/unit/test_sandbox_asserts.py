"""The verdicts of assert suites: correct, failing and cheating programs, and tests that are unseparable."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from codeplan_sandbox import Judge, Limits, Outcome, Suite
from codeplan_sandbox.wire import OUTCOMES, REPORT

LIMITS = Limits(time_s=0.3, wall_factor=2.0, total_s=20.0)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Judge]:
    with Judge(LIMITS) as warm:
        yield warm


def asserts(*tests: str, setup: str = "", entry_point: str = "") -> Suite:
    return Suite("assert", tests=tests, setup=setup, entry_point=entry_point)


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
def test_assert_suites(sandbox: Judge, program: str, suite: Suite, expected: Outcome) -> None:
    verdict = sandbox.judge(program, suite)
    if expected is Outcome.RUNTIME_ERROR and verdict.outcome is Outcome.FORBIDDEN:
        return  # the file cannot be written: it is missing in one tier and forbidden in another
    assert verdict.outcome is expected, verdict.message


CHEATS = {
    "exits": "import os\nos._exit(0)",
    "exits in the call": "import os\ndef f(x): os._exit(0)",
    "leaves by SystemExit": "def f(x): exit(0)",
    "object that equals everything": "class A:\n    def __eq__(self, o): return True\ndef f(x): return A()",
    "integer that equals everything": "class I(int):\n    def __eq__(self, o): return True\ndef f(x): return I(7)",
    "patches AssertionError": "import builtins\nbuiltins.AssertionError = int\ndef f(x): return 0",
    "own abs": "def abs(x): return 0\ndef f(x): return 0",
    "walks frames": "import sys\ndef f(x):\n    frame = sys._getframe()\n    while frame:\n"
    "        frame.f_globals['f'] = lambda x: x + 1\n        frame = frame.f_back\n    return 0",
    "forges a report": "import os, struct\nos.write(3, struct.pack('=BBq', 0, 0, 0))\nos._exit(0)",
    "forges replies": "import os\nfor fd in range(3, 64):\n    try: os.write(fd, b'\\x01' + bytes(7) + b'2')\n"
    "    except OSError: pass\ndef f(x): return 0",
    "closes everything": "import os\nos.closerange(0, 99)\ndef f(x): return 2",
    "deep reply": "def f(x):\n    a = []\n    for _ in range(10**5): a = [a]\n    return a",
    "huge reply": "def f(x): return 'x' * 10**8",
    "object named like a module": "class M:\n    isclose = lambda *a: True\nmath = M()\ndef f(x): return 0",
    "searches memory for the expected value": "import gc\ndef f(x):\n    wanted = f'assert f({x}) == {x + 1}'\n"
    "    for o in gc.get_objects():\n"
    "        if isinstance(o, (list, tuple, dict)) and wanted in str(o)[:10**4]: return x + 1\n    return 0",
}


@pytest.mark.parametrize("name", CHEATS)
def test_cheating_program_passes_no_test(sandbox: Judge, name: str) -> None:
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
def test_tests_that_need_objects_of_the_program_are_unseparable(sandbox: Judge, program: str, test: str) -> None:
    assert sandbox.judge(program, asserts(test)).outcome is Outcome.UNSEPARABLE


@pytest.mark.parametrize("test", ["assert " + "-" * 100_000 + "1", "assert f() == " + "1+" * 100_000 + "1", "x = \0"])
def test_test_that_cannot_be_compiled_is_unseparable(sandbox: Judge, test: str) -> None:
    verdict = sandbox.judge("def f(): return 1", Suite("assert", tests=(test,)))
    assert verdict.outcome is Outcome.UNSEPARABLE
    assert "the test is not valid Python" in verdict.message


def test_tests_that_do_not_fit_into_memory_are_unseparable(sandbox: Judge) -> None:
    suite = Suite("assert", tests=("assert f() == 1", f"assert f() == {'1' * (40 << 20)!r}"))
    verdict = sandbox.judge("def f(): return 1", suite, Limits(time_s=9.0, memory_bytes=32 << 20))
    assert [case.outcome for case in verdict.cases] == [Outcome.UNSEPARABLE] * 2
    assert verdict.message == "the tests do not fit into the memory limit"


def test_program_cannot_call_a_test_unseparable(sandbox: Judge) -> None:
    report = REPORT.pack(OUTCOMES.index(Outcome.UNSEPARABLE), 0, 1)
    program = f"import os\nos.write(3, {report!r})\nwhile True: pass"
    assert sandbox.judge(program, Suite("assert", tests=("assert f() == 1",))).outcome is Outcome.EXITED_EARLY
