"""Quality of the plans, independent of how many are sampled and how one is chosen."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from codeplan.evaluation.estimators import cross_fitted_best, pass_at_k
from codeplan.evaluation.judged_problems import JudgedProblem, JudgedProgram

_TOKEN = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class PlanQuality:
    """Means over problems; None where there is nothing to measure.

    Attributes:
        own_plan: fraction of a plan's trial programs that pass the hidden tests, mean over the student's plans.
        best_plan: the largest such fraction per problem: the best plan by the hidden tests, chosen and scored by the
            same programs. Higher than any plan is worth, as what is chosen for its score was also lucky.
        cross_fitted_best_plan: the same without that bias: the best plan by the hidden tests of one half of the trial
            programs, scored by the other half; the mean over all splits. None for one trial program per plan. It is
            what a choice by that half is worth, so somewhat less than a perfect choice would be.
        any_trial: fraction of problems that at least one trial program solves: the success rate if the choice of the
            program were perfect.
        any_sampled: the same for as many programs sampled without plans; its expectation over all such subsets. None
            where none are sampled.
        oracle_plan: fraction of programs from the teacher's plan for the problem's own solution that pass, over the
            problems that have such a plan.
        distinct: number of distinct plan texts divided by the number of plans.
        distance: mean Jaccard distance between the sets of words of two plans for the same problem, 0 to 1.
        leakage: mean fraction of the solution's lines that appear verbatim in a training plan of the teacher.
        oracle_leakage: the same for the teacher's plans for the test problems.
        example_precision: fraction of the trial programs passing all example tests that also pass the hidden tests.
        score_correlation: Pearson's correlation, within problems, between the fraction of example tests that a trial
            program passes and whether it passes the hidden tests. Within problems, because that is where programs are
            chosen: differences in difficulty between problems do not help a choice.
    """

    own_plan: float
    best_plan: float
    cross_fitted_best_plan: float | None
    any_trial: float
    any_sampled: float | None
    oracle_plan: float | None
    distinct: float
    distance: float | None
    leakage: float | None
    oracle_leakage: float | None
    example_precision: float | None
    score_correlation: float | None


@dataclass(frozen=True, slots=True)
class ProblemQuality:
    """The same of one problem, for `plan_quality`; None where there is nothing to measure.

    Attributes:
        own_plan: see `PlanQuality`.
        best_plan: see `PlanQuality`.
        cross_fitted_best_plan: see `PlanQuality`.
        any_sampled: see `PlanQuality`.
        oracle_plan: see `PlanQuality`.
        distinct: see `PlanQuality`.
        distance: see `PlanQuality`.
        passing: number of trial programs that pass all example tests.
        solving: number of these that also pass the hidden tests.
        moments: of the fraction of example tests that a trial program passes and its hidden success, both centered:
            their covariance and their variances, times the number of trial programs.
    """

    own_plan: float
    best_plan: float
    cross_fitted_best_plan: float | None
    any_sampled: float | None
    oracle_plan: float | None
    distinct: float
    distance: float | None
    passing: int
    solving: float
    moments: tuple[float, float, float]


def problem_quality(judged: JudgedProblem) -> ProblemQuality:
    """Measure the plans for one problem."""
    rates = [_mean([trial.solved for trial in trials]) for trials in judged.trials]
    trials = [trial for of_plan in judged.trials for trial in of_plan] if judged.has_examples else []
    passing = [trial for trial in trials if trial.score[0]]
    texts = [plan.text for plan in judged.plans]
    return ProblemQuality(
        own_plan=_mean(rates),
        best_plan=max(rates),
        cross_fitted_best_plan=_cross_fitted(judged) if len(judged.trials[0]) > 1 else None,
        any_sampled=_any_sampled(judged) if judged.sampled else None,
        oracle_plan=_optional_mean([program.solved for program in judged.oracle]),
        distinct=len(set(texts)) / len(texts),
        distance=mean_distance(texts) if len(texts) > 1 else None,
        passing=len(passing),
        solving=math.fsum(trial.solved for trial in passing),
        moments=_moments(trials),
    )


def plan_quality(
    problems: Sequence[ProblemQuality], leakage: Sequence[float], oracle_leakage: Sequence[float]
) -> PlanQuality:
    """The means over problems.

    Args:
        problems: of the test problems; at least one.
        leakage: of the teacher's plans that the student learned from, see `Plan.leakage`.
        oracle_leakage: of the teacher's plans for the test problems.
    """
    passing = sum(found.passing for found in problems)
    return PlanQuality(
        own_plan=_mean([found.own_plan for found in problems]),
        best_plan=_mean([found.best_plan for found in problems]),
        cross_fitted_best_plan=_mean_of_known(found.cross_fitted_best_plan for found in problems),
        any_trial=_mean([float(found.best_plan > 0.0) for found in problems]),
        any_sampled=_mean_of_known(found.any_sampled for found in problems),
        oracle_plan=_mean_of_known(found.oracle_plan for found in problems),
        distinct=_mean([found.distinct for found in problems]),
        distance=_mean_of_known(found.distance for found in problems),
        leakage=_optional_mean(leakage),
        oracle_leakage=_optional_mean(oracle_leakage),
        example_precision=math.fsum(found.solving for found in problems) / passing if passing else None,
        score_correlation=_correlation([found.moments for found in problems]),
    )


def mean_distance(texts: Sequence[str]) -> float:
    """The mean Jaccard distance between the sets of words of two of the texts, 0 (same words) to 1 (no word in common).

    Words are runs of letters and digits, in lower case. Two texts without words have distance 0.

    Raises:
        ValueError: fewer than two texts.
    """
    if len(texts) < 2:
        raise ValueError(f"a distance needs two texts, not {len(texts)}")
    words = [set(_TOKEN.findall(text.lower())) for text in texts]
    columns = {word: column for column, word in enumerate(sorted(set().union(*words)))}
    # Products of 0/1 rows count shared words for all pairs at once; float64 holds these counts exactly.
    present = np.zeros((len(texts), len(columns)))
    for row, words_of_text in enumerate(words):
        present[row, [columns[word] for word in words_of_text]] = 1.0
    shared = present @ present.T
    sizes = present.sum(axis=1)
    union = sizes[:, None] + sizes[None, :] - shared
    similarity = np.divide(shared, union, out=np.ones_like(shared), where=union > 0)
    return float(1.0 - similarity[np.triu_indices(len(texts), k=1)].mean())


def _moments(programs: Sequence[JudgedProgram]) -> tuple[float, float, float]:
    """Covariance, variance of the fractions and variance of the successes, times the number of programs."""
    if not programs:
        return 0.0, 0.0, 0.0
    x = np.array([float(program.score[1]) for program in programs])
    y = np.array([program.solved for program in programs])
    x, y = x - x.mean(), y - y.mean()
    return float(x @ y), float(x @ x), float(y @ y)


def _correlation(moments: Sequence[tuple[float, float, float]]) -> float | None:
    """Pearson's correlation over all problems; None where either side is constant within every problem."""
    covariance, score_variance, success_variance = (math.fsum(part) for part in zip(*moments, strict=True))
    # Centering equal fractions leaves rounding errors, not variance.
    if min(score_variance, success_variance) < 1e-12:
        return None
    return covariance / math.sqrt(score_variance * success_variance)


def _cross_fitted(judged: JudgedProblem) -> float:
    passed = [sum(int(trial.solved) for trial in trials) for trials in judged.trials]
    return cross_fitted_best(passed, len(judged.trials[0]))


def _any_sampled(judged: JudgedProblem) -> float:
    passed = sum(int(program.solved) for program in judged.sampled)
    return pass_at_k(len(judged.sampled), passed, sum(map(len, judged.trials)))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _optional_mean(values: Sequence[float]) -> float | None:
    return _mean(values) if values else None


def _mean_of_known(values: Iterable[float | None]) -> float | None:
    return _optional_mean([value for value in values if value is not None])
