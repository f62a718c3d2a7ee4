"""What the plans themselves are worth, apart from how many are sampled and how one is chosen."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codeplan.evaluation.pools import Judged, Pool
from codeplan.records import Plan

_TOKEN = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class PlanQuality:
    """Means over problems; None where there is nothing to measure.

    Attributes:
        own_plan: the share of a plan's trial programs that pass the hidden tests, mean over the student's plans.
        best_plan: the same share for each problem's best plan, chosen by the hidden tests: what a perfect choice of
            plan would give a single trial program.
        any_trial: the share of problems that some trial program solves: what a perfect choice of program would solve.
        oracle_plan: the share of programs from the teacher's plan for the problem's own solution that pass, over the
            problems that have such a plan.
        distinct: the number of different plan texts over the number of plans.
        distance: the mean Jaccard distance between the sets of words of two plans for the same problem, 0 to 1.
        leakage: mean share of the solution's lines that stand verbatim in a training plan of the teacher.
        oracle_leakage: the same for the teacher's plans for the test problems.
        example_precision: of the trial programs that pass all example tests, the share that passes the hidden tests.
        score_correlation: Pearson's correlation, within problems, between the share of example tests that a trial
            program passes and whether it passes the hidden tests. Within, because a choice is made within a problem:
            that some problems are easier helps no choice.
    """

    own_plan: float
    best_plan: float
    any_trial: float
    oracle_plan: float | None
    distinct: float
    distance: float | None
    leakage: float | None
    oracle_leakage: float | None
    example_precision: float | None
    score_correlation: float | None


def plan_quality(pools: Sequence[Pool], plans: Sequence[Plan], oracle_plans: Sequence[Plan]) -> PlanQuality:
    """Measure the plans.

    Args:
        pools: the test problems' programs; at least one problem.
        plans: the teacher's plans that the student learned from.
        oracle_plans: the teacher's plans for the test problems.
    """
    shares = [[_mean([trial.solved for trial in trials]) for trials in pool.trials] for pool in pools]
    tested = [[trial for trials in pool.trials for trial in trials] for pool in pools if pool.has_examples]
    passing = [trial for trials in tested for trial in trials if trial.score[0]]
    texts = [[plan.text for plan in pool.plans] for pool in pools]
    return PlanQuality(
        own_plan=_mean([_mean(of_problem) for of_problem in shares]),
        best_plan=_mean([max(of_problem) for of_problem in shares]),
        any_trial=_mean([float(max(of_problem) > 0.0) for of_problem in shares]),
        oracle_plan=_optional_mean([_mean([each.solved for each in pool.oracle]) for pool in pools if pool.oracle]),
        distinct=_mean([len(set(of_problem)) / len(of_problem) for of_problem in texts]),
        distance=_optional_mean([mean_distance(of_problem) for of_problem in texts if len(of_problem) > 1]),
        leakage=_optional_mean([plan.leakage for plan in plans]),
        oracle_leakage=_optional_mean([plan.leakage for plan in oracle_plans]),
        example_precision=_optional_mean([trial.solved for trial in passing]),
        score_correlation=within_correlation(tested),
    )


def mean_distance(texts: Sequence[str]) -> float:
    """The mean Jaccard distance between the sets of words of two of the texts, 0 (same words) to 1 (none shared).

    Words are runs of letters and digits, in lower case. Two texts without words have distance 0.

    Raises:
        ValueError: fewer than two texts.
    """
    if len(texts) < 2:
        raise ValueError(f"a distance needs two texts, not {len(texts)}")
    words = [set(_TOKEN.findall(text.lower())) for text in texts]
    places = {word: place for place, word in enumerate(sorted(set().union(*words)))}
    # Products of 0/1 rows count shared words for all pairs at once; float64 holds these counts exactly.
    present = np.zeros((len(texts), len(places)))
    for row, own in enumerate(words):
        present[row, [places[word] for word in own]] = 1.0
    shared = present @ present.T
    sizes = present.sum(axis=1)
    union = sizes[:, None] + sizes[None, :] - shared
    similarity = np.divide(shared, union, out=np.ones_like(shared), where=union > 0)
    return float(1.0 - similarity[np.triu_indices(len(texts), k=1)].mean())


def within_correlation(problems: Sequence[Sequence[Judged]]) -> float | None:
    """Pearson's correlation between example-test share and hidden success, both centred within each problem.

    Returns:
        The correlation, or None where scores or successes never differ within a problem.
    """
    together = scores = successes = 0.0
    for programs in problems:
        x = np.array([float(each.score[1]) for each in programs])
        y = np.array([each.solved for each in programs])
        x, y = x - x.mean(), y - y.mean()
        together, scores, successes = together + float(x @ y), scores + float(x @ x), successes + float(y @ y)
    # Centring equal shares leaves rounding, not variance.
    if min(scores, successes) < 1e-12:
        return None
    return together / math.sqrt(scores * successes)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _optional_mean(values: Sequence[float]) -> float | None:
    return _mean(values) if values else None
