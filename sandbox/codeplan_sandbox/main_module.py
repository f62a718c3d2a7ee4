"""The program's ``__main__`` module: initialise and finalise it as an interpreter does.

CPython ends a program in this order (``_PyRun_SimpleFile``, ``Py_FinalizeEx``): it flushes ``sys.stderr`` and
``sys.stdout`` as the program left them, waits for threads, runs exit handlers, flushes again, destroys the program's
module, whose names are still available to the destructors of its objects, and closes its own streams.
"""

from __future__ import annotations

import _thread
import atexit
import builtins
import contextlib
import gc
import io
import linecache
import os
import random
import signal
import sys
import threading
import types
import weakref
from typing import Any

from codeplan_sandbox import host_calls
from codeplan_sandbox.host_calls import PROGRAM_FILE

# The functions below use these built-in names, whatever a program assigns in `builtins`.
__builtins__ = vars(builtins).copy()  # type: ignore[assignment]

INPUT_COPY, OUTPUT_COPY = 4, 5
"""Copies of the descriptors of input and output, to restore 0 and 1 after programs that close them."""
PROGRAM_NAME = "program.py"

_RECURSION_LIMIT = 1000
_original_stdout: weakref.ref[io.TextIOWrapper] | None = None
_stderr: io.TextIOWrapper | None = None
_USERS_OF_RANDOM = (b"random", b"statistics")
_seeded = False


def provide_source() -> None:
    """Make the program's lines available to ``inspect`` and tracebacks; they are split when they are first needed."""
    linecache.cache[PROGRAM_NAME] = (lambda: host_calls.program().decode("utf-8", "replace"),)


def start() -> dict[str, Any]:
    """Create an empty ``__main__`` with new standard streams and the interpreter's initial state.

    Returns:
        The module's namespace. Delete references to it before `finish`, where destructors run.
    """
    global _original_stdout  # noqa: PLW0603 - one program per process, which has one standard output
    os.dup2(INPUT_COPY, 0)
    os.dup2(OUTPUT_COPY, 1)
    os.lseek(0, 0, os.SEEK_SET)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - lives as long as the test
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.__stdin__, sys.__stdout__ = sys.stdin, sys.stdout  # type: ignore[misc] # Final for others; this is the start-up
    _original_stdout = weakref.ref(sys.stdout)
    _restore_stderr()
    sys.setrecursionlimit(_RECURSION_LIMIT + _frame_depth())
    sys.set_int_max_str_digits(0)  # problems that are older than this limit have longer integers
    sys.argv = [PROGRAM_NAME]
    signal.setitimer(signal.ITIMER_REAL, 0)
    _seed()
    if "numpy" in sys.modules:  # it may be imported by programs
        sys.modules["numpy"].random.seed(0)
    main = types.ModuleType("__main__")
    main.__dict__.update(__builtins__=builtins, __file__=PROGRAM_FILE, __cached__=None)
    sys.modules["__main__"] = main
    return main.__dict__


def _restore_stderr() -> None:
    """Make a new stream unless the last one is still there: nothing reads what it writes."""
    global _stderr  # noqa: PLW0603
    if _stderr is None or sys.stderr is not _stderr or _stderr.closed:
        with contextlib.suppress(OSError):  # an earlier test closed the descriptor
            _stderr = sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.__stderr__ = _stderr  # type: ignore[misc]


def _seed() -> None:
    """Make the module `random` start the same way for each test; programs that cannot have used it need no new seed."""
    global _seeded  # noqa: PLW0603
    program = host_calls.program()
    if not _seeded or any(name in program for name in _USERS_OF_RANDOM):
        random.seed(0)
        _seeded = True


def _frame_depth() -> int:
    """The number of frames below the program's first, which must not count against its recursion limit."""
    frames, frame = 0, sys._getframe()
    while frame.f_back is not None:
        frames, frame = frames + 1, frame.f_back
    return frames


def finish() -> tuple[bool, BaseException | None]:
    """Finalise the program as an interpreter does.

    Returns:
        Whether there were threads, for which an interpreter waits only once, and the exception that flushing the
        program's output object raised, which CPython reports without failing the program.

    Raises:
        OSError, MemoryError: buffered output could not be written.
    """
    for name in ("stderr", "stdout"):
        try:  # noqa: SIM105 - contextlib uses the built-in names as the program left them
            _flush(getattr(sys, name, None))
        except BaseException:  # noqa: S110 - CPython ignores it here, and flushes again below
            pass
    threads = _thread._count() > 0
    if threads:
        threading._shutdown()  # type: ignore[attr-defined] # as the interpreter does
    atexit._run_exitfuncs()
    failure = None
    for name in ("stdout", "stderr"):
        try:
            _flush(getattr(sys, name, None))
        except (OSError, MemoryError):
            if name == "stdout":
                raise
        except BaseException as error:
            failure = error.with_traceback(None) if name == "stdout" else failure
    for name in ("stdin", "stdout", "stderr"):
        setattr(sys, name, getattr(sys, f"__{name}__", None))
    _destroy_main()
    flush_original_stdout()  # output of destructors
    return threads, failure


def _flush(stream: Any) -> None:
    """Flush an open stream; one without ``flush``, or detached from its buffer, has nothing to flush."""
    try:
        if stream is None or stream.closed:
            return
    except ValueError:  # its buffer was detached: another stream writes it
        return
    except BaseException:  # CPython treats the stream as open then  # noqa: S110
        pass
    try:
        flush = stream.flush
    except AttributeError:
        return
    flush()


def _destroy_main() -> None:
    """Destroy the program's objects, before its names unless something else still refers to the module."""
    main = sys.modules.pop("__main__", None)
    if not isinstance(main, types.ModuleType):
        gc.collect()
        return
    alive = weakref.ref(main)
    del main
    gc.collect()
    kept = alive()
    if kept is not None:
        names = [name for name in vars(kept) if name != "__builtins__"]
        for name in sorted(names, key=lambda name: not name.startswith("_")):
            vars(kept)[name] = None
        del kept
        gc.collect()


def flush_original_stdout() -> None:
    """Flush the standard output that the program started with, as its destructor would."""
    stream = _original_stdout() if _original_stdout is not None else None
    try:
        if stream is not None and not stream.closed:
            stream.flush()
    except BaseException:  # errors of destructors are ignored
        return
