"""Records survive their way through Parquet unchanged."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from codeplan import records
from codeplan.records import Plan, Problem, Program, Verdict
from codeplan_sandbox import Case, Outcome, Suite

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
suites = st.one_of(
    st.none(),
    st.builds(
        Suite, kind=st.just("stdin"), cases=st.lists(st.builds(Case, input=text, output=text), max_size=3).map(tuple)
    ),
    st.builds(
        Suite,
        kind=st.just("call"),
        entry_point=st.just("solve"),
        cases=st.lists(
            st.builds(Case, args=st.lists(json_values, max_size=3).map(tuple), expected=json_values), max_size=3
        ).map(tuple),
    ),
    st.builds(Suite, kind=st.just("assert"), tests=st.lists(text, max_size=3).map(tuple), setup=text),
)
problems = st.builds(
    Problem,
    **dict.fromkeys(("problem_id", "dataset", "split", "level", "question", "starter_code"), text),
    solutions=st.lists(text, max_size=3).map(tuple),
    example_tests=suites,
    hidden_tests=suites,
)
programs = st.builds(
    Program,
    problem_id=text,
    arm=st.sampled_from(["direct", "sampled", "codeplan", "oracle"]),
    phase=st.sampled_from(["trial", "final"]),
    plan_index=st.integers(-1, 99),
    sample_index=st.integers(0, 99),
    code=text,
    tokens=st.integers(0, 999),
    finished=st.booleans(),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(problems, max_size=4))
def test_problems_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, given_problems: list[Problem]
) -> None:
    path = tmp_path_factory.mktemp("records") / "problems.parquet"
    assert records.write(path, Problem, given_problems) == len(given_problems)
    assert records.read(Problem, path) == given_problems


@settings(max_examples=50, deadline=None)
@given(st.lists(programs, max_size=4))
def test_programs_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, given_programs: list[Program]
) -> None:
    path = tmp_path_factory.mktemp("records") / "programs.parquet"
    records.write(path, Program, given_programs)
    assert records.read(Program, path) == given_programs


@pytest.mark.parametrize("kind", [Problem, Plan, Program, Verdict])
def test_every_field_has_a_column(kind: type[records.Record]) -> None:
    assert records.arrow_schema(kind).names == list(kind.model_fields)


@pytest.mark.parametrize("kind", [Problem, Plan, Program, Verdict])
def test_an_empty_table_keeps_its_schema(tmp_path: Path, kind: type[records.Record]) -> None:
    records.write(tmp_path / "empty.parquet", kind, [])
    assert pq.read_schema(tmp_path / "empty.parquet").names == records.arrow_schema(kind).names
    assert records.read(kind, tmp_path / "empty.parquet") == []


def test_a_lone_surrogate_of_a_model_does_not_stop_the_stage(tmp_path: Path) -> None:
    program = Program(problem_id="p", arm="direct", phase="final", code="print('\ud800')", tokens=1, finished=True)
    records.write(tmp_path / "programs.parquet", Program, [program])
    assert records.read(Program, tmp_path / "programs.parquet")[0].code == "print('?')"


def test_a_record_is_closed() -> None:
    with pytest.raises(ValidationError):
        Verdict(
            problem_id="p",
            program_key="k",
            suite="hidden",
            outcome="fine",
            passed_tests=0,
            total_tests=0,
            time_s=0,
            memory_bytes=0,
        )
    assert Outcome("passed") is Outcome.PASSED
