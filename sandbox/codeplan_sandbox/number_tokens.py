"""Which words of an output are numbers, and which numbers they stand for."""

from __future__ import annotations

import math
import re

NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\Z", re.ASCII)
"""A decimal number, with or without a fraction and an exponent."""
INTEGER = re.compile(r"[-+]?\d+\Z", re.ASCII)
"""A number without a decimal point and an exponent."""

_MAX_INTEGER_CHARS = 600  # Python converts longer ones slowly or not at all; they are far beyond the range of floats


def finite(token: str) -> float | None:
    """The number as a float; None for words and for numbers beyond the range of floats."""
    number = float(token) if NUMBER.match(token) else math.inf
    return number if math.isfinite(number) else None


def number(token: str) -> float | None:
    """As `finite`, but an integer remains exact, also beyond the range of floats."""
    return int(token) if len(token) <= _MAX_INTEGER_CHARS and INTEGER.match(token) else finite(token)
