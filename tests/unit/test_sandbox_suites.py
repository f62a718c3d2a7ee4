"""Suites survive JSON; errors in suites and limits are named."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeplan_sandbox import Case, Limits, Suite, SuiteError
from codeplan_sandbox.suites import PLAIN_COMPARATORS

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
stdin_suites = st.builds(
    Suite,
    kind=st.just("stdin"),
    cases=st.lists(st.builds(Case, input=st.text(), output=st.text()), max_size=3).map(tuple),
    comparator=st.sampled_from([None, "tokens", "exact", "apps"]),
)
call_suites = st.builds(
    Suite,
    kind=st.just("call"),
    cases=st.lists(
        st.builds(Case, args=st.lists(json_values, max_size=3).map(tuple), expected=json_values), max_size=3
    ).map(tuple),
    entry_point=st.just("f"),
)
assert_suites = st.builds(
    Suite,
    kind=st.just("assert"),
    tests=st.lists(st.text(), max_size=3).map(tuple),
    setup=st.text(),
    entry_point=st.text(),
)


@given(st.one_of(stdin_suites, call_suites, assert_suites))
def test_round_trip_through_json(suite: Suite) -> None:
    assert Suite.from_json(suite.to_json()) == suite
    assert len(Suite.from_json(suite.to_json())) == len(suite)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{", "not valid JSON"),
        ("[]", "must be an object"),
        ('{"cases": []}', "needs the field kind"),
        ('{"kind": "magic"}', "kind is 'magic'"),
        ('{"kind": "stdin", "case": []}', "unknown field 'case'"),
        ('{"kind": "stdin", "comparator": "fuzzy"}', "comparator is 'fuzzy'"),
        ('{"kind": "stdin", "cases": {}}', "cases must be a list"),
        ('{"kind": "stdin", "cases": [{"input": "1"}]}', r"cases\[0\].*input and output"),
        ('{"kind": "stdin", "cases": [{"input": 1, "output": "1"}]}', r"cases\[0\].input must be text"),
        ('{"kind": "stdin", "tests": ["assert True"]}', "has cases, not tests"),
        ('{"kind": "call"}', "needs entry_point"),
        ('{"kind": "call", "entry_point": "f", "cases": [{"args": 1, "expected": 1}]}', r"args must be a list"),
        ('{"kind": "assert", "tests": [1]}', r"tests\[0\] must be text"),
        ('{"kind": "assert", "setup": 1}', "setup must be text"),
    ],
)
def test_invalid_suite_names_the_error(text: str, error: str) -> None:
    with pytest.raises(SuiteError, match=error):
        Suite.from_json(text)


def test_json_contains_only_the_fields_of_the_kind() -> None:
    suite = Suite("stdin", cases=(Case(input="1", output="2"),))
    assert json.loads(suite.to_json()) == {"kind": "stdin", "cases": [{"input": "1", "output": "2"}]}


def test_comparator_is_stored_only_if_the_suite_names_one() -> None:
    text = '{"kind":"stdin","cases":[{"input":"1","output":"2"}]}'
    suite = Suite.from_json(text)
    assert suite.comparator is None
    assert suite.to_json() == text
    for comparator in PLAIN_COMPARATORS:
        named = dataclasses.replace(suite, comparator=comparator)
        assert json.loads(named.to_json())["comparator"] == comparator
        assert Suite.from_json(named.to_json()) == named


@pytest.mark.parametrize("name", ["time_s", "wall_factor", "total_s", "memory_bytes", "output_bytes", "processes"])
def test_limit_of_zero_is_rejected(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Limits(**{name: 0})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "1", True, None, 1 << 62, 10**400])
@pytest.mark.parametrize("name", ["time_s", "memory_bytes"])
def test_limit_that_is_not_a_finite_number_is_rejected(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"limit {name} is "):
        Limits(**{name: value})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"limit processes is 1\.5; it must be an integer"):
        Limits(processes=1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["[" * 100_000, '{"kind":' + "[" * 100_000])
def test_json_that_is_nested_too_deep_is_rejected(text: str) -> None:
    with pytest.raises(SuiteError, match="the suite is not valid JSON"):
        Suite.from_json(text)
