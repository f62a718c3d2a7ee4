"""Plain data as JSON text: all that a program and its assert tests exchange.

Lists, strings, booleans, None, integers and floats (including NaN and infinities) are written as in JSON. Anything else
is an object with one key, its kind: other containers, bytes, complex numbers, very large integers, and the built-in
types themselves. Nothing is evaluated on either side, and decoded values have exactly the built-in types, so that a
program's ``__eq__`` cannot decide a test.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from typing import Any

MAX_DEPTH = 200
_LARGE = 1 << 1024  # Python converts more than a few thousand decimal digits slowly or not at all


class NotPlainError(TypeError):
    """A value that is not plain data; the message names its type."""


def encode(value: Any) -> str:
    """Encode a value as text.

    Subclasses of built-in types are encoded as their base (an IntEnum as int, a Counter as dict, a named tuple as
    tuple), numpy scalars as the built-in type that ``item`` returns.

    Raises:
        NotPlainError: the value contains something else, or is nested deeper than `MAX_DEPTH`.
    """
    return json.dumps(_pack(value, 0))


def decode(text: str) -> Any:
    """Decode a value that `encode` wrote.

    Raises:
        ValueError: `encode` does not write such a text.
    """
    try:
        return _unpack(json.loads(text))
    except (RecursionError, TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"not plain data: {error}") from error


def _pack(value: Any, depth: int) -> Any:
    kind = type(value)
    if value is None or kind in (bool, float, str) or (kind is int and abs(value) < _LARGE):
        return value
    if depth >= MAX_DEPTH:
        raise NotPlainError(f"{kind.__name__} nested more than {MAX_DEPTH} deep")
    for base, pack in _PACKERS.items():
        if issubclass(kind, base):
            return pack(value, depth + 1)
    numpy = sys.modules.get("numpy")  # if the tests import it
    if numpy is not None and issubclass(kind, numpy.generic):
        return _pack(value.item(), depth + 1)
    raise NotPlainError(kind.__name__)


def _tagged(base: type[Iterable[Any]], name: str) -> Callable[[Any, int], Any]:
    return lambda value, depth: {name: [_pack(item, depth) for item in base.__iter__(value)]}


_TYPES: dict[str, type] = {
    kind.__name__: kind
    for kind in (bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset, type(None))
}


def _pack_int(value: int) -> Any:
    return value if abs(value) < _LARGE else {"int": hex(value)}


def _pack_type(value: type) -> Any:
    if _TYPES.get(value.__name__) is not value:
        raise NotPlainError("type")
    return {"type": value.__name__}


_PACKERS: dict[type, Callable[[Any, int], Any]] = {
    list: lambda value, depth: [_pack(item, depth) for item in list.__iter__(value)],
    tuple: _tagged(tuple, "tuple"),
    dict: lambda value, depth: {"dict": [[_pack(k, depth), _pack(v, depth)] for k, v in dict.items(value)]},
    set: _tagged(set, "set"),
    frozenset: _tagged(frozenset, "frozenset"),
    str: lambda value, _: str.__str__(value),
    int: lambda value, _: _pack_int(int.__int__(value)),
    float: lambda value, _: float.__float__(value),
    bytes: lambda value, _: {"bytes": list(bytes.__iter__(value))},
    complex: lambda value, _: {"complex": [value.real, value.imag]},
    type: lambda value, _: _pack_type(value),
}


def _unpack(packed: Any) -> Any:
    if isinstance(packed, list):
        return [_unpack(item) for item in packed]
    if isinstance(packed, dict):
        ((kind, value),) = packed.items()
        if kind not in _UNPACKERS:
            raise ValueError(f"not plain data: kind {kind!r}")
        return _UNPACKERS[kind](value)
    return packed


_UNPACKERS: dict[str, Callable[[Any], Any]] = {
    "tuple": lambda value: tuple(_unpack(value)),
    "dict": lambda value: {_unpack(key): _unpack(item) for key, item in value},
    "set": lambda value: set(_unpack(value)),
    "frozenset": lambda value: frozenset(_unpack(value)),
    "bytes": bytes,
    "complex": lambda value: complex(*value),
    "int": lambda value: int(value, 16),
    "type": lambda value: _TYPES[value],
}
