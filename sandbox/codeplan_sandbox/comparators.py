"""Compare a program's output with the expected one. This happens outside the sandbox, on plain data.

``tokens``: line by line and, within a line, token by token. Words and integers must be identical; a number is compared
within 1e-6 (absolute, or relative above 1) only if the expected token has a decimal point or an exponent. Trailing
whitespace of lines and trailing empty lines are ignored. The result of a call is compared likewise at any depth: within
1e-6 if the expected number is a float, by value if it is an integer.

``exact``: as text; trailing whitespace of lines and of the whole output is ignored.

``unordered``: like ``tokens``, but the lines may come in any order, and blank lines are ignored, as nothing but their
place distinguishes them. So may the items of a list that a call returns; those of lists inside it may not. Every line
or item is paired with an expected one of its own, see `codeplan_sandbox.unordered`.

``floats``: like ``tokens``, but every number is compared within the suite's tolerance, absolute, or relative above 1,
also where an integer is expected. ``nan`` and infinities must be written as expected.

``apps``: accepts most of what the harness published with APPS accepts, with which many results in the literature were
measured: reordered lines, empty lines, numbers within a relative tolerance of 1e-5, and the expected result of a call
wrapped in one more list. It accepts some wrong programs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from codeplan_sandbox import number_tokens, unordered
from codeplan_sandbox.number_tokens import INTEGER, NUMBER
from codeplan_sandbox.suites import DEFAULT_COMPARATOR, Comparator
from codeplan_sandbox.unordered import Elements

TOLERANCE = 1e-6
_LONG = 1 << 20


def same_output(comparator: Comparator | None, written: bytes, expected: str, tolerance: float | None = None) -> bool:
    """Whether a program's standard output is correct; output that is not UTF-8 is not.

    Args:
        comparator: a comparator, or None for the default one.
        written: the program's output.
        expected: the test's output.
        tolerance: of ``floats``.
    """
    try:
        text = written.decode("utf-8")
    except UnicodeDecodeError:
        return False
    if len(expected) > _LONG + 16 * len(text):  # as lists of words it would take many times its size
        words = len(text.split())
        if len(expected.split(None, words)) != words:
            return False
    if tolerance is not None:
        return _same_tokens(_lines(text), _lines(expected), partial(_same_number, tolerance=tolerance))
    return _OUTPUT_COMPARATORS[comparator or DEFAULT_COMPARATOR](_lines(text), _lines(expected))


def same_value(comparator: Comparator | None, returned: Any, expected: Any, tolerance: float | None = None) -> bool:
    """Whether the result of a call is correct.

    Args:
        comparator: a comparator, or None for the default one.
        returned: the result as `long_integers.loads_returned` reads it, with lists for tuples.
        expected: the test's result, as JSON values.
        tolerance: of ``floats``.
    """
    if tolerance is not None:
        return _same_plain(returned, expected, tolerance)
    return _VALUE_COMPARATORS[comparator or DEFAULT_COMPARATOR](returned, expected)


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]


def _close(written: float, expected: float, tolerance: float = TOLERANCE) -> bool:
    try:
        return written == expected or (
            math.isfinite(expected) and abs(written - expected) <= tolerance * max(1.0, abs(expected))
        )
    except OverflowError:  # an integer too large for a float is not close to any float
        return False


def _same_token(written: str, expected: str) -> bool:
    if written == expected:
        return True
    if INTEGER.match(expected) or not NUMBER.match(expected) or not NUMBER.match(written):
        return False
    number, target = float(written), float(expected)
    # Numbers beyond the range of floats must be identical as text.
    return math.isfinite(target) and _close(number, target)


def _same_number(written: str, expected: str, tolerance: float) -> bool:
    """Whether two tokens are equal, or numbers within a tolerance."""
    if written == expected:
        return True
    number, target = number_tokens.number(written), number_tokens.number(expected)
    return number is not None and target is not None and _close(number, target, tolerance)


def _same_tokens(written: list[str], expected: list[str], same: Callable[[str, str], bool] = _same_token) -> bool:
    return written == expected or (
        len(written) == len(expected) and all(_same_line(*pair, same) for pair in zip(written, expected, strict=True))
    )


def _same_line(written: str, expected: str, same: Callable[[str, str], bool] = _same_token) -> bool:
    mine, theirs = written.split(), expected.split()
    return len(mine) == len(theirs) and all(map(same, mine, theirs))


def _same_unordered(written: list[str], expected: list[str]) -> bool:
    return _LINES.match(*([tuple(line.split()) for line in lines if line.strip()] for lines in (written, expected)))


def _same_tokens_of_line(written: tuple[str, ...], expected: tuple[str, ...]) -> bool:
    return len(written) == len(expected) and all(map(_same_token, written, expected))


_LINES = Elements(tuple, unordered.line_has_floats, unordered.line_outline, _same_tokens_of_line)


def _same_as_apps(written: list[str], expected: list[str]) -> bool:
    mine, theirs = ([" ".join(line.split()) for line in lines if line.strip()] for lines in (written, expected))
    if mine == theirs or sorted(mine) == sorted(theirs):
        return True
    tokens, target = ([token for line in lines for token in line.split()] for lines in (mine, theirs))
    try:
        return len(tokens) == len(target) and all(map(_apps_close, tokens, target))
    except ValueError:  # a token is not a number
        return False


def _apps_close(written: str, expected: str) -> bool:
    """numpy.allclose with its default tolerances; numbers too large for a float must have the same digits."""
    number, target = float(written), float(expected)
    if math.isinf(target) or math.isinf(number):
        return written == expected or (number == target and not (NUMBER.match(written) or NUMBER.match(expected)))
    return abs(number - target) <= 1e-8 + 1e-5 * abs(target)


def _equal(returned: Any, expected: Any) -> bool:
    return bool(returned == expected)


def _same_plain(returned: Any, expected: Any, tolerance: float | None = None) -> bool:
    """Whether two values are the same: floats within `TOLERANCE`, or all numbers within a tolerance that is given."""
    if isinstance(expected, list):
        return (
            isinstance(returned, list)
            and len(returned) == len(expected)
            and all(_same_plain(mine, theirs, tolerance) for mine, theirs in zip(returned, expected, strict=True))
        )
    if isinstance(expected, dict):
        return (
            isinstance(returned, dict)
            and returned.keys() == expected.keys()
            and all(_same_plain(returned[key], value, tolerance) for key, value in expected.items())
        )
    within = TOLERANCE if tolerance is None else tolerance
    numbers = float if tolerance is None else (int, float)
    if isinstance(expected, numbers) and not isinstance(expected, bool) and isinstance(returned, (int, float)):
        nan = expected != expected and returned != returned  # noqa: PLR0124 - only NaN differs from itself
        return _close(returned, expected, within) or nan
    return _equal(returned, expected)


def _same_in_any_order(returned: Any, expected: Any) -> bool:
    if not isinstance(expected, list) or not isinstance(returned, list):
        return _same_plain(returned, expected)
    return _VALUES.match(returned, expected)


_VALUES = Elements(unordered.value_key, unordered.value_has_floats, unordered.value_outline, _same_plain)


def _same_wrapped(returned: Any, expected: Any) -> bool:
    wrapped = isinstance(expected, list) and len(expected) == 1
    return _same_plain(returned, expected) or (wrapped and _same_plain(returned, expected[0]))


_OUTPUT_COMPARATORS: dict[Comparator, Callable[[list[str], list[str]], bool]] = {
    "tokens": _same_tokens,
    "exact": _equal,
    "apps": _same_as_apps,
    "unordered": _same_unordered,
}
_VALUE_COMPARATORS: dict[Comparator, Callable[[Any, Any], bool]] = {
    "tokens": _same_plain,
    "exact": _equal,
    "apps": _same_wrapped,
    "unordered": _same_in_any_order,
}
