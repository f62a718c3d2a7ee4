"""Whether an output is what a test expects. All comparisons are made outside the sandbox, on plain data.

``tokens``: line by line, blank by blank. Words and integers must be the same text; a number is compared within 1e-6
(absolute, or relative above 1) only where the expected token is a literal with a point or an exponent. Blank lines at
the end and blanks at the ends of lines do not count.

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
    """Whether a call's result, read from JSON, is right; JSON has no tuples, so they equal lists."""
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
    return _close(float(written), float(expected))


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
    numbers, wanted = _floats(mine), _floats(theirs)
    return (
        numbers is not None
        and wanted is not None
        and len(numbers) == len(wanted)
        and all(map(_apps_close, numbers, wanted))
    )


def _apps_close(written: float, expected: float) -> bool:
    """numpy.allclose, with its default tolerances."""
    return written == expected or (math.isfinite(expected) and abs(written - expected) <= 1e-8 + 1e-5 * abs(expected))


def _floats(lines: list[str]) -> list[float] | None:
    try:
        return [float(token) for line in lines for token in line.split()]
    except ValueError:
        return None


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
    if isinstance(expected, float) and isinstance(returned, (int, float)) and not expected.is_integer():
        return _close(returned, expected) or (math.isnan(expected) and math.isnan(returned))
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
