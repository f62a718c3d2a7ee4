"""Intervals over training seeds and problems, compared with all resamples of tiny cases, and in planted truths."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap, norm, t

from codeplan.evaluation.conclusions import PoolSizes, conclude_over_seeds, direction
from codeplan.evaluation.estimators import Estimate
from codeplan.evaluation.over_seeds import (
    SeedsEstimate,
    crossed_interval,
    difference_over_seeds,
    expanded,
    ratio_over_seeds,
    t_interval,
)

Matrix = list[list[float]]

TINY = st.tuples(st.integers(1, 3), st.integers(1, 4)).flatmap(
    lambda shape: st.lists(
        st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0]), min_size=shape[1], max_size=shape[1]),
        min_size=shape[0],
        max_size=shape[0],
    )
)


def all_resamples(values: Matrix) -> np.ndarray:
    """The mean of every pair of a resample of seeds and a resample of problems; all pairs are equally probable."""
    seeds, problems = len(values), len(values[0])
    return np.array(
        [
            np.mean([[values[s][p] for p in drawn_problems] for s in drawn_seeds])
            for drawn_seeds in product(range(seeds), repeat=seeds)
            for drawn_problems in product(range(problems), repeat=problems)
        ]
    )


@settings(max_examples=40, deadline=None)
@given(TINY)
def test_crossed_interval_has_the_quantiles_of_all_resamples(values: Matrix) -> None:
    exact = all_resamples(values)
    for end, level in zip(crossed_interval(values, 8000, seed=0), (0.025, 0.975), strict=True):
        # The standard error of a level that is found with 8,000 resamples is 0.0017.
        assert np.mean(exact < end - 1e-9) <= level + 0.01
        assert np.mean(exact <= end + 1e-9) >= level - 0.01


def test_problems_are_crossed_with_seeds_and_not_nested_in_them() -> None:
    # Every seed has the same value on a problem: ten seeds know no more about other problems than one.
    of_problems = np.random.default_rng(0).normal(size=50).tolist()
    one, ten = (crossed_interval([of_problems] * seeds, 4000, seed=1) for seeds in (1, 10))
    assert ten == pytest.approx(one, abs=0.05)


def test_the_interval_contains_the_seeds_effects() -> None:
    # On every problem the same value, which depends on the seed alone: there is nothing to see over problems.
    found = difference_over_seeds([[value] * 40 for value in (0.0, 0.1, 0.2)], [[0.0] * 40] * 3, 1000, seed=0)
    assert found.over_problems.degenerate
    # One of 27 resamples has the lowest seed alone. Its deviation of 0.1 is enlarged by the root of 3 / 2 and by
    # 4.302653 / 1.959964, so that the resamples' standard deviation and quantiles are those of the t interval.
    reach = 0.1 * 1.5**0.5 * 4.302653 / 1.959964
    assert found.over_both == pytest.approx((0.1 - reach, 0.1 + reach))
    assert found.over_seeds == t_interval([0.0, 0.1, 0.2])
    assert found.widest.low == min(found.over_both[0], t_interval([0.0, 0.1, 0.2])[0])  # type: ignore[index]


def test_t_interval_of_three_values() -> None:
    # The 97.5 % quantile of Student's t with two degrees of freedom is 4.302653.
    assert t_interval([1.0, 2.0, 3.0]) == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5))
    assert t_interval([1.0]) is None


def test_one_seed_has_the_interval_over_problems_and_is_about_one_student() -> None:
    rng = np.random.default_rng(0)
    found = difference_over_seeds([rng.integers(0, 2, 60).tolist()], [[0.0] * 60], 500, seed=0)
    assert found.over_seeds is None
    assert found.widest == found.over_problems
    assert said(found).endswith("help this student.")
    assert "one training seed" in said(found)


def test_several_seeds_conclude_from_the_widest_interval() -> None:
    sure = SeedsEstimate(3, difference(0.10, 0.06), (0.04, 0.16), (0.03, 0.18), 50)
    assert sure.widest == difference(0.10, 0.07, 0.08)
    assert said(sure) == (
        "With 6 plans CodePLAN solves 10.0 points more than the equal-budget control, the best of 19 programs (the "
        "mean of 3 training seeds; 95 % interval over seeds and problems +3.0 to +18.0, over problems alone +4.0 to "
        "+16.0): plans, used this way, help a student trained like this."
    )
    unsure = SeedsEstimate(3, difference(0.10, 0.06), (-0.05, 0.25), (0.03, 0.18), 50)
    assert "does not show whether plans, used this way, help a student trained like this" in said(unsure)
    few = SeedsEstimate(3, difference(0.10, 0.06), (0.04, 0.16), (0.03, 0.18), 4)
    assert said(few).endswith("only 4 of 100 problems distinguish them, too few to conclude anything.")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5), st.sampled_from([0.03, 0.1, 0.5]))
def test_no_interval_ends_outside_the_widest(seed: int, seeds: int, share: float) -> None:
    # Few problems differ, all in one direction: BCa over problems is skewed, and the percentiles over both are not.
    rng = np.random.default_rng(seed)
    values = (rng.random((1, 60)) < share) * (rng.random((seeds, 60)) < 0.95) * 1.0
    found = difference_over_seeds(values.tolist(), [[0.0] * 60] * seeds, 200, seed=0)
    assert found.over_seeds is not None
    for low, high in (found.over_seeds, found.over_both, (found.over_problems.low, found.over_problems.high)):
        assert found.widest.low <= low
        assert high <= found.widest.high


def test_an_end_at_zero_is_not_rounded_off_it() -> None:
    # Thirds that add up to nothing: with rounding errors, an interval from 0 would exclude it.
    values = [[0.1, 0.2, -0.3] * 10] * 3
    assert all(end == round(end, 12) for end in crossed_interval(values, 200, seed=0))


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([], [], "0 seeds with no problems"),
        ([[0.0], [0.0, 1.0]], [[0.0], [0.0]], "2 seeds with 1 or 2 problems"),
        ([[]], [[]], "1 seeds with 0 problems"),
        ([[0.0]], [[0.0], [1.0]], "cannot be compared"),
    ],
)
def test_seeds_without_the_same_problems_are_refused(a: Matrix, b: Matrix, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        difference_over_seeds(a, b, 100, seed=0)


@given(TINY)
def test_expanding_keeps_the_mean_and_every_seeds_differences_between_problems(values: list[list[float]]) -> None:
    before = np.array(values)
    after = expanded(before)
    assert after.mean() == pytest.approx(before.mean())
    assert np.diff(after, axis=1) == pytest.approx(np.diff(before, axis=1))
    if len(values) > 1:
        seeds = len(values)
        factor = seeds / (seeds - 1) * (t.ppf(0.975, seeds - 1) / norm.ppf(0.975)) ** 2
        assert np.var(after.mean(axis=1)) == pytest.approx(factor * np.var(before.mean(axis=1)))


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize(("of_seeds", "of_problems", "rest"), [(0.0, 0.4, 0.4), (0.03, 0.4, 0.4), (0.1, 0.3, 0.3)])
def test_claims_about_planted_students_are_rarely_wrong(
    seeds: int, of_seeds: float, of_problems: float, rest: float
) -> None:
    """No difference is planted, so each claim of a direction is wrong: 200 experiments, given standard deviations."""
    rng = np.random.default_rng(0)
    claims = 0
    for experiment in range(200):
        values = rng.normal(0, of_seeds, (seeds, 1)) + rng.normal(0, of_problems, 80) + rng.normal(0, rest, (seeds, 80))
        found = difference_over_seeds(values.tolist(), [[0.0] * 80] * seeds, 400, seed=experiment)
        claims += direction(found.widest, found.differing) != 0
    assert claims <= 0.05 * 200


def test_one_seed_cannot_be_generalized() -> None:
    """Students whose skill depends on the seed: intervals over problems would be wrong about others far too often."""
    rng = np.random.default_rng(0)
    wrong = 0
    for experiment in range(100):
        values = rng.normal(0, 0.1) + rng.normal(0, 0.3, (1, 80))
        found = difference_over_seeds(values.tolist(), [[0.0] * 80], 400, seed=experiment)
        wrong += direction(found.widest, found.differing) != 0
    assert wrong > 30


def difference(mean: float, below: float, above: float | None = None) -> Estimate:
    return Estimate(100, mean, mean - below, mean + (below if above is None else above))


def said(found: SeedsEstimate) -> str:
    return conclude_over_seeds("codeplan", "control", 6, found, PoolSizes(12, 19))


SIDE = st.lists(st.lists(st.floats(0.1, 1.0), min_size=6, max_size=6), min_size=1, max_size=4)


@settings(max_examples=40, deadline=None)
@given(SIDE, st.floats(0.2, 5.0))
def test_a_ratio_scales_with_its_sides(side: Matrix, factor: float) -> None:
    same = ratio_over_seeds(side, side, 200, seed=0)
    assert (same.mean, same.low, same.high) == pytest.approx((1.0, 1.0, 1.0))
    scaled = ratio_over_seeds(side, [[factor * value for value in row] for row in side], 200, seed=0)
    assert (scaled.mean, scaled.low, scaled.high) == pytest.approx((1 / factor,) * 3)


def test_a_ratio_of_one_seed_has_the_percentile_interval_over_problems() -> None:
    rng = np.random.default_rng(3)
    a, b = (rng.random(80) < share for share in (0.6, 0.3))
    found = ratio_over_seeds([a.astype(float).tolist()], [b.astype(float).tolist()], 8000, seed=0)
    expected = bootstrap(
        (a, b),
        lambda x, y, axis: x.mean(axis=axis) / y.mean(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=8000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert found.mean == pytest.approx(a.mean() / b.mean())
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=0.05)


def test_seeds_that_differ_widen_a_ratio() -> None:
    a = [[share] * 40 for share in (0.2, 0.4, 0.8)]
    found = ratio_over_seeds(a, [[0.2] * 40] * 3, 200, seed=0)
    logarithms = np.log([1.0, 2.0, 4.0])
    half = t.ppf(0.975, 2) * logarithms.std(ddof=1) / np.sqrt(3)
    assert (found.low, found.high) == pytest.approx(tuple(np.exp([logarithms.mean() - half, logarithms.mean() + half])))


def test_a_ratio_to_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0 for every seed"):
        ratio_over_seeds([[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]], 100, seed=0)
