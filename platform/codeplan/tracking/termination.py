"""SIGTERM as an exception, so that what is open is closed."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

CODE = 128 + signal.SIGTERM
"""Exit code of a process that SIGTERM ended, as shells count."""

Handler = Callable[[int, FrameType | None], object] | int | None
"""What `signal.getsignal` returns."""


class _Terminate:
    """A signal handler that raises `SystemExit` and remembers it.

    Where the signal finds the process waiting for Ray, Ray raises another `SystemExit` instead, with the code 1.
    """

    def __init__(self) -> None:
        self.received = False

    def __call__(self, number: int, frame: FrameType | None) -> NoReturn:
        del number, frame
        self.received = True
        raise SystemExit(CODE)


@contextmanager
def terminated_as_exit(instead_of: Handler = signal.SIG_DFL) -> Iterator[None]:
    """Have SIGTERM raise `SystemExit` with the code 143 in the block, so that its runs are closed.

    Outside the main thread, and where another handler is set than the one that may be replaced, nothing changes.

    Args:
        instead_of: the handler that may be replaced.
    """
    before = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread() or before != instead_of:
        yield
        return
    signal.signal(signal.SIGTERM, _Terminate())
    try:
        yield
    except BaseException as error:
        if was_terminated():
            raise SystemExit(CODE) from error
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def was_terminated() -> bool:
    """Whether SIGTERM has arrived in the block of `terminated_as_exit` that is open."""
    handler = signal.getsignal(signal.SIGTERM)
    return isinstance(handler, _Terminate) and handler.received
