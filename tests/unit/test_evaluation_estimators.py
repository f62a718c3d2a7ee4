"""Estimators compared with brute force over all subsets, and with published and hand-computed values."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, product
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap

from codeplan.evaluation.estimators import (
    cross_fitted_best,
    estimate,
    expected_best,
    expected_best_of_clusters,
    paired_difference,
    pass_at_k,
    selection_probability,
    wilson,
)
from codeplan.randomness import seed_of

ITEMS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, 0.25, 1.0])), min_size=1, max_size=7)
CLUSTERS = st.lists(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.0, 1.0])), min_size=1, max_size=3), min_size=1, max_size=6
)


def brute_force_best(clusters: list[list[tuple[int, float]]], count: int) -> Fraction:
    results = []
    for subset in combinations(clusters, count):
        members = [member for cluster in subset for member in cluster]
        top = max(score for score, _ in members)
        tied = [Fraction(value) for score, value in members if score == top]
        results.append(sum(tied, Fraction(0)) / len(tied))
    return sum(results, Fraction(0)) / len(results)


@given(ITEMS, st.data())
def test_expected_best_equals_the_mean_over_all_subsets(items: list[tuple[int, float]], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(items)))
    scores, values = zip(*items, strict=True)
    assert expected_best(scores, values, count) == pytest.approx(float(brute_force_best([[i] for i in items], count)))


@given(CLUSTERS)
def test_expected_best_of_clusters_equals_the_mean_over_all_subsets(clusters: list[list[tuple[int, float]]]) -> None:
    counts = range(1, len(clusters) + 1)
    scores = [[score for score, _ in cluster] for cluster in clusters]
    values = [[value for _, value in cluster] for cluster in clusters]
    expected = [float(brute_force_best(clusters, count)) for count in counts]
    assert expected_best_of_clusters(scores, values, counts) == pytest.approx(expected)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=9), st.data())
def test_selection_probabilities_add_up_and_follow_the_scores(
    scores: list[tuple[int, int]], data: st.DataObject
) -> None:
    probabilities = selection_probability(scores, data.draw(st.integers(1, len(scores))))
    assert sum(probabilities) == pytest.approx(1.0)
    for score, p in zip(scores, probabilities, strict=True):
        for other, q in zip(scores, probabilities, strict=True):
            if score == other:
                assert p == q


def test_selection_probability_of_a_small_pool() -> None:
    # Of the three pairs from scores 2, 1, 1 two contain the best item and one contains the two tied items.
    assert selection_probability([2, 1, 1], 2) == pytest.approx([2 / 3, 1 / 6, 1 / 6])
    assert selection_probability([2, 1, 1], 3) == [1.0, 0.0, 0.0]


@given(st.integers(1, 8), st.data())
def test_pass_at_k_equals_the_fraction_of_subsets_with_a_pass(n: int, data: st.DataObject) -> None:
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    subsets = list(combinations([True] * c + [False] * (n - c), k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))


def test_pass_at_k_equals_expected_best_when_the_score_is_the_value() -> None:
    passed = [1.0, 0.0, 0.0, 1.0, 0.0]
    assert pass_at_k(5, 2, 3) == pytest.approx(expected_best(passed, passed, 3))


def test_pass_at_k_is_stable_for_large_pools() -> None:
    assert pass_at_k(10_000, 1, 1) == 1e-4
    assert pass_at_k(10_000, 1, 5_000) == 0.5


@pytest.mark.parametrize(("n", "c", "k"), [(3, 4, 1), (3, -1, 1), (3, 1, 0), (3, 1, 4)])
def test_pass_at_k_rejects_invalid_arguments(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match="cannot"):
        pass_at_k(n, c, k)


def test_expected_best_rejects_a_subset_larger_than_the_pool() -> None:
    with pytest.raises(ValueError, match="3 of 2"):
        expected_best([1, 2], [0.0, 1.0], 3)


def test_wilson_matches_published_values() -> None:
    # Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for passed, n, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        assert wilson(passed / n, n) == pytest.approx((low, high), abs=5e-5)


@given(st.floats(0, 1), st.integers(1, 10_000))
def test_wilson_contains_the_mean_and_stays_in_bounds(mean: float, n: int) -> None:
    low, high = wilson(mean, n)
    assert 0 <= low <= mean <= high <= 1


def test_estimate_of_fractional_values() -> None:
    found = estimate([0.5, 1.0, 0.0, 0.5])
    assert (found.n, found.mean) == (4, 0.5)
    assert (found.low, found.high) == wilson(0.5, 4)
    with pytest.raises(ValueError, match="no values"):
        estimate([])


def test_paired_difference_has_nominal_coverage() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        b = rng.random(60)
        found = paired_difference(list(b + rng.normal(0.1, 0.3, 60)), list(b), resamples=300, seed=trial)
        covered += found.low <= 0.1 <= found.high
    assert 175 <= covered <= 199


def test_paired_difference_cancels_problem_difficulty() -> None:
    baseline = [0.0, 1.0] * 50
    better = [min(1.0, value + 0.1) for value in baseline]
    found = paired_difference(better, baseline, resamples=500, seed=0)
    assert found.mean == pytest.approx(0.05)
    assert 0.03 < found.low < found.mean < found.high < 0.07
    assert found == paired_difference(better, baseline, resamples=500, seed=0)


VALUES = st.sampled_from([0.0, 0.25, 0.5, 1.0])


@settings(deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=30), st.integers(0, 5))
def test_paired_difference_equals_scipys_paired_bootstrap(pairs: list[tuple[float, float]], seed: int) -> None:
    a, b = (np.array(side) for side in zip(*pairs, strict=True))
    assume(len(set(a - b)) > 1)
    found = paired_difference(list(a), list(b), resamples=200, seed=seed)
    expected = bootstrap(
        (a, b),
        lambda x, y, axis: (x - y).mean(axis=axis),
        paired=True,
        method="BCa",
        n_resamples=200,
        rng=np.random.default_rng(seed_of(f"bootstrap/{seed}")),
    ).confidence_interval
    assert found.mean == pytest.approx((a - b).mean())
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=2, max_size=5).filter(lambda differences: len(set(differences)) > 1))
def test_paired_difference_agrees_with_the_bca_formula_over_all_resamples(differences: list[int]) -> None:
    """Efron 1987, equations 2.8 and 6.6, on the exact distribution of the resampled mean."""
    n, normal = len(differences), NormalDist()
    sums = np.sort([sum(resample) for resample in product(differences, repeat=n)])
    centred = np.array(differences) - np.mean(differences)
    acceleration = (centred**3).sum() / (6 * (centred**2).sum() ** 1.5)
    below = (np.mean(sums < sum(differences)) + np.mean(sums <= sum(differences))) / 2
    bias = normal.inv_cdf(below)
    found = paired_difference([float(d) for d in differences], [0.0] * n, resamples=4000, seed=0)
    for end, quantile in ((found.low, 0.025), (found.high, 0.975)):
        moved = bias + normal.inv_cdf(quantile)
        level = normal.cdf(bias + moved / (1 - acceleration * moved))
        # With 4,000 resamples the end is a quantile of the exact distribution at a level close to that of the formula.
        tolerance = 0.04
        assert np.mean(sums < n * end - 1e-6) <= level + tolerance
        assert np.mean(sums <= n * end + 1e-6) >= level - tolerance


@settings(deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=40), st.sampled_from([-0.3, 0.0, 0.1, 1 / 3]))
def test_equal_differences_have_no_interval(b: list[float], shift: float) -> None:
    found = paired_difference([value + shift for value in b], b, resamples=100, seed=0)
    assert found.degenerate
    assert found.low == found.mean == found.high == pytest.approx(shift)
    assert found.n == len(b)


def brute_force_cross_fitted(passed: list[int], total: int, half: int) -> Fraction:
    """Over all splits of every item's trials, the mean second-half rate of the items with most first-half passes."""
    splits = []
    for c in passed:
        trials = [1] * c + [0] * (total - c)
        firsts = [sum(trials[index] for index in chosen) for chosen in combinations(range(total), half)]
        splits.append([(first, Fraction(c - first, total - half)) for first in firsts])
    scores = []
    for item_splits in product(*splits):
        top = max(first for first, _ in item_splits)
        tied = [score for first, score in item_splits if first == top]
        scores.append(sum(tied, Fraction(0)) / len(tied))
    return sum(scores, Fraction(0)) / len(scores)


@settings(deadline=None)
@given(st.integers(2, 4).flatmap(lambda total: st.tuples(st.lists(st.integers(0, total), min_size=1), st.just(total))))
def test_cross_fitted_best_equals_the_mean_over_all_splits(case: tuple[list[int], int]) -> None:
    passed, total = case[0][:3], case[1]
    halves = (total // 2, total - total // 2)
    expected = sum(brute_force_cross_fitted(passed, total, half) for half in halves) / 2
    assert cross_fitted_best(passed, total) == pytest.approx(float(expected))


def test_cross_fitted_best_is_not_lifted_by_noise() -> None:
    # 8 items that all pass half of the time: none is better, so nothing can be gained by a choice.
    rng = np.random.default_rng(0)
    pools = rng.binomial(10, 0.5, size=(400, 8))
    assert np.mean([max(pool) / 10 for pool in pools]) > 0.7
    assert np.mean([cross_fitted_best(pool.tolist(), 10) for pool in pools]) == pytest.approx(0.5, abs=0.03)


def test_cross_fitted_best_finds_an_item_that_is_really_better() -> None:
    assert cross_fitted_best([10, 0, 0], 10) == 1.0
    assert cross_fitted_best([3], 4) == pytest.approx(0.75)


@pytest.mark.parametrize(("passed", "total"), [([], 4), ([1], 1), ([5], 4), ([-1], 4)])
def test_cross_fitted_best_rejects_what_cannot_be_split(passed: list[int], total: int) -> None:
    with pytest.raises(ValueError, match="into halves"):
        cross_fitted_best(passed, total)


def test_paired_difference_needs_pairs() -> None:
    with pytest.raises(ValueError, match="2 and 1"):
        paired_difference([1.0, 0.0], [1.0], resamples=10, seed=0)
