"""One problem's programs, each with what the tests said, put in order: what all numbers of the report are made from.

A program without a verdict counts as not solved, so that no problem leaves the denominator. A program that was never
sampled is another matter: the platform failed, and that is an error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from codeplan.config import SamplingConfig
from codeplan.evaluation.estimators import selection_probability
from codeplan.evaluation.selection import Score, VerdictIndex, by_program, plan_score, pool_size, program_score
from codeplan.records import Arm, Phase, Plan, Problem, Program, Verdict


class PoolError(ValueError):
    """The records do not hold what the sampling settings promise; the message names the problem and what is missing."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A program with its verdicts; None where there is none.

    Attributes:
        program: the program.
        hidden: the verdict of the tests that decide.
        score: what the example tests said; see `codeplan.evaluation.selection`.
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
        """How the program did on the hidden tests: an `Outcome`'s name, or ``not_judged``."""
        return "not_judged" if self.hidden is None else self.hidden.outcome.value


@dataclass(frozen=True, slots=True)
class Pool:
    """All programs of one problem.

    Attributes:
        problem: the problem.
        direct: the greedy program from the question.
        sampled: the programs sampled from the question: the equal-budget control draws from these.
        plans: the student's plans; a plan's place is its ``sample_index``.
        trials: each plan's trial programs.
        finals: the final program of each plan that some plan count can choose, by the plan's place.
        oracle: the programs from the teacher's plans for the problem's own solutions; empty without such a plan.
    """

    problem: Problem
    direct: Judged
    sampled: tuple[Judged, ...]
    plans: tuple[Plan, ...]
    trials: tuple[tuple[Judged, ...], ...]
    finals: dict[int, Judged]
    oracle: tuple[Judged, ...]

    @property
    def programs(self) -> list[Judged]:
        """All of them."""
        trials = (trial for of_plan in self.trials for trial in of_plan)
        return [self.direct, *self.sampled, *trials, *self.finals.values(), *self.oracle]

    @property
    def has_examples(self) -> bool:
        """Whether plans and programs can be told apart by example tests."""
        return bool(self.problem.example_tests)

    @property
    def plan_scores(self) -> tuple[Score, ...]:
        """Each plan's score."""
        return tuple(plan_score([trial.score for trial in trials]) for trials in self.trials)

    def chances(self, count: int) -> list[float]:
        """How likely each plan is chosen from a random subset of ``count`` plans."""
        return selection_probability(self.plan_scores, count)


def gather(
    problems: Sequence[Problem],
    *,
    oracle_plans: Iterable[Plan],
    student_plans: Iterable[Plan],
    programs: Iterable[Program],
    verdicts: Collection[Verdict],
    sampling: SamplingConfig,
) -> list[Pool]:
    """Put all records in order, one pool a problem, in the problems' order.

    Raises:
        PoolError: a program or a plan is missing, is there twice or belongs to no problem.
    """
    sorter = _Sorter(by_program(verdicts, "example"), by_program(verdicts, "hidden"), sampling)
    known = {problem.problem_id for problem in problems}
    for plan in student_plans:
        sorter.plans[plan.problem_id].append(plan)
    for program in programs:
        if program.problem_id not in known:
            raise PoolError(
                f"a program of arm {program.arm} is for {program.problem_id!r}, which is not a test problem"
            )
        sorter.programs[program.problem_id, program.arm, program.phase].append(program)
    with_oracle = {plan.problem_id for plan in oracle_plans} if sampling.oracle else set()
    return [sorter.pool(problem, problem.problem_id in with_oracle) for problem in problems]


class _Sorter:
    """Records by problem, arm and phase, and the verdicts to join them with."""

    def __init__(self, examples: VerdictIndex, hidden: VerdictIndex, sampling: SamplingConfig) -> None:
        self.examples = examples
        self.hidden = hidden
        self.sampling = sampling
        self.plans: defaultdict[str, list[Plan]] = defaultdict(list)
        self.programs: defaultdict[tuple[str, Arm, Phase], list[Program]] = defaultdict(list)

    def pool(self, problem: Problem, with_oracle: bool) -> Pool:
        size = self.sampling.plans
        plans = sorted(self.plans[problem.problem_id], key=lambda plan: plan.sample_index)
        _expect(problem, "plans", [plan.sample_index for plan in plans], range(size))
        oracle = self._judged(problem, "oracle", "final")
        if bool(oracle) != with_oracle:
            raise PoolError(
                f"{problem.problem_id}: {len(oracle)} oracle programs, but {'a' if with_oracle else 'no'} plan by the "
                "teacher for its own solution; sample this problem again"
            )
        return Pool(
            problem=problem,
            direct=self._numbered(problem, "direct", "final", 1)[0],
            sampled=self._numbered(problem, "sampled", "trial", pool_size(self.sampling, size)),
            plans=tuple(plans),
            trials=self._trials(problem),
            finals=self._finals(problem),
            oracle=oracle,
        )

    def _trials(self, problem: Problem) -> tuple[tuple[Judged, ...], ...]:
        by_plan: dict[int, list[Judged]] = {index: [] for index in range(self.sampling.plans)}
        for trial in self._judged(problem, "codeplan", "trial"):
            by_plan.setdefault(trial.program.plan_index, []).append(trial)
        _expect(problem, "plans with trial programs", sorted(by_plan), range(self.sampling.plans))
        for index, trials in by_plan.items():
            found = [trial.program.sample_index for trial in trials]
            _expect(problem, f"trial programs of plan {index}", found, range(self.sampling.trials))
        return tuple(tuple(by_plan[index]) for index in range(self.sampling.plans))

    def _finals(self, problem: Problem) -> dict[int, Judged]:
        finals = self._judged(problem, "codeplan", "final")
        by_plan = {final.program.plan_index: final for final in finals}
        if len(by_plan) != len(finals):
            raise PoolError(f"{problem.problem_id}: a plan has two final programs; sample this problem again")
        return by_plan

    def _numbered(self, problem: Problem, arm: Arm, phase: Phase, wanted: int) -> tuple[Judged, ...]:
        found = self._judged(problem, arm, phase)
        _expect(problem, f"{arm} programs", [each.program.sample_index for each in found], range(wanted))
        return found

    def _judged(self, problem: Problem, arm: Arm, phase: Phase) -> tuple[Judged, ...]:
        found = sorted(
            self.programs[problem.problem_id, arm, phase], key=lambda each: (each.plan_index, each.sample_index)
        )
        keys = [(problem.problem_id, program.key) for program in found]
        return tuple(
            Judged(program, self.hidden.get(key), program_score(self.examples.get(key)))
            for program, key in zip(found, keys, strict=True)
        )


def _expect(problem: Problem, what: str, found: Sequence[int], wanted: range) -> None:
    if list(found) != list(wanted):
        missing = sorted(set(wanted) - set(found))
        surplus = len(found) - len(set(found) & set(wanted))
        raise PoolError(
            f"{problem.problem_id}: {what}: {len(wanted)} wanted, {len(missing)} missing "
            f"(the first is number {missing[0] if missing else '-'}), {surplus} too many; sample this problem again"
        )
