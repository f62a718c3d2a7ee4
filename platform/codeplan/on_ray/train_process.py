"""What Ray Train does in the process that calls it, and how often it looks at its workers."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_POLL_INTERVAL = "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"
_POLL_S, _POLL_S_PER_WORKER, _RAYS_POLL_S = 0.2, 0.05, 2.0
"""Seconds between Ray's polls of the workers: at least, for each of them, and Ray's own, which is the most."""


@contextmanager
def polled_often(workers: int) -> Iterator[None]:
    """Poll few workers more often than Ray does: a report waits for the next poll, so that a small student, whose ten
    steps between two reports take less than Ray's two seconds, would wait more than it trains.
    """
    if _POLL_INTERVAL in os.environ:  # the user's own
        yield
        return
    seconds = min(_RAYS_POLL_S, max(_POLL_S, _POLL_S_PER_WORKER * workers))
    os.environ[_POLL_INTERVAL] = f"{seconds:g}"
    try:
        yield
    finally:
        os.environ.pop(_POLL_INTERVAL, None)


@contextmanager
def interrupt_handler_kept() -> Iterator[None]:
    """Ray Train installs its own handler for Ctrl-C and leaves it installed when training is over."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
