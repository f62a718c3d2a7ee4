"""JSON with integers of any length, whatever this interpreter's limit on decimal digits is.

Python refuses to convert integers of more than 4,300 decimal digits unless told otherwise, for the whole process
(``sys.set_int_max_str_digits``). That setting belongs to the caller, so numbers are converted in parts that are short
enough. The conversions here take less than quadratic time, but still long for a million digits: what a program returned
is therefore read by `loads_returned`, which keeps long integers as text.
"""

from __future__ import annotations

import json
from typing import Any

_PART_DIGITS = 600  # the smallest limit that Python accepts is 640 digits
_BITS_PER_DIGIT = 3.3219280948873623


class LongInteger:
    """An integer that a program returned, as its decimal digits: equal to the same integer, and to nothing else."""

    __slots__ = ("digits",)

    def __init__(self, digits: str) -> None:
        self.digits = digits

    def __eq__(self, other: object) -> bool:
        if isinstance(other, LongInteger):
            return self.digits == other.digits
        if not isinstance(other, int) or (other < 0) != self.digits.startswith("-"):
            return False
        # The length first: then no program can make the conversion longer than the expected value does.
        length = len(self.digits.lstrip("-"))
        if abs(other.bit_length() - length * _BITS_PER_DIGIT) > _BITS_PER_DIGIT + 1:
            return False
        return decimal(other) == self.digits

    __hash__ = None  # type: ignore[assignment] # it is compared only

    def __repr__(self) -> str:
        return self.digits


def loads(text: str | bytes) -> Any:
    """`json.loads`, with integers of any length; raises ValueError as it does."""
    return json.loads(text, parse_int=integer)


def loads_returned(text: str | bytes) -> Any:
    """The JSON that a program wrote: in time linear in its length, with `LongInteger` for integers that are long."""
    return json.loads(
        text, parse_int=lambda digits: int(digits) if len(digits) <= _PART_DIGITS else LongInteger(digits)
    )


def dumps(value: Any, **options: Any) -> str:
    """`json.dumps`, with integers of any length; raises ValueError as it does."""
    try:
        return json.dumps(value, **options)
    except ValueError:
        # The encoder cannot be told how to write an integer: write a text in its place, and put the digits there.
        found: list[int] = []
        marked = json.dumps(_marked(value, found), **options)
        if not found:
            raise
        first, *others = marked.split(f'"{_MARK}')
        digits = (decimal(number) + rest.removeprefix('"') for number, rest in zip(found, others, strict=True))
        return first + "".join(digits)


_MARK = "codeplan-sandbox-long-integer-5f0c9b"


def _marked(value: Any, found: list[int]) -> Any:
    if isinstance(value, dict):
        return {key: _marked(item, found) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_marked(item, found) for item in value]
    if isinstance(value, int) and value.bit_length() > _PART_DIGITS * _BITS_PER_DIGIT:
        found.append(value)
        return _MARK
    return value


def integer(digits: str) -> int:
    """The integer that a text of decimal digits, with a sign or none, says."""
    if len(digits) <= _PART_DIGITS:
        return int(digits)
    if digits[0] in "+-":
        return -integer(digits[1:]) if digits[0] == "-" else integer(digits[1:])
    return _joined(digits, {})


def _joined(digits: str, powers: dict[int, int]) -> int:
    if len(digits) <= _PART_DIGITS:
        return int(digits)
    low = _PART_DIGITS
    while 2 * low < len(digits):
        low *= 2
    return _joined(digits[:-low], powers) * _power(low, powers) + _joined(digits[-low:], powers)


def decimal(number: int) -> str:
    """The decimal digits of an integer, after a minus where it is negative."""
    sign, rest = ("-", -number) if number < 0 else ("", number)
    length = _PART_DIGITS
    while rest.bit_length() > length * 3:  # 10 ** length has more bits than that
        length *= 2
    return sign + (_split(rest, length, {}).lstrip("0") or "0")


def _split(number: int, length: int, powers: dict[int, int]) -> str:
    """The number's digits, filled up with zeros to a length: `_PART_DIGITS` times a power of two."""
    if length == _PART_DIGITS:
        return str(number).zfill(length)
    high, low = divmod(number, _power(length // 2, powers))
    return _split(high, length // 2, powers) + _split(low, length // 2, powers)


def _power(exponent: int, powers: dict[int, int]) -> int:
    """10 ** exponent, for exponents that are `_PART_DIGITS` times a power of two."""
    if exponent not in powers:
        half = None if exponent == _PART_DIGITS else _power(exponent // 2, powers)
        powers[exponent] = 10**exponent if half is None else half * half
    return powers[exponent]
