"""What the numbers say, in sentences that do not say more than the numbers do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codeplan.evaluation.arms import ArmName
from codeplan.evaluation.estimators import Estimate
from codeplan.evaluation.results import Comparison

FEW = 30
"""Below this many problems a bootstrap interval is too narrow to be trusted, and nothing is concluded."""

FEW_DIFFERING = 6
"""Nor from fewer problems than this that tell two arms apart: the bootstrap sees no variance where it saw no failure,
while by the sign test even 5 to none could be luck (2 * 0.5**5 = 0.0625)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What to say of one pair of arms when the difference is above zero, below zero, or cannot be told from it."""

    above: str
    below: str
    open: str


READINGS: dict[tuple[ArmName, ArmName], Reading] = {
    ("codeplan", "control"): Reading(
        above="plans, used this way, help here",
        below="plans, used this way, do not help here",
        open="this run cannot tell whether plans, used this way, help",
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
    ("best_trial", "control"): Reading(
        above="chosen by the same rule, programs that follow plans are the better pool",
        below="chosen by the same rule, programs that follow plans are the poorer pool",
        open="this run cannot tell which pool is better, programs that follow plans or programs without",
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

_OBJECTS: Mapping[ArmName, str] = {
    "direct": "one greedy program",
    "control": "the equal-budget control",
    "best_trial": "its plans' best trial program",
}


def conclude(comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    """One sentence for each comparison."""
    return tuple(_sentence(each) for each in comparisons)


def points(share: float) -> str:
    """A difference of shares in points, with its sign and one digit; what rounds to zero has no minus."""
    return f"{round(100 * share, 1) + 0.0:+.1f}"


def interval(difference: Estimate) -> str:
    """A difference's interval in points, as it stands in a sentence."""
    return f"95 % interval {points(difference.low)} to {points(difference.high)}"


def _sentence(comparison: Comparison) -> str:
    found = comparison.difference
    amount = points(found.mean)
    compared = f"{amount[1:]} points {'less' if amount[0] == '-' else 'more'} than"
    if amount == points(0.0):
        compared = "as much as"
    fact = f"{_subject(comparison)} solves {compared} {_OBJECTS[comparison.right]} ({interval(found)})"
    return f"{fact}: {_reading(comparison)}."


def _reading(comparison: Comparison) -> str:
    found, reading = comparison.difference, READINGS[comparison.left, comparison.right]
    if found.n < FEW:
        return f"{found.n} problem{'s are' if found.n > 1 else ' is'} too few to conclude anything"
    if comparison.differing < FEW_DIFFERING:
        told = f"{comparison.differing} of {found.n:,} problems" if comparison.differing else "no problem"
        return f"{told} told them apart, too few to conclude anything"
    if found.low > 0:
        return reading.above
    return reading.below if found.high < 0 else reading.open


def _subject(comparison: Comparison) -> str:
    plans = f"{comparison.plans} plan{'s' if comparison.plans > 1 else ''}"
    named: Mapping[ArmName, str] = {
        "codeplan": f"With {plans} CodePLAN",
        "control": f"With the budget of {plans} the equal-budget control",
        "best_trial": f"With {plans} the best trial program",
        "oracle": f"On the {comparison.difference.n} problems with an oracle plan, the program from that plan",
    }
    return named[comparison.left]
