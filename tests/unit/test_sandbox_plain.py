"""Plain data survives encoding unchanged; anything else is rejected."""

from __future__ import annotations

import collections
import enum
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeplan_sandbox.plain import NotPlainError, decode, encode

hashable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=4)
    | st.sampled_from([int, str, list, type(None)]),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=4,
)
plain_data = st.recursive(
    hashable | st.complex_numbers(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(hashable, inner, max_size=3)
        | st.sets(hashable, max_size=3)
        | st.tuples(inner)
    ),
    max_leaves=6,
)


@given(plain_data)
def test_round_trip_keeps_value_and_type(value: Any) -> None:
    back = decode(encode(value))
    assert back == value
    assert type(back) is type(value)


@given(st.text())
def test_decoding_any_text_succeeds_or_raises_value_error(text: str) -> None:
    try:
        decode(text)
    except ValueError:
        return


class Always(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


class Colour(enum.IntEnum):
    RED = 1


Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Always(7), 7),
        (Colour.RED, 1),
        (Point(1, 2), (1, 2)),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (collections.OrderedDict(a=1), {"a": 1}),
        pytest.param(10**6000, 10**6000, id="a very large integer"),
    ],
)
def test_subclasses_are_decoded_as_their_base(value: Any, expected: Any) -> None:
    back = decode(encode(value))
    assert type(back) is type(expected)
    assert back == expected


@pytest.mark.parametrize(
    "value", [object(), len, lambda: 1, iter([]), range(3), Always, [object()], {"a": {1: object()}}, collections]
)
def test_values_that_are_not_plain_are_rejected(value: Any) -> None:
    with pytest.raises(NotPlainError):
        encode(value)


def test_recursive_data_is_rejected() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(NotPlainError, match="deep"):
        encode(endless)


@pytest.mark.parametrize(
    "text", ['{"a": 1, "tuple": 2}', '{"eval": "1"}', '{"set": [[1]]}', '{"type": "Popen"}', "[" * 100_000, "{}"]
)
def test_forged_text_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(text)


def test_encoded_form_is_json() -> None:
    assert json.loads(encode([1, (2,), {"a": b"b"}])) == [1, {"tuple": [2]}, {"dict": [["a", {"bytes": [98]}]]}]
