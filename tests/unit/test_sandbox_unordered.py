"""Lines and lists in any order: against a search through all orders, and within a bounded number of comparisons."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeplan_sandbox import unordered
from codeplan_sandbox.comparators import TOLERANCE, same_output, same_value
from codeplan_sandbox.long_integers import LongInteger

# Numbers in steps of less than the tolerance: which equals which depends on the pairing.
CLOSE = st.integers(0, 8).map(lambda step: 1.0 + step * 0.45 * TOLERANCE)
NUMBERS = CLOSE | st.sampled_from([1, 2, True, 0.0, -1.0, 1e17, 10**17, 10**400, float("inf"), float("nan")])
LEAVES = NUMBERS | st.sampled_from([None, "", "1.0", "a"])
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
)
PAIRS = st.lists(CLOSE, min_size=2, max_size=2)
CLOSE_TOKENS = ["1.0", "1.0000004", "1.0000008", "1.0000012"]
TOKENS = st.sampled_from([*CLOSE_TOKENS, "1", "01", "2", "x", "nan", "1e999", ".5", "1e17"])
LINES = st.lists(TOKENS, max_size=3).map(" ".join)


def equal_in_some_order(returned: list[Any], expected: list[Any]) -> bool:
    orders = itertools.permutations(returned)
    return len(returned) == len(expected) and any(same_value("tokens", list(order), expected) for order in orders)


@given(st.lists(VALUES, max_size=5), st.lists(VALUES, max_size=5))
def test_any_values_against_all_orders(returned: list[Any], expected: list[Any]) -> None:
    assert same_value("unordered", returned, expected) is equal_in_some_order(returned, expected)


@given(st.integers(0, 6).flatmap(lambda n: st.tuples(*[st.lists(PAIRS | CLOSE, min_size=n, max_size=n)] * 2)))
def test_close_numbers_against_all_orders(lists: tuple[list[Any], list[Any]]) -> None:
    assert same_value("unordered", *lists) is equal_in_some_order(*lists)


@given(st.lists(VALUES, max_size=6).flatmap(lambda values: st.tuples(st.just(values), st.permutations(values))))
def test_every_order_of_the_expected_values_is_accepted(orders: tuple[list[Any], list[Any]]) -> None:
    assert same_value("unordered", orders[1], orders[0])


@given(st.lists(LINES, max_size=5), st.lists(LINES, max_size=5))
def test_lines_against_all_orders(written: list[str], expected: list[str]) -> None:
    mine, theirs = ([line for line in lines if line.strip()] for lines in (written, expected))
    accepted = any(
        same_output("tokens", "\n".join(order).encode(), "\n".join(theirs)) for order in itertools.permutations(mine)
    )
    assert same_output("unordered", "\n".join(written).encode(), "\n".join(expected)) is accepted


@pytest.mark.parametrize(
    ("written", "expected", "accepted"),
    [
        ("b\na\n", "a\nb", True),
        ("a\na\nb", "a\nb\nb", False),  # as often as expected
        ("a\nb", "a\nb\nb", False),
        ("2 1", "1 2", False),  # within a line the order matters
        ("b\n\na\n\n", "a\nb", True),
        ("", "", True),
        ("", "a", False),
        ("0.30000000000000004\n1", "1\n0.3", True),
        ("1.0\n2", "2\n1", False),  # integers are compared exactly
        ("1.0 b\n1 a", "1.0 a\n1.0 b", True),
    ],
)
def test_lines_in_any_order(written: str, expected: str, accepted: bool) -> None:
    assert same_output("unordered", written.encode(), expected) is accepted


@pytest.mark.parametrize(
    ("returned", "expected", "accepted"),
    [
        ([[2, 1], [3]], [[3], [2, 1]], True),
        ([[1, 2], [3]], [[3], [2, 1]], False),  # only the outermost list
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ([1, 1, 2], [1, 2, 2], False),
        ([1.0], [1], True),
        ([1.5], [1], False),
        ([], [], True),
        ([], None, False),
        (None, [], False),
        (0.1 + 0.2, 0.3, True),  # not a list
        ([LongInteger("1" * 700), 5], [5, int("1" * 599) * 10**101 + int("1" * 101)], True),
        ([LongInteger("1" * 700), 5], [5, int("1" * 599) * 10**101], False),
        ([1.0, 1.0000008], [1.0000008, 1.0000016], True),  # although 1.0000008 stands in both
    ],
)
def test_results_in_any_order(returned: Any, expected: Any, accepted: bool) -> None:
    assert same_value("unordered", returned, expected) is accepted


def test_many_elements_with_rounding_noise_are_paired() -> None:
    """In sorted order the noise of the first number separates what the second would pair."""
    expected = [[0.3, index] for index in range(1000)]
    returned = [[0.1 + 0.2 if index % 2 else 0.3, index] for index in reversed(range(1000))]
    assert same_value("unordered", returned, expected)
    assert not same_value("unordered", [*returned[1:], [0.3, 7]], expected)
    lines = ["\n".join(f"{one} {other}" for one, other in pairs) for pairs in (returned, expected)]
    assert same_output("unordered", lines[0].encode(), lines[1])
    assert same_value("unordered", [[float(index)] for index in reversed(range(1000))], [[i] for i in range(1000)])


def test_dense_numbers_that_do_not_match_end_within_the_step_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unordered, "MAX_STEPS", 10_000)
    compared = []

    def same(returned: Any, expected: Any) -> bool:
        compared.append(returned)
        return same_value("tokens", returned, expected)

    elements = unordered.Elements(unordered.value_key, unordered.value_has_floats, unordered.value_outline, same)
    expected = [[1 + i * 1e-9, 1 + (i * 7 % 1000) * 1e-9] for i in range(1000)]
    assert elements.match(expected[::-1], expected)
    compared.clear()
    assert not elements.match([[one + 1.5e-6, other + 1.5e-6] for one, other in expected], expected)
    assert 1000 < len(compared) <= 1000 + 10_000
