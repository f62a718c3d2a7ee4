"""What the numbers say, in sentences that do not say more than the numbers do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codeplan.evaluation.arms import TITLES, ArmName
from codeplan.evaluation.estimators import Estimate
from codeplan.evaluation.results import Comparison

FEW = 30
"""Below this many problems a bootstrap interval is too narrow to be trusted, and nothing is concluded."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What to say of one pair of arms when the difference is above zero, below zero, or cannot be told from it."""

    above: str
    below: str
    open: str


READINGS: dict[tuple[ArmName, ArmName], Reading] = {
    ("codeplan", "control"): Reading(
        above="plans help here",
        below="plans do not help here",
        open="this run cannot tell whether plans help",
    ),
    ("codeplan", "direct"): Reading(
        above="but CodePLAN spends many times the sequences; only the equal-budget control tells what plans add",
        below="plan sampling costs more and solves less here",
        open="this run cannot tell whether plan sampling beats one greedy program",
    ),
    ("control", "direct"): Reading(
        above="that much is gained by sampling and example tests alone, without any plan",
        below="sampling and choosing by example tests harms here",
        open="this run cannot tell whether sampling and example tests alone gain anything",
    ),
    ("codeplan", "best_trial"): Reading(
        above="a new program from the chosen plan beats taking the best trial program",
        below="writing a new program from the chosen plan loses what the best trial program had solved",
        open="this run cannot tell whether a new program from the chosen plan is worth more than the best trial",
    ),
    ("oracle", "direct"): Reading(
        above="the student can follow a plan made from the solution, so better plans could help it",
        below="even a plan made from the solution harms, so look at how well the student follows plans",
        open="this run cannot tell whether even a plan made from the solution helps this student",
    ),
}
"""Which pairs of arms are compared, and how the result reads."""


def conclude(comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    """One sentence for each comparison."""
    return tuple(_sentence(each) for each in comparisons)


def _sentence(comparison: Comparison) -> str:
    found = comparison.difference
    reading = READINGS[comparison.left, comparison.right]
    points = 100 * found.mean
    amount = f"{abs(points):.1f} points {'more' if points > 0 else 'less'} than"
    if f"{abs(points):.1f}" == "0.0":
        amount = "as much as"
    return f"{_subject(comparison)} solves {amount} {_object(comparison.right)} ({interval(found)}): " + (
        f"{found.n} problem{'s are' if found.n > 1 else ' is'} too few to conclude anything."
        if found.n < FEW
        else f"{reading.above if found.low > 0 else reading.below if found.high < 0 else reading.open}."
    )


def interval(difference: Estimate) -> str:
    """A difference's interval in points, as it stands in a sentence."""
    return f"95 % interval {100 * difference.low:+.1f} to {100 * difference.high:+.1f}"


def _subject(comparison: Comparison) -> str:
    if comparison.left == "oracle":
        return f"On the {comparison.difference.n} problems with an oracle plan, the program from that plan"
    plans = f"{comparison.plans} plan{'s' if comparison.plans > 1 else ''}"
    if comparison.left == "control":
        return f"With the budget of {plans} the equal-budget control"
    return f"With {plans} {TITLES[comparison.left]}"


def _object(arm: ArmName) -> str:
    named: Mapping[ArmName, str] = {
        "direct": "one greedy program",
        "control": "the equal-budget control",
        "best_trial": "its plans' best trial program",
    }
    return named[arm]
