"""What a report keeps of one problem and one training seed: rates and counts, but no text of a plan or a program.

A report is a reduction: a problem with its hundreds of programs becomes such a summary, wherever its records are read,
and tables, figures and conclusions are made of the summaries alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from codeplan.evaluation.arms import SolveRates
from codeplan.evaluation.judged_problems import JudgedProblem
from codeplan.evaluation.plan_quality import ProblemQuality, problem_quality


@dataclass(frozen=True, slots=True)
class ProblemSummary:
    """One problem, as the students of one training seed solve it.

    Attributes:
        split: the problem's split.
        rates: the probability that each arm solves it.
        quality: quality of the student's plans for it.
        has_examples: whether it has example tests.
        has_oracle: whether it has an oracle plan.
        has_teacher_plan: whether it has a plan by the teacher for its question alone.
        programs: number of programs of the student that learned from plans.
        not_judged: those without a verdict of the hidden tests.
        unfinished: those that were truncated.
    """

    split: str
    rates: SolveRates
    quality: ProblemQuality
    has_examples: bool
    has_oracle: bool
    has_teacher_plan: bool
    programs: int
    not_judged: int
    unfinished: int

    @classmethod
    def of(cls, judged: JudgedProblem, rates: SolveRates) -> ProblemSummary:
        """The summary of the programs of the student that learned from plans, with the rates of all students."""
        programs = judged.programs
        return cls(
            split=judged.problem.split,
            rates=rates,
            quality=problem_quality(judged),
            has_examples=judged.has_examples,
            has_oracle=bool(judged.oracle),
            has_teacher_plan=bool(judged.teacher_plan),
            programs=len(programs),
            not_judged=sum(program.hidden is None for program in programs),
            unfinished=sum(not program.program.finished for program in programs),
        )
