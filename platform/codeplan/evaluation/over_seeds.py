"""A difference over several training seeds: how much it varies with the problems, with the seeds, and with both.

Every seed answers the same test problems, so the two are **crossed**: the value of a seed on a problem is made of an
effect of the seed, an effect of the problem and a rest. Drawing other problems for every seed, as one does for problems
that are nested in seeds, would average the problems' effects over the seeds, as if each seed had seen problems of its
own; the interval would be too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from codeplan.evaluation.estimators import Z95, Estimate, paired_difference
from codeplan.randomness import seed_of

_BATCH = 200
_DIGITS = 12
"""Decimals by which differences are equal: rates are rounded expectations."""

Ends = tuple[float, float]
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SeedsEstimate:
    """The mean of a difference over seeds and problems, with three 95 % intervals.

    Attributes:
        seeds: number of training seeds.
        over_problems: the mean with its interval over problems, see `estimators.paired_difference`: what other problems
            would change for these students.
        over_seeds: `t_interval` of the seeds' means: what other seeds would change on these problems. None for one
            seed.
        over_both: `crossed_interval`, with the seeds' effects `expanded`.
        differing: number of problems on which the mean over seeds is not zero.
    """

    seeds: int
    over_problems: Estimate
    over_seeds: Ends | None
    over_both: Ends
    differing: int

    @property
    def widest(self) -> Estimate:
        """The interval to conclude from: it spans all three.

        Of two or three seeds, the resamples are so few that their quantiles can end short of the t interval; and where
        the differences are skewed, the percentiles over both can end short of BCa over problems. For one seed it is the
        interval over problems, as nothing else is known.
        """
        if self.over_seeds is None:
            return self.over_problems
        alone = self.over_problems
        lows, highs = zip(self.over_seeds, self.over_both, (alone.low, alone.high), strict=True)
        return Estimate(alone.n, alone.mean, min(lows), max(highs))


def difference_over_seeds(
    a: Sequence[Sequence[float]], b: Sequence[Sequence[float]], resamples: int, seed: int
) -> SeedsEstimate:
    """The mean of ``a - b`` over seeds and problems.

    Args:
        a: by seed, one value per problem; all seeds have the same problems in the same order.
        b: the same of the other side.
        resamples: of both bootstraps.
        seed: of the resampling.

    Raises:
        ValueError: the sides or the seeds differ in length, or there is nothing.
    """
    left, right = _matrix(a), _matrix(b)
    if left.shape != right.shape:
        raise ValueError(f"two sides of {left.shape} and {right.shape} seeds and problems cannot be compared")
    differences = np.round(left - right, _DIGITS)
    means = differences.mean(axis=0)
    return SeedsEstimate(
        seeds=len(differences),
        over_problems=paired_difference(left.mean(axis=0).tolist(), right.mean(axis=0).tolist(), resamples, seed),
        over_seeds=t_interval(differences.mean(axis=1).tolist()),
        over_both=crossed_interval(expanded(differences), resamples, seed),
        differing=int(np.count_nonzero(np.abs(means) > 1e-9)),
    )


def ratio_over_seeds(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]], resamples: int, seed: int) -> Estimate:
    """The ratio of the means of ``a`` and ``b`` over seeds and problems, with the wider of two 95 % intervals.

    One is over problems: the percentile bootstrap of the ratio of the means over seeds. The other is over seeds:
    Student's t interval of the logarithms of the seeds' ratios, which are closer to normal than the ratios; there is
    none for one seed.

    Args:
        a: by seed, one value per problem, none negative; all seeds have the same problems in the same order.
        b: the same of the other side.
        resamples: of the bootstrap.
        seed: of the resampling.

    Raises:
        ValueError: the sides or the seeds differ in length, there is nothing, or a seed's mean is 0 on a side: then a
            ratio says nothing.
    """
    left, right = _matrix(a), _matrix(b)
    if left.shape != right.shape:
        raise ValueError(f"two sides of {left.shape} and {right.shape} seeds and problems cannot be compared")
    by_seed = left.mean(axis=1), right.mean(axis=1)
    if not all((means > 0).all() for means in by_seed):
        raise ValueError("a ratio of means needs means above 0 for every seed")
    ratio = float(left.mean() / right.mean())
    problems = left.shape[1]
    rng = np.random.default_rng(seed_of(f"ratio bootstrap/{seed}"))
    drawn = rng.multinomial(problems, np.full(problems, 1 / problems), size=resamples)
    above, below = drawn @ left.mean(axis=0), drawn @ right.mean(axis=0)
    ratios = np.divide(above, below, out=np.full(resamples, math.inf), where=below > 0)
    low, high = (float(np.quantile(ratios, end, method="inverted_cdf")) for end in (0.025, 0.975))
    logarithms = t_interval(np.log(by_seed[0] / by_seed[1]).tolist())
    if logarithms is not None:
        low, high = min(low, math.exp(logarithms[0])), max(high, math.exp(logarithms[1]))
    return Estimate(problems, ratio, low, high)


def crossed_interval(values: Sequence[Sequence[float]] | Matrix, resamples: int, seed: int) -> Ends:
    """The 95 % percentile bootstrap interval of the mean over seeds and problems, both drawn with replacement.

    The pigeonhole bootstrap of Owen 2007, "The pigeonhole bootstrap", for crossed random effects: seeds are drawn, and,
    independently and once for all drawn seeds, problems; the resample holds every drawn seed on every drawn problem. No
    resampling is exact for crossed factors (McCullagh 2000, "Resampling and exchangeable arrays"); this one counts the
    rest's variance up to three times, so that it is rather too wide, except for few seeds: see `expanded`. With one
    seed it is the percentile bootstrap over problems.

    Args:
        values: by seed, one value per problem.
        resamples: how many.
        seed: of the resampling.

    Raises:
        ValueError: the seeds differ in length, or there is nothing.
    """
    matrix = _matrix(values)
    seeds, problems = matrix.shape
    rng = np.random.default_rng(seed_of(f"crossed bootstrap/{seed}"))
    means = np.empty(resamples)
    for start in range(0, resamples, _BATCH):
        size = min(_BATCH, resamples - start)
        # How often each is drawn: the mean of a resample is a weighted mean.
        of_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=size)
        of_problems = rng.multinomial(problems, np.full(problems, 1 / problems), size=size)
        means[start : start + size] = ((of_seeds @ matrix) * of_problems).sum(axis=1) / (seeds * problems)
    # Rounding must not move an end off zero.
    low, high = np.round(np.quantile(means, (0.025, 0.975)), _DIGITS)
    return float(low), float(high)


def expanded(values: Matrix) -> Matrix:
    """The same values with the effects of the seeds enlarged, so that resampling few of them shows their whole spread.

    Resampling ``S`` seeds shows the fraction ``(S - 1) / S`` of their variance, and quantiles of resamples know nothing
    of Student's t: of three seeds, an interval would be 2.7 times too narrow (the narrowness bias of Hesterberg 2015,
    "What Teachers Should Know About the Bootstrap", which expands intervals by the same factor). Here the deviations
    of the seeds' means from the mean over all are multiplied by ``sqrt(S / (S - 1)) * t(S - 1) / z``, with the 97.5 %
    quantiles of Student's and the normal distribution. The problems are too many to need it.

    Args:
        values: seeds x problems.

    Returns:
        The same shape, with the same mean over all; one seed as it is.
    """
    seeds = len(values)
    if seeds < 2:
        return values
    from scipy.special import stdtrit

    factor = math.sqrt(seeds / (seeds - 1)) * float(stdtrit(seeds - 1, 0.975)) / Z95
    of_seeds = values.mean(axis=1, keepdims=True)
    enlarged: Matrix = values + (factor - 1) * (of_seeds - of_seeds.mean())
    return enlarged


def t_interval(values: Sequence[float]) -> Ends | None:
    """Student's 95 % t interval of the mean of these values; None for fewer than two.

    It assumes that they are about normally distributed. Of two values it is 12.7 standard errors wide to either side,
    and may leave the range that they can have: two say little, and it shows.
    """
    if len(values) < 2:
        return None
    from scipy.special import stdtrit

    mean = min(max(values), max(min(values), math.fsum(values) / len(values)))  # rounding must not leave their range
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    half = float(stdtrit(len(values) - 1, 0.975)) * math.sqrt(variance / len(values))
    return mean - half, mean + half


def _matrix(values: Sequence[Sequence[float]] | Matrix) -> Matrix:
    counts = sorted({len(of_seed) for of_seed in values})
    if len(counts) != 1 or counts == [0]:
        raise ValueError(
            f"{len(values)} seeds with {' or '.join(map(str, counts)) or 'no'} problems: every seed needs one value "
            "for each of the same problems"
        )
    return np.asarray(values, dtype=np.float64)
