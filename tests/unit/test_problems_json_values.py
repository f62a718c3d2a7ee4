"""JSON of data sets: integers longer than Python's own limit of digits, and what a message shows."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeplan.problems.json_values import MAX_DEPTH, MAX_DIGITS, fault, parse, printable, shown, whole
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
        ('{"a": 1, "b": 2, "a": 3}', "key 'a' stands twice in one object"),
        ('[{"\\ud83d": 1, "\\ud83d": 2}]', r"key '\\ud83d' stands twice"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(text)


@given(VALUES)
def test_what_utf_8_holds_has_no_fault(value: object) -> None:
    assert fault(value) is None
    assert "half a character" in (fault([value, {"a": [value, "b\udfff"]}]) or "")
    assert "half a character" in (fault({"\ud800": value}) or "")


def test_nesting_has_an_end() -> None:
    assert fault(json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)) is None
    assert "nested more than" in (fault(json.loads("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))) or "")


@given(VALUES | st.text())
def test_values_are_shown_in_one_short_line(value: object) -> None:
    line = printable(shown(value))
    assert line.isprintable()
    assert len(shown(value)) <= 80
    line.encode()


def test_a_message_keeps_its_beginning_and_its_end() -> None:
    message = printable("begin\n" + "x" * 5000 + "\udc80 end")
    assert (message[:7], message[-10:]) == ("begin\\n", "\\udc80 end")
    assert len(message) < 1100


def test_whole_numbers() -> None:
    assert [whole(value) for value in (3, 3.0, 3.5, True, "3", float("inf"))] == [3, 3, None, None, None, None]
