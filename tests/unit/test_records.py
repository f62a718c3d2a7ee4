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


@given(
    rows=st.integers(0, 40),
    group=st.one_of(st.none(), st.integers(1, 16)),
    start=st.integers(0, 45),
    count=st.integers(0, 45),
)
def test_consecutive_rows_are_read_whatever_the_row_groups(
    tmp_path_factory: pytest.TempPathFactory, rows: int, group: int | None, start: int, count: int
) -> None:
    path = tmp_path_factory.mktemp("rows") / "plans.parquet"
    plans = [Plan(problem_id=f"p{row}", author="t", text=f"{row}", leakage=0.5) for row in range(rows)]
    records.write(path, Plan, plans, group)
    assert records.count(path) == rows
    assert records.read_rows(Plan, path, start, count) == plans[start : start + count]
    without = [plan.model_copy(update={"leakage": 0.0}) for plan in plans[start : start + count]]
    assert records.read_rows(Plan, path, start, count, leave_out=["leakage"]) == without
    assert records.columns(path, "text") == {"text": [plan.text for plan in plans]}


def test_rows_of_a_missing_or_damaged_file_are_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "problems.parquet"
    path.write_bytes(b"PAR1")
    for read in (
        lambda: records.read_rows(Plan, path, 0, 1),
        lambda: records.count(path),
        lambda: records.columns(path),
    ):
        with pytest.raises(records.RecordsError, match=r"problems\.parquet is missing or damaged"):
            read()
