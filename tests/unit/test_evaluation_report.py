"""The report of a synthetic experiment: rows, comparisons, conclusions and notes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from synthetic_experiment import SAMPLING, SETTINGS, as_given, experiment, report_of

from codeplan.config import ReportConfig
from codeplan.evaluation.arms import TITLES
from codeplan.evaluation.conclusions import ONE_SEED, PoolSizes, conclude
from codeplan.evaluation.estimators import Estimate
from codeplan.evaluation.judged_problems import IncompleteSamplesError
from codeplan.evaluation.notes import DirectCeiling, GivenData
from codeplan.evaluation.permutation import holm
from codeplan.evaluation.report import TeachersPlans, build, load, of_summaries, write
from codeplan.evaluation.results import Comparison, Report
from codeplan.evaluation.student_samples import JudgedStudents, StudentSamples
from codeplan.evaluation.tables import as_csv, as_markdown
from codeplan.evaluation.wordings import WORDINGS
from codeplan.inference.samples import Samples, finals_per_plan
from codeplan.records import Plan
from codeplan.stage import Account
from codeplan_sandbox import Outcome

PAIRS = [pair for pair in WORDINGS if not pair[1].startswith("code_only") and pair[0] != "teacher_plan"]


@pytest.fixture(scope="module")
def records() -> dict[str, Any]:
    return experiment()


@pytest.fixture(scope="module")
def report(records: dict[str, Any]) -> Report:
    return report_of(records)


def test_rows_by_arm_and_level_have_their_denominators(report: Report) -> None:
    assert report.levels == ["introductory", "interview", "competition", "all"]
    assert report.arms == [arm for arm in TITLES if not arm.startswith(("code_only", "teacher_plan"))]
    assert {row.arm: row.solved.n for row in report.rows if row.level == "all"} == {
        "direct": 90,
        "control": 90,
        "codeplan": 90,
        "fresh": 90,
        "best_trial": 90,
        "plan_after_trial": 90,
        "oracle": 45,
        "foreign": 45,
    }
    every = [row for row in report.rows if row.arm not in {"oracle", "foreign"}]
    assert {row.solved.n for row in every if row.level == "interview"} == {30}


def test_solve_rate_of_a_level_equals_the_fraction_of_its_programs_that_pass(
    records: dict[str, Any], report: Report
) -> None:
    levels = {problem.problem_id: problem.level for problem in records["problems"]}
    passed = {(v.problem_id, v.program_key) for v in records["verdicts"] if v.suite == "hidden" and v.passed}
    direct = [p for p in records["programs"] if p.arm == "direct" and levels[p.problem_id] == "introductory"]
    found = report.row("direct", "introductory")
    assert found is not None
    assert found.mean == pytest.approx(sum((p.problem_id, p.key) in passed for p in direct) / 30)


def test_curve_ends_at_the_table_values_with_equal_budgets(report: Report) -> None:
    for arm in ("control", "codeplan", "best_trial"):
        points = [point for point in report.curve if point.arm == arm]
        assert [(point.plans, point.sequences) for point in points] == [(1, 4), (2, 7), (5, 16)]
        assert points[-1].solved == report.row(arm)  # type: ignore[arg-type]  # literals of the loop above


def test_outcomes_are_fractions_of_all_answers(report: Report) -> None:
    for arm, fractions in report.outcomes.items():
        row = report.row(arm)
        assert row is not None
        assert sum(fractions.values()) == pytest.approx(1.0)
        assert fractions["passed"] == pytest.approx(row.mean)


@pytest.mark.parametrize(
    ("effect", "words"),
    [(-0.3, "this way, do not help this student"), (0.5, "help this student."), (0.06, "does not show whether")],
)
def test_first_conclusion_follows_the_effect_of_plans(effect: float, words: str) -> None:
    found = report_of(experiment(plan_effect=effect, seed=3))
    assert found.conclusions[0].startswith("With 5 plans CodePLAN solves ")
    assert "the equal-budget control, the best of 16 programs (95 % interval over problems " in found.conclusions[0]
    assert words in found.conclusions[0]


def test_nothing_is_concluded_from_few_problems() -> None:
    found = report_of(experiment(problems=12, plan_effect=0.5))
    assert all("too few to conclude anything" in sentence for sentence in found.conclusions[:-1])
    assert "With only 12 problems nothing is concluded; at least 30 are needed." in found.notes


def test_nothing_is_concluded_where_no_problem_distinguishes_the_arms(records: dict[str, Any]) -> None:
    unjudged = [verdict for verdict in records["verdicts"] if verdict.suite == "example"]
    found = report_of({**records, "verdicts": unjudged})
    assert found.conclusions[0] == (
        "With 5 plans CodePLAN solves as much as the equal-budget control, the best of 16 programs (the same on all 90 "
        "problems, so that no interval can be estimated): no problem distinguishes them, too few to conclude anything."
    )
    assert "+0.0 to +0.0" not in as_markdown(found, {})
    assert "| +0.0 points | all equal |" in as_markdown(found, {})
    differences = [line for line in as_csv(found).splitlines() if line.startswith("difference,")]
    assert all(line.endswith(",0.000000,,") for line in differences)


def test_without_a_control_the_report_lacks_its_arms_and_says_so(tmp_path: Path) -> None:
    records = experiment(plan_effect=0.5)
    whole = report_of(records)
    programs = [program for program in records["programs"] if program.arm != "sampled"]
    shown = [0] * len(records["problems"])
    sampling = SAMPLING.model_copy(update={"control": False})
    given = as_given({**records, "programs": programs})
    made, _ = build(**given, sampling=sampling, report=SETTINGS, shown_hidden_tests=shown)
    absent = {"control", "plan_after_trial"}
    assert made.rows == tuple(row for row in whole.rows if row.arm not in absent)
    assert made.curve == tuple(point for point in whole.curve if point.arm not in absent)
    kept = [pair for pair in whole.comparisons if not {pair.left, pair.right} & {*absent, "equal_pool"}]
    assert [replace(pair, corrected=None) for pair in made.comparisons] == [
        replace(pair, corrected=None) for pair in kept
    ]
    assert not any("control" in sentence for sentence in made.conclusions if "but CodePLAN generates" not in sentence)
    assert made.quality.any_sampled is None
    assert any(note.startswith("There is no equal-budget control") for note in made.notes)
    write(made, tmp_path)
    assert load(tmp_path) == made
    assert "equal-budget control" not in as_markdown(made, {}).partition("## Notes")[0].partition("## By number")[2]


def test_the_teachers_own_plan_has_a_row_over_the_problems_that_have_one() -> None:
    records = experiment(problems=120)
    oracle = [program for program in records["programs"] if program.arm == "oracle"]
    # The programs from its plans do as well as those from the oracle's, on half of the problems that have these.
    followed = [program.model_copy(update={"arm": "teacher_plan"}) for program in oracle[::2]]
    forward = [Plan(problem_id=program.problem_id, author="m", text="1. add") for program in followed]
    given = as_given({**records, "programs": [*records["programs"], *followed]})
    sampling = SAMPLING.model_copy(update={"teacher_plan": True})
    shown = [0] * 120

    def of(plans: list[Plan]) -> Report:
        return build(**given, forward_plans=plans, sampling=sampling, report=SETTINGS, shown_hidden_tests=shown)[0]

    made = of(forward)
    row = made.row("teacher_plan")
    assert row is not None
    assert row.n == len(followed) == 30
    assert "m" in made.teachers
    said = next(sentence for sentence in made.conclusions if "plan by the teacher for the question alone" in sentence)
    assert said.startswith(
        "On the 30 problems with a plan by the teacher for the question alone, the program from that"
    )
    assert any(note.startswith("The teacher's plan is written from the question alone") for note in made.notes)
    with pytest.raises(IncompleteSamplesError, match=r"teacher_plan programs: 0 expected, .* 1 unexpected"):
        of(forward[1:])


def test_plans_that_lose_are_said_to_be_unread_unless_the_right_one_beats_another_problems() -> None:
    lost = experiment(plan_effect=-0.3, seed=3)
    (first, *_), unread = report_of(lost).conclusions, "does not show that this student reads its plan"
    assert first.endswith(f"do not help this student, but this {unread}, and so not what plans are worth.")
    # Now the program from another problem's plan never passes, and that of the right plan does.
    programs = {program.key: program for program in lost["programs"] if program.arm in {"oracle", "foreign"}}
    verdicts = [
        verdict.model_copy(
            update={
                "outcome": Outcome.PASSED if programs[verdict.program_key].arm == "oracle" else Outcome.WRONG_ANSWER
            }
        )
        if verdict.program_key in programs and verdict.suite == "hidden"
        else verdict
        for verdict in lost["verdicts"]
    ]
    conclusions = report_of({**lost, "verdicts": verdicts}).conclusions
    assert conclusions[0].endswith("do not help this student.")
    assert any("this student reads its plan: the right one is worth more" in sentence for sentence in conclusions)


def test_notes_name_the_limits_of_the_numbers(records: dict[str, Any]) -> None:
    kept = [v for v in records["verdicts"] if v.suite == "example" or v.problem_id != "synthetic/test/001"]
    notes = "\n".join(
        report_of({**records, "verdicts": kept}, ReportConfig(plan_counts=(1, 2), pass_k=(1, 1000), resamples=50)).notes
    )
    assert "9 of 90 problems have no example test" in notes
    assert "45 of 90 problems have one" in notes
    assert "The questions of 3 of 90 problems show hidden tests as example tests, 3 in total" in notes
    assert "judging.hidden_without_examples: true leaves them out" in notes
    assert "The offline teacher that wrote plans is not an LLM" in notes
    assert "34 of 2,970 programs have no verdict on the hidden tests; they count as not solved" in notes
    assert "pass@1000 is left out: only 16 programs were sampled per problem" in notes


def test_pass_at_k_of_codeplan_may_exceed_the_programs_without_plans(records: dict[str, Any]) -> None:
    sampling = SAMPLING.model_copy(update={"finals": 30})
    needed = finals_per_plan(records["student_plans"], records["programs"], records["verdicts"], sampling)
    more = [
        program.model_copy(update={"sample_index": index})
        for program in records["programs"]
        if (program.arm, program.phase) == ("codeplan", "final")
        for index in range(1, needed[program.problem_id][program.plan_index])
    ]
    given = as_given({**records, "programs": records["programs"] + more})
    asked = ReportConfig(plan_counts=(1, 2), pass_k=(1, 30, 100), resamples=50)
    made = build(**given, sampling=sampling, report=asked, shown_hidden_tests=[0] * 90)[0]
    assert {(row.arm, row.k) for row in made.pass_at_k} == {("sampled", 1), ("codeplan", 1), ("codeplan", 30)}
    notes = "\n".join(made.notes)
    assert "pass@30, 100 is left out: only 16 programs were sampled per problem." in notes
    assert "pass@100 of CodePLAN is left out: only 30 final programs were sampled from a plan" in notes


@pytest.mark.parametrize("examples_shown", [True, False])
def test_a_note_says_what_a_direct_student_can_solve_at_most(records: dict[str, Any], examples_shown: bool) -> None:
    shown, ceiling = [0] * len(records["problems"]), DirectCeiling(0.4123, 0.9, examples_shown)
    found, _ = build(**as_given(records), sampling=SAMPLING, report=SETTINGS, shown_hidden_tests=shown, ceiling=ceiling)
    (note,) = (note for note in found.notes if note.startswith("A direct student that reads perfectly solves"))
    assert "at most 41.2 % of these problems in expectation" in note
    assert ("solves at most 90.0 %" in note) == examples_shown
    assert not any("reads perfectly" in note for note in report_of(records).notes)


def test_notes_say_what_was_left_out_and_which_plans_are_missing(records: dict[str, Any]) -> None:
    requests = {
        "plans": Account(40, 36, {"budget_exhausted": 3, "without_solution": 1}),
        "oracle": Account(12, 12),
    }
    shown = [2] * len(records["problems"])
    found, _ = build(
        **as_given(records),
        sampling=SAMPLING,
        report=SETTINGS,
        shown_hidden_tests=shown,
        shown_left_out=True,
        plan_requests=requests,
    )
    assert found.notes[-1] == (
        "The student learned from 36 of 39 plans that the teacher was to write: 3 dropped (budget exhausted)."
    )
    assert any("180 in total" in note and "were left out of the judging" in note for note in found.notes)
    assert not any("oracle arm has" in note for note in found.notes)


def test_no_note_on_shown_hidden_tests_where_none_is_shown(records: dict[str, Any]) -> None:
    shown = [0] * len(records["problems"])
    found, _ = build(**as_given(records), sampling=SAMPLING, report=SETTINGS, shown_hidden_tests=shown)
    assert not any("hidden_without_examples" in note for note in found.notes)


def test_every_report_says_that_it_is_about_one_student(report: Report) -> None:
    assert report.conclusions[-1] == ONE_SEED
    assert len(report.conclusions) == len(PAIRS) + 1


def test_claims_need_a_p_value_that_survives_the_correction() -> None:
    sizes = PoolSizes(10, 16)
    found = Estimate(90, 0.05, 0.01, 0.09)
    pair = Comparison("codeplan", "direct", 5, found, 30, p=0.02, corrected=0.02)
    claimed, doubted = (conclude([one], sizes)[0] for one in (pair, replace(pair, corrected=0.12)))
    assert claimed.endswith("only the equal-budget control shows what plans add.")
    assert "does not show whether plan sampling beats" in doubted
    assert doubted.endswith("(p = 0.120 after correction for several comparisons).")
    untested = replace(pair, plans=1, p=None, corrected=None)
    assert conclude([untested], sizes) == (ONE_SEED,)


def test_p_values_are_corrected_for_all_pairs_at_the_largest_count(report: Report) -> None:
    tested = [pair for pair in report.comparisons if pair.p is not None]
    assert [(pair.left, pair.right) for pair in tested] == PAIRS
    assert {pair.plans for pair in tested} == {5}
    values = [pair.p for pair in tested if pair.p is not None]
    assert [pair.corrected for pair in tested] == holm(values)


def test_regret_is_what_the_selection_leaves(records: dict[str, Any], report: Report) -> None:
    passed = {(v.problem_id, v.program_key) for v in records["verdicts"] if v.suite == "hidden" and v.passed}
    trials = [p for p in records["programs"] if (p.arm, p.phase) == ("codeplan", "trial")]
    solvable = {p.problem_id for p in trials if (p.problem_id, p.key) in passed}
    row = next(row for row in report.regrets if (row.arm, row.level) == ("best_trial", "all"))
    selected = report.row("best_trial")
    assert selected is not None
    assert (row.programs, row.available.mean) == (10, pytest.approx(len(solvable) / 90))
    assert row.regret.mean == pytest.approx(row.available.mean - selected.mean)
    assert {(row.arm, row.level) for row in report.regrets} == {
        (arm, level) for arm in ("control", "best_trial") for level in report.levels
    }
    assert report.metrics()["regret.best_trial.all"] == row.regret.mean
    assert f"of {100 * row.available.mean:.1f} %" in as_markdown(report, {})


def test_candidates_with_and_without_plans_are_compared_from_pools_of_one_size() -> None:
    # As a plan changes nothing here, equally many candidates are equally good.
    found = report_of(experiment(problems=300, seed=1))
    pairs = {(pair.left, pair.right): pair.difference for pair in found.comparisons_at(5)}
    equal = pairs["best_trial", "equal_pool"]
    assert equal.low < 0 < equal.high
    assert equal.mean != pairs["best_trial", "control"].mean
    assert abs(found.quality.any_sampled - found.quality.any_trial) < 0.06
    control = next(row for row in found.regrets if (row.arm, row.level) == ("control", "all"))
    assert control.programs == 16
    assert found.quality.any_sampled < control.available.mean
    assert any("the best of 10 programs sampled without plans" in sentence for sentence in found.conclusions)


def test_no_oracle_row_without_oracle_plans(records: dict[str, Any]) -> None:
    programs = [program for program in records["programs"] if program.arm not in {"oracle", "foreign"}]
    found = report_of({**records, "oracle_plans": [], "programs": programs})
    assert "oracle" not in found.arms
    assert len(found.conclusions) == len(report_of(records).conclusions) - 2
    assert "oracle" not in found.outcomes


def test_report_without_problems_raises() -> None:
    empty: dict[str, Any] = {
        name: [] for name in ("problems", "plans", "oracle_plans", "student_plans", "programs", "verdicts")
    }
    with pytest.raises(ValueError, match="at least one test problem"):
        report_of(empty)


@pytest.mark.parametrize("size", [1, 16, 90])
def test_a_report_is_the_same_however_its_problems_are_divided_into_blocks(records: dict[str, Any], size: int) -> None:
    asked = ReportConfig(plan_counts=(1, 2), pass_k=(1, 5), resamples=50)
    given = as_given(records)
    plans, oracle_plans, (samples,) = given["plans"], given["oracle_plans"], given["seeds"]
    summaries = []
    for start in range(0, 90, size):
        part = given["problems"][start : start + size]
        names = {problem.problem_id for problem in part}
        of_part = [
            [record for record in found if record.problem_id in names]
            for found in (oracle_plans, *vars(samples.with_plans).values())
        ]
        judged = JudgedStudents.of(part, of_part[0], [], StudentSamples(Samples(*of_part[1:])), SAMPLING)
        summaries += judged.summaries(SAMPLING, asked)
    made = of_summaries(
        [summaries],
        teachers=TeachersPlans.of(plans, oracle_plans, []),
        sampling=SAMPLING,
        report=asked,
        given=GivenData([0] * 90, shown_left_out=False, plan_requests={}, code_only_steps={}),
    )
    assert made == build(**given, sampling=SAMPLING, report=asked, shown_hidden_tests=[0] * 90)
