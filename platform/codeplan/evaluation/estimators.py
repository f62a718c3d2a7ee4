"""Closed-form estimators: expectations over all subsets of a pool of samples, and confidence intervals.

Nothing here knows of records or files; scores are anything that can be ordered, values lie in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from codeplan.randomness import seed_of

Z95 = 1.959963984540054
"""The normal distribution's 97.5 % quantile."""

_DIGITS = 12
_BATCH = 100
"""Resamples in memory at a time: few enough for the processor's cache, where more are slower."""


class Ordered(Protocol):
    """Anything hashable that can be compared with others of its type."""

    def __lt__(self, other: Any, /) -> bool: ...
    def __hash__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over problems with its 95 % interval.

    Attributes:
        n: number of problems.
        mean: the mean.
        low: lower end of the interval.
        high: upper end of the interval.
    """

    n: int
    mean: float
    low: float
    high: float

    @property
    def degenerate(self) -> bool:
        """Whether there is no interval: the value is the same on every problem, so that its spread is not known."""
        return self.low == self.high


def pass_at_k(n: int, c: int, k: int) -> float:
    """The probability that at least one of ``k`` samples passes, given ``n`` samples of which ``c`` passed.

    The unbiased estimator ``1 - C(n-c, k) / C(n, k)`` of Chen et al. 2021, "Evaluating Large Language Models Trained on
    Code", section 2.1. Computed in integers and rounded once, so it stays exact for large ``n`` and tiny results.

    Raises:
        ValueError: not 0 <= c <= n, or not 1 <= k <= n.
    """
    if not 0 <= c <= n:
        raise ValueError(f"{c} of {n} samples cannot have passed")
    _check_count(k, n)
    subsets = math.comb(n, k)
    return (subsets - math.comb(n - c, k)) / subsets


def selection_probability(scores: Sequence[Ordered], count: int) -> list[float]:
    """The probability that an item is picked when the best-scored item of a uniformly random subset is picked.

    The pick is one of ``e`` tied items with ``h`` items above them when the subset contains none of those ``h`` but at
    least one of the ``e``: probability ``(C(N-h, count) - C(N-h-e, count)) / C(N, count)``. Ties are broken uniformly,
    so the ``e`` items divide it evenly.

    Args:
        scores: the ``N`` items' scores, higher is better.
        count: the subset's size.

    Returns:
        ``N`` probabilities that add up to 1.

    Raises:
        ValueError: not 1 <= count <= N.
    """
    _check_count(count, len(scores))
    subsets = math.comb(len(scores), count)
    probabilities = [0.0] * len(scores)
    left = len(scores)
    for tied in _tie_groups(scores):
        picks = math.comb(left, count) - math.comb(left - len(tied), count)
        for index in tied:
            probabilities[index] = picks / (subsets * len(tied))
        left -= len(tied)
    return probabilities


def expected_best(scores: Sequence[Ordered], values: Sequence[float], count: int) -> float:
    """The expected value of the best-scored item in a uniformly random subset of ``count`` items.

    Weights the values by `selection_probability`.

    Raises:
        ValueError: scores and values differ in length, or not 1 <= count <= N.
    """
    probabilities = selection_probability(scores, count)
    return math.fsum(p * value for p, value in zip(probabilities, values, strict=True))


def expected_best_of_clusters(
    scores: Sequence[Sequence[Ordered]], values: Sequence[Sequence[float]], counts: Sequence[int]
) -> list[float]:
    """Like `expected_best`, but the random subset consists of whole clusters, and the pick is one of all their members.

    Ties are broken uniformly among all tied members of the subset, whichever cluster they belong to. Exact: among the
    clusters that have the best score, a recursion over clusters tracks the distribution of the number of tied members;
    the number of such clusters in the subset is hypergeometric.

    Args:
        scores: the members' scores, per cluster; ``N`` clusters.
        values: the members' values, per cluster.
        counts: subset sizes, in clusters.

    Returns:
        One expected value per count.

    Raises:
        ValueError: a cluster is empty, or not 1 <= count <= N.
    """
    for count in counts:
        _check_count(count, len(scores))
    tops = [max(members) for members in scores]
    results = [0.0] * len(counts)
    left = len(scores)
    for tied in _tie_groups(tops):
        winners = [
            [value for score, value in zip(scores[index], values[index], strict=True) if score == tops[index]]
            for index in tied
        ]
        means = _mean_of_union(list(map(len, winners)), list(map(math.fsum, winners)))
        worse = left - len(tied)
        for position, count in enumerate(counts):
            subsets = math.comb(len(scores), count)
            results[position] += math.fsum(
                math.comb(len(tied), k) * math.comb(worse, count - k) / subsets * means[k]
                for k in range(1, min(len(tied), count) + 1)
            )
        left = worse
    return results


def cross_fitted_best(passed: Sequence[int], total: int) -> float:
    """The expected pass rate of the best of several items, chosen by one half of its trials and scored by the other.

    The largest of several estimated rates is too high: it was chosen because its noise was favourable, too (Smith and
    Winkler 2006, "The Optimizer's Curse"). Here each item's trials are split at random, independently of the other
    items'; the item with most passes in its first half is chosen, ties uniformly, and the fraction of passes in its
    second half is its score: the double estimator of van Hasselt 2010, "Double Q-learning", section 2, which is never
    too high on average. The result is the exact expectation over all splits and ties. An odd number of trials is split
    both ways round, and the two results are averaged.

    With ``h`` trials per first half, item ``j`` has ``k`` passes there with the hypergeometric probability ``C(c_j, k)
    C(total - c_j, h - k) / C(total, h)``. For every ``k`` a recursion over items tracks the number of items that tie at
    the best count ``k``, as `expected_best_of_clusters` does over clusters.

    Args:
        passed: the number of trials that passed, per item; ``c_j`` in the formula.
        total: the number of trials of every item.

    Raises:
        ValueError: there are no items, fewer than two trials to split, or not 0 <= c <= total for some item.
    """
    if not passed or total < 2 or not all(0 <= c <= total for c in passed):
        raise ValueError(f"cannot split {total} trials per item with {list(passed)} passes into halves")
    halves = sorted({total // 2, total - total // 2})
    return math.fsum(_cross_fitted(passed, total, half) for half in halves) / len(halves)


def _cross_fitted(passed: Sequence[int], total: int, half: int) -> float:
    """The same for one size of the first half."""
    counts = range(half + 1)
    splits = math.comb(total, half)
    equal = {
        c: np.array([math.comb(c, k) * math.comb(total - c, half - k) / splits for k in counts]) for c in set(passed)
    }
    # By number of passes in the best first half and number of tied items: probability, and expected sum of scores.
    mass = np.zeros((half + 1, len(passed) + 1))
    mass[:, 0] = 1.0
    scores = np.zeros_like(mass)
    for c in passed:
        tied = equal[c][:, None]
        fewer = np.cumsum(tied, axis=0) - tied
        score = (c - np.arange(half + 1)[:, None]) / (total - half)
        mass_tied, scores_tied = tied * mass, tied * (scores + score * mass)
        mass, scores = fewer * mass, fewer * scores
        mass[:, 1:] += mass_tied[:, :-1]
        scores[:, 1:] += scores_tied[:, :-1]
    return float((scores[:, 1:] / np.arange(1, len(passed) + 1)).sum())


def wilson(mean: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % score interval for a mean of ``n`` values in [0, 1].

    Derived for values that are 0 or 1 (Wilson 1927). For fractional values, such as probabilities of success, it is
    conservative: it assumes the variance ``mean * (1 - mean)``, which is an upper bound on theirs.

    Raises:
        ValueError: n is below 1, or mean outside [0, 1].
    """
    if n < 1 or not 0.0 <= mean <= 1.0:
        raise ValueError(f"an interval needs n of at least 1 and a mean in [0, 1], not n = {n}, mean = {mean}")
    spread = Z95 * Z95 / n
    centre = (mean + spread / 2) / (1 + spread)
    half = math.sqrt(spread * mean * (1 - mean) + spread * spread / 4) / (1 + spread)
    # Rounding must not move an end of the interval past the mean.
    return max(0.0, min(mean, centre - half)), min(1.0, max(mean, centre + half))


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of values in [0, 1] with its Wilson interval; raises ValueError for an empty sequence."""
    if not values:
        raise ValueError("cannot estimate the mean of no values")
    # By rounding, the mean of values close to 1 may exceed 1 by an ulp.
    mean = min(1.0, math.fsum(values) / len(values))
    low, high = wilson(mean, len(values))
    return Estimate(len(values), mean, low, high)


def paired_difference(a: Sequence[float], b: Sequence[float], resamples: int, seed: int) -> Estimate:
    """The mean of ``a - b`` over problems, with a 95 % bootstrap interval by scipy, method BCa.

    Problems are resampled in pairs of their values, so that what makes a problem easy for both arms cancels out. BCa
    (bias-corrected and accelerated: Efron 1987, "Better Bootstrap Confidence Intervals") allows for the skewness of the
    differences, which plain percentiles do not. Where all differences are equal, and so for a single problem, nothing
    can be estimated from them: the estimate is degenerate, with both ends at the mean.

    Args:
        a: one value per problem.
        b: the same of the other side, in the same order.
        resamples: how many; below about 50 an interval may fail to exist.
        seed: of the resampling.

    Raises:
        ValueError: a and b differ in length or are empty.
    """
    if len(a) != len(b) or not a:
        raise ValueError(f"a paired difference needs one value per problem on both sides, not {len(a)} and {len(b)}")
    from scipy.stats import bootstrap

    # Rates are rounded expectations: differences that are equal but for rounding must be equal.
    differences = np.round(np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64), _DIGITS)
    mean = float(differences.mean())
    if differences.min() == differences.max():
        mean = float(differences[0])
        return Estimate(len(differences), mean, mean, mean)
    found = bootstrap(
        (differences,),
        np.mean,
        n_resamples=resamples,
        batch=_BATCH,
        method="BCa",
        rng=np.random.default_rng(seed_of(f"bootstrap/{seed}")),
    ).confidence_interval
    return Estimate(len(differences), mean, float(found.low), float(found.high))


def _tie_groups(scores: Sequence[Ordered]) -> list[list[int]]:
    """Indices grouped by equal score, best score first."""
    tied: dict[Ordered, list[int]] = {}
    for index, score in enumerate(scores):
        tied.setdefault(score, []).append(index)
    # Few scores differ: sorting them alone saves most of the comparisons, which are slow for exact fractions.
    return [tied[score] for score in sorted(tied, reverse=True)]


def _mean_of_union(sizes: Sequence[int], sums: Sequence[float]) -> npt.NDArray[np.float64]:
    """For k = 0..E the expected mean over the union of k clusters, drawn uniformly from E with these sizes and sums.

    ``mass[k, a]`` is the probability that k of the clusters seen so far have a members in total, ``total[k, a]`` the
    expected sum of their values on that event; a new cluster is among the k of j with probability k / j.
    """
    drawn = np.arange(len(sizes) + 1, dtype=np.float64)[:, None]
    mass = np.zeros((len(sizes) + 1, sum(sizes) + 1))
    mass[0, 0] = 1.0
    total = np.zeros_like(mass)
    for seen, (size, value) in enumerate(zip(sizes, sums, strict=True), start=1):
        mass_with, total_with = np.zeros_like(mass), np.zeros_like(mass)
        mass_with[1:, size:] = mass[:-1, :-size]
        total_with[1:, size:] = total[:-1, :-size] + value * mass[:-1, :-size]
        mass = (drawn * mass_with + (seen - drawn) * mass) / seen
        total = (drawn * total_with + (seen - drawn) * total) / seen
    means: npt.NDArray[np.float64] = (total[:, 1:] / np.arange(1, total.shape[1])).sum(axis=1)
    return means


def _check_count(count: int, total: int) -> None:
    if not 1 <= count <= total:
        raise ValueError(f"cannot draw {count} of {total}; draw at least 1 and at most all")
