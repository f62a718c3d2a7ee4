"""Which outputs and results each comparator accepts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeplan_sandbox.comparators import same_output, same_value
from codeplan_sandbox.suites import COMPARATORS, Comparator


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


@given(st.text(), st.sampled_from(COMPARATORS))
def test_every_output_equals_itself(text: str, comparator: Comparator) -> None:
    assert same_output(comparator, text.encode("utf-8", "replace"), text.encode("utf-8", "replace").decode())


def test_suites_without_a_comparator_are_compared_by_tokens() -> None:
    assert same_output(None, b"1  2", "1 2")
    assert not same_output(None, b"2\n1", "1\n2")
    assert same_value(None, 0.1 + 0.2, 0.3)
    assert not same_value(None, 3, [3])


@given(st.integers(), st.integers())
def test_different_integers_differ(one: int, other: int) -> None:
    assert same_output("tokens", str(one).encode(), str(other)) is (one == other)


@pytest.mark.parametrize("comparator", COMPARATORS)
def test_output_that_is_not_utf8_is_wrong(comparator: Comparator) -> None:
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
def test_results_of_calls(comparator: Comparator, returned: object, expected: object, accepted: bool) -> None:
    assert same_value(comparator, returned, expected) is accepted


@pytest.mark.parametrize("comparator", COMPARATORS)
def test_long_expected_output_is_compared_by_the_same_rules(comparator: Comparator) -> None:
    blank = " " * (2 << 20)
    assert same_output(comparator, b"1 2\n3\n", f"1 2{blank}\n3{blank}\n")
    assert not same_output(comparator, b"1 2\n3\n", f"1 2{blank}\n4\n")
    assert not same_output(comparator, b"1 2\n3\n", f"1 2{blank}\n3 4\n")
    assert not same_output(comparator, b"1\n", "1\n" * (2 << 20))
