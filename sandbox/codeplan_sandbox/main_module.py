"""The program's ``__main__``: what an interpreter does before a program's first line and after its last one.

CPython ends a program in this order (``_PyRun_SimpleFile``, ``Py_FinalizeEx``): it flushes ``sys.stderr`` and
``sys.stdout`` as the program left them, waits for threads, runs exit handlers, flushes again, lets go of the program's
module, whose objects' destructors still find all of its names, and closes its own streams.
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

from codeplan_sandbox.host_calls import PROGRAM_FILE

# The functions below find the built-in names here, whatever a program makes of them in `builtins`.
__builtins__ = vars(builtins).copy()  # type: ignore[assignment]

INPUT, OUTPUT = 4, 5
"""Second copies of the program's input and output, to repair 0 and 1 after programs that close them."""
PROGRAM_NAME = "program.py"

_RECURSION_LIMIT = 1000
_own_stdout: weakref.ref[io.TextIOWrapper] | None = None


def register_source(program: bytes) -> None:
    """Let ``inspect`` and tracebacks find the program's lines."""
    lines = program.decode("utf-8", "replace").splitlines(keepends=True)
    linecache.cache[PROGRAM_NAME] = (len(program), None, lines, PROGRAM_NAME)


def start() -> dict[str, Any]:
    """Make an empty ``__main__``, with fresh standard streams and the interpreter's usual state.

    Returns:
        The module's names. Let go of them before `finish`, as destructors are to run there.
    """
    global _own_stdout  # noqa: PLW0603 - the process runs one program, and this is its one standard output
    os.dup2(INPUT, 0)
    os.dup2(OUTPUT, 1)
    os.lseek(0, 0, os.SEEK_SET)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - lives as long as the test
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.__stdin__, sys.__stdout__ = sys.stdin, sys.stdout  # type: ignore[misc] # Final for others; this is the start-up
    _own_stdout = weakref.ref(sys.stdout)
    with contextlib.suppress(OSError):  # an earlier test closed it: nobody reads it anyway
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        sys.__stderr__ = sys.stderr  # type: ignore[misc]
    sys.setrecursionlimit(_RECURSION_LIMIT + _own_frames())
    sys.set_int_max_str_digits(0)  # problems older than this limit have longer numbers
    sys.argv = [PROGRAM_NAME]
    signal.setitimer(signal.ITIMER_REAL, 0)
    random.seed(0)
    main = types.ModuleType("__main__")
    main.__dict__.update(__builtins__=builtins, __file__=PROGRAM_FILE, __cached__=None)
    sys.modules["__main__"] = main
    return main.__dict__


def _own_frames() -> int:
    """How many frames lie below the program's first: it shall have the depth that it has under a plain interpreter."""
    frames, frame = 0, sys._getframe()
    while frame.f_back is not None:
        frames, frame = frames + 1, frame.f_back
    return frames


def finish() -> tuple[bool, BaseException | None]:
    """What an interpreter does at its end.

    Returns:
        Whether there were threads: the interpreter waits for them only once. And what an output object of the program
        raised when it was flushed, which CPython reports, but does not take for the end of the program.

    Raises:
        OSError, MemoryError: what the program wrote could not be written out.
    """
    for name in ("stderr", "stdout"):
        try:  # noqa: SIM105 - contextlib would use the built-in names as the program left them
            _flush(getattr(sys, name, None))
        except BaseException:  # noqa: S110 - CPython clears it, and flushes again below
            pass
    threads = _thread._count() > 0
    if threads:
        threading._shutdown()  # type: ignore[attr-defined] # what the interpreter calls itself
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
    _let_go_of_main()
    flush_own()  # what destructors printed
    return threads, failure


def _flush(stream: Any) -> None:
    """Flush an open stream; one that has no ``flush``, or was detached from its buffer, keeps nothing back."""
    try:
        if stream is None or stream.closed:
            return
    except ValueError:  # its buffer was detached: another stream writes there
        return
    except BaseException:  # CPython takes it for open then  # noqa: S110
        pass
    try:
        flush = stream.flush
    except AttributeError:
        return
    flush()


def _let_go_of_main() -> None:
    """Have the program's objects destroyed, with its names in place unless something else still holds the module."""
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


def flush_own() -> None:
    """Write out what is left in the standard output that the program was given, as its destructor would."""
    stream = _own_stdout() if _own_stdout is not None else None
    try:
        if stream is not None and not stream.closed:
            stream.flush()
    except BaseException:  # a destructor's errors go nowhere
        return


def forget_additions(namespaces: list[tuple[dict[str, Any], int]], untouched: dict[str, Any]) -> None:
    """Destroy what the program left in modules, as their end would.

    Args:
        namespaces: the modules' names, each with how many there were; names are kept in order.
        untouched: the built-in names, as they were.
    """
    for names, count in namespaces:
        for name in list(names)[count:]:
            names.pop(name, None)
    builtins.__dict__.update(untouched)
    gc.collect()
    flush_own()
