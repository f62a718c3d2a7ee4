"""JSON values of data sets: read without loss, checked, and shortened for messages."""

from __future__ import annotations

import json
import re
import reprlib
from typing import Any

from codeplan_sandbox import long_integers

MAX_DEPTH = 200
"""The deepest nesting of lists and objects that the rest of the platform can write, compare and pass on."""
MAX_DIGITS = 100_000
"""The longest integer that is read: the time to convert one grows faster than its length."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def parse(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is not JSON, an object has a duplicate key, or it is nested too deeply or holds an integer too
            long to be read.
    """
    try:
        try:
            return json.loads(text, object_pairs_hook=_object)
        except json.JSONDecodeError:
            raise
        except ValueError:  # an integer longer than `int` reads: the slow path, with our own code for each
            return json.loads(text, object_pairs_hook=_object, parse_int=_integer)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def unsupported(value: Any) -> str | None:
    """What in a value cannot be stored unchanged: a lone surrogate or too deep a nesting; None where all of it can.

    A lone surrogate has no UTF-8 encoding, so it fits into no file and no program. It is refused and not replaced:
    a replaced character silently makes another test or another program.
    """
    stack = [(value, 0)]
    while stack:
        current, depth = stack.pop()
        if isinstance(current, str):
            if not current.isascii() and (found := _SURROGATE.search(current)):
                return f"the lone surrogate \\u{ord(found.group()):04x} at position {found.start()}"
        elif isinstance(current, (list, dict)):
            if depth == MAX_DEPTH:
                return f"lists and objects nested more than {MAX_DEPTH} deep"
            members = [*current, *current.values()] if isinstance(current, dict) else current
            stack.extend((member, depth + 1) for member in members if isinstance(member, (str, list, dict)))
    return None


def short_repr(value: Any) -> str:
    """A value's repr for a message, at most 80 characters."""
    return f"{_SHORTENED.repr(value):.80}"


def as_integer(value: Any) -> int | None:
    """An integer, also where a table wrote it as ``3.0``; None for everything else."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"an integer of {len(text)} digits; at most {MAX_DIGITS} are read")
    return long_integers.integer(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        keys = [key for key, _ in pairs]
        duplicate = next(key for position, key in enumerate(keys) if key in keys[:position])
        raise ValueError(f"duplicate key {short_repr(duplicate)} in one object")
    return members


class _Shortened(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 76
        self.maxlevel = 3

    def repr_int(self, x: int, level: int) -> str:  # noqa: ARG002 - the name that reprlib calls it by
        # Python writes no integer of more digits than the process allows.
        return repr(x) if abs(x) < 10**40 else f"<an integer of {x.bit_length()} bits>"


_SHORTENED = _Shortened()
