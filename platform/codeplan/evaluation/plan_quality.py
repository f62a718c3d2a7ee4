"""Quality of the plans, independent of how many are sampled and how one is chosen."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codeplan.evaluation.estimators import cross_fitted_best, pass_at_k
from codeplan.evaluation.judged_problems import JudgedProblem, JudgedProgram
from codeplan.records import Plan

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


def plan_quality(
    judged_problems: Sequence[JudgedProblem], plans: Sequence[Plan], oracle_plans: Sequence[Plan]
) -> PlanQuality:
    """Measure the plans.

    Args:
        judged_problems: the test problems' programs; at least one problem.
        plans: the teacher's plans that the student learned from.
        oracle_plans: the teacher's plans for the test problems.
    """
    rates = [[_mean([trial.solved for trial in trials]) for trials in judged.trials] for judged in judged_problems]
    with_examples = [
        [trial for trials in judged.trials for trial in trials] for judged in judged_problems if judged.has_examples
    ]
    passing = [trial for trials in with_examples for trial in trials if trial.score[0]]
    texts = [[plan.text for plan in judged.plans] for judged in judged_problems]
    oracles = [judged.oracle for judged in judged_problems if judged.oracle]
    return PlanQuality(
        own_plan=_mean([_mean(of_problem) for of_problem in rates]),
        best_plan=_mean([max(of_problem) for of_problem in rates]),
        cross_fitted_best_plan=_optional_mean(
            [_cross_fitted(judged) for judged in judged_problems if len(judged.trials[0]) > 1]
        ),
        any_trial=_mean([float(max(of_problem) > 0.0) for of_problem in rates]),
        any_sampled=_optional_mean([_any_sampled(judged) for judged in judged_problems if judged.sampled]),
        oracle_plan=_optional_mean([_mean([program.solved for program in programs]) for programs in oracles]),
        distinct=_mean([len(set(of_problem)) / len(of_problem) for of_problem in texts]),
        distance=_optional_mean([mean_distance(of_problem) for of_problem in texts if len(of_problem) > 1]),
        leakage=_optional_mean([plan.leakage for plan in plans]),
        oracle_leakage=_optional_mean([plan.leakage for plan in oracle_plans]),
        example_precision=_optional_mean([trial.solved for trial in passing]),
        score_correlation=within_problem_correlation(with_examples),
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


def within_problem_correlation(problems: Sequence[Sequence[JudgedProgram]]) -> float | None:
    """Pearson's correlation between the fraction of example tests passed and hidden success, both centered per problem.

    Returns:
        The correlation, or None where either is constant within every problem.
    """
    covariance = score_variance = success_variance = 0.0
    for programs in problems:
        x = np.array([float(program.score[1]) for program in programs])
        y = np.array([program.solved for program in programs])
        x, y = x - x.mean(), y - y.mean()
        covariance += float(x @ y)
        score_variance += float(x @ x)
        success_variance += float(y @ y)
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
