"""The programs of one problem with their verdicts, grouped by arm: all numbers of the report are computed from these.

A program without a verdict counts as not solved, so that no problem leaves the denominator. A program that is
missing altogether is an error of the platform, and raises.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from codeplan.errors import UserError
from codeplan.evaluation.estimators import selection_probability
from codeplan.inference.samples import finals_of_scores
from codeplan.inference.selection import Score, VerdictIndex, by_program, plan_score, program_score
from codeplan.inference.settings import SampleSettings
from codeplan.records import Arm, Phase, Plan, Problem, Program, Verdict


class IncompleteSamplesError(UserError, ValueError):
    """The records do not match the sampling settings; the message names the problem and what is missing."""


@dataclass(frozen=True, slots=True)
class JudgedProgram:
    """A program with its verdicts.

    Attributes:
        program: the program.
        hidden: the verdict of the hidden tests; None where there is none.
        score: the score by the example tests; see `codeplan.inference.selection`.
    """

    program: Program
    hidden: Verdict | None
    score: Score

    @property
    def solved(self) -> float:
        """1.0 where all hidden tests passed, else 0.0."""
        return float(self.hidden is not None and self.hidden.passed)

    @property
    def outcome(self) -> str:
        """Name of the `Outcome` on the hidden tests, or ``not_judged``."""
        return "not_judged" if self.hidden is None else self.hidden.outcome.value


@dataclass(frozen=True)
class JudgedProblem:
    """All programs of one problem.

    Attributes:
        problem: the problem.
        direct: the greedy program from the question.
        sampled: the programs sampled from the question: the equal-budget control draws from these; empty without it.
        plans: the student's plans, by ``sample_index``.
        trials: the trial programs, per plan.
        finals: the greedy final programs by plan index, for the plans that can be chosen with some plan count.
        sampled_finals: those sampled beside the greedy one, for the plans that can be chosen from all plans; all empty
            where none were asked for.
        oracle: the programs from the teacher's plans for the problem's own solutions; empty without such a plan.
        foreign: the programs from the teacher's plan for another problem's solution; empty without such a plan.
        teacher_plan: the program from the teacher's plan for the question alone; empty without such a plan.
    """

    problem: Problem
    direct: JudgedProgram
    sampled: tuple[JudgedProgram, ...]
    plans: tuple[Plan, ...]
    trials: tuple[tuple[JudgedProgram, ...], ...]
    finals: dict[int, JudgedProgram]
    sampled_finals: dict[int, tuple[JudgedProgram, ...]]
    oracle: tuple[JudgedProgram, ...]
    foreign: tuple[JudgedProgram, ...]
    teacher_plan: tuple[JudgedProgram, ...] = ()

    @property
    def programs(self) -> list[JudgedProgram]:
        """All programs of the problem."""
        trials = (trial for trials_of_plan in self.trials for trial in trials_of_plan)
        sampled_finals = (final for finals_of_plan in self.sampled_finals.values() for final in finals_of_plan)
        finals = (*self.finals.values(), *sampled_finals)
        return [self.direct, *self.sampled, *trials, *finals, *self.oracle, *self.foreign, *self.teacher_plan]

    @property
    def has_examples(self) -> bool:
        """Whether there are example tests, which plans and programs are chosen by."""
        return bool(self.problem.example_tests)

    @cached_property
    def plan_scores(self) -> tuple[Score, ...]:
        """The score of every plan."""
        return tuple(plan_score([trial.score for trial in trials]) for trials in self.trials)

    def plan_probabilities(self, count: int) -> list[float]:
        """The probability, per plan, of being chosen from a random subset of ``count`` plans."""
        return selection_probability(self.plan_scores, count)


def gather(
    problems: Sequence[Problem],
    *,
    oracle_plans: Iterable[Plan],
    forward_plans: Iterable[Plan] = (),
    student_plans: Iterable[Plan],
    programs: Iterable[Program],
    verdicts: Collection[Verdict],
    sampling: SampleSettings,
) -> list[JudgedProblem]:
    """Group the records by problem, in the problems' order.

    Raises:
        IncompleteSamplesError: a program or a plan is missing, duplicated, or belongs to no problem.
    """
    index = _RecordIndex(by_program(verdicts, "example"), by_program(verdicts, "hidden"), sampling)
    known = {problem.problem_id for problem in problems}
    for plan in student_plans:
        index.plans[plan.problem_id].append(plan)
    for program in programs:
        if program.problem_id not in known:
            raise IncompleteSamplesError(
                f"a program of arm {program.arm} is for {program.problem_id!r}, which is not a test problem"
            )
        index.programs[program.problem_id, program.arm, program.phase].append(program)
    oracle = {plan.problem_id for plan in oracle_plans} if sampling.oracle else set()
    forward = {plan.problem_id for plan in forward_plans} if sampling.teacher_plan else set()
    names = [problem.problem_id for problem in problems]
    return [
        index.judged_problem(problem, name in oracle, name in forward)
        for name, problem in zip(names, problems, strict=True)
    ]


class _RecordIndex:
    """Records by problem, arm and phase, and the verdicts to join them with."""

    def __init__(self, examples: VerdictIndex, hidden: VerdictIndex, sampling: SampleSettings) -> None:
        self.examples = examples
        self.hidden = hidden
        self.sampling = sampling
        self.plans: defaultdict[str, list[Plan]] = defaultdict(list)
        self.programs: defaultdict[tuple[str, Arm, Phase], list[Program]] = defaultdict(list)

    def judged_problem(self, problem: Problem, with_oracle: bool, with_forward: bool) -> JudgedProblem:
        plans = sorted(self.plans[problem.problem_id], key=lambda plan: plan.sample_index)
        _expect(problem, "plans", [plan.sample_index for plan in plans], range(self.sampling.own_plans))
        oracle = self._judged(problem, "oracle", "final")
        if bool(oracle) != with_oracle:
            raise IncompleteSamplesError(
                f"{problem.problem_id}: {len(oracle)} oracle programs, but {'a' if with_oracle else 'no'} plan by the "
                "teacher for its own solution"
            )
        forward = self._numbered(problem, "teacher_plan", "final", int(with_forward))
        trials = self._trials(problem)
        finals = self._finals(problem, trials)
        return JudgedProblem(
            problem=problem,
            direct=self._numbered(problem, "direct", "final", 1)[0],
            sampled=self._numbered(problem, "sampled", "trial", self.sampling.controls),
            plans=tuple(plans),
            trials=trials,
            finals={plan: of_plan[0] for plan, of_plan in finals.items()},
            sampled_finals={plan: tuple(of_plan[1:]) for plan, of_plan in finals.items()},
            oracle=oracle,
            foreign=self._judged(problem, "foreign", "final"),
            teacher_plan=forward,
        )

    def _trials(self, problem: Problem) -> tuple[tuple[JudgedProgram, ...], ...]:
        by_plan: dict[int, list[JudgedProgram]] = {index: [] for index in range(self.sampling.own_plans)}
        for trial in self._judged(problem, "codeplan", "trial"):
            by_plan.setdefault(trial.program.plan_index, []).append(trial)
        _expect(problem, "plans with trial programs", sorted(by_plan), range(self.sampling.own_plans))
        for index, trials in by_plan.items():
            found = [trial.program.sample_index for trial in trials]
            _expect(problem, f"trial programs of plan {index}", found, range(self.sampling.trials))
        return tuple(tuple(by_plan[index]) for index in range(self.sampling.own_plans))

    def _finals(self, problem: Problem, trials: Sequence[Sequence[JudgedProgram]]) -> dict[int, list[JudgedProgram]]:
        """By plan index the greedy final program, then the sampled ones."""
        by_plan: defaultdict[int, list[JudgedProgram]] = defaultdict(list)
        for final in self._judged(problem, "codeplan", "final"):
            by_plan[final.program.plan_index].append(final)
        needed = finals_of_scores([plan_score([trial.score for trial in of_plan]) for of_plan in trials], self.sampling)
        for index, finals in by_plan.items():
            found = [final.program.sample_index for final in finals]
            _expect(problem, f"final programs of plan {index}", found, range(needed.get(index, 0)))
        return dict(by_plan)

    def _numbered(self, problem: Problem, arm: Arm, phase: Phase, expected: int) -> tuple[JudgedProgram, ...]:
        found = self._judged(problem, arm, phase)
        _expect(problem, f"{arm} programs", [judged.program.sample_index for judged in found], range(expected))
        return found

    def _judged(self, problem: Problem, arm: Arm, phase: Phase) -> tuple[JudgedProgram, ...]:
        found = sorted(
            self.programs[problem.problem_id, arm, phase],
            key=lambda program: (program.plan_index, program.sample_index),
        )
        keys = [(problem.problem_id, program.key) for program in found]
        return tuple(
            JudgedProgram(program, self.hidden.get(key), program_score(self.examples.get(key)))
            for program, key in zip(found, keys, strict=True)
        )


def _expect(problem: Problem, what: str, found: Sequence[int], expected: range) -> None:
    if list(found) != list(expected):
        missing = sorted(set(expected) - set(found))
        surplus = len(found) - len(set(found) & set(expected))
        raise IncompleteSamplesError(
            f"{problem.problem_id}: {what}: {len(expected)} expected, {len(missing)} missing "
            f"(first missing index: {missing[0] if missing else '-'}), {surplus} unexpected"
        )
