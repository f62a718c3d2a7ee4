"""Calls that contest programs make work in every tier: standard streams by path, their own file, a large stack."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from codeplan_sandbox import TIERS, Case, Judge, Limits, Outcome, SandboxError, Suite

CASES = (Case("3\n1 2 3\n", "6\n"), Case("2\n4 5\n", "9\n"))
DEEP = """
import sys, threading
sys.setrecursionlimit(10**9)
threading.stack_size({stack})
def total(xs, i): return 0 if i == len(xs) else xs[i] + total(xs, i + 1)
def main():
    n = int(input())
    print(total([0] * 100_000 + list(map(int, input().split())), 0))
thread = threading.Thread(target=main)
thread.start()
thread.join()
"""
SUM = "n, *xs = map(int, {}.split())\nprint(sum(xs))"
RAISE_STACK = "import resource as r\n{}\n" + SUM.format("open(0).read()")
PROGRAMS = {
    "/dev/stdin": SUM.format("open('/dev/stdin').read()"),
    "/dev/fd/0": SUM.format("open('/dev/fd/0', encoding='utf-8').read()"),
    "/proc/self/fd/0": SUM.format("' '.join(open('/proc/self/fd/0').readlines())"),
    "/proc/PID/fd/0": "import os\n" + SUM.format("open(f'/proc/{os.getpid()}/fd/0').read()"),
    "bytes": SUM.format("open(b'/dev/stdin', 'rb').read()"),
    "io.open": "import io\n" + SUM.format("io.open('/dev/stdin', 'r').read()"),
    "os.open": "import os\n" + SUM.format("os.read(os.open('/dev/stdin', os.O_RDONLY), 99)"),
    "pathlib": "from pathlib import Path\n" + SUM.format("Path('/dev/stdin').read_text()"),
    "codecs": "import codecs\n" + SUM.format("codecs.open('/dev/stdin', encoding='utf-8').read()"),
    "fileinput": "import fileinput\n" + SUM.format("' '.join(fileinput.input('/dev/stdin'))"),
    "as an attribute of a class": "class A: opened = open\n" + SUM.format("A().opened('/dev/stdin').read()"),
    "twice": SUM.format("(open('/dev/stdin').read() and open('/dev/stdin').read())"),
    "as sys.stdin": "import sys\nsys.stdin = open('/dev/stdin')\ninput()\nprint(sum(map(int, input().split())))",
    "open(0) as sys.stdin": "import sys\nsys.stdin = open(0)\ninput = sys.stdin.readline\ninput()\n"
    "print(sum(map(int, input().split())))",
    "/dev/stdout": "n = input()\nwith open('/dev/stdout', 'w') as out: print(sum(map(int, input().split())), file=out)",
    "/dev/stderr": "import sys\nprint('noise', file=open('/dev/stderr', 'w'))\n" + SUM.format("sys.stdin.read()"),
    "__file__": "import os, sys\nhere = os.path.dirname(os.path.abspath(__file__))\n"
    "assert os.path.abspath(sys.argv[0]) == os.path.abspath(__file__) and os.path.basename(__file__) == sys.argv[0]\n"
    "assert (__name__, __spec__, __doc__, __package__, __cached__) == ('__main__', None, None, None, None)\n"
    + SUM.format("sys.stdin.read()"),
    "its own source": "import inspect\ndef f(): return 'a comment'  # here\n"
    "assert 'a comment' in open(__file__).read() and '# here' in inspect.getsource(f)\n" + SUM.format("open(0).read()"),
    "stack of 256 MiB": DEEP.format(stack="256 * 1024 * 1024"),
    "stack of 512 MiB": DEEP.format(stack="1 << 29"),
    "stack of 64 MiB": DEEP.format(stack="1 << 26"),
    "recursion through C": DEEP.format(stack="1 << 28").replace(
        "def total(xs, i): return 0 if i == len(xs) else xs[i] + total(xs, i + 1)",
        "import functools\n@functools.cache\ndef depth(i): return i and 1 + depth(i - 1)\n"
        "def total(xs, _): return sum(xs) + depth(100_000) - 100_000",
    ),
    "RLIMIT_STACK": RAISE_STACK.format("r.setrlimit(r.RLIMIT_STACK, (2 ** 28, r.RLIM_INFINITY))"),
    "RLIMIT_STACK without limit": RAISE_STACK.format("r.setrlimit(r.RLIMIT_STACK, (-1, -1))"),
    "RLIMIT_STACK as a list": RAISE_STACK.format("r.setrlimit(r.RLIMIT_STACK, [2 ** 29, 2 ** 30])"),
    "RLIMIT_STACK, soft": RAISE_STACK.format("r.setrlimit(r.RLIMIT_STACK, (r.getrlimit(r.RLIMIT_STACK)[1],) * 2)"),
    "prlimit": RAISE_STACK.format("r.prlimit(0, r.RLIMIT_STACK, (-1, -1))\nr.prlimit(0, r.RLIMIT_STACK)"),
    "alarm": "import signal\nsignal.alarm(9)\n" + SUM.format("open(0).read()"),
    "cpu_count": "import os\nassert os.cpu_count()\n" + SUM.format("open(0).read()"),
}


@pytest.fixture(params=[tier for tier in TIERS if tier != "limits"], scope="module")
def sandbox(request: pytest.FixtureRequest) -> Iterator[Judge]:
    try:
        judge = Judge(Limits(time_s=2.0), strongest_tier=request.param, allow_tier=request.param)
    except SandboxError as error:
        pytest.skip(str(error))
    with judge:
        yield judge


@pytest.mark.parametrize("name", PROGRAMS)
def test_harmless_calls_work_in_every_tier(sandbox: Judge, name: str) -> None:
    verdict = sandbox.judge(PROGRAMS[name], Suite("stdin", cases=CASES))
    assert verdict.passed, verdict.message


@pytest.mark.parametrize(
    "path",
    [
        "/dev/fd/3",
        "/proc/self/fd/7",
        "/proc/1/fd/0",
        "/proc/self/environ",
        "/dev/stdin/x",
        "/dev/tty",
    ],
)
def test_other_files_cannot_be_opened(sandbox: Judge, path: str) -> None:
    for call in ("open({!r}, 'rb').read(9)", "__import__('os').open({!r}, 0)"):
        verdict = sandbox.judge(call.format(path), Suite("stdin", cases=CASES))
        assert verdict.outcome in (Outcome.RUNTIME_ERROR, Outcome.FORBIDDEN), verdict


def test_invalid_calls_fail(sandbox: Judge) -> None:
    for call in (
        "open('/dev/stdin', 'nonsense')",
        "open(None)",
        "r.setrlimit(r.RLIMIT_STACK, (2, 1))",
        "r.setrlimit(r.RLIMIT_STACK, 5)",
        "r.setrlimit(r.RLIMIT_NOFILE, (-1, -1))",
        "threading.stack_size(1)",
    ):
        verdict = sandbox.judge(f"import threading, resource as r\n{call}", Suite("stdin", cases=CASES))
        assert verdict.outcome in (Outcome.RUNTIME_ERROR, Outcome.FORBIDDEN), call


def test_only_one_large_stack_is_exempt_from_the_memory_limit(sandbox: Judge) -> None:
    threads = "threads = [threading.Thread(target=time.sleep, args=(9,), daemon=True) for _ in range(4)]"
    program = f"import threading, time\nthreading.stack_size(1 << 28)\n{threads}\nfor t in threads: t.start()"
    assert sandbox.judge(program, Suite("stdin", cases=CASES)).outcome is Outcome.PROCESS_LIMIT
    hog = "import threading, resource as r\nthreading.stack_size(1 << 28)"
    hog += "\nr.setrlimit(r.RLIMIT_AS, (r.getrlimit(r.RLIMIT_AS)[1],) * 2)"
    verdict = sandbox.judge(f"{hog}\nx = bytearray(600 << 20)", Suite("stdin", cases=CASES))
    assert verdict.outcome is Outcome.MEMORY_LIMIT


def test_stack_overflow_is_reported(sandbox: Judge) -> None:
    program = "import sys, functools\nsys.setrecursionlimit(10**9)\n@functools.cache\ndef f(n): return f(n + 1)\nf(0)"
    verdict = sandbox.judge(program, Suite("stdin", cases=CASES))
    assert not verdict.passed
    assert "recursion" in verdict.message or verdict.outcome is Outcome.MEMORY_LIMIT
