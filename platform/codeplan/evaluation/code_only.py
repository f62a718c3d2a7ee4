"""The arms of students that learned from code alone: their greedy program, and their own equal-budget control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from codeplan.config import CodeOnly
from codeplan.evaluation.answers import Answers, best_of
from codeplan.evaluation.arms import ArmName, SolveRates, outcome_probabilities
from codeplan.evaluation.estimators import expected_best
from codeplan.evaluation.judged_problems import JudgedProblem
from codeplan.inference.settings import SampleSettings

ARMS: Mapping[CodeOnly, tuple[ArmName, ArmName]] = {
    "steps": ("code_only_steps", "code_only_steps_control"),
    "examples": ("code_only_examples", "code_only_examples_control"),
}
"""The greedy program's arm and the control's, by what the training has in common with that on plans."""


def with_code_only(
    rates: SolveRates, same: CodeOnly, judged: JudgedProblem, sampling: SampleSettings, counts: Sequence[int]
) -> SolveRates:
    """The rates of a problem with the arms of one student that learned from code alone.

    Args:
        rates: of the student that learned from plans.
        same: which student.
        judged: that student's programs for the same problem.
        sampling: the settings of the student that learned from plans, whose budget the control gets.
        counts: the plan counts whose budgets to evaluate.
    """
    greedy, control = ARMS[same]
    found: dict[str, Any] = {greedy: judged.direct.solved}
    answers: dict[ArmName, Answers] = {greedy: [(1.0, judged.direct)]}
    available = dict(rates.available)
    if judged.sampled:
        scores, passed = [program.score for program in judged.sampled], [program.solved for program in judged.sampled]
        found[control] = {count: expected_best(scores, passed, sampling.budget(count)) for count in counts}
        answers[control] = best_of(judged.sampled)
        available[control] = max(passed)
    outcomes = {**rates.outcomes, **outcome_probabilities(answers)}
    return replace(rates, **found, available=available, outcomes=outcomes)
