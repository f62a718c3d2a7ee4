"""Why CodePLAN's answer to a problem is what it is: which plan was chosen, and which of its programs, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from codeplan.config.inference import FinalRule
from codeplan.evaluation.answers import of_plan
from codeplan.evaluation.judged_problems import JudgedProblem


def why(judged: JudgedProblem, rule: FinalRule) -> list[str]:
    """The sentences: one about the choice of the plan, and one or more about the program.

    Args:
        judged: the problem's programs, with at least one plan; every plan that can be chosen has a final program.
        rule: `ReportConfig.final`.
    """
    probabilities = judged.plan_probabilities(len(judged.plans))
    chosen = [plan for plan, p in enumerate(probabilities) if p > 0.0]
    return [_of_the_plan(judged, chosen), *_of_the_program(judged, chosen, rule)]


def _of_the_plan(judged: JudgedProblem, chosen: Sequence[int]) -> str:
    equally = f"each is chosen with probability 1/{len(chosen)}"
    if not judged.has_examples:
        return f"The question shows no example test, so nothing speaks for any plan: all {len(chosen)} tie, {equally}."
    passes, fraction = judged.plan_scores[chosen[0]]
    score = (
        f"{passes} of {len(judged.trials[chosen[0]])} trial programs pass all example tests, and the trials pass "
        f"{100 * float(fraction):.1f} % of the example tests on average"
    )
    if len(chosen) == 1:
        return f"Plan {chosen[0]} is chosen: it has the best score ({score})."
    return f"Plans {_named(chosen)} tie for the best score ({score}); {equally}."


def _of_the_program(judged: JudgedProblem, chosen: Sequence[int], rule: FinalRule) -> list[str]:
    start = f"report.final is {rule}:"
    if rule == "fresh":
        return [f"{start} the answer is the fresh program from the chosen plan."]
    if rule == "best_trial":
        return [f"{start} the answer is the best trial program of the chosen plan.", *_ties(judged, chosen)]
    if not judged.has_examples:
        return [f"{start} without example tests the answer is the fresh program from the chosen plan."]
    passing = [plan for plan in chosen if judged.finals[plan].score[0]]
    failing = [plan for plan in chosen if not judged.finals[plan].score[0]]
    found = []
    if passing:
        found.append(f"{start} the fresh program from {_plans(passing)} passes all example tests and is the answer.")
    if failing:
        found.append(
            f"{start} the fresh program from {_plans(failing)} does not pass all example tests; the answer is the "
            "plan's best trial program."
        )
    return found + _ties(judged, failing)


def _ties(judged: JudgedProblem, plans: Sequence[int]) -> list[str]:
    """Where several trial programs of a plan tie for the best."""
    tied = {plan: len(of_plan(judged, plan, "best_trial")) for plan in plans}
    return [
        f"{number} of the {len(judged.trials[plan])} trial programs of plan {plan} tie, each is the answer with "
        f"probability 1/{number} where the plan is chosen."
        for plan, number in tied.items()
        if number > 1
    ]


def _plans(plans: Sequence[int]) -> str:
    return f"plan {plans[0]}" if len(plans) == 1 else f"each of plans {_named(plans)}"


def _named(plans: Sequence[int]) -> str:
    return ", ".join(map(str, plans[:-1])) + f" and {plans[-1]}" if len(plans) > 1 else str(plans[0])
