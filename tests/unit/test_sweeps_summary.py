"""Trials to points: means, both uncertainties, the best point, the Pareto front, importance, and what the notes say."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import statistics
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeplan.config import SweepConfig
from codeplan.sweeps.axes import INACTIVE, bands
from codeplan.sweeps.importance import importance
from codeplan.sweeps.notes import seed_lift
from codeplan.sweeps.outputs import as_json
from codeplan.sweeps.pareto import front
from codeplan.sweeps.points import Point
from codeplan.sweeps.space import points
from codeplan.sweeps.spread import Spread
from codeplan.sweeps.summary import Summary, summarize
from codeplan.sweeps.tables import as_csv, as_markdown, best_sentence
from codeplan.sweeps.trials import Trial

METRIC = "pass_at_1.codeplan.all"
NOWHERE = Path("no such home")

numbers = st.floats(-1e6, 1e6)


def sweep_of(**changes: Any) -> SweepConfig:
    return SweepConfig.model_validate({"axes": {"sampling.plans": {"grid": [2, 5, 10]}}, "repeats": 2} | changes)


def done(plans: int, repeat: int, value: float | None, sequences: float = 10.0, **metrics: float) -> Trial:
    found = {"sequences": sequences, **metrics} | ({METRIC: value} if value is not None else {})
    point = Point({"sampling.plans": plans})
    return Trial(point.values, repeat, point.label(), state="done", metrics=found)


def summary_of(trials: list[Trial], **changes: Any) -> Summary:
    return summarize(trials, sweep_of(**changes), {}, name="toy", home=NOWHERE)


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, 50), numbers, min_size=1, max_size=30))
def test_spread_has_the_mean_within_its_range_and_within_its_t_interval(values: dict[int, float]) -> None:
    spread = Spread(values)
    assert spread.low <= spread.mean <= spread.high
    assert spread.mean == pytest.approx(statistics.fmean(values.values()), rel=1e-9, abs=1e-6)
    if len(values) == 1:
        assert spread.deviation is None
        assert spread.interval is None
        return
    assert spread.deviation == pytest.approx(statistics.stdev(values.values()), rel=1e-6, abs=1e-6)
    assert spread.interval is not None
    assert spread.interval[0] <= spread.mean <= spread.interval[1]


def test_t_interval_of_three_seeds_is_the_textbook_one() -> None:
    interval = Spread({0: 0.2, 1: 0.3, 2: 0.4}).interval
    half = 4.302652729749464 * 0.1 / math.sqrt(3)
    assert interval == pytest.approx((0.3 - half, 0.3 + half))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([2, 5, 10]), st.integers(0, 4), st.floats(0, 1) | st.none() | st.just(math.nan)),
        max_size=15,
        unique_by=lambda row: row[:2],
    ),
    st.randoms(use_true_random=False),
)
def test_summary_does_not_depend_on_the_order_of_trials(
    rows: list[tuple[int, int, float | None]], rng: random.Random
) -> None:
    trials = [done(*row) for row in rows]
    summary = summary_of(trials, repeats=3)
    shuffled = list(trials)
    rng.shuffle(shuffled)
    assert summary_of(shuffled, repeats=3) == summary
    for point in summary.points:
        finite = [v for plans, _, v in rows if plans == point.point.values["sampling.plans"] and v is not None]
        finite = [value for value in finite if math.isfinite(value)]
        assert sorted(point.objectives["codeplan"].values.values()) == sorted(finite)
    complete = [point for point in summary.points if point.complete(summary.objective)]
    if complete:
        assert summary.best is not None
        assert summary.best.objectives["codeplan"].mean == pytest.approx(
            max(point.objectives["codeplan"].mean for point in complete)
        )
    elif any(point.objectives["codeplan"].n for point in summary.points):
        assert summary.best is not None
        assert any("best of incomplete points" in note for note in summary.notes)
    else:
        assert summary.best is None


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=25))
def test_front_has_exactly_the_rows_that_nothing_dominates(rows: list[tuple[int, int]]) -> None:
    found = {rows[index] for index in front(rows)}
    for row in rows:
        dominated = any(a <= row[0] and b <= row[1] and (a, b) != row for a, b in rows)
        assert (row in found) is not dominated


def test_best_of_equal_points_costs_fewer_sequences_and_then_comes_first() -> None:
    trials = [
        done(plans, repeat, 0.1 + 0.2, sequences) for plans, sequences in ((2, 9.0), (5, 7.0)) for repeat in (0, 1)
    ]
    trials += [done(10, repeat, 0.3, 7.0) for repeat in (0, 1)]  # 0.1 + 0.2 is larger by one ulp only
    best = summary_of(trials).best
    assert best is not None
    assert best.point.values == {"sampling.plans": 5}


def test_point_with_a_missing_seed_is_not_best_over_a_complete_one() -> None:
    trials = [done(2, 0, 0.9), done(5, 0, 0.3), done(5, 1, 0.3)]
    summary = summary_of([*trials, Trial({"sampling.plans": 2}, 1, "plans=2", state="failed", error="worker died")])
    assert summary.best is not None
    assert summary.best.label == "plans=5"
    assert [point.label for point in summary.ranked()] == ["plans=5", "plans=2"]
    assert summary.points[0].seeds == "1 of 2, 1 failed"
    assert any("missing seeds are marked" in note for note in summary.notes)


def test_stopped_trial_does_not_count() -> None:
    stopped = done(2, 1, 0.9).with_(state="stopped")
    summary = summary_of([done(2, 0, 0.1), stopped])
    assert summary.points[0].objectives["codeplan"].values == {0: 0.1}
    assert any("scheduler stopped" in note for note in summary.notes)


def test_members_of_a_population_with_equal_values_are_points_of_their_own() -> None:
    members = [done(5, 0, 0.1).with_(member="member-0"), done(5, 0, 0.2).with_(member="member-1")]
    summary = summary_of(members, repeats=1)
    assert [point.objectives["codeplan"].mean for point in summary.points] == [0.1, 0.2]
    assert summary.best is summary.points[1]


def test_loss_is_minimized_and_its_best_point_is_biased_downward() -> None:
    trials = [done(plans, 0, None, **{"validation_loss/code": loss}) for plans, loss in ((2, 0.5), (5, 0.4))]
    summary = summary_of(trials, objective="validation_loss/code", repeats=1)
    assert summary.best is not None
    assert summary.best.label == "plans=5"
    assert any("biased downward" in note and "best of 2 points" in note for note in summary.notes)


def test_sweep_without_trials_has_no_best_point() -> None:
    summary = summary_of([])
    assert summary.best is None
    assert summary.points == ()
    assert summary.notes[1] == "No trial has pass@1, CodePLAN yet, so there is no best point."


def test_noise_alone_lifts_the_best_as_far_as_simulated() -> None:
    rng = random.Random(0)
    trials = [done(plans, repeat, rng.gauss(0.5, 0.1)) for plans in range(40) for repeat in range(3)]
    lift = seed_lift(summary_of(trials, repeats=3).points, summary_of([]).objective)
    best = [max(statistics.fmean(rng.gauss(0, 0.1) for _ in range(3)) for _ in range(40)) for _ in range(400)]
    assert lift == pytest.approx(statistics.fmean(best), rel=0.15)


def test_intervals_over_problems_equal_those_of_the_mean_over_seeds(sweep_example: Any) -> None:
    from codeplan.evaluation.estimators import paired_difference, wilson
    from codeplan.evaluation.rates import read

    sweep = sweep_of(objective=["codeplan", "codeplan - control"], repeats=3)
    trials = sweep_example.trials(sweep, points(sweep, sweep_example.base)[:1], lambda _: 0.4)
    point = summarize(trials, sweep, sweep_example.base, name="toy", home=sweep_example.home).points[0]
    rates = [read(sweep_example.home / trial.report) for trial in trials]
    plans = point.point.values["sampling.plans"]
    means = {
        arm: [statistics.fmean(seeds) for seeds in zip(*(found.of(arm, plans) for found in rates), strict=True)]
        for arm in ("codeplan", "control")
    }
    solved = point.objectives["codeplan"].problems
    assert solved is not None
    assert (solved.low, solved.high) == pytest.approx(wilson(statistics.fmean(means["codeplan"]), 60))
    assert solved.n == 60
    difference = point.objectives["codeplan - control"].problems
    expected = paired_difference(means["codeplan"], means["control"], resamples=2000, seed=0)
    assert difference is not None
    assert (difference.mean, difference.low, difference.high) == pytest.approx(
        (expected.mean, expected.low, expected.high)
    )


def test_differences_of_several_seeds_have_an_interval_over_seeds_and_problems(sweep_example: Any) -> None:
    from codeplan.evaluation.over_seeds import difference_over_seeds
    from codeplan.evaluation.rates import read

    sweep = sweep_of(objective=["codeplan - control", "control - codeplan", "codeplan"], repeats=3)
    trials = sweep_example.trials(sweep, points(sweep, sweep_example.base)[:1], lambda _: 0.4, noise=0.1)
    summary = summarize(trials, sweep, sweep_example.base, name="toy", home=sweep_example.home)
    point = summary.points[0]
    rates = [read(sweep_example.home / trial.report) for trial in trials]
    plans = point.point.values["sampling.plans"]
    a, b = ([list(found.of(arm, plans)) for found in rates] for arm in ("codeplan", "control"))
    spread = point.objectives["codeplan - control"]
    assert spread.both == difference_over_seeds(a, b, resamples=2000, seed=0)
    assert spread.both is not None
    assert spread.both.widest.mean == pytest.approx(spread.mean)
    assert spread.plain()["seeds_and_problems_interval"] == spread.widest
    assert spread.widest is not None
    assert spread.interval is not None
    assert spread.widest[0] <= spread.interval[0] < spread.interval[1] <= spread.widest[1]
    assert point.objectives["codeplan"].both is None
    (sentence,) = point.conclusions  # control - codeplan is no comparison that has words of its own
    assert "the mean of 3 training seeds; 95 % interval over seeds and problems" in sentence
    assert f"- {point.label}: {sentence}" in as_markdown(summary, {}, "")
    assert as_json(summary, [])["points"][0]["conclusions"] == [sentence]
    assert "95 % interval over seeds and problems [" in best_sentence(summary)
    row = next(csv.DictReader(io.StringIO(as_csv(summary))))
    assert float(row["codeplan - control.both_low"]) == pytest.approx(spread.widest[0])
    assert row["codeplan.both_low"] == ""


def test_one_seed_has_no_interval_over_seeds(sweep_example: Any) -> None:
    sweep = sweep_of(objective="codeplan - control", repeats=1)
    trials = sweep_example.trials(sweep, points(sweep, sweep_example.base)[:1], lambda _: 0.4)
    point = summarize(trials, sweep, sweep_example.base, name="toy", home=sweep_example.home).points[0]
    assert point.objectives["codeplan - control"].both is None
    assert point.conclusions == ()


def test_without_rates_a_difference_has_the_mean_of_the_seeds_intervals(sweep_example: Any) -> None:
    sweep = sweep_of(objective="control - codeplan", repeats=2)
    trials = sweep_example.trials(sweep, points(sweep, sweep_example.base)[:1], lambda _: 0.4)
    pairs = []
    for trial in trials:
        (sweep_example.home / trial.report / "rates.json").unlink()
        report = json.loads((sweep_example.home / trial.report / "report.json").read_text())
        pairs.append(report["comparisons"][0]["difference"])
    point = summarize(trials, sweep, sweep_example.base, name="toy", home=sweep_example.home).points[0]
    found = point.objectives["control - codeplan"].problems
    assert found is not None
    assert found.high == pytest.approx(-statistics.fmean(pair["low"] for pair in pairs))
    for trial in trials:
        (sweep_example.home / trial.report / "report.json").unlink()
    gone = summarize(trials, sweep, sweep_example.base, name="toy", home=sweep_example.home)
    assert gone.points[0].objectives["control - codeplan"].problems is None
    assert any("whose report is gone" in note for note in gone.notes)


def test_axes_have_labels_in_order_and_say_where_they_are_inactive() -> None:
    sweep = sweep_of(
        axes={
            "training.schedule": {"grid": ["constant", "cosine"]},
            "training.warmup_steps": {"grid": [100, 10], "when": {"training.schedule": "cosine"}},
            "student": {"grid": [{"vocab_size": 1, "model": "a"}, {"vocab_size": 2, "model": "a"}]},
        },
        repeats=1,
    )
    trials = [
        Trial(point.values, 0, point.label(sweep), state="done", metrics={METRIC: 0.1}) for point in points(sweep, {})
    ]
    schedule, warmup, student = summarize(trials, sweep, {}, name="toy", home=NOWHERE).axes
    assert schedule.labels == ("constant", "cosine")
    assert (warmup.numbers, warmup.optional, warmup.label(trials[0].point)) == ((10.0, 100.0), True, INACTIVE)
    assert warmup.title == "warmup_steps (optimizer steps)"
    assert student.labels == ("a(vocab_size=1)", "a(vocab_size=2)")
    assert not student.numbers


@settings(deadline=None)
@given(st.lists(st.floats(1e-6, 1e6), min_size=13, max_size=60, unique=True))
def test_many_numbers_are_put_into_few_bins_in_order(values: list[float]) -> None:
    sweep = sweep_of(axes={"training.learning_rate": {"loguniform": [1e-6, 1e6]}}, search="random", repeats=1)
    found = [Point({"training.learning_rate": value}) for value in sorted(values)]
    trials = [Trial(point.values, 0, "x", state="done", metrics={METRIC: 0.1}) for point in found]
    grouped = bands(summarize(trials, sweep, {}, name="toy", home=NOWHERE).axes[0])
    groups = [grouped.of(point) for point in found]
    assert grouped.binned
    assert len(grouped.labels) == 6
    assert groups == sorted(groups)
    assert (groups[0], groups[-1]) == (0, 5)


def test_importance_finds_the_axis_that_decides_and_says_when_it_cannot() -> None:
    sweep = sweep_of(
        axes={
            "sampling.plans": {"grid": [1, 2, 3, 4, 5]},
            "training.schedule": {"grid": ["constant", "cosine"]},
            "training.warmup_steps": {"grid": [10, 20], "when": {"training.schedule": "cosine"}},
        },
        repeats=1,
    )
    trials = [
        Trial(point.values, 0, "x", state="done", metrics={METRIC: 0.1 * point.values["sampling.plans"]})
        for point in points(sweep, {})
    ]
    whole = summarize(trials, sweep, {}, name="toy", home=NOWHERE)
    found = importance(whole, whole.objective)
    assert found == importance(whole, whole.objective)
    assert next(iter(found.fractions)) == "sampling.plans"
    assert found.fractions["sampling.plans"] > 0.8
    few = summarize(trials[:5], sweep, {}, name="toy", home=NOWHERE)
    assert "too few" in importance(few, few.objective).reason
    flat = summarize([t.with_(metrics={METRIC: 0.5}) for t in trials], sweep, {}, name="toy", home=NOWHERE)
    assert importance(flat, flat.objective).reason == "all points have the same value"
