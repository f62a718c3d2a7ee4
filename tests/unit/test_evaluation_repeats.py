"""A report over several training seeds, against reports of each of them, and against students whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from statistics import fmean
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from synthetic_experiment import SAMPLING, as_given, code_only, experiment

from codeplan.config import ReportConfig
from codeplan.evaluation import rates
from codeplan.evaluation.arms import TITLES, SolveRates, solve_rates
from codeplan.evaluation.comparisons import compare_arms
from codeplan.evaluation.conclusions import ANY_STUDENT, ONE_SEED, THIS_STUDENT, direction
from codeplan.evaluation.estimators import Estimate, estimate, paired_difference
from codeplan.evaluation.judged_problems import JudgedProblem
from codeplan.evaluation.over_seeds import difference_over_seeds, t_interval
from codeplan.evaluation.report import build, load, write
from codeplan.evaluation.results import Report
from codeplan.evaluation.tables import as_csv, as_markdown, table
from codeplan.inference.settings import SampleSettings

SETTINGS = ReportConfig(plan_counts=(1, 2), pass_k=(1, 5), resamples=300)
SEEDS = 3


def made(*records: dict[str, Any]) -> tuple[Report, list[SolveRates]]:
    shown = [0] * len(records[0]["problems"])
    return build(**as_given(*records), sampling=SAMPLING, report=SETTINGS, shown_hidden_tests=shown)


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    found = [experiment(problems=60, plan_effect=0.2, seed=seed) for seed in range(SEEDS)]
    return [
        {**of_seed, "code_only": {"steps": code_only(of_seed["problems"], seed=seed)}}
        for seed, of_seed in enumerate(found)
    ]


@pytest.fixture(scope="module")
def single(records: list[dict[str, Any]]) -> list[tuple[Report, list[SolveRates]]]:
    return [made(of_seed) for of_seed in records]


@pytest.fixture(scope="module")
def whole(records: list[dict[str, Any]]) -> tuple[Report, list[SolveRates]]:
    return made(*records)


def test_every_number_is_the_mean_of_the_seeds_reports(
    whole: tuple[Report, list[SolveRates]], single: list[tuple[Report, list[SolveRates]]]
) -> None:
    report, mean_rates = whole
    alone = [found for found, _ in single]
    assert report.seeds == SEEDS
    for at, row in enumerate(report.rows):
        assert [(of.rows[at].arm, of.rows[at].level) for of in alone] == [(row.arm, row.level)] * SEEDS
        assert row.by_seed == pytest.approx([of.rows[at].solved.mean for of in alone])
        assert row.solved.mean == pytest.approx(fmean(row.by_seed))
    of_problems = [rate for of in mean_rates if (rate := of.rate("codeplan", 5)) is not None]
    assert report.row("codeplan") == estimate(of_problems)
    for name in ("pass_at_k", "curve"):
        for at, point in enumerate(getattr(report, name)):
            assert point.solved.mean == pytest.approx(fmean(getattr(of, name)[at].solved.mean for of in alone))
    for at, regret in enumerate(report.regrets):
        assert regret.available.mean == pytest.approx(fmean(of.regrets[at].available.mean for of in alone))
        assert regret.regret.mean == pytest.approx(fmean(of.regrets[at].regret.mean for of in alone), abs=1e-9)
    for arm, fractions in report.outcomes.items():
        assert math.fsum(fractions.values()) == pytest.approx(1.0)
        assert fractions["passed"] == pytest.approx(fmean(of.outcomes[arm]["passed"] for of in alone))
    assert report.quality.own_plan == pytest.approx(fmean(of.quality.own_plan for of in alone))


def test_differences_have_the_widest_interval_over_seeds_and_problems(
    whole: tuple[Report, list[SolveRates]], single: list[tuple[Report, list[SolveRates]]]
) -> None:
    for pair in whole[0].comparisons:
        rows = [
            ([of.rate(pair.left, pair.plans) for of in found], [of.rate(pair.right, pair.plans) for of in found])
            for _, found in single
        ]
        kept = [at for at in range(60) if not any(side[at] is None for seed in rows for side in seed)]
        left, right = ([[seed[side][at] for at in kept] for seed in rows] for side in (0, 1))
        expected: Any = difference_over_seeds(left, right, SETTINGS.resamples, SETTINGS.seed)  # type: ignore[arg-type]  # kept
        assert pair.over_seeds == expected
        assert pair.difference == expected.widest
        assert pair.difference.n == len(kept)
        means = [fmean(a - b for a, b in zip(*seed, strict=True)) for seed in zip(left, right, strict=True)]  # type: ignore[operator]
        low, high = t_interval(means) or (0.0, 0.0)
        assert pair.difference.low - 1e-9 <= low <= high <= pair.difference.high + 1e-9


def test_it_speaks_of_students_trained_this_way(whole: tuple[Report, list[SolveRates]]) -> None:
    report, _ = whole
    assert ONE_SEED not in report.conclusions
    assert not any(THIS_STUDENT in sentence for sentence in report.conclusions)
    assert all(
        "the mean of 3 training seeds; 95 % interval over seeds and problems " in of for of in report.conclusions
    )
    assert sum(ANY_STUDENT in sentence for sentence in report.conclusions) >= 8
    assert any(note.startswith("Every student was trained and sampled with 3 seeds") for note in report.notes)


def test_tables_show_both_spreads(whole: tuple[Report, list[SolveRates]], tmp_path: Path) -> None:
    report, mean_rates = whole
    write(report, tmp_path)
    assert load(tmp_path) == report
    console = Console(width=110, record=True)
    console.print(table(report))
    text = console.export_text()
    assert "mean of 3" in text
    assert text.count("seeds [") == len(report.rows)
    page = as_markdown(report, {})
    assert "| widest 95 % interval | over problems | over 3 seeds |" in page
    row = report.arm_row("codeplan")
    assert row is not None
    assert row.over_seeds is not None
    low, high = row.over_seeds
    assert f"; seeds [{100 * low:.1f}, {100 * high:.1f}]" in page
    kinds = [line.partition(",")[0] for line in as_csv(report).splitlines()]
    assert kinds.count("pass@1 over seeds") == len(report.rows)
    assert kinds.count("difference over problems") == kinds.count("difference over seeds") == kinds.count("difference")
    assert report.metrics()["seeds"] == SEEDS
    given = list(map(rates.ProblemDigests.of, experiment(problems=3)["problems"]))
    rates.write(rates.collect(given, mean_rates[:3], SAMPLING, {}), tmp_path)
    assert rates.read(tmp_path).mean("codeplan", 5) == pytest.approx(
        fmean(of.known_rate("codeplan", 5) for of in mean_rates[:3])
    )


def test_equal_seeds_have_the_numbers_of_one(
    records: list[dict[str, Any]], single: list[tuple[Report, list[SolveRates]]]
) -> None:
    report, alone = made(records[0], records[0])[0], single[0][0]
    assert [(row.arm, row.solved) for row in report.rows] == [(row.arm, row.solved) for row in alone.rows]
    assert {row.over_seeds for row in report.rows if row.arm == "direct"} == {
        (row.solved.mean, row.solved.mean) for row in report.rows if row.arm == "direct"
    }
    assert [pair.p for pair in report.comparisons] == [pair.p for pair in alone.comparisons]
    assert report.arms == [arm for arm in TITLES if not arm.startswith(("code_only_examples", "teacher_plan"))]


def test_where_all_seeds_are_equal_on_all_problems_there_is_no_interval(records: list[dict[str, Any]]) -> None:
    unjudged = [
        {**of, "verdicts": [verdict for verdict in of["verdicts"] if verdict.suite == "example"], "code_only": {}}
        for of in records[:2]
    ]
    report, _ = made(*unjudged)
    assert report.conclusions[0].endswith(
        "(the mean of 2 training seeds; the same on all 60 problems for every seed, so that no interval can be "
        "estimated): no problem distinguishes them, too few to conclude anything."
    )


PLANTED = SampleSettings(plans=4, trials=2)
"""Of students whose truth is known."""


def population(rng: np.random.Generator, worth: Sequence[float], problems: int) -> list[list[SolveRates]]:
    """By seed, the rates of a student to whom a plan is worth so much; the problems are the same."""

    def program(probability: float) -> Any:
        solved = float(rng.random() < probability)
        passes = int(bool(solved) or rng.random() < 0.15)
        return SimpleNamespace(solved=solved, score=(passes, Fraction(1 if passes else 0)), outcome="passed")

    def problem(number: int, skill: float, with_plan: float) -> SolveRates:
        judged: Any = JudgedProblem(
            problem=SimpleNamespace(problem_id=f"t/{number}", level="easy", example_tests=True),  # type: ignore[arg-type]
            direct=program(skill),
            sampled=tuple(program(skill) for _ in range(PLANTED.budget(4))),
            plans=(None,) * 4,  # type: ignore[arg-type]  # only their number counts
            trials=tuple((program(with_plan), program(with_plan)) for _ in range(4)),
            finals={plan: program(with_plan) for plan in range(4)},
            sampled_finals={},
            oracle=(program(with_plan),),
            foreign=(program(with_plan),),
        )
        return solve_rates(judged, PLANTED, (4,), (1,), "fresh_if_it_passes")

    skills = [float(skill) for skill in rng.uniform(0.1, 0.9, size=problems)]
    return [
        [problem(number, skill, min(1.0, max(0.0, skill + found))) for number, skill in enumerate(skills)]
        for found in worth
    ]


def test_what_differs_between_seeds_alone_is_not_claimed_of_all() -> None:
    rng, reports = np.random.default_rng(0), 60
    over_problems = claimed = 0
    for _ in range(reports):
        seeds = population(rng, rng.normal(0.0, 0.08, size=SEEDS).tolist(), 80)
        pairs = compare_arms(seeds, 4, ReportConfig(plan_counts=(4,), resamples=200))
        pair = next(pair for pair in pairs if (pair.left, pair.right) == ("best_trial", "equal_pool"))
        assert pair.over_seeds is not None
        over_problems += direction(pair.over_seeds.over_problems, pair.differing) != 0
        claimed += direction(pair.difference, pair.differing) != 0
    assert claimed <= 0.05 * reports
    assert over_problems >= 0.3 * reports, "an interval over problems knows nothing of the next student"


def test_what_all_seeds_have_in_common_is_found() -> None:
    rng = np.random.default_rng(1)
    seeds = population(rng, [0.3, 0.34, 0.28, 0.32], 120)
    pairs = compare_arms(seeds, 4, ReportConfig(plan_counts=(4,), resamples=400))
    found = {(pair.left, pair.right): pair for pair in pairs}
    assert direction(found["best_trial", "equal_pool"].difference, 120) == 1
    a = [fmean(seed[at].direct for seed in seeds) for at in range(120)]
    b = [fmean(seed[at].known_rate("oracle", 4) for seed in seeds) for at in range(120)]
    alone: Estimate = paired_difference(b, a, 400, 0)
    assert found["oracle", "direct"].over_seeds is not None
    assert found["oracle", "direct"].over_seeds.over_problems == alone
