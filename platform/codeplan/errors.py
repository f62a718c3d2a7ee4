"""Errors that a person can act on. The command prints their message alone; anything else keeps its traceback."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from codeplan_sandbox import SandboxError


class UserError(Exception):
    """Something that a person can mend: the message says what is wrong, where (file, row, key) and what to do."""


def one_line(what: object, limit: int = 300) -> str:
    """Foreign text for a message: one line of at most ``limit`` characters, and nothing that cannot be printed.

    Line breaks and runs of whitespace become one space; other control characters and halves of characters are escaped.
    """
    plain = " ".join(str(what)[: 20 * limit].split())
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in plain)
    return shown if len(shown) <= limit else f"{shown[: limit - 3]}..."


def explain(error: BaseException) -> str | None:
    """A message for a person, or None where only a developer can help."""
    for each in _causes(error):
        if _says_disk_full(each):
            return "the disk is full; free some space and run the same command again, it goes on from here"
        if isinstance(each, UserError | SandboxError):
            return str(each)
    return None


def _says_disk_full(error: BaseException) -> bool:
    # SQLite's errors carry no number.
    return (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "disk is full" in str(error)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what lies behind it, the nearest first.

    Ray wraps what a worker raised in an error that derives from the same class, but whose text is a whole traceback:
    there only the cause counts.
    """
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        inner = getattr(current, "cause", None)
        if isinstance(inner, BaseException):
            current = inner
            continue
        yield current
        current = current.__cause__ or current.__context__
