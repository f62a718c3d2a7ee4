"""The records of a synthetic experiment, whose programs pass with known probabilities."""

from __future__ import annotations

import random
from typing import Any

from codeplan.config import ReportConfig
from codeplan.evaluation.report import build
from codeplan.evaluation.results import Report
from codeplan.evaluation.student_samples import StudentSamples
from codeplan.inference.samples import Samples
from codeplan.inference.settings import SampleSettings
from codeplan.records import Arm, Phase, Plan, Problem, Program, Verdict
from codeplan_sandbox import Case, Outcome, Suite

SAMPLING = SampleSettings(plans=5, trials=2)
SETTINGS = ReportConfig(plan_counts=(1, 2), pass_k=(1, 5), resamples=200)
SOLVE_RATES = {"competition": 0.1, "introductory": 0.6, "interview": 0.3}
FAILURES = (Outcome.WRONG_ANSWER, Outcome.RUNTIME_ERROR, Outcome.SYNTAX_ERROR, Outcome.TIME_LIMIT)
EXAMPLES = Suite(kind="stdin", cases=(Case("1", "1"), Case("2", "2")))


def experiment(problems: int = 90, plan_effect: float = 0.0, seed: int = 0) -> dict[str, Any]:
    """Records of an experiment in which a plan changes every program's probability of passing by ``plan_effect``."""
    made = _Records(random.Random(seed))
    made.plans.append(Plan(problem_id="t/0", author="offline-syntax-tree", solution_index=0, text="p", leakage=0.25))
    for number in range(problems):
        made.add(number, plan_effect)
    return {name: records for name, records in vars(made).items() if name != "rng"}


def as_given(records: dict[str, Any], *others: dict[str, Any]) -> dict[str, Any]:
    """Records of one experiment per training seed, as a report takes them; ``code_only`` of each are other students."""
    shared = {name: records[name] for name in ("problems", "plans", "oracle_plans")}
    seeds = [
        StudentSamples(Samples(of["student_plans"], of["programs"], of["verdicts"]), of.get("code_only", {}))
        for of in (records, *others)
    ]
    return {**shared, "seeds": seeds}


def code_only(problems: list[Problem], effect: float = 0.0, seed: int = 0) -> Samples:
    """What a student without plans is sampled, whose probability of passing differs by ``effect``."""
    made = _Records(random.Random(f"code only {seed}"))
    for problem in problems:
        made.add_without_plans(problem, min(1.0, max(0.0, SOLVE_RATES[problem.level] + effect)))
    return Samples([], made.programs, made.verdicts)


def report_of(records: dict[str, Any], settings: ReportConfig = SETTINGS) -> Report:
    """The report of an experiment; the questions of its first three problems show a hidden test."""
    shown_hidden_tests = [1 if number < 3 else 0 for number in range(len(records["problems"]))]
    return build(**as_given(records), sampling=SAMPLING, report=settings, shown_hidden_tests=shown_hidden_tests)[0]


class _Records:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.problems: list[Problem] = []
        self.plans: list[Plan] = []
        self.oracle_plans: list[Plan] = []
        self.student_plans: list[Plan] = []
        self.programs: list[Program] = []
        self.verdicts: list[Verdict] = []

    def add(self, number: int, plan_effect: float) -> None:
        """A problem with the plans and programs of every arm."""
        level = sorted(SOLVE_RATES)[number % 3]
        problem = Problem(
            problem_id=f"synthetic/test/{number:03}",
            dataset="synthetic",
            split="test",
            level=level,
            question="Read <script>alert(1)</script> numbers & print them.",
            example_tests=EXAMPLES if number % 10 else None,
        )
        self.problems.append(problem)
        without_plan = SOLVE_RATES[level]
        with_plan = min(1.0, max(0.0, without_plan + plan_effect))
        self.add_without_plans(problem, without_plan)
        for plan in range(SAMPLING.plans):
            text = f"1. read the numbers\n2. do step {self.rng.randrange(4)}"
            self.student_plans.append(
                Plan(problem_id=problem.problem_id, author="student", sample_index=plan, text=text)
            )
            for trial in range(SAMPLING.trials):
                self._write(problem, "codeplan", "trial", with_plan, plan, trial)
            self._write(problem, "codeplan", "final", with_plan, plan, 0)
        if number % 2:
            self.oracle_plans.append(
                Plan(problem_id=problem.problem_id, author="offline-syntax-tree", solution_index=0, text="1. read")
            )
            self._write(problem, "oracle", "final", min(1.0, with_plan + 0.2), 0, 0)
            self._write(problem, "foreign", "final", without_plan, 0, 0)

    def add_without_plans(self, problem: Problem, rate: float) -> None:
        """The greedy program, and those for the control."""
        self._write(problem, "direct", "final", rate, -1, 0)
        for sample in range(SAMPLING.plans + SAMPLING.plans * SAMPLING.trials + 1):
            self._write(problem, "sampled", "trial", rate, -1, sample)

    def _write(self, problem: Problem, arm: Arm, phase: Phase, rate: float, plan: int, sample: int) -> None:
        """A program that passes with probability ``rate``, and its verdicts."""
        program = Program(
            problem_id=problem.problem_id,
            arm=arm,
            phase=phase,
            plan_index=plan,
            sample_index=sample,
            code=f"print({len(self.programs)})",
            tokens=9,
            finished=self.rng.random() < 0.9,
        )
        self.programs.append(program)
        solved = self.rng.random() < rate
        for suite, total in (("hidden", 8), ("example", 2)):
            if suite == "example" and problem.example_tests is None:
                continue
            passed = total
            if not solved:
                passed = self.rng.randrange(total) if suite == "hidden" else self.rng.choice((0, 0, 1, 2))
            self._judge(program, suite, passed, total)

    def _judge(self, program: Program, suite: str, passed: int, total: int) -> None:
        self.verdicts.append(
            Verdict(
                problem_id=program.problem_id,
                program_key=program.key,
                suite=suite,  # type: ignore[arg-type]  # one of the two
                outcome=Outcome.PASSED if passed == total else self.rng.choice(FAILURES),
                passed_tests=passed,
                total_tests=total,
                time_s=0.1,
                memory_bytes=1,
                message="" if passed == total else "line 1: <b>not what was asked</b>",
            )
        )
