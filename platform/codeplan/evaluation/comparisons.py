"""The differences between arms of one report, paired by problem."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from codeplan.config import ReportConfig
from codeplan.evaluation.arms import BY_PLANS, ArmName, Compared, SolveRates
from codeplan.evaluation.estimators import paired_difference
from codeplan.evaluation.over_seeds import difference_over_seeds
from codeplan.evaluation.permutation import holm, paired_p_value
from codeplan.evaluation.results import Comparison
from codeplan.evaluation.wordings import WORDINGS

_BySeed = Sequence[Sequence[float]]


def compare_arms(seeds: Sequence[Sequence[SolveRates]], plans: int, settings: ReportConfig) -> tuple[Comparison, ...]:
    """Every pair of `conclusions.WORDINGS` that there is, at every plan count that it depends on.

    The comparisons at the largest count have p-values, corrected together. Those that are zero on every problem count
    for nothing there, see `run_comparison.compare_runs`.

    Args:
        seeds: by training seed, one entry per problem.
        plans: the largest plan count.
        settings: the plan counts, and the settings of the bootstrap.
    """
    comparisons = []
    for left, right in WORDINGS:
        both = [
            of_problem
            for of_problem in zip(*seeds, strict=True)
            if not any(rates.rate(side, plans) is None for rates in of_problem for side in (left, right))
        ]
        counts = settings.counts(plans) if left in BY_PLANS else (plans,)
        for count in counts if both else ():
            sides = [
                [[rates.known_rate(side, count) for rates in seed] for seed in zip(*both, strict=True)]
                for side in (left, right)
            ]
            comparisons.append(_compare(left, right, count, sides, settings, tested=count == plans))
    return _corrected(comparisons)


def _compare(
    left: ArmName, right: Compared, plans: int, sides: Sequence[_BySeed], settings: ReportConfig, *, tested: bool
) -> Comparison:
    a, b = ([math.fsum(of_problem) / len(of_problem) for of_problem in zip(*side, strict=True)] for side in sides)
    p = paired_p_value(a, b, settings.seed, settings.resamples).value if tested else None
    if len(sides[0]) > 1:
        found = difference_over_seeds(sides[0], sides[1], resamples=settings.resamples, seed=settings.seed)
        return Comparison(left, right, plans, found.widest, found.differing, p, p, found)
    difference = paired_difference(a, b, resamples=settings.resamples, seed=settings.seed)
    differing = sum(not math.isclose(x, y, abs_tol=1e-9) for x, y in zip(a, b, strict=True))
    return Comparison(left, right, plans, difference, differing, p, p)


def _corrected(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    tested = [pair.p for pair in comparisons if pair.p is not None and pair.differing]
    corrected = iter(holm(tested))
    return tuple(
        replace(pair, corrected=next(corrected)) if pair.p is not None and pair.differing else pair
        for pair in comparisons
    )
