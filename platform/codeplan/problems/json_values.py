"""The values of data sets: JSON that is read without loss, checked, and shown in messages."""

from __future__ import annotations

import json
import re
import reprlib
from typing import Any

from codeplan_sandbox import long_integers

MAX_DEPTH = 200
"""Lists and objects inside each other that the rest of the platform can write, compare and pass on."""
MAX_DIGITS = 100_000
"""The longest integer that is read: the time to convert one grows faster than its length."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def parse(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is no JSON, a key stands twice in one object, or it is nested too deeply or holds an integer too
            long to be read.
    """
    try:
        try:
            return json.loads(text, object_pairs_hook=_object)
        except json.JSONDecodeError:
            raise
        except ValueError:  # an integer longer than `int` reads: the slow way, with our own code for each
            return json.loads(text, object_pairs_hook=_object, parse_int=_integer)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def fault(value: Any) -> str | None:
    """What in a value cannot be carried on unchanged: half characters, or too deep a nesting; None where nothing is.

    A lone surrogate has no UTF-8, so it fits into no file and no program. It is refused and not replaced: a replaced
    character makes another test or another program, silently.
    """
    waiting = [(value, 0)]
    while waiting:
        current, depth = waiting.pop()
        if isinstance(current, str):
            if not current.isascii() and (half := _SURROGATE.search(current)):
                return f"half a character, the lone surrogate \\u{ord(half.group()):04x} at position {half.start()}"
        elif isinstance(current, (list, dict)):
            if depth == MAX_DEPTH:
                return f"lists and objects nested more than {MAX_DEPTH} deep"
            members = [*current, *current.values()] if isinstance(current, dict) else current
            waiting.extend((member, depth + 1) for member in members if isinstance(member, (str, list, dict)))
    return None


def shown(value: Any) -> str:
    """A value as it is shown in a message: one line of at most 80 characters."""
    return f"{_SHORTENED.repr(value):.80}"


def whole(value: Any) -> int | None:
    """A whole number, also where a table wrote it as ``3.0``; None for everything else."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def printable(message: str) -> str:
    """One line that every terminal and log takes: what is no visible character is escaped, a long middle left out."""
    if len(message) > 1000:
        message = f"{message[:700]} ... {message[-250:]}"
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in message)


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"an integer of {len(text)} digits; at most {MAX_DIGITS} are read")
    return long_integers.integer(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for position, key in enumerate(keys) if key in keys[:position])
        raise ValueError(f"key {shown(twice)} stands twice in one object")
    return read


class _Shortened(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 76
        self.maxlevel = 3

    def repr_int(self, x: int, level: int) -> str:  # noqa: ARG002 - the name that reprlib calls it by
        # Python writes no integer of more digits than the process allows.
        return repr(x) if abs(x) < 10**40 else f"<an integer of {x.bit_length()} bits>"


_SHORTENED = _Shortened()
