"""JSON with integers of any length, whatever the interpreter's limit on decimal digits.

By default Python does not convert integers of more than 4,300 decimal digits, a limit of the whole process
(``sys.set_int_max_str_digits``) that belongs to the caller. Numbers are therefore converted in parts that are short
enough. The conversion is sub-quadratic but still slow for a million digits, so `loads_returned`, for results of
programs, keeps long integers as text.
"""

from __future__ import annotations

import json
from typing import Any

_PART_DIGITS = 600  # the lowest limit that Python accepts is 640 digits
_BITS_PER_DIGIT = 3.3219280948873623


class LongInteger:
    """An integer that a program returned, as its decimal digits; equal only to the same integer."""

    __slots__ = ("digits",)

    def __init__(self, digits: str) -> None:
        self.digits = digits

    def __eq__(self, other: object) -> bool:
        if isinstance(other, LongInteger):
            return self.digits == other.digits
        if not isinstance(other, int) or (other < 0) != self.digits.startswith("-"):
            return False
        # Compare the lengths first, so that a program cannot make the conversion longer than the expected value does.
        length = len(self.digits.lstrip("-"))
        if abs(other.bit_length() - length * _BITS_PER_DIGIT) > _BITS_PER_DIGIT + 1:
            return False
        return decimal(other) == self.digits

    __hash__ = None  # type: ignore[assignment] # only compared

    def __repr__(self) -> str:
        return self.digits


def loads(text: str | bytes) -> Any:
    """`json.loads`, with integers of any length; raises ValueError as it does."""
    return json.loads(text, parse_int=integer)


def loads_returned(text: str | bytes) -> Any:
    """Parse the JSON that a program wrote, in linear time, with `LongInteger` for long integers."""
    return json.loads(
        text, parse_int=lambda digits: int(digits) if len(digits) <= _PART_DIGITS else LongInteger(digits)
    )


def dumps(value: Any, **options: Any) -> str:
    """`json.dumps`, with integers of any length; raises ValueError as it does."""
    try:
        return json.dumps(value, **options)
    except ValueError:
        # The encoder does not allow custom integers: write a placeholder string and replace it with the digits.
        integers: list[int] = []
        marked = json.dumps(_marked(value, integers), **options)
        if not integers:
            raise
        first, *others = marked.split(f'"{_MARK}')
        digits = (decimal(number) + rest.removeprefix('"') for number, rest in zip(integers, others, strict=True))
        return first + "".join(digits)


_MARK = "codeplan-sandbox-long-integer-5f0c9b"


def _marked(value: Any, integers: list[int]) -> Any:
    if isinstance(value, dict):
        return {key: _marked(item, integers) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_marked(item, integers) for item in value]
    if isinstance(value, int) and value.bit_length() > _PART_DIGITS * _BITS_PER_DIGIT:
        integers.append(value)
        return _MARK
    return value


def integer(digits: str) -> int:
    """Parse decimal digits with an optional sign."""
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
    """The decimal digits of an integer, with a minus sign if it is negative."""
    sign, rest = ("-", -number) if number < 0 else ("", number)
    length = _PART_DIGITS
    while rest.bit_length() > length * 3:  # 10 ** length has more bits than that
        length *= 2
    return sign + (_split(rest, length, {}).lstrip("0") or "0")


def _split(number: int, length: int, powers: dict[int, int]) -> str:
    """The number's digits, zero-padded to a length that is `_PART_DIGITS` times a power of two."""
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
