"""What was sampled for some problems, and which part of it a stage's settings ask for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from codeplan.inference.selection import Score, plan_scores, selectable
from codeplan.inference.settings import SampleSettings
from codeplan.records import Arm, Phase, Plan, Program, SuiteName, Verdict, program_key
from codeplan_sandbox import SuiteVerdict


@dataclass(frozen=True)
class Samples:
    """What was sampled for some problems, with the verdicts of the example tests."""

    plans: list[Plan] = field(default_factory=list)
    programs: list[Program] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)

    def __add__(self, other: Samples) -> Samples:
        return Samples(self.plans + other.plans, self.programs + other.programs, self.verdicts + other.verdicts)

    def extend(self, other: Samples) -> None:
        """Add the records of other problems."""
        self.plans.extend(other.plans)
        self.programs.extend(other.programs)
        self.verdicts.extend(other.verdicts)


def view(pool: Samples, settings: SampleSettings) -> Samples:
    """What the settings ask for of a pool that may hold more; the same whatever else is in it, and in the same order.

    Args:
        pool: whole problems' samples.
        settings: how many plans and trials, and which arms.
    """
    plans = sorted(
        (plan for plan in pool.plans if plan.sample_index < settings.own_plans),
        key=lambda plan: (plan.problem_id, plan.sample_index),
    )
    first = [program for program in pool.programs if _belongs(program, settings)]
    asked = finals_per_plan(plans, first, pool.verdicts, settings)
    finals = [
        program
        for program in pool.programs
        if (program.arm, program.phase) == ("codeplan", "final")
        and program.sample_index < asked.get(program.problem_id, {}).get(program.plan_index, 0)
    ]
    programs = sorted(first + finals, key=pool_key)
    judged = {(program.problem_id, program.key) for program in programs if needs_examples(program)}
    verdicts = sorted(
        (verdict for verdict in pool.verdicts if (verdict.problem_id, verdict.program_key) in judged),
        key=lambda verdict: (verdict.problem_id, verdict.program_key),
    )
    return Samples(plans, programs, verdicts)


def needs_examples(program: Program) -> bool:
    """Whether something is chosen by what the example tests say of a program: of trials, and greedy final programs."""
    return program.phase == "trial" or (program.arm == "codeplan" and program.sample_index == 0)


def as_record(problem_id: str, code: str, suite: SuiteName, verdict: SuiteVerdict) -> Verdict:
    """A sandbox verdict as the record that is kept."""
    return Verdict(
        problem_id=problem_id,
        program_key=program_key(code),
        suite=suite,
        outcome=verdict.outcome,
        passed_tests=verdict.passed_tests,
        total_tests=verdict.total_tests,
        time_s=verdict.time_s,
        memory_bytes=verdict.memory_bytes,
        message=verdict.message,
        tier=verdict.tier,
    )


def finals_per_plan(
    plans: Sequence[Plan], programs: Iterable[Program], verdicts: Iterable[Verdict], settings: SampleSettings
) -> dict[str, dict[int, int]]:
    """By problem_id, how many final programs each plan needs, see `finals_of_scores`."""
    scores = plan_scores(programs, verdicts)
    by_problem: defaultdict[str, list[int]] = defaultdict(list)
    for plan in plans:
        by_problem[plan.problem_id].append(plan.sample_index)
    needed = {}
    for problem_id, indices in by_problem.items():
        of_problem = scores.get(problem_id, {})
        finals = finals_of_scores([of_problem.get(index) for index in indices], settings)
        needed[problem_id] = {indices[position]: count for position, count in finals.items()}
    return needed


def finals_of_scores(scores: Sequence[Score | None], settings: SampleSettings) -> dict[int, int]:
    """How many final programs a plan needs, by its position in the scores of one problem's plans; others need none.

    A greedy one where the plan can be chosen from ``fewest_plans`` or more. Sampled ones beside it only where it can be
    chosen from all plans: pass@k of CodePLAN is counted at the largest plan count alone.
    """
    finals: dict[int, int] = {}
    for count, needed in ((settings.fewest_plans, 1), (settings.plans, 1 + settings.finals)):
        if count <= len(scores):
            finals |= dict.fromkeys(selectable(scores, [count]), needed)
    return finals


def pool_key(program: Program) -> tuple[str, Arm, Phase, int, int]:
    """A program's key among all programs of a pool."""
    return program.problem_id, program.arm, program.phase, program.plan_index, program.sample_index


def _belongs(program: Program, settings: SampleSettings) -> bool:
    """Whether the settings ask for a program, final ones of plans apart."""
    match program.arm, program.phase:
        case "direct", _:
            return True
        case "sampled", _:
            return program.sample_index < settings.controls
        case ("oracle" | "teacher_plan") as arm, _:
            return bool(getattr(settings, arm))
        case "foreign", _:
            return settings.oracle and settings.foreign
        case "codeplan", "trial":
            return program.plan_index < settings.own_plans and program.sample_index < settings.trials
        case _:
            return False
