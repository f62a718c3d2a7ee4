"""What MLflow's errors mean: whether to try again, and what to tell the user."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_LOCKED_S = 120.0
"""How long a call is retried while other runs write to the same SQLite file."""
_REJECTED = {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "BAD_REQUEST", "INVALID_STATE"}


class RejectedError(Exception):
    """A write that will never succeed."""


def retry_while_locked(call: Callable[[], T]) -> T:
    """Call, and retry while another process has locked the SQLite file; MLflow sometimes gives up at once."""
    deadline = time.monotonic() + _LOCKED_S
    pause = 0.05
    while True:
        try:
            return call()
        except Exception as error:
            if "database is locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(pause)
            pause = min(2 * pause, 2.0)


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its class name if the text is empty."""
    original = getattr(error.__cause__, "orig", None) or error  # the database's own error, without the query
    return str(original).strip().partition("\n")[0][:500] or type(error).__name__


def is_rejected(error: Exception) -> bool:
    """True if MLflow, or its client before it, says that this one request will never succeed."""
    return getattr(error, "error_code", "") in _REJECTED


def silence_logs() -> None:
    """Keep MLflow's log lines off the terminal: what it logs as an error, it also raises."""
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # it would print the tracking URI as it is
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(
        logging.CRITICAL
    )  # logs a traceback whenever the database is locked
