"""The comparisons in sentences that claim no more than the numbers support."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codeplan.evaluation.arms import ArmName
from codeplan.evaluation.estimators import Estimate
from codeplan.evaluation.results import Comparison

MIN_PROBLEMS = 30
"""With fewer problems a bootstrap interval is too narrow to be trusted, and nothing is concluded."""

MIN_DIFFERING = 6
"""Nor is anything concluded where the two arms differ on fewer problems: the bootstrap sees no variance where it saw no
failure, while under the sign test even 5 to 0 could be chance (2 * 0.5**5 = 0.0625)."""


@dataclass(frozen=True, slots=True)
class Wording:
    """The conclusion about a pair of arms, by where the interval of their difference lies.

    Attributes:
        positive: the whole interval is above zero.
        negative: the whole interval is below zero.
        inconclusive: the interval includes zero.
    """

    positive: str
    negative: str
    inconclusive: str


WORDINGS: dict[tuple[ArmName, ArmName], Wording] = {
    ("codeplan", "control"): Wording(
        positive="plans, used this way, help here",
        negative="plans, used this way, do not help here",
        inconclusive="this run does not show whether plans, used this way, help",
    ),
    ("codeplan", "direct"): Wording(
        positive="but CodePLAN generates many times the sequences; only the equal-budget control shows what plans add",
        negative="plan sampling costs more and solves less here",
        inconclusive="this run does not show whether plan sampling beats one greedy program",
    ),
    ("control", "direct"): Wording(
        positive="that much is gained by sampling and example tests alone, without any plan",
        negative="sampling and choosing by example tests does harm here",
        inconclusive="this run does not show whether sampling and example tests alone gain anything",
    ),
    ("best_trial", "control"): Wording(
        positive="chosen by the same rule, programs that follow plans are the better candidates",
        negative="chosen by the same rule, programs that follow plans are the worse candidates",
        inconclusive="this run does not show which candidates are better, programs with plans or without",
    ),
    ("codeplan", "best_trial"): Wording(
        positive="a new program from the chosen plan beats the best trial program",
        negative="a new program from the chosen plan fails problems that the best trial program had solved",
        inconclusive="this run does not show whether a new program from the chosen plan beats the best trial program",
    ),
    ("oracle", "direct"): Wording(
        positive="the student can follow a plan made from the solution, so better plans could help it",
        negative="even a plan made from the solution does harm, so look at how well the student follows plans",
        inconclusive="this run does not show whether even a plan made from the solution helps this student",
    ),
}
"""The pairs of arms that are compared, and the conclusion for each possible result."""

_RIGHT_ARMS: Mapping[ArmName, str] = {
    "direct": "one greedy program",
    "control": "the equal-budget control",
    "best_trial": "its plans' best trial program",
}


def conclude(comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    """One sentence per comparison."""
    return tuple(_sentence(comparison) for comparison in comparisons)


def points(difference: float) -> str:
    """A difference of fractions in percentage points, signed, with one decimal; a rounded zero has no minus sign."""
    return f"{round(100 * difference, 1) + 0.0:+.1f}"


def interval(difference: Estimate) -> str:
    """The interval of a difference in percentage points, as part of a sentence."""
    return f"95 % interval {points(difference.low)} to {points(difference.high)}"


def _sentence(comparison: Comparison) -> str:
    found = comparison.difference
    amount = points(found.mean)
    compared = f"{amount[1:]} points {'less' if amount[0] == '-' else 'more'} than"
    if amount == points(0.0):
        compared = "as much as"
    fact = f"{_left_arm(comparison)} solves {compared} {_RIGHT_ARMS[comparison.right]} ({interval(found)})"
    return f"{fact}: {_conclusion(comparison)}."


def _conclusion(comparison: Comparison) -> str:
    found, wording = comparison.difference, WORDINGS[comparison.left, comparison.right]
    if found.n < MIN_PROBLEMS:
        return f"{found.n} problem{'s are' if found.n > 1 else ' is'} too few to conclude anything"
    if comparison.differing < MIN_DIFFERING:
        differing = f"only {comparison.differing} of {found.n:,} problems" if comparison.differing else "no problem"
        verb = "distinguish" if comparison.differing > 1 else "distinguishes"
        return f"{differing} {verb} them, too few to conclude anything"
    if found.low > 0:
        return wording.positive
    return wording.negative if found.high < 0 else wording.inconclusive


def _left_arm(comparison: Comparison) -> str:
    plans = f"{comparison.plans} plan{'s' if comparison.plans > 1 else ''}"
    named: Mapping[ArmName, str] = {
        "codeplan": f"With {plans} CodePLAN",
        "control": f"With the budget of {plans} the equal-budget control",
        "best_trial": f"With {plans} the best trial program",
        "oracle": f"On the {comparison.difference.n} problems with an oracle plan, the program from that plan",
    }
    return named[comparison.left]
