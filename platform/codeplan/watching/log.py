"""The log of a run: one JSON object a line, in ``<home>/logs``, through Python's logging."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from codeplan.watching.watch import EVENTS, Watch

FOLDER = "logs"

_PACKAGE = logging.getLogger("codeplan")
_MAX_CHARACTERS = 1000


class JsonLines(logging.Formatter):
    """A record as one line: its time (UTC), level, event, run, Ray job, stage and identity, and the event's own fields.

    Warnings of the package's loggers are events named ``log``, with a ``logger`` and a ``message``.
    """

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self.watch = watch
        """What a record belongs to that does not say it itself."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        watch: Watch = getattr(record, "watch", self.watch)
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage() if hasattr(record, "watch") else "log",
            "run": watch.run,
            "ray_job": watch.ray_job,
            "stage": watch.stage,
            "identity": watch.identity,
        }
        fields = getattr(record, "fields", None)
        line |= {"logger": record.name, "message": record.getMessage()} if fields is None else fields
        return json.dumps({key: _short(value) for key, value in line.items()}, ensure_ascii=False, default=str)


def _short(value: object) -> object:
    if isinstance(value, str) and len(value) > _MAX_CHARACTERS:
        return value[:_MAX_CHARACTERS] + "…"
    return value


@contextmanager
def run_log(watch: Watch) -> Iterator[JsonLines]:
    """While the block runs, append events and warnings of this process to ``watch.log``.

    Args:
        watch: of the run; its ``log`` names the file, whose folder is made.

    Yields:
        The formatter; set its ``watch`` when a stage begins.
    """
    with suppress(OSError):  # a home that cannot be written to is named by the stage that needs it
        Path(watch.log).parent.mkdir(parents=True, exist_ok=True)
    formatter = JsonLines(watch)
    handlers = _attach(watch.log, formatter)
    try:
        yield formatter
    finally:
        for logger, handler in handlers:
            logger.removeHandler(handler)
            if handler is not logging.lastResort:
                handler.close()


def worker_log(watch: Watch) -> None:
    """In an actor's process: from now on append its events to a file of its own beside the run's, once there is one.

    Several machines cannot append to one file of a network file system.
    """
    if watch.log and not any(isinstance(handler, _FileHandler) for handler in EVENTS.handlers):
        own = Path(watch.log).with_suffix(f".{socket.gethostname()}-{os.getpid()}.jsonl")
        _attach(str(own), JsonLines(watch))


class _FileHandler(logging.FileHandler):
    """A file that may be lost, as its disk may be full: the run goes on."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:  # it cannot be opened
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        del record


def _attach(path: str, formatter: JsonLines) -> list[tuple[logging.Logger, logging.Handler]]:
    file = _FileHandler(path, encoding="utf-8", delay=True)
    file.setFormatter(formatter)
    EVENTS.setLevel(logging.INFO)
    EVENTS.propagate = False
    attached: list[tuple[logging.Logger, logging.Handler]] = [(EVENTS, file), (_PACKAGE, file)]
    if logging.lastResort is not None and not _PACKAGE.hasHandlers():
        attached.append((_PACKAGE, logging.lastResort))  # Without a handler, warnings went to stderr: they still do.
    for logger, handler in attached:
        logger.addHandler(handler)
    return attached
