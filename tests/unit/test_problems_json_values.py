"""JSON values of data sets: long integers, duplicate keys, nesting, lone surrogates, and their short repr."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeplan.errors import escape_unprintable
from codeplan.problems import ProblemError
from codeplan.problems.json_values import MAX_DEPTH, MAX_DIGITS, as_integer, parse, short_repr, unsupported
from codeplan_sandbox import Case, Suite, long_integers

LONG = st.tuples(st.integers(1, 10**60), st.integers(4200, 9000)).map(lambda pair: pair[0] * 10 ** pair[1] + pair[1])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | LONG | LONG.map(lambda number: -number) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(VALUES)
def test_integers_of_any_length_are_read_back(value: object) -> None:
    limit = sys.get_int_max_str_digits()
    assert parse(long_integers.dumps(value)) == value
    suite = Suite(kind="call", entry_point="f", cases=(Case(args=(value,), expected=value),))
    assert Suite.from_json(suite.to_json()) == suite
    assert sys.get_int_max_str_digits() == limit


def test_integers_that_take_too_long_are_refused() -> None:
    assert parse(f"[{'1' * MAX_DIGITS}]")[0] % 100 == 11
    with pytest.raises(ValueError, match="an integer of 100001 digits; at most 100000 are read"):
        parse(f"[{'1' * (MAX_DIGITS + 1)}]")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" + "1" * 5000, "Expecting ',' delimiter"),
        ('{"a": 1, "b": 2, "a": 3}', "duplicate key 'a' in one object"),
        ('[{"\\ud83d": 1, "\\ud83d": 2}]', r"duplicate key '\\ud83d'"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_unreadable_json_is_explained(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(text)


@given(VALUES)
def test_lone_surrogates_are_unsupported(value: object) -> None:
    assert unsupported(value) is None
    assert "lone surrogate" in (unsupported([value, {"a": [value, "b\udfff"]}]) or "")
    assert "lone surrogate" in (unsupported({"\ud800": value}) or "")


def test_nesting_deeper_than_the_limit_is_unsupported() -> None:
    assert unsupported(json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)) is None
    assert "nested more than" in (unsupported(json.loads("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))) or "")


@given(VALUES | st.text())
def test_short_repr_fits_one_line(value: object) -> None:
    line = escape_unprintable(short_repr(value))
    assert line.isprintable()
    assert len(short_repr(value)) <= 80
    line.encode()


def test_a_long_error_message_keeps_its_head_and_tail() -> None:
    message = str(ProblemError("begin\n" + "x" * 5000 + "\udc80 end"))
    assert (message[:7], message[-10:]) == ("begin\\n", "\\udc80 end")
    assert len(message) < 1100


def test_integers_also_as_floats() -> None:
    assert [as_integer(value) for value in (3, 3.0, 3.5, True, "3", float("inf"))] == [3, 3, None, None, None, None]
