"""Whether an output is what a test expects. All comparisons are made outside the sandbox, on plain data.

``tokens``: line by line, blank by blank. Words and integers must be the same text; a number is compared within 1e-6
(absolute, or relative above 1) only where the expected token is a literal with a point or an exponent. Blank lines at
the end and blanks at the ends of lines do not count. In a call's result, at any depth, likewise: a number is compared
within 1e-6 where the expected one is a float, and must have the same value where it is an integer.

``exact``: as text; only blanks at the ends of lines and of the whole are forgiven.

``apps``: forgives what the test harness published with APPS, which many numbers in the literature were measured with,
forgives most often: lines in another order, blank lines, numbers that are equal as floats within its wide tolerance
(relative 1e-5), and a call's expected result that is wrapped in one more list. It accepts some wrong programs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from codeplan_sandbox.suites import Comparator

TOLERANCE = 1e-6

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\Z", re.ASCII)
_INTEGER = re.compile(r"[-+]?\d+\Z", re.ASCII)


def same_output(comparator: Comparator, written: bytes, expected: str) -> bool:
    """Whether a program's standard output is right; bytes that are no UTF-8 are not."""
    try:
        text = written.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return _OUTPUT_COMPARATORS[comparator](_lines(text), _lines(expected))


def same_value(comparator: Comparator, returned: Any, expected: Any) -> bool:
    """Whether a call's result is right, as `long_integers.loads_returned` reads it: with lists for tuples."""
    return _VALUE_COMPARATORS[comparator](returned, expected)


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]


def _close(written: float, expected: float) -> bool:
    try:
        return written == expected or (
            math.isfinite(expected) and abs(written - expected) <= TOLERANCE * max(1.0, abs(expected))
        )
    except OverflowError:  # an integer too large for a float is far from every float
        return False


def _same_token(written: str, expected: str) -> bool:
    if written == expected:
        return True
    if _INTEGER.match(expected) or not _NUMBER.match(expected) or not _NUMBER.match(written):
        return False
    number, wanted = float(written), float(expected)
    return math.isfinite(wanted) and _close(number, wanted)  # beyond the floats, only the same text is the same


def _same_tokens(written: list[str], expected: list[str]) -> bool:
    return written == expected or (
        len(written) == len(expected)
        and all(
            len(mine) == len(theirs) and all(map(_same_token, mine, theirs))
            for mine, theirs in zip(map(str.split, written), map(str.split, expected), strict=True)
        )
    )


def _same_as_apps(written: list[str], expected: list[str]) -> bool:
    mine, theirs = ([" ".join(line.split()) for line in lines if line.strip()] for lines in (written, expected))
    if mine == theirs or sorted(mine) == sorted(theirs):
        return True
    tokens, wanted = ([token for line in lines for token in line.split()] for lines in (mine, theirs))
    try:
        return len(tokens) == len(wanted) and all(map(_apps_close, tokens, wanted))
    except ValueError:  # one of them is no number
        return False


def _apps_close(written: str, expected: str) -> bool:
    """numpy.allclose, with its default tolerances; numbers too large for a float must have the same digits."""
    number, wanted = float(written), float(expected)
    if math.isinf(wanted) or math.isinf(number):
        return written == expected or (number == wanted and not (_NUMBER.match(written) or _NUMBER.match(expected)))
    return abs(number - wanted) <= 1e-8 + 1e-5 * abs(wanted)


def _equal(returned: Any, expected: Any) -> bool:
    return bool(returned == expected)


def _same_plain(returned: Any, expected: Any) -> bool:
    if isinstance(expected, list):
        return (
            isinstance(returned, list) and len(returned) == len(expected) and all(map(_same_plain, returned, expected))
        )
    if isinstance(expected, dict):
        return (
            isinstance(returned, dict)
            and returned.keys() == expected.keys()
            and all(_same_plain(returned[key], value) for key, value in expected.items())
        )
    if isinstance(expected, float) and isinstance(returned, (int, float)):
        return _close(returned, expected) or (expected != expected and returned != returned)  # noqa: PLR0124 - NaN
    return _equal(returned, expected)


def _same_wrapped(returned: Any, expected: Any) -> bool:
    wrapped = isinstance(expected, list) and len(expected) == 1
    return _same_plain(returned, expected) or (wrapped and _same_plain(returned, expected[0]))


_OUTPUT_COMPARATORS: dict[Comparator, Callable[[list[str], list[str]], bool]] = {
    "tokens": _same_tokens,
    "exact": _equal,
    "apps": _same_as_apps,
}
_VALUE_COMPARATORS: dict[Comparator, Callable[[Any, Any], bool]] = {
    "tokens": _same_plain,
    "exact": _equal,
    "apps": _same_wrapped,
}
