"""From the training workers to the driver: reports are appended to a file, which the driver follows."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray.train

CHECKPOINT_KEPT = "checkpoint_kept"
"""In a line of the file: 1 where the report came with a checkpoint."""
WORKERS_FAILED = "workers_failed"
"""In a line of the file: how many workers failed; such a line has nothing else."""

_POLL_S = 0.5


class ReportWriter(ray.train.UserCallback):
    """Appends each report to a file; it runs in Ray's controller, which is on the driver's machine."""

    def __init__(self, path: str) -> None:
        self._path = path

    def after_report(self, run_context: Any, metrics: list[dict[str, float]], checkpoint: Any) -> None:
        """Write the first worker's metrics: all workers report the same; `CHECKPOINT_KEPT` is added to them."""
        del run_context
        self._write({**metrics[0], CHECKPOINT_KEPT: float(checkpoint is not None)})

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """Write how many workers failed, instead of metrics."""
        del run_context
        self._write({WORKERS_FAILED: float(len(worker_exceptions))})

    def _write(self, report: dict[str, float]) -> None:
        with Path(self._path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(report) + "\n")


@contextmanager
def follow_reports(
    reports: Path, on_report: Callable[[dict[str, float]], None], on_poll: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Pass what is appended to the file to the callback; an error of a callback is raised at the end.

    Args:
        reports: the file.
        on_report: called with each report.
        on_poll: called twice a second.
    """
    reports.touch()
    over = threading.Event()
    errors: list[Exception] = []

    def follow() -> None:
        with reports.open(encoding="utf-8") as file:
            file.seek(0, 2)
            while True:
                last = over.wait(_POLL_S)
                on_poll()
                for line in _whole_lines(file):
                    on_report(json.loads(line))
                if last:
                    return

    def guarded() -> None:
        try:
            follow()
        except Exception as error:
            errors.append(error)

    follower = threading.Thread(target=guarded, name="training-reports", daemon=True)
    follower.start()
    try:
        yield
    finally:
        over.set()
        follower.join()
    if errors:
        raise errors[0]


def _whole_lines(file: Any) -> Iterator[str]:
    """The lines that are complete; an incomplete line is left for the next call."""
    while True:
        start = file.tell()
        line = file.readline()
        if not line.endswith("\n"):
            file.seek(start)
            return
        yield line
