"""What runs inside a test process, confined: it drives the untrusted program through one test after another.

Descriptors: 0-2 are the program's standard streams; 3 is the line to the server; 4 and 5 are second copies of input and
output, to repair 0 and 1 after programs that close them; 6 takes answers (a call's result, or why the test failed);
7 is the program's text, 8 its compiled form. 7 and 8 are closed before the program runs.
"""

from __future__ import annotations

import _thread
import atexit
import builtins
import errno
import gc
import json
import marshal
import os
import random
import resource
import signal
import sys
import threading
import types
from collections.abc import Callable
from typing import Any, NoReturn

from codeplan_sandbox import modules
from codeplan_sandbox.verdicts import Outcome
from codeplan_sandbox.wire import OUTCOMES, REPORT, STARTED

CONTROL, INPUT, OUTPUT, ANSWER, PROGRAM, COMPILED, PEER = 3, 4, 5, 6, 7, 8, 9

PROGRAM_NAME = "program.py"
_ANSWER_BYTES = 500
_RECURSION_LIMIT = 1000

Test = Callable[[types.CodeType], bool]
"""Runs the compiled program through one test and says whether that left threads behind, or had to wait for some; an
exception that leaves it is the program's."""


class AnswerError(Exception):
    """A call's result cannot be an answer; the message says why."""


def serve(test: Test) -> NoReturn:
    """Run tests as the server asks for them, until it hangs up.

    Args:
        test: what a test of this suite does.
    """
    os.write(CONTROL, STARTED)
    code: types.CodeType | BaseException
    try:
        code = _compiled()
    except BaseException as error:  # a compiler driven to its limits raises anything
        code = error
    os.close(PROGRAM)
    os.close(COMPILED)
    untouched = dict(builtins.__dict__)
    namespaces = [vars(module) for module in sys.modules.values() if isinstance(module, types.ModuleType)]
    names = sum(map(len, namespaces))
    while os.read(CONTROL, 1):
        outcome, threads = (_syntax_error(code), False) if isinstance(code, BaseException) else _attempt(test, code)
        # What a program leaves in modules, the next test of it would find, and an interpreter of its own would not.
        tainted = threads or builtins.__dict__ != untouched or sum(map(len, namespaces)) != names
        report(outcome, tainted)
        if tainted:
            break
    os._exit(0)


def report(outcome: Outcome, tainted: bool = False) -> None:
    """Tell the server how a test ended; where the program closed the line, its exit status has to do."""
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        os.write(CONTROL, REPORT.pack(OUTCOMES.index(outcome), tainted, memory))
    except OSError:
        os._exit(0 if outcome is Outcome.PASSED else 1)


def explain(text: str) -> None:
    """Leave the reason of a failure for the judge."""
    try:
        os.ftruncate(ANSWER, 0)
        os.pwrite(ANSWER, text.encode("utf-8", "replace")[:_ANSWER_BYTES], 0)
    except OSError:  # the program closed it: the outcome says enough
        return


def new_main() -> types.ModuleType:
    """An empty ``__main__`` for the program, with fresh standard streams and the interpreter's usual state."""
    os.dup2(INPUT, 0)
    os.dup2(OUTPUT, 1)
    os.lseek(0, 0, os.SEEK_SET)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - lives as long as the test
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.__stdin__, sys.__stdout__ = sys.stdin, sys.stdout  # type: ignore[misc] # Final for others; this is the start-up
    sys.setrecursionlimit(_RECURSION_LIMIT + _own_frames())
    sys.argv = [PROGRAM_NAME]
    signal.setitimer(signal.ITIMER_REAL, 0)
    random.seed(0)
    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = main
    return main


def _own_frames() -> int:
    """How many frames lie below the program's first: it shall have the depth that it has under a plain interpreter."""
    frames, frame = 0, sys._getframe()
    while frame.f_back is not None:
        frames, frame = frames + 1, frame.f_back
    return frames


def run_stdin(code: types.CodeType) -> bool:
    """A stdin test: the program runs from its first line to its end."""
    main = new_main()
    try:
        exec(code, main.__dict__)  # noqa: S102 - this process exists for it
    except SystemExit as leaving:
        if leaving.code not in (None, 0):
            raise
    return _finish(main)


def call_test(entry_point: str) -> Test:
    """A call test: the program is loaded, its function called, and the result left as JSON."""
    names = modules.prelude()

    def run_call(code: types.CodeType) -> bool:
        arguments = json.loads(os.pread(INPUT, os.fstat(INPUT).st_size, 0))
        main = new_main()
        main.__dict__.update(names)
        exec(code, main.__dict__)  # noqa: S102
        answer = _as_json(resolve(main.__dict__, entry_point)(*arguments))
        threads = _finish(main)
        os.ftruncate(ANSWER, 0)
        os.lseek(ANSWER, 0, os.SEEK_SET)
        while answer:
            answer = answer[os.write(ANSWER, answer) :]
        return threads

    return run_call


def resolve(namespace: dict[str, Any], entry_point: str) -> Any:
    """The function that tests call: a name, a method of the class ``Solution``, or an expression as ``Solution().f``.

    Raises:
        NameError: the program does not define it.
    """
    if not entry_point.isidentifier():
        return eval(entry_point, namespace)  # noqa: S307 - in the program's own process
    if entry_point in namespace:
        return namespace[entry_point]
    solution = namespace.get("Solution")
    if hasattr(solution, entry_point):
        return getattr(solution(), entry_point)  # type: ignore[misc] # hasattr: it is no None
    raise NameError(f"the program does not define {entry_point}")


def classify(error: BaseException) -> Outcome:
    """What an exception that nobody caught says about the program."""
    if isinstance(error, AnswerError):
        return Outcome.WRONG_ANSWER
    if isinstance(error, MemoryError):
        return Outcome.MEMORY_LIMIT
    if isinstance(error, PermissionError):
        return Outcome.FORBIDDEN
    if isinstance(error, OSError):
        return _OUTCOME_OF_ERRNO.get(error.errno or 0, Outcome.RUNTIME_ERROR)
    if isinstance(error, RuntimeError) and error.args == ("can't start new thread",):
        return Outcome.PROCESS_LIMIT
    return Outcome.RUNTIME_ERROR


_OUTCOME_OF_ERRNO = {
    errno.EROFS: Outcome.FORBIDDEN,
    errno.EFBIG: Outcome.OUTPUT_LIMIT,
    errno.ENOMEM: Outcome.MEMORY_LIMIT,
}


def describe(error: BaseException) -> str:
    """One line: the type and the text of an exception, and the program's line."""
    line = line_in(error, PROGRAM_NAME)
    where = f" (line {line})" if line else ""
    name = type.__dict__["__name__"].__get__(type(error))  # whatever a metaclass says
    return f"{name}: {text_of(error)}".removesuffix(": ") + where


def text_of(error: BaseException) -> str:
    """The exception's text, also where its ``__str__``, which the program may have written, fails."""
    try:
        return str.__str__(str(error))
    except BaseException:
        return ""


def line_in(error: BaseException, file: str) -> int:
    """The innermost line of a file that an exception passed, 0 where it passed none."""
    line, trace = 0, BaseException.__dict__["__traceback__"].__get__(error)
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _attempt(test: Test, code: types.CodeType) -> tuple[Outcome, bool]:
    try:
        return Outcome.PASSED, test(code)
    except SystemExit as leaving:
        code_left = leaving.code
        explain(f"exit status {code_left if isinstance(code_left, int) else text_of(leaving)}")
        outcome = Outcome.RUNTIME_ERROR if test is run_stdin else Outcome.EXITED_EARLY
    except BaseException as error:  # whatever the program raises is its own failure
        outcome = Outcome.RUNTIME_ERROR
        try:
            explain(describe(error))
            outcome = classify(error)
        except BaseException:  # its attributes are the program's code
            explain("an exception that fails when it is looked at")
    return outcome, _thread._count() > 0


def _finish(main: types.ModuleType) -> bool:
    """What an interpreter does at its end: wait for threads, run exit handlers, write out what is buffered.

    Returns:
        Whether there were threads: the interpreter waits for them only once.
    """
    threads = _thread._count() > 0
    if threads:
        threading._shutdown()  # type: ignore[attr-defined] # what the interpreter calls itself
    atexit._run_exitfuncs()
    _flush()
    main.__dict__.clear()
    gc.collect()
    _flush()  # what destructors printed
    return threads


def _flush() -> None:
    for stream in (sys.stdout, sys.__stdout__):
        try:
            open_still = stream is not None and not getattr(stream, "closed", False)
        except ValueError:  # its buffer was detached: another stream writes there
            continue
        if stream is not None and open_still:
            stream.flush()


def _as_json(value: Any) -> bytes:
    try:
        return json.dumps(value).encode()
    except MemoryError:
        raise
    except Exception as error:
        raise AnswerError(f"the result, a {type(value).__name__}, is no JSON value: {error}") from error


def _syntax_error(error: BaseException) -> Outcome:
    explain(f"{type(error).__name__}: {error}")
    return classify(error) if isinstance(error, MemoryError) else Outcome.SYNTAX_ERROR


def _compiled() -> types.CodeType:
    """Compile the program, or take what an earlier process of this program compiled.

    The first eight bytes of the compiled form are its length, and are written last.
    """
    stored = os.pread(COMPILED, os.fstat(COMPILED).st_size, 0)
    if stored and int.from_bytes(stored[:8], "little") == len(stored) - 8:
        code: types.CodeType = marshal.loads(stored[8:])  # noqa: S302 - written before any program ran
        return code
    source = os.pread(PROGRAM, os.fstat(PROGRAM).st_size, 0)
    code = compile(source, PROGRAM_NAME, "exec", dont_inherit=True)
    compiled = marshal.dumps(code)
    os.pwrite(COMPILED, compiled, 8)
    os.pwrite(COMPILED, len(compiled).to_bytes(8, "little"), 0)
    return code
