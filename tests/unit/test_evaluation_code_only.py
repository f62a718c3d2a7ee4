"""Students that learned from code alone, in the report beside the one that learned from plans."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from synthetic_experiment import SAMPLING, as_given, code_only, experiment

from codeplan.config import ReportConfig
from codeplan.evaluation import rates
from codeplan.evaluation.judged_problems import IncompleteSamplesError
from codeplan.evaluation.permutation import holm
from codeplan.evaluation.report import build, load, write
from codeplan.evaluation.results import Report
from codeplan.evaluation.tables import as_markdown

SETTINGS = ReportConfig(plan_counts=(1, 2), pass_k=(1,), resamples=600)
EQUAL, GOOD = 0.0, 0.35


def report_of(records: dict[str, Any], control: bool = True) -> Report:
    shown = [0] * len(records["problems"])
    sampling = SAMPLING.model_copy(update={"control": control})
    steps: Any = {"steps": 1000, "examples": 334}
    given = as_given(records)
    return build(**given, sampling=sampling, report=SETTINGS, shown_hidden_tests=shown, code_only_steps=steps)[0]


@pytest.fixture(scope="module")
def records() -> dict[str, Any]:
    found = experiment(problems=240, seed=2)
    alone = {"steps": code_only(found["problems"], EQUAL), "examples": code_only(found["problems"], GOOD)}
    return {**found, "code_only": alone}


@pytest.fixture(scope="module")
def report(records: dict[str, Any]) -> Report:
    return report_of(records)


def test_arms_of_other_students_are_counted_from_their_own_programs(records: dict[str, Any], report: Report) -> None:
    for same, samples in records["code_only"].items():
        passed = {v.program_key for v in samples.verdicts if v.suite == "hidden" and v.passed}
        greedy = [program for program in samples.programs if program.arm == "direct"]
        row = report.row(f"code_only_{same}")  # type: ignore[arg-type]  # an arm's name
        assert row is not None
        assert row.n == 240
        assert row.mean == pytest.approx(sum(program.key in passed for program in greedy) / 240)
    points = [point for point in report.curve if point.arm == "code_only_steps_control"]
    assert [(point.plans, point.sequences) for point in points] == [(1, 4), (2, 7), (5, 16)]
    assert {row.programs for row in report.regrets if row.arm == "code_only_steps_control"} == {16}


def test_an_equal_student_is_no_reason_to_claim_anything_and_a_better_one_is(report: Report) -> None:
    def sentence(same: str, words: str) -> str:
        (found,) = (
            said for said in report.conclusions if "the best of 16 programs of a student" in said and same in said
        )
        assert words in found
        return found

    sentence("for as many steps", "does not show whether learning from plans makes this student better")
    said = sentence("as many examples", "learning from code alone is worth more to this student than plans")
    assert "With 5 plans CodePLAN solves " in said
    assert len({"code_only_steps", "code_only_examples"} & set(report.outcomes)) == 2


def test_their_comparisons_are_corrected_together_with_all_others(report: Report, records: dict[str, Any]) -> None:
    tested = [pair for pair in report.comparisons if pair.p is not None]
    assert sum("code_only" in pair.right for pair in tested) == 4
    assert [pair.corrected for pair in tested] == holm([pair.p for pair in tested if pair.p is not None])
    alone = report_of({**records, "code_only": {}})
    kept = [pair for pair in report.comparisons if "code_only" not in pair.right]
    assert [replace(pair, corrected=None) for pair in kept] == [
        replace(pair, corrected=None) for pair in alone.comparisons
    ]


def test_a_report_without_them_is_the_same_as_ever(records: dict[str, Any], report: Report) -> None:
    alone = report_of({**records, "code_only": {}})
    assert alone.rows == tuple(row for row in report.rows if not row.arm.startswith("code_only"))
    assert alone.curve == tuple(point for point in report.curve if not point.arm.startswith("code_only"))
    assert not any("code" in arm and "only" in arm for arm in alone.outcomes)


def test_without_a_control_only_their_greedy_programs_are_compared(records: dict[str, Any]) -> None:
    def greedy(programs: list[Any]) -> list[Any]:
        return [program for program in programs if program.arm != "sampled"]

    alone = {same: replace(found, programs=greedy(found.programs)) for same, found in records["code_only"].items()}
    found = report_of({**records, "programs": greedy(records["programs"]), "code_only": alone}, control=False)
    assert [arm for arm in found.arms if "code_only" in arm] == ["code_only_steps", "code_only_examples"]
    assert {pair.right for pair in found.comparisons if "code_only" in pair.right} == {
        "code_only_steps",
        "code_only_examples",
    }


def test_a_missing_program_of_another_student_is_named(records: dict[str, Any]) -> None:
    samples = records["code_only"]["steps"]
    alone = {"steps": replace(samples, programs=samples.programs[1:])}
    with pytest.raises(IncompleteSamplesError, match="synthetic/test/000: direct programs: 1 expected, 1 missing"):
        report_of({**records, "code_only": alone})


def test_files_tables_and_rates_have_them(records: dict[str, Any], report: Report, tmp_path: Path) -> None:
    write(report, tmp_path)
    assert load(tmp_path) == report
    text = as_markdown(report, {})
    assert "| code-only student (same steps) |" in text
    assert "CodePLAN - code-only control (same examples)" in text
    assert "as many optimizer steps (1,000 steps); about as many examples of code (334 steps)" in text
    shown = [0] * len(records["problems"])
    _, found = build(**as_given(records), sampling=SAMPLING, report=SETTINGS, shown_hidden_tests=shown)
    rates.write(rates.collect(list(map(rates.ProblemDigests.of, records["problems"])), found, SAMPLING, {}), tmp_path)
    kept = rates.read(tmp_path)
    assert kept.arms == tuple(report.arms)
    for arm in report.arms:
        row = report.row(arm)
        assert row is not None
        assert kept.mean(arm, 5) == pytest.approx(row.mean)
