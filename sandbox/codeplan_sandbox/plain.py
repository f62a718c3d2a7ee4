"""Plain data as JSON text: all that crosses between a program and its assert tests.

Lists, text, booleans, None, integers and floats are JSON's own (nan and infinities included); every other kind is an
object with one key, its kind: the other containers, bytes, complex numbers, very large integers, and the built-in types
themselves. Nothing is evaluated on either side, and what arrives has exactly the built-in types, so no ``__eq__`` of a
program decides a test.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from typing import Any

MAX_DEPTH = 200
_LARGE = 1 << 1024  # decimal digits beyond a few thousand take Python long, or are refused


class NotPlainError(TypeError):
    """A value that is no plain data; the message names its type."""


def encode(value: Any) -> str:
    """The value as text.

    Subclasses of the built-in types go as their base (an IntEnum as int, a Counter as dict, a named tuple as tuple),
    numpy's scalars as the built-in type that their ``item`` gives.

    Raises:
        NotPlainError: the value, or one inside it, is something else, or lies deeper than `MAX_DEPTH`.
    """
    return json.dumps(_packed(value, 0))


def decode(text: str) -> Any:
    """The value that `encode` wrote.

    Raises:
        ValueError: the text is nothing that `encode` writes.
    """
    try:
        return _unpacked(json.loads(text))
    except (RecursionError, TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"no plain data: {error}") from error


def _packed(value: Any, depth: int) -> Any:
    kind = type(value)
    if value is None or kind in (bool, float, str) or (kind is int and abs(value) < _LARGE):
        return value
    if depth >= MAX_DEPTH:
        raise NotPlainError(f"{kind.__name__} nested more than {MAX_DEPTH} deep")
    for base, pack in _PACKERS.items():
        if issubclass(kind, base):
            return pack(value, depth + 1)
    numpy = sys.modules.get("numpy")  # where the code of tests imports it
    if numpy is not None and issubclass(kind, numpy.generic):
        return _packed(value.item(), depth + 1)
    raise NotPlainError(kind.__name__)


def _tagged(base: type[Iterable[Any]], name: str) -> Callable[[Any, int], Any]:
    return lambda value, depth: {name: [_packed(each, depth) for each in base.__iter__(value)]}


_TYPES: dict[str, type] = {
    each.__name__: each
    for each in (bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset, type(None))
}


def _packed_int(value: int) -> Any:
    return value if abs(value) < _LARGE else {"int": hex(value)}


def _packed_type(value: type) -> Any:
    if _TYPES.get(value.__name__) is not value:
        raise NotPlainError("type")
    return {"type": value.__name__}


_PACKERS: dict[type, Callable[[Any, int], Any]] = {
    list: lambda value, depth: [_packed(each, depth) for each in list.__iter__(value)],
    tuple: _tagged(tuple, "tuple"),
    dict: lambda value, depth: {"dict": [[_packed(k, depth), _packed(v, depth)] for k, v in dict.items(value)]},
    set: _tagged(set, "set"),
    frozenset: _tagged(frozenset, "frozenset"),
    str: lambda value, _: str.__str__(value),
    int: lambda value, _: _packed_int(int.__int__(value)),
    float: lambda value, _: float.__float__(value),
    bytes: lambda value, _: {"bytes": list(bytes.__iter__(value))},
    complex: lambda value, _: {"complex": [value.real, value.imag]},
    type: lambda value, _: _packed_type(value),
}


def _unpacked(packed: Any) -> Any:
    if isinstance(packed, list):
        return [_unpacked(each) for each in packed]
    if isinstance(packed, dict):
        ((kind, value),) = packed.items()
        if kind not in _UNPACKERS:
            raise ValueError(f"no plain data: kind {kind!r}")
        return _UNPACKERS[kind](value)
    return packed


_UNPACKERS: dict[str, Callable[[Any], Any]] = {
    "tuple": lambda value: tuple(_unpacked(value)),
    "dict": lambda value: {_unpacked(key): _unpacked(each) for key, each in value},
    "set": lambda value: set(_unpacked(value)),
    "frozenset": lambda value: frozenset(_unpacked(value)),
    "bytes": bytes,
    "complex": lambda value: complex(*value),
    "int": lambda value: int(value, 16),
    "type": lambda value: _TYPES[value],
}
