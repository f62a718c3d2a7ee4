"""Run the untrusted program on one test after another, inside a confined test process.

Descriptors: 0-2 are the program's standard streams; 3 is the control socket to the server; 4 and 5 are copies of input
and output, to restore 0 and 1 after programs that close them; 6 is the answer (a call's result, or why the test
failed); 7 is the program's source, 8 its compiled form. 7 and 8 are closed before the program runs.
"""

from __future__ import annotations

import _thread
import builtins
import contextlib
import errno
import json
import marshal
import os
import resource
import sys
import types
from collections.abc import Callable
from typing import Any, NoReturn

from codeplan_sandbox import entry_points, host_calls, main_module, modules
from codeplan_sandbox.main_module import INPUT_COPY, PROGRAM_NAME
from codeplan_sandbox.module_state import ModuleState
from codeplan_sandbox.verdicts import Outcome
from codeplan_sandbox.wire import OUTCOMES, REPORT, STARTED

# The functions below use these built-in names, whatever a program assigns in `builtins`.
__builtins__ = vars(builtins).copy()  # type: ignore[assignment]

CONTROL, ANSWER, PROGRAM, COMPILED = 3, 6, 7, 8

_MAX_REASON_BYTES = 500

TestDriver = Callable[[types.CodeType], bool]
"""Runs the compiled program on one test; returns whether the program started threads. Exceptions that it raises are the
program's."""


class ResultError(Exception):
    """The result of a call cannot be written as JSON; the message says why."""


def serve(test: TestDriver, state: ModuleState, names: dict[str, Any], *, store: bool) -> NoReturn:
    """Run tests at the server's orders, until it closes the control socket.

    Args:
        test: runs a test of this kind of suite.
        state: the modules before the program ran.
        names: names that are available to the program in addition to the built-in ones.
        store: whether to keep the compiled program for the next process of this program.
    """
    os.write(CONTROL, STARTED)
    code = load_program(store=store)
    os.close(PROGRAM)
    os.close(COMPILED)
    modules.hide_packages()
    state.add_builtins(names)
    tainted = False
    while not tainted and os.read(CONTROL, 1):
        tainted = run_and_report(test, code, state)
    os._exit(0)


def run_and_report(test: TestDriver, code: types.CodeType | BaseException, state: ModuleState) -> bool:
    """Run one test, and report how it ended; returns whether another one would see what it left behind."""
    outcome, threads = (_syntax_error(code), False) if isinstance(code, BaseException) else _run_test(test, code)
    tainted = threads or state.changed()
    if tainted and outcome is Outcome.PASSED:
        state.remove_additions()
        main_module.flush_original_stdout()
    report(outcome, tainted)
    return tainted


def report(outcome: Outcome, tainted: bool = False) -> None:
    """Report to the server how a test ended; by the exit status if the program closed the control socket."""
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        os.write(CONTROL, REPORT.pack(OUTCOMES.index(outcome), tainted, memory))
    except OSError:
        os._exit(0 if outcome is Outcome.PASSED else 1)


def write_reason(text: str) -> None:
    """Write why a test failed to the answer file, for the judge."""
    try:
        os.ftruncate(ANSWER, 0)
        os.pwrite(ANSWER, text.encode("utf-8", "replace")[:_MAX_REASON_BYTES], 0)
    except OSError:  # the program closed it: the outcome has to do
        return


def run_stdin(code: types.CodeType) -> bool:
    """A stdin test: run the program as a script."""
    try:
        exec(code, main_module.start())  # noqa: S102 - this process exists for it
    except SystemExit as error:
        if error.code not in (None, 0):
            raise
    threads, failure = main_module.finish()
    if failure is not None:  # the output decides; if it is wrong, this explains why
        write_reason(f"flushing sys.stdout at the end failed with {describe(failure)}")
    return threads


def call_test(entry_point: str, *, integer_keys: bool) -> TestDriver:
    """A call test: load the program, call its function, and write the result as JSON.

    Args:
        entry_point: see `entry_points.for_call`.
        integer_keys: whether keys of a dict argument become integers, as JSON has none, if all are decimal integers.
    """

    def run_call(code: types.CodeType) -> bool:
        arguments = json.loads(os.pread(INPUT_COPY, os.fstat(INPUT_COPY).st_size, 0))
        if integer_keys:
            arguments = [_with_integer_keys(argument) for argument in arguments]
        namespace = main_module.start()
        exec(code, namespace)  # noqa: S102
        answer = _as_json(entry_points.for_call(namespace, entry_point)(*arguments))
        del namespace, arguments
        threads = _finish_call()
        os.ftruncate(ANSWER, 0)
        os.lseek(ANSWER, 0, os.SEEK_SET)
        while answer:
            answer = answer[os.write(ANSWER, answer) :]
        return threads

    return run_call


def _with_integer_keys(argument: Any) -> Any:
    """As APPS' harness does: convert the keys of a dict if all of them are integers."""
    if not isinstance(argument, dict):
        return argument
    try:
        return {int(key): value for key, value in argument.items()}
    except ValueError:
        return argument


def _finish_call() -> bool:
    """Finish the program after its call has returned; errors of output are ignored."""
    try:
        return main_module.finish()[0]
    except OSError:
        return True


def classify(error: BaseException) -> Outcome:
    """The outcome that an uncaught exception of the program stands for."""
    if isinstance(error, ResultError):
        return Outcome.WRONG_ANSWER
    if isinstance(error, MemoryError):
        return Outcome.MEMORY_LIMIT
    if isinstance(error, PermissionError):
        return Outcome.FORBIDDEN
    if isinstance(error, OSError):
        return _ERRNO_OUTCOMES.get(error.errno or 0, Outcome.RUNTIME_ERROR)
    if isinstance(error, RuntimeError) and error.args == ("can't start new thread",):
        return Outcome.PROCESS_LIMIT
    return Outcome.RUNTIME_ERROR


_ERRNO_OUTCOMES = {
    errno.EROFS: Outcome.FORBIDDEN,
    errno.EFBIG: Outcome.OUTPUT_LIMIT,
    errno.ENOMEM: Outcome.MEMORY_LIMIT,
}


def describe(error: BaseException) -> str:
    """One line: the exception's type and text, and the line of the program."""
    line = line_in(error, PROGRAM_NAME)
    where = f" (line {line})" if line else ""
    name = type.__dict__["__name__"].__get__(type(error))  # not what a metaclass of the program returns
    return f"{name}: {text_of(error)}".removesuffix(": ") + where


def text_of(error: BaseException) -> str:
    """The exception's text; empty if its ``__str__``, which the program may define, fails."""
    try:
        return str.__str__(str(error))
    except BaseException:
        return ""


def line_in(error: BaseException, file: str) -> int:
    """The innermost line of a file in the exception's traceback, 0 if there is none."""
    line, trace = 0, BaseException.__dict__["__traceback__"].__get__(error)
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _run_test(test: TestDriver, code: types.CodeType) -> tuple[Outcome, bool]:
    try:
        return Outcome.PASSED, test(code)
    except SystemExit as error:
        status = error.code
        write_reason(f"exit status {status if isinstance(status, int) else text_of(error)}")
        outcome = Outcome.RUNTIME_ERROR if test is run_stdin else Outcome.EXITED_EARLY
    except BaseException as error:  # whatever the program raises is its failure
        outcome = Outcome.RUNTIME_ERROR
        try:
            write_reason(describe(error))
            outcome = classify(error)
        except BaseException:  # its attributes may be code of the program
            write_reason("an exception that cannot be displayed")
    main_module.flush_original_stdout()  # shows what was written, and keeps it out of the next test
    return outcome, _thread._count() > 0


def _as_json(value: Any) -> bytes:
    try:
        return json.dumps(value, default=_numpy_scalar if "numpy" in sys.modules else None).encode()
    except MemoryError:
        raise
    except Exception as error:
        raise ResultError(f"the result, a {type(value).__name__}, is not a JSON value: {error}") from error


def _numpy_scalar(value: Any) -> Any:
    """The built-in number or boolean that a numpy scalar stands for, as in results of assert tests."""
    if not isinstance(value, sys.modules["numpy"].generic):
        raise TypeError(f"a {type(value).__name__} is not a JSON value")
    return value.item()


def _syntax_error(error: BaseException) -> Outcome:
    write_reason(f"{type(error).__name__}: {error}")
    return classify(error) if isinstance(error, MemoryError) else Outcome.SYNTAX_ERROR


def load_program(*, store: bool) -> types.CodeType | BaseException:
    """The program, compiled, or the error of its compilation; hostile source makes the compiler raise anything."""
    try:
        source = os.pread(PROGRAM, os.fstat(PROGRAM).st_size, 0)
        host_calls.set_program(source)
        return _compiled(source, store=store)
    except BaseException as error:  # it may not fit into memory
        return error


def _compiled(source: bytes, *, store: bool) -> types.CodeType:
    """Compile the program, or load what an earlier process of this program compiled.

    The first eight bytes of the stored form are its length and are written last.
    """
    stored = os.pread(COMPILED, os.fstat(COMPILED).st_size, 0)
    if stored and int.from_bytes(stored[:8], "little") == len(stored) - 8:
        code: types.CodeType = marshal.loads(stored[8:])  # noqa: S302 - written before the program ran
        return code
    code = compile(source, PROGRAM_NAME, "exec", dont_inherit=True)
    if store:
        compiled = marshal.dumps(code)
        with contextlib.suppress(OSError):  # it may not fit into the limit on files: every process compiles it then
            os.pwrite(COMPILED, compiled, 8)
            os.pwrite(COMPILED, len(compiled).to_bytes(8, "little"), 0)
    return code
