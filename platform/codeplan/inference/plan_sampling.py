"""Plan sampling in three phases (the stages of the paper's figure 4), with the arms it is compared with.

A pure function of problems, a student and a judge: it knows neither Ray nor a model. What was sampled before is given
to it, and only what is missing is added: each sequence has an RNG key of its own, so that it does not matter when it is
generated. Smaller plan counts need no samples of their own (`codeplan.evaluation.estimators.expected_best`).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from codeplan.inference.samples import Samples, as_record, finals_per_plan, needs_examples, pool_key, view
from codeplan.inference.settings import SampleSettings
from codeplan.randomness import seed_of
from codeplan.records import Arm, Phase, Plan, Problem, Program, Verdict
from codeplan.student.generation_request import Generation, GenerationRequest
from codeplan_sandbox import Suite, SuiteVerdict

STUDENT = "student"


@dataclass(frozen=True)
class TeacherPlans:
    """The teacher's plans for the problems to solve, by problem_id, where there are some.

    Attributes:
        oracle: for the problem's own solution.
        forward: from the question alone.
    """

    oracle: Mapping[str, Plan] = field(default_factory=dict)
    forward: Mapping[str, Plan] = field(default_factory=dict)


class PlanGenerator(Protocol):
    """What plan sampling needs of a model."""

    def generate(self, requests: Sequence[GenerationRequest], *, temperature: float, top_p: float) -> list[Generation]:
        """Answer every request, in order."""


JudgeFunction = Callable[[Sequence[tuple[str, Suite]]], list[SuiteVerdict]]
"""Runs programs against suites; verdicts come back in order."""


@dataclass(frozen=True)
class ProgramSpec:
    """A program to be generated: where it belongs, and what the student is asked."""

    arm: Arm
    phase: Phase
    plan_index: int
    sample_index: int
    request: GenerationRequest
    dropped: str = ""
    """Why there is no plan to follow: then nothing is generated."""

    @property
    def key(self) -> tuple[str, Arm, Phase, int, int]:
        """Its key among all programs of a pool."""
        return self.request.problem.problem_id, self.arm, self.phase, self.plan_index, self.sample_index


def sample(
    problems: Sequence[Problem],
    teacher_plans: TeacherPlans,
    student: PlanGenerator,
    judge: JudgeFunction,
    settings: SampleSettings,
    *,
    pool: Samples,
) -> Iterator[Samples]:
    """Sample the plans and programs of all arms that are not there yet.

    Args:
        problems: the problems to solve.
        teacher_plans: the teacher's plans for the problems; used where the settings ask for their arms.
        student: the model.
        judge: the sandbox.
        settings: how many samples, at which temperature.
        pool: what was sampled before, and more perhaps than the settings ask for.

    Yields:
        What is new, part by part: plans, programs, verdicts, final programs, their verdicts. Keep each before the next
        is asked for.
    """
    by_id = {problem.problem_id: problem for problem in problems}
    yield (new := Samples(plans=_sample_plans(problems, pool.plans, student, settings)))  # phase 1
    pool += new
    specs = _first_specs(by_id, teacher_plans, view(pool, settings).plans, settings)
    yield (new := Samples(programs=_write(specs, pool.programs, student, settings)))
    pool += new
    yield (
        new := Samples(verdicts=judge_examples(by_id, view(pool, settings).programs, pool.verdicts, judge))
    )  # phase 2
    pool += new
    specs = _final_specs(by_id, view(pool, settings), settings)
    yield (new := Samples(programs=_write(specs, pool.programs, student, settings)))  # phase 3
    pool += new
    yield Samples(verdicts=judge_examples(by_id, view(pool, settings).programs, pool.verdicts, judge))


def judge_examples(
    problems: Mapping[str, Problem], programs: Iterable[Program], there: Iterable[Verdict], judge: JudgeFunction
) -> list[Verdict]:
    """Run programs on the example tests; equal programs once, and none where a problem has no example test.

    Args:
        problems: by problem_id.
        programs: of any phase; those are judged that something is chosen by, see `samples.needs_examples`.
        there: verdicts that need not be given again.
        judge: the sandbox.
    """
    suites = {key: problem.example_tests for key, problem in problems.items() if problem.example_tests is not None}
    known = {(verdict.problem_id, verdict.program_key) for verdict in there}
    texts = {
        (program.problem_id, program.key): program.code
        for program in programs
        if needs_examples(program) and program.problem_id in suites and not program.dropped
    }
    new = {key: code for key, code in texts.items() if key not in known}
    found = judge([(code, suites[problem_id]) for (problem_id, _), code in new.items()])
    return [
        as_record(problem_id, code, "example", verdict)
        for ((problem_id, _), code), verdict in zip(new.items(), found, strict=True)
    ]


def _rng_key(settings: SampleSettings, problem: Problem, *names: object) -> str:
    return "/".join(map(str, (settings.seed, problem.problem_id, *names)))


def _sample_plans(
    problems: Sequence[Problem], there: Iterable[Plan], student: PlanGenerator, settings: SampleSettings
) -> list[Plan]:
    known = {(plan.problem_id, plan.sample_index) for plan in there}
    missing = [
        (problem, index)
        for problem in problems
        for index in range(settings.own_plans)
        if (problem.problem_id, index) not in known
    ]
    requests = [
        GenerationRequest(problem=problem, task="plan", rng_key=_rng_key(settings, problem, "plan", index))
        for problem, index in missing
    ]
    generations = student.generate(requests, temperature=settings.temperature, top_p=settings.top_p)
    return [
        Plan(
            problem_id=problem.problem_id,
            author=STUDENT,
            sample_index=index,
            text=generation.text,
            completion_tokens=generation.tokens,
            finished=generation.finished,
            dropped=generation.dropped,
        )
        for (problem, index), generation in zip(missing, generations, strict=True)
    ]


def _first_specs(
    problems: Mapping[str, Problem], teacher_plans: TeacherPlans, plans: Sequence[Plan], settings: SampleSettings
) -> list[ProgramSpec]:
    """All programs but the final ones of plans."""
    specs = [spec for problem in problems.values() for spec in _without_plan(problem, settings)]
    specs += [
        _with_plan(problems[plan.problem_id], plan, "trial", trial, settings)
        for plan in plans
        for trial in range(settings.trials)
    ]
    given: dict[Arm, Mapping[str, Plan]] = {}
    if settings.oracle:
        given["oracle"] = teacher_plans.oracle
    if settings.oracle and settings.foreign:
        given["foreign"] = foreign_plans(teacher_plans.oracle, problems)
    if settings.teacher_plan:
        given["teacher_plan"] = teacher_plans.forward
    specs += [
        _of_teacher(arm, problems[key], plan, settings)
        for arm, by_problem in given.items()
        for key, plan in by_problem.items()
        if key in problems
    ]
    return specs


def foreign_plans(oracle_plans: Mapping[str, Plan], problems: Container[str]) -> dict[str, Plan]:
    """For each of these problems the oracle plan of another one, with another text; none where all texts are equal.

    The other problem is the next one of all in an order by hash, which has nothing to do with levels or the file.
    """
    order = sorted(oracle_plans, key=lambda problem_id: (seed_of(f"foreign/{problem_id}"), problem_id))
    found = {}
    for position, problem_id in enumerate(order):
        if problem_id not in problems:
            continue
        others = (oracle_plans[order[(position + step) % len(order)]] for step in range(1, len(order)))
        plan = next((plan for plan in others if plan.text != oracle_plans[problem_id].text), None)
        if plan is not None:
            found[problem_id] = plan
    return found


def _without_plan(problem: Problem, settings: SampleSettings) -> list[ProgramSpec]:
    greedy = GenerationRequest(problem=problem, task="code", rng_key=_rng_key(settings, problem, "direct"), greedy=True)
    sampled = (
        GenerationRequest(problem=problem, task="code", rng_key=_rng_key(settings, problem, "sampled", index))
        for index in range(settings.controls)
    )
    return [
        ProgramSpec("direct", "final", -1, 0, greedy),
        *(ProgramSpec("sampled", "trial", -1, index, request) for index, request in enumerate(sampled)),
    ]


def _with_plan(problem: Problem, plan: Plan, phase: Phase, index: int, settings: SampleSettings) -> ProgramSpec:
    rng_key = _rng_key(settings, problem, phase, plan.sample_index, index)
    greedy = phase == "final" and index == 0
    request = GenerationRequest(problem=problem, task="plan_code", plan=plan.text, rng_key=rng_key, greedy=greedy)
    return ProgramSpec("codeplan", phase, plan.sample_index, index, request, plan.dropped)


def _of_teacher(arm: Arm, problem: Problem, plan: Plan, settings: SampleSettings) -> ProgramSpec:
    rng_key = _rng_key(settings, problem, arm)
    request = GenerationRequest(problem=problem, task="plan_code", plan=plan.text, rng_key=rng_key, greedy=True)
    return ProgramSpec(arm, "final", plan.sample_index, 0, request)


def _final_specs(problems: Mapping[str, Problem], samples: Samples, settings: SampleSettings) -> list[ProgramSpec]:
    """The final programs of plans: a greedy one, then sampled ones."""
    needed = finals_per_plan(samples.plans, samples.programs, samples.verdicts, settings)
    return [
        _with_plan(problems[plan.problem_id], plan, "final", index, settings)
        for plan in samples.plans
        for index in range(needed[plan.problem_id].get(plan.sample_index, 0))
    ]


def _write(
    specs: Sequence[ProgramSpec], there: Iterable[Program], student: PlanGenerator, settings: SampleSettings
) -> list[Program]:
    known = {pool_key(program) for program in there}
    missing = [spec for spec in specs if spec.key not in known]
    requests = [spec.request for spec in missing if not spec.dropped]
    generations = iter(student.generate(requests, temperature=settings.temperature, top_p=settings.top_p))
    return [
        _program(spec, Generation("", 0, finished=False, dropped=spec.dropped) if spec.dropped else next(generations))
        for spec in missing
    ]


def _program(spec: ProgramSpec, generation: Generation) -> Program:
    return Program(
        problem_id=spec.request.problem.problem_id,
        arm=spec.arm,
        phase=spec.phase,
        plan_index=spec.plan_index,
        sample_index=spec.sample_index,
        code=generation.text,
        tokens=generation.tokens,
        finished=generation.finished,
        dropped=generation.dropped,
    )
