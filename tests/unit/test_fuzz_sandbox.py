"""Random programs and tests: each gets a verdict, none passes by chance or by forging, and the server survives all.

The programs do not name files: those that do belong to `tests/hostile`, whose jail is around the sandbox.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeplan_sandbox import Case, Judge, Limits, Outcome, Suite, SuiteVerdict

pytestmark = pytest.mark.fuzz
EXAMPLES = settings().max_examples if os.environ.get("HYPOTHESIS_PROFILE") == "fuzz" else 60
LIMITS = Limits(time_s=0.05, wall_factor=2.0, total_s=1.0, memory_bytes=64 << 20, output_bytes=1 << 16)
SECRET = secrets.token_hex(8)
"""What the tests expect; no program knows it."""

SUITES = {
    "stdin": Suite("stdin", cases=(Case("1 2\n", SECRET), Case("", SECRET))),
    "call": Suite("call", cases=(Case(args=(1,), expected=SECRET), Case(args=("",), expected=SECRET)), entry_point="f"),
    "assert": Suite("assert", tests=(f"assert f(1) == {SECRET!r}", f"x = f('')\nassert x == {SECRET!r}")),
}
CORRECT = Suite("stdin", cases=(Case("1", "2"), Case("2", "3")))

EXPRESSIONS = st.sampled_from(
    [
        "1",
        "-1",
        "0.5",
        "10**20",
        "10**400",
        "'x'",
        "b'x'",
        "'é\\ud800'",
        "[]",
        "()",
        "{}",
        "set()",
        "None",
        "True",
        "float('nan')",
        "f",
        "f(1)",
        "sys",
        "os.urandom(3)",
        "input()",
        "sys.stdin.read()",
        "open(0).read()",
        "range(9)",
        "[*range(999)]",
        "bytearray(1<<20)",
        "lambda:0",
        "iter([])",
        "type(sys.stdout)",
        "1/0",
        "int('x')",
        "(yield)",
        "super()",
        "__import__('ctypes')",
        "globals()",
        "object()",
        "''.join(map(chr,range(999)))",
        "os.getpid()",
        "os.environ",
        "signal.SIGKILL",
        "threading.current_thread()",
        "sys.modules",
        "vars(sys)",
        "builtins.__dict__",
    ]
)
DESCRIPTORS = st.integers(0, 20)
BYTES = st.binary(max_size=24) | st.sampled_from(
    [bytes([0, 0, 1, *bytes(7)]), bytes([10, 0, 1, *bytes(7)]), bytes([0, 1, *b"\xff" * 8]), bytes(10), b"started", b""]
)
LEAVES = (
    st.builds("print({})".format, EXPRESSIONS)
    | st.builds("print({}, file=sys.stderr)".format, EXPRESSIONS)
    | st.builds("x = {}".format, EXPRESSIONS)
    | st.builds("del {}".format, st.sampled_from(["x", "f", "sys.stdout", "builtins.print", "sys.modules['os']"]))
    | st.builds(
        "raise {}".format, st.sampled_from(["E()", "KeyError", "SystemExit", "MemoryError", "BaseException()", "3"])
    )
    | st.builds("os._exit({})".format, st.integers(-3, 300))
    | st.builds("sys.exit({})".format, st.sampled_from(["", "0", "1", "'x'", "256", "None", "E()"]))
    | st.builds("os.close({})".format, DESCRIPTORS)
    | st.builds("os.closerange({}, {})".format, DESCRIPTORS, DESCRIPTORS)
    | st.builds("os.write({}, {!r})".format, DESCRIPTORS, BYTES)
    | st.builds("os.pwrite({}, {!r}, {})".format, DESCRIPTORS, BYTES, st.sampled_from([0, 5, 65536, 1 << 40]))
    | st.builds("os.read({}, 9)".format, DESCRIPTORS)
    | st.builds("os.dup2({}, {})".format, DESCRIPTORS, DESCRIPTORS)
    | st.builds("os.ftruncate({}, {})".format, DESCRIPTORS, st.sampled_from([0, 1, 65537, 1 << 33]))
    | st.builds("os.lseek({}, {}, {})".format, DESCRIPTORS, st.sampled_from([0, 7, 1 << 40]), st.integers(0, 2))
    | st.builds("fcntl.fcntl({}, {}, {})".format, DESCRIPTORS, st.integers(0, 40), st.integers(0, 5000))
    | st.builds("os.set_blocking({}, {})".format, DESCRIPTORS, st.booleans())
    | st.builds(
        "threading.Thread(target={}).start()".format, st.sampled_from(["f", "print", "input", "lambda: os._exit(0)"])
    )
    | st.builds("threading.Thread(target=time.sleep, args=(9,), daemon={}).start()".format, st.booleans())
    | st.builds("atexit.register({})".format, st.sampled_from(["f", "print", "os.abort", "lambda: os._exit(3)"]))
    | st.builds("signal.signal({}, {})".format, st.integers(1, 64), st.sampled_from(["signal.SIG_IGN", "f"]))
    | st.builds("signal.setitimer({}, 0.001)".format, st.integers(0, 2))
    | st.builds("resource.setrlimit({}, ({}, {}))".format, st.integers(0, 15), st.integers(-1, 99), st.integers(-1, 99))
    | st.builds("sys.setrecursionlimit({})".format, st.sampled_from([50, 10**4, 10**8]))
    | st.builds("builtins.{} = {}".format, st.sampled_from(["print", "len", "open", "BaseException"]), EXPRESSIONS)
    | st.builds(
        "{} = {}".format, st.sampled_from(["os.write", "sys.stdout", "sys.stdin", "json.dumps", "f"]), EXPRESSIONS
    )
    | st.builds(
        "import {}".format,
        st.sampled_from(["numpy", "this", "json", "decimal", "asyncio", "os.path", "x.y", "__main__"]),
    )
    | st.sampled_from(
        [
            "time.sleep(9)",
            "gc.collect()",
            "sys.stdout.close()",
            "sys.stdin.detach()",
            "ctypes.string_at(0)",
            "os.abort()",
            "os.fork()",
            "os.kill(os.getppid(), 9)",
            "socket.socket()",
            "x = 'a' * (1 << 28)",
            "x = [x, x]",
            "pass",
            "global x",
            "return",
            "break",
            "await x",
            "print('x' * 99999)",
            "def f(*a): return a",
            "class E(Exception): __str__ = 3",
            "sys.settrace(f)",
            "x +=",
            "'''",
            ")",
            "\t \x0c",
        ]
    )
)


def block(body: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    heads = st.sampled_from(
        ["while True:", "for x in range(3):", "if x:", "def f(*a):", "class E(Exception):", "with open(0) as x:"]
    )
    indented = st.lists(body, min_size=1, max_size=3).map(lambda lines: "\n".join(lines).replace("\n", "\n    "))
    return st.builds("{}\n    {}".format, heads, indented) | st.builds(
        "try:\n    {}\nexcept {}:\n    {}\nfinally:\n    pass".format,
        indented,
        st.sampled_from(["BaseException", "OSError", "x", "(KeyError, MemoryError)"]),
        indented,
    )


HEAD = (
    "import atexit, asyncio, builtins, ctypes, fcntl, gc, json, os, resource, signal, socket, sys, threading, time\n"
    "x = 0\ndef f(*a): return a\nclass E(BaseException): pass\n"
)
PROGRAMS = st.lists(st.recursive(LEAVES, block, max_leaves=8), min_size=1, max_size=7).map("\n".join).map(HEAD.__add__)
TEXTS = (
    st.text(st.characters(), max_size=200)
    | st.binary(max_size=200).map(lambda data: data.decode("utf-8", "surrogateescape"))
    | st.binary(max_size=200).map(lambda data: data.decode("latin-1"))
)
LONG = st.sampled_from(
    [
        "(",
        "[",
        "-",
        "not ",
        "x.",
        "1+",
        "lambda:",
        "if 1:\n ",
        "\n",
        "\\\n",
        "'",
        "#",
        "\0",
        "é",
        "{",
        "f'{",
        "@x\n",
        "x=",
        "9",
    ]
)


def damaged(change: tuple[str, int, int, str]) -> str:
    program, start, length, inserted = change
    start %= len(program)
    return program[:start] + inserted + program[start + length :]


SOURCES = (
    PROGRAMS
    | TEXTS
    | st.tuples(PROGRAMS, st.integers(0, 2000), st.integers(0, 9), TEXTS | st.sampled_from(["\ufeff", "\x00"])).map(
        damaged
    )
    | PROGRAMS.map(lambda program: "\ufeff" + program.replace("\n", "\r\n"))
    | st.tuples(LONG, st.integers(0, 20000), TEXTS).map(lambda parts: parts[0] * parts[1] + parts[2])
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Judge]:
    with Judge(LIMITS) as warm:
        yield warm


def check_alive(sandbox: Judge, server: int) -> None:
    verdict = sandbox.judge("print(int(input()) + 1)", CORRECT, Limits(time_s=5.0))
    assert verdict.passed, verdict.message
    assert sandbox.pid == server, "the fork server was replaced"


def check(verdict: SuiteVerdict, suite: Suite) -> None:
    assert verdict.total_tests == len(verdict.cases) == len(suite)
    for result in verdict.cases:
        assert result.outcome in Outcome
        assert len(result.output) <= 1000
        assert len(result.message) <= 500
        assert 0 <= result.time_s < 10
        assert 0 <= result.memory_bytes < 1 << 40


@settings(max_examples=EXAMPLES, deadline=None)
@given(source=SOURCES, kind=st.sampled_from(sorted(SUITES)))
def test_random_programs_fail_and_change_nothing(sandbox: Judge, source: str, kind: str) -> None:
    server = sandbox.pid
    verdict = sandbox.judge(source, SUITES[kind])
    check(verdict, SUITES[kind])
    assert verdict.passed_tests == 0, "no program knows what the tests expect"
    assert kind == "assert" or all(result.outcome is not Outcome.UNSEPARABLE for result in verdict.cases)
    check_alive(sandbox, server)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
ODD_TEXTS = st.text(st.characters(), max_size=60) | st.sampled_from(
    [
        "",
        "\0",
        "\ufeff1\r\n",
        "\ud800",
        "1" * 70000,
        "\n" * 9999,
        "f",
        "Solution().f",
        "(",
        "x" * 9999,
        "-" * 9999 + "1",
    ]
)
TESTS = st.lists(
    ODD_TEXTS | PROGRAMS | st.builds("assert f({}) == {}".format, EXPRESSIONS, EXPRESSIONS), min_size=1, max_size=3
)


@st.composite
def suites(draw: st.DrawFn) -> Suite:
    kind = draw(st.sampled_from(["stdin", "call", "assert"]))
    comparator: Any = draw(st.sampled_from([None, "tokens", "exact", "apps"]))
    if kind == "assert":
        tests = tuple(draw(TESTS))
        return Suite("assert", tests=tests, setup=draw(ODD_TEXTS), entry_point=draw(ODD_TEXTS), comparator=comparator)
    if kind == "stdin":
        pairs = draw(st.lists(st.tuples(ODD_TEXTS, ODD_TEXTS), min_size=1, max_size=3))
        return Suite("stdin", cases=tuple(Case(*pair) for pair in pairs), comparator=comparator)
    calls = draw(st.lists(st.tuples(st.lists(JSON, max_size=2), JSON), min_size=1, max_size=3))
    cases = tuple(Case(args=tuple(args), expected=expected) for args, expected in calls)
    return Suite("call", cases=cases, entry_point=draw(st.just("f") | ODD_TEXTS.filter(bool)), comparator=comparator)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    suite=suites(),
    program=st.sampled_from(
        ["def f(*a): return a and a[0]", "import sys\nprint(sys.stdin.read())\ndef f(x): return x"]
    ),
)
def test_random_tests_get_verdicts(sandbox: Judge, suite: Suite, program: str) -> None:
    server = sandbox.pid
    check(sandbox.judge(program, suite), suite)
    check_alive(sandbox, server)
