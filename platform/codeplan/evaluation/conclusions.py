"""The comparisons in sentences that claim no more than the numbers support."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codeplan.config import CodeOnly
from codeplan.evaluation.arms import ArmName, Compared
from codeplan.evaluation.code_only import ARMS
from codeplan.evaluation.estimators import Estimate
from codeplan.evaluation.over_seeds import SeedsEstimate
from codeplan.evaluation.results import Comparison
from codeplan.evaluation.wordings import NOT_READ, WORDINGS
from codeplan.inference.settings import SampleSettings

MIN_PROBLEMS = 30
"""With fewer problems a bootstrap interval is too narrow to be trusted, and nothing is concluded."""

MIN_DIFFERING = 6
"""Nor is anything concluded where the two arms differ on fewer problems: the bootstrap sees no variance where it saw no
failure, while under the sign test even 5 to 0 could be chance (2 * 0.5**5 = 0.0625)."""

SIGNIFICANT = 0.05
"""Nor where the corrected p-value is not below this: a report makes several claims, and the probability that any of
them is false must stay below it, not only that of each."""

ONE_SEED = (
    "All of this is about this student, trained with one seed: training another changes the numbers too, and an "
    "interval over problems cannot know by how much (repeats trains several)."
)
"""The last sentence of every report on one student."""

THIS_STUDENT = "this student"
ANY_STUDENT = "a student trained like this"
"""Whom a conclusion is about: one training seed says nothing about another."""


_CODE_ONLY: Mapping[CodeOnly, str] = {
    "steps": "of a student that learned from code alone for as many steps",
    "examples": "of a student that learned from as many examples of code and nothing else",
}


@dataclass(frozen=True, slots=True)
class PoolSizes:
    """How many programs per problem an arm chooses from, at the largest plan count.

    Attributes:
        trials: the plans' trial programs.
        control: the programs sampled without plans.
    """

    trials: int
    control: int

    @classmethod
    def of(cls, sampling: SampleSettings) -> PoolSizes:
        """The sizes that follow from the sampling settings."""
        return cls(sampling.plans * sampling.trials, sampling.budget(sampling.plans))


def conclude(comparisons: Sequence[Comparison], sizes: PoolSizes) -> tuple[str, ...]:
    """One sentence per comparison at the largest plan count, and `ONE_SEED` where there is only one.

    A sentence claims a direction where the interval excludes zero and the corrected p-value agrees. Where
    plans do not win, and the right plan is not shown to be worth more than another problem's, it says that plans were
    perhaps not read.

    Args:
        comparisons: of one report; those without a p-value are left out.
        sizes: how many programs its arms choose from.
    """
    tested = [comparison for comparison in comparisons if comparison.p is not None]
    reading = [pair for pair in tested if (pair.left, pair.right) == ("oracle", "foreign")]
    read = not reading or _claimed(reading[0]) > 0
    sentences = tuple(_sentence(comparison, sizes, read=read) for comparison in tested)
    return sentences if any(comparison.over_seeds for comparison in tested) else (*sentences, ONE_SEED)


def conclude_over_seeds(left: ArmName, right: Compared, plans: int, found: SeedsEstimate, sizes: PoolSizes) -> str:
    """The sentence about a pair of `WORDINGS` over several training seeds, concluded from the widest interval.

    Where a single seed is given, it is about that student.

    Args:
        left: the arm that is compared.
        right: what it is compared with.
        plans: the plan count.
        found: the difference, left minus right.
        sizes: how many programs the arms choose from.
    """
    student, shown = ANY_STUDENT, interval_over_seeds(found)
    if found.seeds == 1:
        student, shown = THIS_STUDENT, f"one training seed; {interval(found.over_problems)}"
    stated = fact(left, right, found.widest, plans, sizes)
    reason = too_little(found.widest, found.differing)
    wording = WORDINGS[left, right].of(direction(found.widest, found.differing), student)
    return f"{stated} ({shown}): {reason or wording}."


def interval_over_seeds(found: SeedsEstimate) -> str:
    """The intervals of a difference over several training seeds in percentage points, as part of a sentence."""
    widest, alone = found.widest, found.over_problems
    if widest.degenerate:
        return (
            f"the mean of {found.seeds} training seeds; the same on {_every(widest.n)} for every seed, so that no "
            "interval can be estimated"
        )
    shown = f"the mean of {found.seeds} training seeds; 95 % interval over seeds and problems "
    shown += f"{points(widest.low)} to {points(widest.high)}"
    return shown if alone.degenerate else f"{shown}, over problems alone {points(alone.low)} to {points(alone.high)}"


def points(difference: float) -> str:
    """A difference of fractions in percentage points, signed, with one decimal; a rounded zero has no minus sign."""
    return f"{round(100 * difference, 1) + 0.0:+.1f}"


def interval(difference: Estimate) -> str:
    """The interval of a difference in percentage points, as part of a sentence."""
    if difference.degenerate:
        return f"the same on {_every(difference.n)}, so that no interval can be estimated"
    return f"95 % interval over problems {points(difference.low)} to {points(difference.high)}"


def direction(found: Estimate, differing: int) -> int:
    """1 where the interval is above zero, -1 where it is below, else 0; also 0 where there is too little data."""
    if too_little(found, differing):
        return 0
    return (found.low > 0) - (found.high < 0)


def too_little(found: Estimate, differing: int) -> str:
    """Why a difference is not concluded from, as a sentence's end; empty where it is."""
    if found.n < MIN_PROBLEMS:
        return f"{_many(found.n, 'problem')} {'are' if found.n > 1 else 'is'} too few to conclude anything"
    if differing < MIN_DIFFERING:
        named = f"only {differing} of {found.n:,} problems" if differing else "no problem"
        verb = "distinguish" if differing > 1 else "distinguishes"
        return f"{named} {verb} them, too few to conclude anything"
    return ""


def fact(left: ArmName, right: Compared, found: Estimate, plans: int, sizes: PoolSizes) -> str:
    """How much more or less one side solves than the other."""
    amount = points(found.mean)
    compared = f"{amount[1:]} points {'less' if amount[0] == '-' else 'more'} than"
    if amount == points(0.0):
        compared = "as much as"
    return f"{_left_arm(left, found, plans, sizes)} solves {compared} {_right_arm(right, sizes)}"


def _sentence(comparison: Comparison, sizes: PoolSizes, *, read: bool) -> str:
    found, over_seeds = comparison.difference, comparison.over_seeds
    student = ANY_STUDENT if over_seeds else THIS_STUDENT
    stated = fact(comparison.left, comparison.right, found, comparison.plans, sizes)
    conclusion = _conclusion(comparison, student)
    if not read and comparison.right == "control" and _claimed(comparison) < 0:
        conclusion += f", but {NOT_READ.format(student=student)}"
    shown = interval_over_seeds(over_seeds) if over_seeds else interval(found)
    return f"{stated} ({shown}): {conclusion}."


def _claimed(comparison: Comparison) -> int:
    """The direction that is claimed: the interval's, unless the corrected p-value disagrees; 0 for none."""
    if comparison.corrected is not None and comparison.corrected >= SIGNIFICANT:
        return 0
    return direction(comparison.difference, comparison.differing)


def _conclusion(comparison: Comparison, student: str) -> str:
    found, wording = comparison.difference, WORDINGS[comparison.left, comparison.right]
    if reason := too_little(found, comparison.differing):
        return reason
    claimed = _claimed(comparison)
    doubted = claimed == 0 and direction(found, comparison.differing) != 0
    doubt = f" (p = {comparison.corrected:.3f} after correction for several comparisons)" if doubted else ""
    return wording.of(claimed, student) + doubt


def _every(problems: int) -> str:
    return f"all {problems:,} problems" if problems > 1 else "the only problem"


def _many(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'s' if count > 1 else ''}"


def _left_arm(left: ArmName, found: Estimate, plans: int, sizes: PoolSizes) -> str:
    counted = _many(plans, "plan")
    named: Mapping[ArmName, str] = {
        "codeplan": f"With {counted} CodePLAN",
        "control": f"With the budget of {counted} the equal-budget control",
        "fresh": f"With {counted} a fresh program from the chosen plan",
        "best_trial": f"With {counted} the best of {_many(sizes.trials, 'trial program')}",
        "plan_after_trial": f"With the budget of {counted} plan after trial",
        "oracle": f"On the {found.n} problems with an oracle plan, the program from that plan",
        "teacher_plan": f"On the {found.n} problems with a plan by the teacher for the question alone, the program "
        "from that plan",
    }
    return named[left]


def _right_arm(right: Compared, sizes: PoolSizes) -> str:
    named: Mapping[Compared, str] = {
        "direct": "one greedy program",
        "control": f"the equal-budget control, the best of {_many(sizes.control, 'program')}",
        "equal_pool": f"the best of {_many(sizes.trials, 'program')} sampled without plans",
        "best_trial": f"the best of its {_many(sizes.trials, 'trial program')}",
        "foreign": "the program from another problem's plan",
        **{greedy: f"one greedy program {_CODE_ONLY[same]}" for same, (greedy, _) in ARMS.items()},
        **{
            control: f"the best of {_many(sizes.control, 'program')} {_CODE_ONLY[same]}"
            for same, (_, control) in ARMS.items()
        },
    }
    return named[right]
