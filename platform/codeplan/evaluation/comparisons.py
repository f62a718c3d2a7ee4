"""The differences between arms of one report, paired by problem."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from codeplan.config import ReportConfig
from codeplan.evaluation.arms import BY_PLANS, SolveRates
from codeplan.evaluation.conclusions import WORDINGS
from codeplan.evaluation.estimators import paired_difference
from codeplan.evaluation.permutation import holm, paired_p_value
from codeplan.evaluation.results import Comparison


def compare_arms(rates: Sequence[SolveRates], plans: int, settings: ReportConfig) -> tuple[Comparison, ...]:
    """Every pair of `conclusions.WORDINGS`, at every plan count that it depends on.

    The comparisons at the largest count have p-values, corrected together. Those that are zero on every problem count
    for nothing there, see `run_comparison.compare_runs`.

    Args:
        rates: one entry per problem.
        plans: the largest plan count.
        settings: the plan counts, and the settings of the bootstrap.
    """
    comparisons = []
    for left, right in WORDINGS:
        both = [problem for problem in rates if None not in (problem.rate(left, plans), problem.rate(right, plans))]
        counts = settings.counts(plans) if left in BY_PLANS else (plans,)
        for count in counts if both else ():
            a, b = ([problem.known_rate(side, count) for problem in both] for side in (left, right))
            difference = paired_difference(a, b, resamples=settings.resamples, seed=settings.seed)
            differing = sum(not math.isclose(x, y, abs_tol=1e-9) for x, y in zip(a, b, strict=True))
            tested = count == plans
            p = paired_p_value(a, b, settings.seed, settings.resamples).value if tested else None
            comparisons.append(Comparison(left, right, count, difference, differing, p, p))
    return _corrected(comparisons)


def _corrected(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    tested = [pair.p for pair in comparisons if pair.p is not None and pair.differing]
    corrected = iter(holm(tested))
    return tuple(
        replace(pair, corrected=next(corrected)) if pair.p is not None and pair.differing else pair
        for pair in comparisons
    )
