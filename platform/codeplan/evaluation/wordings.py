"""What a report says about each pair of arms, for each possible result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from codeplan.evaluation.arms import ArmName, Compared
from codeplan.evaluation.code_only import ARMS


@dataclass(frozen=True, slots=True)
class Wording:
    """The conclusion about a pair of arms, by where the interval of their difference lies.

    Attributes:
        positive: the whole interval is above zero; in all three ``{student}`` is whom it is about.
        negative: the whole interval is below zero.
        inconclusive: the interval includes zero.
    """

    positive: str
    negative: str
    inconclusive: str

    def of(self, claimed: int, student: str) -> str:
        """The conclusion about a student where the interval is above zero (1), below (-1), or includes it (0)."""
        return {1: self.positive, -1: self.negative, 0: self.inconclusive}[claimed].format(student=student)


NOT_READ = "this does not show that {student} reads its plan, and so not what plans are worth"


def _against_code_only() -> Iterator[tuple[tuple[ArmName, Compared], Wording]]:
    """CodePLAN against students that learned from code alone: against the control first, which has its budget."""
    for greedy, control in ARMS.values():
        yield (
            ("codeplan", control),
            Wording(
                positive="learning from plans and sampling with them makes {student} better than one that learns from "
                "code alone",
                negative="learning from code alone is worth more to {student} than plans, in training and in sampling",
                inconclusive="this does not show whether learning from plans makes {student} better than learning from "
                "code alone",
            ),
        )
        yield (
            ("codeplan", greedy),
            Wording(
                positive="but CodePLAN generates many times the sequences; only that student's own control shows what "
                "plans add",
                negative="plans, in training and in sampling, cost {student} more than learning from code alone, and "
                "solve less",
                inconclusive="this does not show whether plan sampling with {student} beats one greedy program of a "
                "student that learned from code alone",
            ),
        )


WORDINGS: dict[tuple[ArmName, Compared], Wording] = {
    ("codeplan", "control"): Wording(
        positive="plans, used this way, help {student}",
        negative="plans, used this way, do not help {student}",
        inconclusive="this does not show whether plans, used this way, help {student}",
    ),
    ("codeplan", "direct"): Wording(
        positive="but CodePLAN generates many times the sequences; only the equal-budget control shows what plans add",
        negative="for {student}, plan sampling costs more and solves less",
        inconclusive="this does not show whether plan sampling beats one greedy program of {student}",
    ),
    ("control", "direct"): Wording(
        positive="that much {student} gains by sampling and example tests alone, without any plan",
        negative="sampling and choosing by example tests does harm to {student}",
        inconclusive="this does not show whether {student} gains anything by sampling and example tests alone",
    ),
    ("best_trial", "control"): Wording(
        positive="about the same number of sequences is worth more to {student} with plans than without",
        negative="about the same number of sequences is worth less to {student} with plans than without",
        inconclusive="this does not show whether about the same number of sequences is worth more to {student} with "
        "plans",
    ),
    ("best_trial", "equal_pool"): Wording(
        positive="chosen by the same rule from equally many, programs of {student} that follow plans are the better "
        "candidates",
        negative="chosen by the same rule from equally many, programs of {student} that follow plans are the worse "
        "candidates",
        inconclusive="this does not show which candidates of {student} are better, programs with plans or without",
    ),
    ("fresh", "best_trial"): Wording(
        positive="a new program of {student} from the chosen plan beats the best trial program",
        negative="a new program of {student} from the chosen plan fails problems that the best trial program had "
        "solved",
        inconclusive="this does not show whether a new program of {student} from the chosen plan beats the best trial "
        "program",
    ),
    ("plan_after_trial", "control"): Wording(
        positive="plans help {student} on the problems that its programs without a plan fail",
        negative="also on the problems that programs without a plan fail, more of these are worth more to {student}",
        inconclusive="this does not show whether plans help {student} where programs without a plan fail",
    ),
    ("oracle", "foreign"): Wording(
        positive="{student} reads its plan: the right one is worth more than another problem's",
        negative="another problem's plan serves {student} better than the right one, so it does not read its plan",
        inconclusive=NOT_READ,
    ),
    ("oracle", "direct"): Wording(
        positive="{student} can follow a plan made from the solution, so better plans could help",
        negative="even a plan made from the solution does harm to {student}, so look at how well plans are followed",
        inconclusive="this does not show whether even a plan made from the solution helps {student}",
    ),
    ("teacher_plan", "direct"): Wording(
        positive="{student} gains from a plan that the teacher makes without knowing a solution, so better plans help",
        negative="a plan that the teacher makes without knowing a solution does harm to {student}",
        inconclusive="this does not show whether a plan that the teacher makes without knowing a solution helps "
        "{student}",
    ),
    **dict(_against_code_only()),
}
"""The pairs that are compared, and the conclusion for each possible result."""
