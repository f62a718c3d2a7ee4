"""Errors that a user can act on: the command prints only their message; all others keep their traceback."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from codeplan_sandbox import SandboxError


class UserError(Exception):
    """An error that the user can fix: the message says what is wrong, where (file, row, key) and what to do."""


class StopRequested(Exception):  # noqa: N818  # nothing went wrong
    """Work was asked to stop and did; what it had finished is kept, and the same work resumes from there."""


def escape_unprintable(text: str) -> str:
    """The text with line breaks, control characters and unpaired surrogates escaped, so that any terminal prints it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def one_line(what: object, limit: int = 300) -> str:
    """Untrusted text for a message: one line of at most ``limit`` characters, all of them printable.

    Line breaks and runs of whitespace become one space; other control characters and unpaired surrogates are escaped.
    """
    shown = escape_unprintable(" ".join(str(what)[: 20 * limit].split()))
    return shown if len(shown) <= limit else f"{shown[: limit - 3]}..."


def explain(error: BaseException) -> str | None:
    """A message for the user, or None if the traceback is needed."""
    for cause in _causes(error):
        if _is_disk_full(cause):
            return "the disk is full; free some space and run the same command to resume"
        if isinstance(cause, UserError | SandboxError):
            return str(cause)
    return None


def _is_disk_full(error: BaseException) -> bool:
    # SQLite's errors have no errno.
    return (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "disk is full" in str(error)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and the chain of its causes, nearest first.

    Ray wraps an error that a worker raised in one that derives from the same class, but whose text is a whole
    traceback: there only the cause counts.
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
