"""Plan sampling in the three stages of the paper's figure 4, with the arms it is compared with.

A pure function of problems, a student and a judge: it knows neither Ray nor a model. The pool is sampled once, at the
largest plan count; smaller counts are answered later by subsampling (`codeplan.evaluation.estimators.expected_best`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from codeplan.config import SamplingConfig
from codeplan.evaluation.selection import plan_scores, pool_size, selectable
from codeplan.records import Arm, Phase, Plan, Problem, Program, SuiteName, Verdict, program_key
from codeplan.student.asks import Ask, Generation
from codeplan_sandbox import Suite
from codeplan_sandbox import Verdict as SuiteVerdict

STUDENT = "student"


class Student(Protocol):
    """What plan sampling needs of a model."""

    def generate(self, asks: Sequence[Ask], *, temperature: float, top_p: float) -> list[Generation]:
        """Answer every ask, in order."""


Judge = Callable[[Sequence[tuple[str, Suite]]], list[SuiteVerdict]]
"""Runs programs against suites; verdicts come back in order."""


@dataclass(frozen=True)
class Samples:
    """What was sampled for some problems, with the verdicts of the example tests."""

    plans: list[Plan]
    programs: list[Program]
    verdicts: list[Verdict]


@dataclass(frozen=True)
class _Wish:
    """A program to be written: where it belongs, and what the student is asked."""

    arm: Arm
    phase: Phase
    plan_index: int
    sample_index: int
    ask: Ask
    lost: str = ""
    """Why the plan to follow is not there: then nothing is asked."""


def sample(
    problems: Sequence[Problem],
    oracle_plans: Mapping[str, Plan],
    student: Student,
    judge: Judge,
    sampling: SamplingConfig,
) -> Samples:
    """Sample plans and programs for all arms.

    Args:
        problems: the problems to solve.
        oracle_plans: by problem_id, the teacher's plan for the problem's own solution, where there is one.
        student: the model.
        judge: the sandbox.
        sampling: how many, and how warm.
    """
    by_id = {problem.problem_id: problem for problem in problems}
    plans = _sample_plans(problems, student, sampling)  # stage 1
    trials = _write(
        [
            *(wish for problem in problems for wish in _without_plan(problem, sampling)),
            *(
                _with_plan(by_id[plan.problem_id], plan, "trial", t, sampling)
                for plan in plans
                for t in range(sampling.trials)
            ),
            *(_oracle(by_id[key], plan, sampling) for key, plan in oracle_plans.items() if key in by_id),
        ],
        student,
        sampling,
    )
    verdicts = judge_examples(by_id, trials, judge)  # stage 2
    finals = _write(_final_wishes(by_id, plans, trials, verdicts, sampling), student, sampling)  # stage 3
    return Samples(plans, trials + finals, verdicts)


def judge_examples(problems: Mapping[str, Problem], programs: Sequence[Program], judge: Judge) -> list[Verdict]:
    """Run trial programs on the example tests; equal programs once, and none where a problem has no example test."""
    suites = {key: problem.example_tests for key, problem in problems.items() if problem.example_tests is not None}
    texts = {
        (program.problem_id, program.key): program.code
        for program in programs
        if program.phase == "trial" and program.problem_id in suites and not program.lost
    }
    found = judge([(code, suites[problem_id]) for (problem_id, _), code in texts.items()])
    return [
        stored(problem_id, code, "example", verdict)
        for ((problem_id, _), code), verdict in zip(texts.items(), found, strict=True)
    ]


def stored(problem_id: str, code: str, suite: SuiteName, verdict: SuiteVerdict) -> Verdict:
    """A sandbox verdict as the record that is kept."""
    return Verdict(
        problem_id=problem_id,
        program_key=program_key(code),
        suite=suite,
        outcome=verdict.outcome,
        passed_tests=verdict.passed_tests,
        total_tests=verdict.total,
        time_s=sum(case.time_s for case in verdict.cases),
        memory_bytes=max((case.memory_bytes for case in verdict.cases), default=0),
        message=verdict.message,
        tier=verdict.tier,
    )


def _stream(sampling: SamplingConfig, problem: Problem, *names: object) -> str:
    return "/".join(map(str, (sampling.seed, problem.problem_id, *names)))


def _sample_plans(problems: Sequence[Problem], student: Student, sampling: SamplingConfig) -> list[Plan]:
    wanted = [(problem, index) for problem in problems for index in range(sampling.plans)]
    asks = [
        Ask(problem=problem, task="plan", stream=_stream(sampling, problem, "plan", index)) for problem, index in wanted
    ]
    written = student.generate(asks, temperature=sampling.temperature, top_p=sampling.top_p)
    return [
        Plan(
            problem_id=problem.problem_id,
            author=STUDENT,
            sample_index=index,
            text=generation.text,
            completion_tokens=generation.tokens,
            finished=generation.finished,
            lost=generation.lost,
        )
        for (problem, index), generation in zip(wanted, written, strict=True)
    ]


def _without_plan(problem: Problem, sampling: SamplingConfig) -> list[_Wish]:
    greedy = Ask(problem=problem, task="code", stream=_stream(sampling, problem, "direct"), greedy=True)
    sampled = (
        Ask(problem=problem, task="code", stream=_stream(sampling, problem, "sampled", index))
        for index in range(pool_size(sampling, sampling.plans))
    )
    return [
        _Wish("direct", "final", -1, 0, greedy),
        *(_Wish("sampled", "trial", -1, index, ask) for index, ask in enumerate(sampled)),
    ]


def _with_plan(problem: Problem, plan: Plan, phase: Phase, index: int, sampling: SamplingConfig) -> _Wish:
    stream = _stream(sampling, problem, phase, plan.sample_index, index)
    ask = Ask(problem=problem, task="plan_code", plan=plan.text, stream=stream, greedy=phase == "final")
    return _Wish("codeplan", phase, plan.sample_index, index, ask, plan.lost)


def _oracle(problem: Problem, plan: Plan, sampling: SamplingConfig) -> _Wish:
    stream = _stream(sampling, problem, "oracle")
    ask = Ask(problem=problem, task="plan_code", plan=plan.text, stream=stream, greedy=True)
    return _Wish("oracle", "final", plan.sample_index, 0, ask)


def _final_wishes(
    problems: Mapping[str, Problem],
    plans: Sequence[Plan],
    programs: Sequence[Program],
    verdicts: Sequence[Verdict],
    sampling: SamplingConfig,
) -> list[_Wish]:
    """A final program for every plan that some plan count can choose."""
    by_problem: dict[str, list[Plan]] = {key: [] for key in problems}
    for plan in plans:
        by_problem[plan.problem_id].append(plan)
    scores = plan_scores(programs, verdicts)
    wishes = []
    for key, own in by_problem.items():
        of_problem = scores.get(key, {})
        chosen = selectable([of_problem.get(plan.sample_index) for plan in own], sampling.counts())
        wishes += [_with_plan(problems[key], own[index], "final", 0, sampling) for index in sorted(chosen)]
    return wishes


def _write(wishes: Sequence[_Wish], student: Student, sampling: SamplingConfig) -> list[Program]:
    asks = [wish.ask for wish in wishes if not wish.lost]
    written = iter(student.generate(asks, temperature=sampling.temperature, top_p=sampling.top_p))
    return [
        _program(wish, Generation("", 0, finished=False, lost=wish.lost) if wish.lost else next(written))
        for wish in wishes
    ]


def _program(wish: _Wish, generation: Generation) -> Program:
    return Program(
        problem_id=wish.ask.problem.problem_id,
        arm=wish.arm,
        phase=wish.phase,
        plan_index=wish.plan_index,
        sample_index=wish.sample_index,
        code=generation.text,
        tokens=generation.tokens,
        finished=generation.finished,
        lost=generation.lost,
    )
