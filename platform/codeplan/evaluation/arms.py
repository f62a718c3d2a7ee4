"""The probability that each arm solves a problem, at every plan count.

* ``direct``: the greedy program from the question.
* ``control``: the equal-budget control. With n plans the student generates n plans, n x trials programs and one final
  program; the control gets as many programs sampled without a plan, and the same filter by example tests. Without
  ``sampling.control`` there is none, and no ``plan_after_trial``.
* ``codeplan``: the answer from the best-scored of n plans, by the rule ``report.final``: its fresh greedy program, its
  best trial program, or the fresh one if it passes all example tests and else the best trial program.
* ``fresh``: always the fresh greedy program of that plan, as in the paper.
* ``best_trial``: the best-scored of all trial programs of n plans: the control's own rule, applied to programs that
  follow plans. Compared with ``fresh`` it shows what choosing a plan and generating a new program from it gains.
* ``plan_after_trial``: sampled programs first, plans only where none of these passes the example tests; see
  `codeplan.evaluation.plan_after_trial`.
* ``oracle``: the greedy program from the teacher's plan for the problem's own solution, where there is such a plan.
* ``foreign``: the greedy program from the teacher's plan for another problem. A student that solves as much with it as
  with the oracle plan does not read its plan.
* ``teacher_plan``: the greedy program from the teacher's plan for the question alone, where there is such a plan.
* ``code_only_steps``, ``code_only_examples``: the greedy program of another student, which learned from code alone; and
  ``code_only_steps_control``, ``code_only_examples_control``: that student's own equal-budget control. See
  `codeplan.evaluation.code_only`.

Numbers that depend on a count are exact expectations over all subsets of that size of the one pool that was sampled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from codeplan.config.inference import FinalRule
from codeplan.evaluation.answers import Answers, best_of, of_best_plan, solved
from codeplan.evaluation.estimators import expected_best, expected_best_of_clusters, pass_at_k
from codeplan.evaluation.judged_problems import JudgedProblem
from codeplan.evaluation.plan_after_trial import plan_after_trial
from codeplan.inference.settings import SampleSettings

ArmName = Literal[
    "direct",
    "control",
    "codeplan",
    "fresh",
    "best_trial",
    "plan_after_trial",
    "oracle",
    "foreign",
    "teacher_plan",
    "code_only_steps",
    "code_only_steps_control",
    "code_only_examples",
    "code_only_examples_control",
]
Compared = ArmName | Literal["equal_pool"]
"""What comparisons have on their sides: the arms, and the best of as many programs without plans as there are trials.

That is not an arm: the plans themselves cost sequences, which its budget leaves out.
"""

TITLES: dict[ArmName, str] = {
    "direct": "direct",
    "control": "equal-budget control",
    "codeplan": "CodePLAN",
    "fresh": "plans, fresh program",
    "best_trial": "plans, best trial",
    "plan_after_trial": "plan after trial",
    "oracle": "oracle plan",
    "foreign": "foreign plan",
    "teacher_plan": "teacher's plan",
    "code_only_steps": "code-only student (same steps)",
    "code_only_steps_control": "code-only control (same steps)",
    "code_only_examples": "code-only student (same examples)",
    "code_only_examples_control": "code-only control (same examples)",
}
"""The arms' names in tables and figures, in the order shown."""

BY_PLANS: tuple[ArmName, ...] = (
    "control",
    "codeplan",
    "fresh",
    "best_trial",
    "plan_after_trial",
    "code_only_steps_control",
    "code_only_examples_control",
)
"""The arms that depend on the number of plans; for the controls and plan after trial it sets the budget."""

CHOOSING: tuple[ArmName, ...] = (
    "control",
    "best_trial",
    "code_only_steps_control",
    "code_only_examples_control",
)
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
        fresh: by plan count.
        best_trial: by plan count.
        plan_after_trial: by the plan count whose budget it gets.
        oracle: None where the problem has no oracle plan.
        foreign: None where there is no other problem's plan.
        equal_pool: by plan count, the best-scored of as many programs sampled without plans as the plans have trial
            programs.
        available: by arm that chooses among programs, at the largest plan count: 1.0 where some program of its pool
            solves the problem, else 0.0.
        pass_at_k: by k, from the programs sampled without plans.
        codeplan_pass_at_k: by k, from the final programs sampled from the chosen plan at the largest plan count.
        after_trial_sequences: by plan count, the expected number of sequences of ``plan_after_trial``.
        outcomes: by arm, the probability of each outcome of the arm's answer at the largest plan count.
        teacher_plan: None where there is no plan by the teacher for the question.
        code_only_steps: None without such a student.
        code_only_steps_control: by plan count, whose budget it gets; empty without such a student or a control.
        code_only_examples: as ``code_only_steps``.
        code_only_examples_control: as ``code_only_steps_control``.
    """

    problem_id: str
    level: str
    direct: float
    control: Mapping[int, float]
    codeplan: Mapping[int, float]
    fresh: Mapping[int, float]
    best_trial: Mapping[int, float]
    plan_after_trial: Mapping[int, float]
    oracle: float | None
    foreign: float | None
    equal_pool: Mapping[int, float]
    available: Mapping[ArmName, float]
    pass_at_k: Mapping[int, float]
    codeplan_pass_at_k: Mapping[int, float]
    after_trial_sequences: Mapping[int, float]
    outcomes: Mapping[ArmName, Mapping[str, float]]
    teacher_plan: float | None = None
    code_only_steps: float | None = None
    code_only_steps_control: Mapping[int, float] = field(default_factory=dict)
    code_only_examples: float | None = None
    code_only_examples_control: Mapping[int, float] = field(default_factory=dict)

    def rate(self, arm: Compared, plans: int) -> float | None:
        """The arm's probability at a plan count, on which only arms of `BY_PLANS` depend; None where there is none."""
        value: float | Mapping[int, float] | None = getattr(self, arm)
        return value.get(plans) if isinstance(value, Mapping) else value

    def known_rate(self, arm: Compared, plans: int) -> float:
        """The same for an arm that must have one; raises ValueError where it has none."""
        rate = self.rate(arm, plans)
        if rate is None:
            raise ValueError(f"{self.problem_id} has no value for arm {arm}")
        return rate


def solve_rates(
    judged: JudgedProblem, sampling: SampleSettings, counts: Sequence[int], pass_k: Sequence[int], final: FinalRule
) -> SolveRates:
    """The probability that each arm solves one problem.

    Args:
        judged: the problem's programs.
        sampling: the settings that they were sampled with.
        counts: the plan counts to evaluate.
        pass_k: the k of pass@k; those above the number of sampled programs, or of final ones, are left out.
        final: how CodePLAN's answer follows from the chosen plan.

    Raises:
        IncompleteSamplesError: a plan that can be chosen has no final program.
    """
    passed = [program.solved for program in judged.sampled]
    scores = [program.score for program in judged.sampled]
    with_control = counts if judged.sampled else ()
    trial_scores = [[trial.score for trial in trials] for trials in judged.trials]
    trial_values = [[trial.solved for trial in trials] for trials in judged.trials]
    best_trials = expected_best_of_clusters(trial_scores, trial_values, counts)
    after_trial = {count: plan_after_trial(judged, sampling, count, final) for count in with_control}
    return SolveRates(
        problem_id=judged.problem.problem_id,
        level=judged.problem.level,
        direct=judged.direct.solved,
        control={count: expected_best(scores, passed, sampling.budget(count)) for count in with_control},
        codeplan={count: solved(of_best_plan(judged, count, final)) for count in counts},
        fresh={count: solved(of_best_plan(judged, count, "fresh")) for count in counts},
        best_trial=dict(zip(counts, best_trials, strict=True)),
        plan_after_trial={count: found.solved for count, found in after_trial.items()},
        oracle=_mean([program.solved for program in judged.oracle]) if judged.oracle else None,
        foreign=_mean([program.solved for program in judged.foreign]) if judged.foreign else None,
        equal_pool={count: expected_best(scores, passed, count * sampling.trials) for count in with_control},
        available={**({"control": max(passed)} if passed else {}), "best_trial": max(map(max, trial_values))},
        pass_at_k={k: pass_at_k(len(passed), int(sum(passed)), k) for k in pass_k if k <= len(passed)},
        codeplan_pass_at_k={k: _codeplan_pass_at_k(judged, k) for k in pass_k if k <= sampling.finals},
        after_trial_sequences={count: found.sequences for count, found in after_trial.items()},
        teacher_plan=_mean([program.solved for program in judged.teacher_plan]) if judged.teacher_plan else None,
        outcomes=outcome_probabilities(possible_answers(judged, final)),
    )


def possible_answers(judged: JudgedProblem, final: FinalRule) -> dict[ArmName, Answers]:
    """Each arm's possible answers at the largest plan count, with their probabilities.

    The lists of ``oracle``, ``foreign`` and ``teacher_plan`` are empty where the problem has no such plan, and that of
    ``control`` where there is none. ``plan_after_trial`` is left out: its answers are those of ``control`` and of
    ``codeplan``.

    Raises:
        IncompleteSamplesError: a plan that can be chosen has no final program.
    """
    count = len(judged.plans)
    return {
        "direct": [(1.0, judged.direct)],
        "control": best_of(judged.sampled) if judged.sampled else [],
        "codeplan": of_best_plan(judged, count, final),
        "fresh": of_best_plan(judged, count, "fresh"),
        "best_trial": best_of([trial for trials in judged.trials for trial in trials]),
        "oracle": [(1 / len(judged.oracle), program) for program in judged.oracle],
        "foreign": [(1 / len(judged.foreign), program) for program in judged.foreign],
        "teacher_plan": [(1 / len(judged.teacher_plan), program) for program in judged.teacher_plan],
    }


def _codeplan_pass_at_k(judged: JudgedProblem, k: int) -> float:
    """pass@k of the programs sampled from the chosen plan, over the plans that can be chosen."""
    probabilities = judged.plan_probabilities(len(judged.plans))
    return math.fsum(
        p * pass_at_k(len(finals), sum(int(final.solved) for final in finals), k)
        for plan, finals in judged.sampled_finals.items()
        if (p := probabilities[plan]) > 0.0
    )


def outcome_probabilities(answers_by_arm: Mapping[ArmName, Answers]) -> dict[ArmName, dict[str, float]]:
    """By arm, the probability of each outcome of its answer."""
    outcomes: dict[ArmName, dict[str, float]] = {}
    for arm, answers in answers_by_arm.items():
        probabilities = outcomes.setdefault(arm, {})
        for p, program in answers:
            probabilities[program.outcome] = probabilities.get(program.outcome, 0.0) + p
    return outcomes


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
