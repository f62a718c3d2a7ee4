"""What each arm solves of each problem, at every plan count.

* ``direct``: the greedy program from the question.
* ``control``: the equal-budget control. With n plans the student generates n plans, n x trials programs and one final
  program; the control gets as many programs sampled without a plan, and the same filter by example tests.
* ``codeplan``: the final program of the best-scored of n plans.
* ``best_trial``: of all trial programs of n plans the best-scored one: the control's own rule, but with plans. Against
  ``codeplan`` it tells what choosing a plan, and writing anew from it, costs or gains.
* ``oracle``: the greedy program from the teacher's plan for the problem's own solution, where there is such a plan.

Numbers that depend on a count are exact expectations over all subsets of that size of the one pool that was sampled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from codeplan.config import SamplingConfig
from codeplan.evaluation.estimators import (
    expected_best,
    expected_best_of_clusters,
    pass_at_k,
    selection_probability,
)
from codeplan.evaluation.pools import Judged, Pool, PoolError
from codeplan.evaluation.selection import pool_size

ArmName = Literal["direct", "control", "codeplan", "best_trial", "oracle"]

TITLES: dict[ArmName, str] = {
    "direct": "direct",
    "control": "equal-budget control",
    "codeplan": "CodePLAN",
    "best_trial": "plans, best trial",
    "oracle": "oracle plan",
}
"""What people read, in the order in which they read it."""


@dataclass(frozen=True, slots=True)
class Solved:
    """The probability that each arm solves one problem.

    Attributes:
        problem_id: which problem.
        level: its difficulty.
        direct: 0 or 1.
        control: by plan count.
        codeplan: by plan count.
        best_trial: by plan count.
        oracle: None where the problem has no oracle plan.
        pass_at_k: by k, from the programs sampled without plans.
        outcomes: by arm, how the arm's program ends at the largest plan count: probabilities by outcome.
    """

    problem_id: str
    level: str
    direct: float
    control: Mapping[int, float]
    codeplan: Mapping[int, float]
    best_trial: Mapping[int, float]
    oracle: float | None
    pass_at_k: Mapping[int, float]
    outcomes: Mapping[ArmName, Mapping[str, float]]

    def by(self, arm: ArmName, plans: int) -> float | None:
        """The arm's probability at a plan count; the count is of no account for ``direct`` and ``oracle``."""
        value: float | Mapping[int, float] | None = getattr(self, arm)
        return value[plans] if isinstance(value, Mapping) else value


def measure(pool: Pool, sampling: SamplingConfig, pass_k: Sequence[int]) -> Solved:
    """What each arm solves of one problem.

    Args:
        pool: the problem's programs.
        sampling: the settings that they were sampled with.
        pass_k: the k of pass@k; none may exceed the number of sampled programs.

    Raises:
        PoolError: a plan that can be chosen has no final program.
    """
    counts = sampling.counts()
    passed = [each.solved for each in pool.sampled]
    scores = [each.score for each in pool.sampled]
    trial_scores = [[trial.score for trial in trials] for trials in pool.trials]
    trial_values = [[trial.solved for trial in trials] for trials in pool.trials]
    best_trials = expected_best_of_clusters(trial_scores, trial_values, counts)
    return Solved(
        problem_id=pool.problem.problem_id,
        level=pool.problem.level,
        direct=pool.direct.solved,
        control={count: expected_best(scores, passed, pool_size(sampling, count)) for count in counts},
        codeplan={count: _final_solved(pool, count) for count in counts},
        best_trial=dict(zip(counts, best_trials, strict=True)),
        oracle=_mean([each.solved for each in pool.oracle]) if pool.oracle else None,
        pass_at_k={k: pass_at_k(len(passed), int(sum(passed)), k) for k in pass_k},
        outcomes=_outcomes(pool),
    )


def answers(pool: Pool) -> dict[ArmName, list[tuple[float, Judged]]]:
    """Each arm's possible answers at the largest plan count, with their probabilities; none without an oracle plan.

    Raises:
        PoolError: a plan that can be chosen has no final program.
    """
    return {
        "direct": [(1.0, pool.direct)],
        "control": _best_of(pool.sampled),
        "codeplan": _chosen_finals(pool, len(pool.plans)),
        "best_trial": _best_of([trial for of_plan in pool.trials for trial in of_plan]),
        "oracle": [(1 / len(pool.oracle), each) for each in pool.oracle],
    }


def _chosen_finals(pool: Pool, count: int) -> list[tuple[float, Judged]]:
    """The final programs that can be the answer with ``count`` plans, each with its probability.

    Raises:
        PoolError: a plan that can be chosen has no final program.
    """
    chances = {index: chance for index, chance in enumerate(pool.chances(count)) if chance > 0.0}
    if lacking := sorted(set(chances) - set(pool.finals)):
        raise PoolError(
            f"{pool.problem.problem_id}: plan {lacking[0]} can be chosen from {count} plans but has no final program; "
            "sample this problem again"
        )
    return [(chance, pool.finals[index]) for index, chance in chances.items()]


def _best_of(programs: Sequence[Judged]) -> list[tuple[float, Judged]]:
    """The best-scored programs of all of these, each with its probability of being the pick."""
    chances = selection_probability([each.score for each in programs], len(programs))
    return [(chance, each) for chance, each in zip(chances, programs, strict=True) if chance > 0.0]


def _final_solved(pool: Pool, count: int) -> float:
    return math.fsum(chance * final.solved for chance, final in _chosen_finals(pool, count))


def _outcomes(pool: Pool) -> dict[ArmName, dict[str, float]]:
    outcomes: dict[ArmName, dict[str, float]] = {}
    for arm, candidates in answers(pool).items():
        shares = outcomes.setdefault(arm, {})
        for chance, each in candidates:
            shares[each.outcome] = shares.get(each.outcome, 0.0) + chance
    return outcomes


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
