"""The probability that each arm solves a problem, at every plan count.

* ``direct``: the greedy program from the question.
* ``control``: the equal-budget control. With n plans the student generates n plans, n x trials programs and one final
  program; the control gets as many programs sampled without a plan, and the same filter by example tests.
* ``codeplan``: the final program of the best-scored of n plans.
* ``best_trial``: the best-scored of all trial programs of n plans: the control's own rule, applied to programs that
  follow plans. Compared with ``codeplan`` it shows what choosing a plan and generating a new program from it gains.
* ``oracle``: the greedy program from the teacher's plan for the problem's own solution, where there is such a plan.

Numbers that depend on a count are exact expectations over all subsets of that size of the one pool that was sampled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from codeplan.evaluation.estimators import (
    expected_best,
    expected_best_of_clusters,
    pass_at_k,
    selection_probability,
)
from codeplan.evaluation.judged_problems import IncompleteSamplesError, JudgedProblem, JudgedProgram
from codeplan.inference.settings import SampleSettings

ArmName = Literal["direct", "control", "codeplan", "best_trial", "oracle"]
Compared = ArmName | Literal["equal_pool"]
"""What comparisons have on their sides: the arms, and the best of as many programs without plans as there are trials.

That is not an arm: the plans themselves cost sequences, which its budget leaves out.
"""

TITLES: dict[ArmName, str] = {
    "direct": "direct",
    "control": "equal-budget control",
    "codeplan": "CodePLAN",
    "best_trial": "plans, best trial",
    "oracle": "oracle plan",
}
"""The arms' names in tables and figures, in the order shown."""

CHOOSING: tuple[Literal["control", "best_trial"], ...] = ("control", "best_trial")
"""The arms whose answer is one of the programs that were run on the example tests."""


def compared_title(side: Compared) -> str:
    """The name of one side of a comparison."""
    return "as many programs without plans" if side == "equal_pool" else TITLES[side]


@dataclass(frozen=True, slots=True)
class SolveRates:
    """The probability that each arm solves one problem.

    Attributes:
        problem_id: the problem.
        level: its difficulty.
        direct: 0 or 1.
        control: by plan count.
        codeplan: by plan count.
        best_trial: by plan count.
        oracle: None where the problem has no oracle plan.
        equal_pool: by plan count, the best-scored of as many programs sampled without plans as the plans have trial
            programs.
        available: by arm that chooses among programs, at the largest plan count: 1.0 where some program of its pool
            solves the problem, else 0.0.
        pass_at_k: by k, from the programs sampled without plans.
        outcomes: by arm, the probability of each outcome of the arm's answer at the largest plan count.
    """

    problem_id: str
    level: str
    direct: float
    control: Mapping[int, float]
    codeplan: Mapping[int, float]
    best_trial: Mapping[int, float]
    oracle: float | None
    equal_pool: Mapping[int, float]
    available: Mapping[ArmName, float]
    pass_at_k: Mapping[int, float]
    outcomes: Mapping[ArmName, Mapping[str, float]]

    def rate(self, arm: Compared, plans: int) -> float | None:
        """The arm's probability at a plan count; ``direct`` and ``oracle`` do not depend on the count."""
        value: float | Mapping[int, float] | None = getattr(self, arm)
        return value[plans] if isinstance(value, Mapping) else value

    def known_rate(self, arm: Compared, plans: int) -> float:
        """The same for an arm that must have one; raises ValueError where it has none."""
        rate = self.rate(arm, plans)
        if rate is None:
            raise ValueError(f"{self.problem_id} has no value for arm {arm}")
        return rate


def solve_rates(
    judged: JudgedProblem, sampling: SampleSettings, counts: Sequence[int], pass_k: Sequence[int]
) -> SolveRates:
    """The probability that each arm solves one problem.

    Args:
        judged: the problem's programs.
        sampling: the settings that they were sampled with.
        counts: the plan counts to evaluate.
        pass_k: the k of pass@k; none may exceed the number of sampled programs.

    Raises:
        IncompleteSamplesError: a plan that can be chosen has no final program.
    """
    passed = [program.solved for program in judged.sampled]
    scores = [program.score for program in judged.sampled]
    trial_scores = [[trial.score for trial in trials] for trials in judged.trials]
    trial_values = [[trial.solved for trial in trials] for trials in judged.trials]
    best_trials = expected_best_of_clusters(trial_scores, trial_values, counts)
    return SolveRates(
        problem_id=judged.problem.problem_id,
        level=judged.problem.level,
        direct=judged.direct.solved,
        control={count: expected_best(scores, passed, sampling.budget(count)) for count in counts},
        codeplan={count: _final_rate(judged, count) for count in counts},
        best_trial=dict(zip(counts, best_trials, strict=True)),
        oracle=_mean([program.solved for program in judged.oracle]) if judged.oracle else None,
        equal_pool={count: expected_best(scores, passed, count * sampling.trials) for count in counts},
        available={"control": max(passed), "best_trial": max(map(max, trial_values))},
        pass_at_k={k: pass_at_k(len(passed), int(sum(passed)), k) for k in pass_k},
        outcomes=_outcomes(judged),
    )


def possible_answers(judged: JudgedProblem) -> dict[ArmName, list[tuple[float, JudgedProgram]]]:
    """Each arm's possible answers at the largest plan count, with their probabilities.

    The list of ``oracle`` is empty where the problem has no oracle plan.

    Raises:
        IncompleteSamplesError: a plan that can be chosen has no final program.
    """
    return {
        "direct": [(1.0, judged.direct)],
        "control": _best_of(judged.sampled),
        "codeplan": _possible_finals(judged, len(judged.plans)),
        "best_trial": _best_of([trial for trials in judged.trials for trial in trials]),
        "oracle": [(1 / len(judged.oracle), program) for program in judged.oracle],
    }


def _possible_finals(judged: JudgedProblem, count: int) -> list[tuple[float, JudgedProgram]]:
    """The final programs that can be the answer with ``count`` plans, each with its probability.

    Raises:
        IncompleteSamplesError: a plan that can be chosen has no final program.
    """
    probabilities = {plan: p for plan, p in enumerate(judged.plan_probabilities(count)) if p > 0.0}
    if missing := sorted(set(probabilities) - set(judged.finals)):
        raise IncompleteSamplesError(
            f"{judged.problem.problem_id}: plan {missing[0]} can be chosen from {count} plans but has no final program"
        )
    return [(p, judged.finals[plan]) for plan, p in probabilities.items()]


def _best_of(programs: Sequence[JudgedProgram]) -> list[tuple[float, JudgedProgram]]:
    """The best-scored of these programs, each with its probability of being chosen."""
    probabilities = selection_probability([program.score for program in programs], len(programs))
    return [(p, program) for p, program in zip(probabilities, programs, strict=True) if p > 0.0]


def _final_rate(judged: JudgedProblem, count: int) -> float:
    return math.fsum(p * final.solved for p, final in _possible_finals(judged, count))


def _outcomes(judged: JudgedProblem) -> dict[ArmName, dict[str, float]]:
    outcomes: dict[ArmName, dict[str, float]] = {}
    for arm, answers in possible_answers(judged).items():
        probabilities = outcomes.setdefault(arm, {})
        for p, program in answers:
            probabilities[program.outcome] = probabilities.get(program.outcome, 0.0) + p
    return outcomes


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
