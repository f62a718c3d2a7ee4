"""p-values of paired differences, and their correction for several tests at once."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from codeplan.randomness import seed_of

RESAMPLES = 10_000
"""Random exchanges where there are too many to try all: the standard error of a p-value of 0.05 is 0.002."""
MAX_OUTCOMES = 2**20
"""At most so many outcomes are enumerated: some milliseconds."""

_BATCH = 500
_TOLERANCE = 1e-9
"""Sums that differ by less are equal: rates are rounded expectations."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PValue:
    """The result of a test.

    Attributes:
        value: above 0, at most 1.
        exact: whether all exchanges were counted; else the value is a Monte Carlo estimate.
        differing: number of problems on which the two sides differ; the others do not enter the test.
    """

    value: float
    exact: bool
    differing: int


def paired_p_value(
    a: Sequence[float], b: Sequence[float], seed: int = 0, resamples: int = RESAMPLES, max_outcomes: int = MAX_OUTCOMES
) -> PValue:
    """Two-sided paired permutation test of the hypothesis that, on every problem, the two sides are exchangeable.

    The test statistic is ``|sum(a - b)|``. Under the hypothesis the sign of each problem's difference is a fair coin,
    so with differences ``d_1 .. d_m`` and independent signs ``s_i``

        p = P(|s_1 d_1 + .. + s_m d_m| >= |d_1 + .. + d_m|).

    Fisher 1935, "The Design of Experiments", section 21. Problems with equal ``|d_i|`` are counted together: so many of
    ``g`` signs are positive with a binomial probability. If the groups have at most ``max_outcomes`` outcomes, all are
    counted and p is exact; for values that are 0 or 1 it is the exact test of McNemar 1947. Otherwise ``resamples``
    outcomes are drawn, and p is ``(1 + those at least as extreme) / (1 + resamples)``, which is never 0 and never too
    small on average (Phipson and Smyth 2010, "Permutation P-values Should Never Be Zero", equation 2).

    Args:
        a: one value per problem.
        b: the same of the other side, in the same order.
        seed: of the random outcomes.
        resamples: how many to draw.
        max_outcomes: up to how many all are counted.

    Raises:
        ValueError: a and b differ in length.
    """
    if len(a) != len(b):
        raise ValueError(f"a paired test needs one value per problem on both sides, not {len(a)} and {len(b)}")
    differences = np.round(np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64), 12)
    differences = differences[differences != 0.0]
    if not differences.size:
        return PValue(1.0, True, 0)
    sizes, counts = np.unique(np.abs(differences), return_counts=True)
    extreme = abs(math.fsum(differences)) - _TOLERANCE
    exact = math.prod(int(count) + 1 for count in counts) <= max_outcomes
    value = _exact(sizes, counts, extreme) if exact else _drawn(sizes, counts, extreme, seed, resamples)
    return PValue(value, exact, int(differences.size))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for being several, in the same order.

    The step-down method of Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure": the i-th smallest of
    ``m`` is multiplied by ``m - i + 1``, and none is smaller than one before it. If all that are below 0.05 are called
    differences, the probability that any of them is none is at most 0.05, however the tests depend on each other.
    """
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def _exact(sizes: Floats, counts: npt.NDArray[np.intp], extreme: float) -> float:
    sums, probabilities = np.zeros(1), np.ones(1)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        positive = np.arange(count + 1)
        weights = np.array([math.comb(count, k) / 2**count for k in range(count + 1)])
        sums = np.add.outer(sums, size * (2 * positive - count)).ravel()
        probabilities = np.multiply.outer(probabilities, weights).ravel()
    found = math.fsum(probabilities[np.abs(sums) >= extreme])
    return min(1.0, max(found, sys.float_info.min))  # a probability below 2**-1074 is rounded to 0


def _drawn(sizes: Floats, counts: npt.NDArray[np.intp], extreme: float, seed: int, resamples: int) -> float:
    rng = np.random.default_rng(seed_of(f"permutation/{seed}"))
    found = 0
    for start in range(0, resamples, _BATCH):
        positive = rng.binomial(counts, 0.5, size=(min(_BATCH, resamples - start), len(counts)))
        found += int(np.count_nonzero(np.abs((2 * positive - counts) @ sizes) >= extreme))
    return (1 + found) / (1 + resamples)
