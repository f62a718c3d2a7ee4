"""Which outputs and results each comparator accepts."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeplan_sandbox.comparators import same_output, same_value
from codeplan_sandbox.suites import PLAIN_COMPARATORS, PlainComparator


@pytest.mark.parametrize(
    ("written", "expected", "accepted"),
    [
        ("6\n", "6", True),
        ("6  \n\n\n", "6\n", True),
        ("1  2\t3", "1 2 3", True),
        ("a\r\nb\r\n", "a\nb\n", True),
        ("1 2\n3", "1 2 3", False),  # lines matter
        ("NO\nYES", "YES\nNO", False),  # and so does their order
        ("123456790", "123456789", False),
        ("100000000000000001", "100000000000000000", False),
        ("1.0", "1", False),  # integers are compared exactly
        ("1", "1.0", True),
        ("0.30000000000000004", "0.3", True),
        ("0.3000009", "0.3", True),
        ("0.30001", "0.3", False),
        ("1000000.5", "1000000.0", True),  # relative above 1
        ("3e8", "3.0e8", True),
        ("nan", "0.5", False),
        ("nan", "nan", True),  # identical text
        ("inf", "1e999", False),
        ("yes", "Yes", False),
        ("", "", True),
        ("", "0", False),
        ("1 2", "1", False),
    ],
)
def test_output_by_tokens(written: str, expected: str, accepted: bool) -> None:
    assert same_output("tokens", written.encode(), expected) is accepted


@pytest.mark.parametrize(
    ("written", "expected", "accepted"),
    [("a b  \n", "a b", True), ("a  b", "a b", False), ("0.30000000000000004", "0.3", False), (" a", "a", False)],
)
def test_output_exact(written: str, expected: str, accepted: bool) -> None:
    assert same_output("exact", written.encode(), expected) is accepted


@pytest.mark.parametrize(
    ("written", "expected", "accepted"),
    [
        ("NO\nYES\nYES", "YES\nNO\nYES", True),  # like the published harness
        ("1\n\n2", "1\n2", True),
        ("123456790", "123456789", True),
        ("1.0", "1", True),
        ("5 6", "5\n6", True),
        ("2", "1", False),
        ("x", "1", False),
    ],
)
def test_output_like_apps(written: str, expected: str, accepted: bool) -> None:
    assert same_output("apps", written.encode(), expected) is accepted


@given(st.text(), st.sampled_from(PLAIN_COMPARATORS))
def test_every_output_equals_itself(text: str, comparator: PlainComparator) -> None:
    assert same_output(comparator, text.encode("utf-8", "replace"), text.encode("utf-8", "replace").decode())


def test_suites_without_a_comparator_are_compared_by_tokens() -> None:
    assert same_output(None, b"1  2", "1 2")
    assert not same_output(None, b"2\n1", "1\n2")
    assert same_value(None, 0.1 + 0.2, 0.3)
    assert not same_value(None, 3, [3])


@given(st.integers(), st.integers())
def test_different_integers_differ(one: int, other: int) -> None:
    assert same_output("tokens", str(one).encode(), str(other)) is (one == other)


@pytest.mark.parametrize("comparator", PLAIN_COMPARATORS)
def test_output_that_is_not_utf8_is_wrong(comparator: PlainComparator) -> None:
    assert not same_output(comparator, b"\xff\xfe", "\ufffd\ufffd")


@pytest.mark.parametrize(
    ("comparator", "returned", "expected", "accepted"),
    [
        ("tokens", [0, 1], [0, 1], True),
        ("tokens", [1, 0], [0, 1], False),
        ("tokens", 0.30000000000000004, 0.3, True),
        ("tokens", [0.1 + 0.2], [0.3], True),
        ("tokens", 2, 2.0, True),
        ("tokens", 0.9999999999999999, 1.0, True),
        ("tokens", {"a": [[0.9999999999999999], 3]}, {"a": [[1.0], 3]}, True),
        ("tokens", 1.00001, 1.0, False),
        ("tokens", 1.9999999999999998, 2, False),  # integers are compared exactly
        ("tokens", 2.0, 2, True),
        ("tokens", 10**15 + 1, 10**15, False),
        ("tokens", 1000000.5, 1000000.0, True),  # relative above 1
        ("tokens", float("nan"), float("nan"), True),
        ("tokens", 10**400, float("nan"), False),
        ("tokens", float("inf"), 1e308, False),
        ("tokens", "1.0", 1.0, False),
        ("exact", 0.9999999999999999, 1.0, False),
        ("tokens", 1e17, 10**17 + 1, False),
        ("tokens", 10**400, 0.5, False),  # too large for a float
        ("tokens", {"a": [1]}, {"a": [1]}, True),
        ("tokens", {"a": 1, "b": 2}, {"a": 1}, False),
        ("tokens", "1", 1, False),
        ("tokens", None, 0, False),
        ("tokens", 3, [3], False),
        ("apps", 3, [3], True),  # APPS wraps some expected results in a list
        ("apps", [3], [[3]], True),
        ("apps", [3], [3], True),
        ("apps", 4, [3], False),
        ("exact", 0.30000000000000004, 0.3, False),
    ],
)
def test_results_of_calls(comparator: PlainComparator, returned: object, expected: object, accepted: bool) -> None:
    assert same_value(comparator, returned, expected) is accepted


@pytest.mark.parametrize(
    ("written", "expected", "accepted"),
    [
        ("b\na\n", "a\nb", True),
        ("a\na\nb", "a\nb\nb", False),  # as often
        ("2 1", "1 2", False),  # tokens stay in order
        ("1.0\n0.3000001\n", "0.3\n1.0", True),
        ("a", "a\na", False),
        ("", "", True),
    ],
)
def test_lines_in_any_order(written: str, expected: str, accepted: bool) -> None:
    assert same_output("unordered", written.encode(), expected) == accepted


@pytest.mark.parametrize(
    ("returned", "expected", "accepted"),
    [
        ([2, 1], [1, 2], True),
        ([1, 1, 2], [1, 2, 2], False),
        ([[2, 1], [3]], [[3], [1, 2]], False),  # the outermost list alone
        ([[3], [1, 2]], [[1, 2], [3]], True),
        ([1.0000001, "x", None], [None, 1.0, "x"], True),
        ([10**400, 1.0], [1.0, 10**400], True),
        ({"a": 1}, {"a": 1}, True),
        ([1], 1, False),
    ],
)
def test_items_in_any_order(returned: Any, expected: Any, accepted: bool) -> None:
    assert same_value("unordered", returned, expected) == accepted


@settings(max_examples=200)
@given(
    st.lists(
        st.lists(st.sampled_from(["1.0", "1.0000009", "1.0000018", "2", "x"]), min_size=1, max_size=2), max_size=5
    ),
    st.lists(
        st.lists(st.sampled_from(["1.0", "1.0000009", "1.0000018", "2", "x"]), min_size=1, max_size=2), max_size=5
    ),
)
def test_lines_in_any_order_as_by_trying_all_orders(written: list[list[str]], expected: list[list[str]]) -> None:
    mine, theirs = (list(map(" ".join, lines)) for lines in (written, expected))
    found = any(
        all(same_output("tokens", line.encode(), other) for line, other in zip(order, theirs, strict=True))
        for order in itertools.permutations(mine)
        if len(order) == len(theirs)
    )
    assert same_output("unordered", "\n".join(mine).encode(), "\n".join(theirs)) == found


@pytest.mark.parametrize(
    ("written", "expected", "tolerance", "accepted"),
    [
        ("3.14", "3.1415", 1e-2, True),
        ("3.14", "3.1415", 1e-4, False),
        ("1001", "1000", 1e-3, True),  # relative above 1, and integers too
        ("1.0", "1", 0.0, True),
        ("x 2.0", "x 2", 1e-6, True),
        ("y 2.0", "x 2", 1e-6, False),
        ("nan", "nan", 1e-6, True),
        ("nan", "1", 1.0, False),
        ("9007199254740993", "9007199254740992", 0.0, False),  # the same float
        ("+5", "5.", 0.0, True),
        ("1" * 400, "1" * 399 + "2", 1e-6, False),  # beyond the range of floats
        ("inf", "1e999", 1.0, False),
        ("1\n2", "1 2", 1.0, False),
    ],
)
def test_output_within_a_tolerance(written: str, expected: str, tolerance: float, accepted: bool) -> None:
    assert same_output("floats", written.encode(), expected, tolerance) == accepted


def test_values_within_a_tolerance() -> None:
    assert same_value("floats", [1, {"a": 2.05}], [1.04, {"a": 2}], 0.05)
    assert not same_value("floats", [1, {"a": 2.2}], [1.04, {"a": 2}], 0.05)
    assert not same_value("floats", ["1"], [1], 0.5)
    assert not same_value("floats", None, 0, 0.5)


@pytest.mark.parametrize("comparator", PLAIN_COMPARATORS)
def test_long_expected_output_is_compared_by_the_same_rules(comparator: PlainComparator) -> None:
    blank = " " * (2 << 20)
    assert same_output(comparator, b"1 2\n3\n", f"1 2{blank}\n3{blank}\n")
    assert not same_output(comparator, b"1 2\n3\n", f"1 2{blank}\n4\n")
    assert not same_output(comparator, b"1 2\n3\n", f"1 2{blank}\n3 4\n")
    assert not same_output(comparator, b"1\n", "1\n" * (2 << 20))
