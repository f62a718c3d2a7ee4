"""Errors about a student, in one line: their class, and model libraries' errors converted to it."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from codeplan.errors import UserError, one_line

_TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_PASS_ON = (UserError, KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError)


class StudentError(UserError):
    """A student that cannot be built, loaded or trained; the message says what to change."""


@contextmanager
def library_errors(what: str) -> Iterator[None]:
    """Convert whatever a model library raises on a user's file to one StudentError: ``what``, and the library's reason.

    Readers of models raise nearly anything on broken files (KeyError, RuntimeError, their own), and the tokenizers
    library's panics derive from BaseException alone. A full disk and a lack of memory are not the file's fault.
    """
    try:
        yield
    except _PASS_ON:
        raise
    except BaseException as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        raise StudentError(f"{what}: {reason(error)}") from None if _holds_secret(error) else error


def reason(error: BaseException) -> str:
    """A library's message on one line, with no access token and no password of an address in it."""
    text = str(error)
    for token in _tokens():
        text = text.replace(token, "***")
    text = re.sub(r"(://)[^/\s@]+@", r"\1***@", text)
    shown = one_line(text, 240)
    if isinstance(error, OSError | ValueError | RuntimeError) and shown:
        return shown
    return f"{type(error).__name__}: {shown}" if shown else type(error).__name__


def _tokens() -> list[str]:
    return [value for name in _TOKEN_VARIABLES if (value := os.environ.get(name, ""))]


def _holds_secret(error: BaseException) -> bool:
    return any(token in str(error) for token in _tokens()) or "@" in str(error)
