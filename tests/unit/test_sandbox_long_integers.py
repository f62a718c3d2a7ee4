"""Integers beyond Python's default limit of digits are read and compared, without quadratic time in the judge."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeplan_sandbox import Case, Judge, Limits, Outcome, Suite
from codeplan_sandbox.comparators import same_output, same_value
from codeplan_sandbox.long_integers import LongInteger, decimal, dumps, integer, loads, loads_returned

DIGITS = "1234567890" * 600
LONG = integer(DIGITS)
long_integers = st.builds(
    lambda exponent, offset, sign: sign * (10**exponent + offset),
    st.integers(0, 6000),
    st.integers(-(10**30), 10**30),
    st.sampled_from([1, -1]),
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Judge]:
    with Judge(Limits(time_s=2.0)) as warm:
        yield warm


@given(long_integers)
def test_round_trip(number: int) -> None:
    digits = decimal(number)
    assert integer(digits) == number
    assert loads(dumps([number, {"a": number}], ensure_ascii=False)) == [number, {"a": number}]
    assert LongInteger(digits) == number
    assert LongInteger(digits) != number + 1
    assert LongInteger(digits) != -number or number == 0


@given(st.integers(-(10**600), 10**600))
def test_decimal_equals_str(number: int) -> None:
    assert decimal(number) == str(number)


def test_long_integer_equals_no_other_type() -> None:
    returned = loads_returned(f"[{DIGITS}]")
    assert same_value("tokens", returned, [LONG])
    for other in (DIGITS, LONG + 1, -LONG, float("inf"), 1.5, True, None, [LONG]):
        assert not same_value("tokens", returned, [other])


def test_limit_of_the_calling_process_is_unchanged() -> None:
    before = sys.get_int_max_str_digits()
    Suite.from_json(Suite("call", cases=(Case(args=(LONG,), expected=LONG),), entry_point="f").to_json())
    assert sys.get_int_max_str_digits() == before
    with pytest.raises(ValueError, match="digits"):
        json.loads(DIGITS)


@pytest.mark.parametrize(
    ("program", "argument", "expected", "outcome"),
    [
        ("def f(n): return [n + 1, str(n), {'a': -n}]", LONG, [LONG + 1, DIGITS, {"a": -LONG}], Outcome.PASSED),
        ("def f(n): return n", LONG, LONG + 1, Outcome.WRONG_ANSWER),
        ("def f(n): return str(n)", LONG, LONG, Outcome.WRONG_ANSWER),
        ("def f(n): return n", 1, LONG, Outcome.WRONG_ANSWER),
        ("def f(n): raise ValueError(n)", LONG, LONG, Outcome.RUNTIME_ERROR),
        ("import sys\nsys.set_int_max_str_digits(5000)\ndef f(n): return n", LONG, LONG, Outcome.WRONG_ANSWER),
        (f"def f(n): return n - {DIGITS}", LONG, 0, Outcome.PASSED),
    ],
    ids=[
        "correct",
        "wrong",
        "string for a number",
        "short",
        "exception",
        "limit set by the program",
        "literal in the program",
    ],
)
@pytest.mark.parametrize("comparator", ["tokens", "exact", "apps"])
def test_call_suites(
    sandbox: Judge, program: str, argument: object, expected: object, outcome: Outcome, comparator: str
) -> None:
    case = Case(args=(argument,), expected=expected)
    suite = Suite("call", cases=(case,), entry_point="f", comparator=comparator)  # type: ignore[arg-type]
    verdict = sandbox.judge(program, suite)
    assert verdict.outcome is outcome, verdict.message


def test_stdin_suites(sandbox: Judge) -> None:
    suite = Suite("stdin", cases=(Case(DIGITS, decimal(LONG + 1)),))
    assert sandbox.judge("print(int(input()) + 1)", suite).passed
    assert sandbox.judge("print(int(input()))", suite).outcome is Outcome.WRONG_ANSWER


def test_assert_suites(sandbox: Judge) -> None:
    suite = Suite("assert", tests=(f"assert f({DIGITS}) == {decimal(LONG + 1)}", "assert str(f(10**5000))[-1] == '1'"))
    assert sandbox.judge("def f(n): return n + 1", suite).passed
    assert not sandbox.judge("def f(n): return n", suite).passed


@pytest.mark.parametrize("expected", ["1.5", "2" * 6000, "1e5"])
def test_million_digits_are_compared_in_linear_time(expected: str) -> None:
    # Converting them to integers takes seconds each; all of this together takes a fraction of one.
    for digits in ("9" * 1_000_000, "-" + "9" * 1_000_000, "1." + "9" * 1_000_000, "1e" + "9" * 1_000_000):
        for comparator in ("tokens", "exact", "apps"):
            assert not same_output(comparator, digits.encode(), expected)
            assert not same_value(comparator, loads_returned(f"[{digits}]"), [json.loads(expected[:600])])


@pytest.mark.parametrize(
    ("written", "expected", "accepted"),
    [
        ("9" * 400, "9" * 400, True),
        ("9" * 400, "8" * 400, False),  # both are infinite as floats
        ("9" * 400 + ".0", "8" * 400 + ".0", False),
        ("9" * 400, "inf", False),
        ("inf", "9" * 400, False),
    ],
)
@pytest.mark.parametrize("comparator", ["tokens", "apps"])
def test_numbers_beyond_the_range_of_floats_are_compared_as_text(
    comparator: str, written: str, expected: str, accepted: bool
) -> None:
    assert same_output(comparator, written.encode(), expected) is accepted  # type: ignore[arg-type]


def test_converting_many_digits_counts_as_time_of_the_program(sandbox: Judge) -> None:
    suite = Suite("call", cases=(Case(expected=LONG),), entry_point="f")
    verdict = sandbox.judge("def f(): return 10**3_000_000", suite, Limits(time_s=0.3))
    assert verdict.outcome is Outcome.TIME_LIMIT
