"""What runs inside a test process, confined: it drives the untrusted program through one test after another.

Descriptors: 0-2 are the program's standard streams; 3 is the line to the server; 4 and 5 are second copies of input and
output, to repair 0 and 1 after programs that close them; 6 takes answers (a call's result, or why the test failed);
7 is the program's text, 8 its compiled form. 7 and 8 are closed before the program runs.
"""

from __future__ import annotations

import _thread
import builtins
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
from codeplan_sandbox.main_module import INPUT, PROGRAM_NAME
from codeplan_sandbox.verdicts import Outcome
from codeplan_sandbox.wire import OUTCOMES, REPORT, STARTED

# The functions below find the built-in names here, whatever a program makes of them in `builtins`.
__builtins__ = vars(builtins).copy()  # type: ignore[assignment]

CONTROL, ANSWER, PROGRAM, COMPILED = 3, 6, 7, 8

_ANSWER_BYTES = 500

Test = Callable[[types.CodeType], bool]
"""Runs the compiled program through one test and says whether that left threads behind, or had to wait for some; an
exception that leaves it is the program's."""


class AnswerError(Exception):
    """A call's result cannot be an answer; the message says why."""


def serve(test: Test, names: dict[str, Any] | None = None) -> NoReturn:
    """Run tests as the server asks for them, until it hangs up.

    Args:
        test: what a test of this suite does.
        names: what the program finds defined besides the built-in names, where it does not define it itself.
    """
    os.write(CONTROL, STARTED)
    source = os.pread(PROGRAM, os.fstat(PROGRAM).st_size, 0)
    code: types.CodeType | BaseException
    try:
        code = _compiled(source)
    except BaseException as error:  # a compiler driven to its limits raises anything
        code = error
    os.close(PROGRAM)
    os.close(COMPILED)
    modules.hide_packages()
    host_calls.install(source)
    main_module.register_source(source)
    builtins.__dict__.update(names or {})
    untouched = dict(builtins.__dict__)
    namespaces = [vars(module) for module in sys.modules.values() if isinstance(module, types.ModuleType)]
    sizes = list(map(len, namespaces))
    while os.read(CONTROL, 1):
        outcome, threads = (_syntax_error(code), False) if isinstance(code, BaseException) else _attempt(test, code)
        # What a program leaves in modules, the next test of it would find, and an interpreter of its own would not.
        tainted = threads or builtins.__dict__ != untouched or list(map(len, namespaces)) != sizes
        if tainted and outcome is Outcome.PASSED:
            main_module.forget_additions(list(zip(namespaces, sizes, strict=True)), untouched)
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


def run_stdin(code: types.CodeType) -> bool:
    """A stdin test: the program runs from its first line to its end."""
    try:
        exec(code, main_module.start())  # noqa: S102 - this process exists for it
    except SystemExit as leaving:
        if leaving.code not in (None, 0):
            raise
    threads, failure = main_module.finish()
    if failure is not None:  # its output decides; where that is wrong, this says why
        explain(f"flushing sys.stdout at the end failed with {describe(failure)}")
    return threads


def call_test(entry_point: str, *, whole_keys: bool) -> Test:
    """A call test: the program is loaded, its function called, and the result left as JSON.

    Args:
        entry_point: see `entry_points.called`.
        whole_keys: whether a dict whose keys are all whole numbers gets them as integers, which JSON does not have.
    """

    def run_call(code: types.CodeType) -> bool:
        arguments = json.loads(os.pread(INPUT, os.fstat(INPUT).st_size, 0))
        if whole_keys:
            arguments = [_with_whole_keys(argument) for argument in arguments]
        namespace = main_module.start()
        exec(code, namespace)  # noqa: S102
        answer = _as_json(entry_points.called(namespace, entry_point)(*arguments))
        del namespace, arguments
        threads = _finish_call()
        os.ftruncate(ANSWER, 0)
        os.lseek(ANSWER, 0, os.SEEK_SET)
        while answer:
            answer = answer[os.write(ANSWER, answer) :]
        return threads

    return run_call


def _with_whole_keys(argument: Any) -> Any:
    """As APPS' harness has it: a dict whose keys can all be read as integers."""
    if not isinstance(argument, dict):
        return argument
    try:
        return {int(key): value for key, value in argument.items()}
    except ValueError:
        return argument


def _finish_call() -> bool:
    """The program's end, after its result is known: nobody looks at its output any more."""
    try:
        return main_module.finish()[0]
    except OSError:
        return True


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
    main_module.flush_own()  # to show what was written, and that it does not come out in the next test
    return outcome, _thread._count() > 0


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


def _compiled(source: bytes) -> types.CodeType:
    """Compile the program, or take what an earlier process of this program compiled.

    The first eight bytes of the compiled form are its length, and are written last.
    """
    stored = os.pread(COMPILED, os.fstat(COMPILED).st_size, 0)
    if stored and int.from_bytes(stored[:8], "little") == len(stored) - 8:
        code: types.CodeType = marshal.loads(stored[8:])  # noqa: S302 - written before any program ran
        return code
    code = compile(source, PROGRAM_NAME, "exec", dont_inherit=True)
    compiled = marshal.dumps(code)
    os.pwrite(COMPILED, compiled, 8)
    os.pwrite(COMPILED, len(compiled).to_bytes(8, "little"), 0)
    return code
