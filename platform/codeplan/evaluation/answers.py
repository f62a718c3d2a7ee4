"""Which program is an arm's answer: the possible ones, each with its probability over ties and subsets of the pool."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from codeplan.config.inference import FinalRule
from codeplan.evaluation.estimators import selection_probability
from codeplan.evaluation.judged_problems import IncompleteSamplesError, JudgedProblem, JudgedProgram

Answers = list[tuple[float, JudgedProgram]]
"""Programs that can be the answer, with probabilities that add up to 1."""


def best_of(programs: Sequence[JudgedProgram]) -> Answers:
    """The best-scored of these programs; ties are broken uniformly."""
    probabilities = selection_probability([program.score for program in programs], len(programs))
    return [(p, program) for p, program in zip(probabilities, programs, strict=True) if p > 0.0]


def of_best_plan(judged: JudgedProblem, count: int, rule: FinalRule) -> Answers:
    """CodePLAN's answers with ``count`` plans: those of every plan that can be chosen.

    Raises:
        IncompleteSamplesError: a plan that can be chosen has no final program.
    """
    probabilities = {plan: p for plan, p in enumerate(judged.plan_probabilities(count)) if p > 0.0}
    if missing := sorted(set(probabilities) - set(judged.finals)):
        raise IncompleteSamplesError(
            f"{judged.problem.problem_id}: plan {missing[0]} can be chosen from {count} plans but has no final program"
        )
    return [(p * q, program) for plan, p in probabilities.items() for q, program in of_plan(judged, plan, rule)]


def of_plan(judged: JudgedProblem, plan: int, rule: FinalRule) -> Answers:
    """The answers from one plan.

    The fresh program passes where there are no example tests: then nothing speaks for a trial program either.

    Args:
        judged: the problem's programs.
        plan: index of the plan, which has a final program.
        rule: `ReportConfig.final`.
    """
    fresh = judged.finals[plan]
    passes = bool(fresh.score[0]) or not judged.has_examples
    if rule == "fresh" or (rule == "fresh_if_it_passes" and passes):
        return [(1.0, fresh)]
    return best_of(judged.trials[plan])


def solved(answers: Iterable[tuple[float, JudgedProgram]]) -> float:
    """The probability that the answer passes the hidden tests."""
    # At most 1, but for rounding.
    return min(1.0, sum(p * program.solved for p, program in answers))
