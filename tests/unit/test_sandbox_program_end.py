"""A program is finalised as under plain Python: output objects are flushed, and destructors can use its names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from codeplan_sandbox import Case, Judge, Limits, Outcome, Suite

HEAD = "import atexit, builtins, functools, io, os, sys, weakref\n"
BUFFERED = """
class Out:
    def __init__(self): self.parts = []
    def write(self, text): self.parts.append(text)
    def flush(self):
        os.write(1, "".join(self.parts).encode())
        self.parts = []
"""
FAST_IO = """
class FastIO(io.IOBase):
    def __init__(self, file):
        self._fd = file.fileno()
        self.buffer = io.BytesIO()
        self.writable = "x" in file.mode or "r" not in file.mode
        self.write = self.buffer.write if self.writable else None
    def flush(self):
        if self.writable:
            os.write(self._fd, self.buffer.getvalue())
            self.buffer.truncate(0), self.buffer.seek(0)
class IOWrapper(io.IOBase):
    def __init__(self, file):
        self.buffer = FastIO(file)
        self.flush = self.buffer.flush
        self.writable = self.buffer.writable
        self.write = lambda text: self.buffer.write(text.encode("ascii"))
sys.stdout = IOWrapper(sys.stdout)
"""
ANSWER = "print(int(input()) + 1)"
PROGRAMS = {
    "output object": f"{BUFFERED}sys.stdout = Out()\n{ANSWER}",
    "output object as __stdout__ too": f"{BUFFERED}sys.stdout = sys.__stdout__ = Out()\n{ANSWER}",
    "contest template FastIO": f"{FAST_IO}{ANSWER}",
    "closed that raises": f"{BUFFERED}Out.closed = property(lambda self: 1 // 0)\nsys.stdout = Out()\n{ANSWER}",
    "__getattr__ for every attribute": "class Out:\n    def write(self, text): os.write(1, text.encode())\n"
    f"    def __getattr__(self, name): return lambda *_: None\nsys.stdout = Out()\n{ANSWER}",
    "no flush": f"class Out:\n    def write(self, text): os.write(1, text.encode())\nsys.stdout = Out()\n{ANSWER}",
    "output object and sys.exit": f"{BUFFERED}sys.stdout = Out()\n{ANSWER}\nsys.exit(0)",
    "output object and thread": f"{BUFFERED}import threading\nsys.stdout = Out()\n"
    f"threading.Thread(target=lambda: {ANSWER}).start()",
    "exit handler that uses names of the module": "real, sys.stdout = sys.stdout, io.StringIO()\n"
    f"atexit.register(lambda: real.write(sys.stdout.getvalue()))\n{ANSWER}",
    "exit handler after print": "n = int(input())\nprint('', end=str(n + 1)[:-1])\n"
    "atexit.register(lambda: os.write(1, str(n + 1)[-1].encode()))",
    "destructor": "class D:\n    def __del__(self): os.write(1, str(n).encode())\nd = D()\nn = int(input()) + 1",
    "destructor that prints": "class D:\n    def __del__(self): print(result)\nd = D()\nresult = int(input()) + 1",
    "destructor in a module referenced elsewhere": "import __main__\nsys.kept = __main__\n"
    "class D:\n    def __del__(self): self.write(1, self.text)\n"
    "d = D()\nd.write, d.text = os.write, str(int(input()) + 1).encode()",
    "generator": "def f():\n    try: yield\n    finally: print(result)\ng = f()\nnext(g)\nresult = int(input()) + 1",
    "finalizer": "class X: pass\nx = X()\nweakref.finalize(x, lambda: print(result))\nresult = int(input()) + 1",
    "os.fdopen": f"sys.stdout = os.fdopen(1, 'w')\n{ANSWER}",
    "wrapper around the buffer": f"sys.stdout = io.TextIOWrapper(sys.stdout.buffer)\n{ANSWER}",
    "wrapper around the detached buffer": f"sys.stdout = io.TextIOWrapper(sys.stdout.detach())\n{ANSWER}",
    "detached buffer": "out = sys.stdout.detach()\nout.write(str(int(input()) + 1).encode())",
    "print replaced in builtins": f"builtins.print = functools.partial(print, file=open(1, 'w'))\n{ANSWER}",
    "file referenced by a module": "sys.kept = open(1, 'w')\nprint(int(input()) + 1, file=sys.kept)",
    "flush that exits": "class Out:\n    def write(self, text): os.write(1, text.encode())\n"
    f"    def flush(self): sys.exit(3)\nsys.stdout = Out()\n{ANSWER}",
    "stdout is None": "n, out = int(input()), sys.stdout\nsys.stdout = None\nout.write(str(n + 1))",
    "deleted stdout": "n, out = int(input()), sys.stdout\ndel sys.stdout\nout.write(str(n + 1))",
    "closed stderr": f"sys.stderr.close()\nos.close(2)\n{ANSWER}",
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Judge]:
    with Judge(Limits(time_s=1.0)) as warm:
        yield warm


@pytest.mark.parametrize("name", PROGRAMS)
def test_buffered_output_is_written_at_the_end(sandbox: Judge, name: str) -> None:
    cases = tuple(Case(input=f"{number}\n", output=f"{number + 1}\n") for number in (41, 7))
    verdict = sandbox.judge(HEAD + PROGRAMS[name], Suite("stdin", cases=cases))
    assert verdict.passed, verdict


@pytest.mark.parametrize("name", PROGRAMS)
def test_finalisation_does_not_change_the_result_of_a_call(sandbox: Judge, name: str) -> None:
    program = HEAD + PROGRAMS[name].replace("input()", "'1'") + "\ndef f(n): return n + 1"
    suite = Suite("call", cases=(Case(args=(1,), expected=2), Case(args=(2,), expected=3)), entry_point="f")
    verdict = sandbox.judge(program.replace("\nsys.exit(0)", ""), suite)
    assert verdict.passed, verdict
    asserted = Suite("assert", tests=("assert f(1) == 2", "assert f(2) == 3"))
    assert sandbox.judge(program.replace("\nsys.exit(0)", ""), asserted).passed


def test_output_that_is_never_written_is_missing(sandbox: Judge) -> None:
    verdict = sandbox.judge(
        "import io, sys\nsys.stdout = io.StringIO()\nprint(2)", Suite("stdin", cases=(Case("", "2"),))
    )
    assert verdict.outcome is Outcome.WRONG_ANSWER


def test_failed_flush_is_reported_if_the_output_is_wrong(sandbox: Judge) -> None:
    program = (
        "import sys\nclass Out:\n    def write(self, text): pass\n    def flush(self): self.parts\nsys.stdout = Out()"
    )
    verdict = sandbox.judge(f"{program}\nprint(2)", Suite("stdin", cases=(Case("", "2"),)))
    assert verdict.outcome is Outcome.WRONG_ANSWER
    assert "'Out' object has no attribute 'parts'" in verdict.message


def test_output_of_a_failing_test_is_shown_and_not_carried_over(sandbox: Judge) -> None:
    program = "n = int(input())\nprint(n)\nif n == 1: raise ValueError"
    verdict = sandbox.judge(program, Suite("stdin", cases=(Case("1", "1"), Case("2", "2"))))
    assert [case.outcome.value for case in verdict.cases] == ["runtime_error", "passed"]
    assert [case.output for case in verdict.cases] == ["1\n", "2\n"]
