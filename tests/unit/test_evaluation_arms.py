"""Solve rates of the arms and plan quality, on two problems small enough to compute by hand."""

from __future__ import annotations

import pytest

from codeplan.evaluation.arms import SolveRates, solve_rates
from codeplan.evaluation.judged_problems import IncompleteSamplesError, JudgedProblem, gather
from codeplan.evaluation.plan_quality import mean_distance, plan_quality, problem_quality
from codeplan.inference.settings import SampleSettings
from codeplan.records import Arm, Phase, Plan, Problem, Program, Verdict
from codeplan_sandbox import Case, Outcome, Suite

SAMPLING = SampleSettings(plans=2, trials=2)
EXAMPLES = Suite(kind="stdin", cases=(Case("1", "1"), Case("2", "2")))


class Records:
    """Problems with two example tests or none, and programs with given test results."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.plans: list[Plan] = []
        self.oracle_plans: list[Plan] = []
        self.programs: list[Program] = []
        self.verdicts: list[Verdict] = []

    def problem(self, name: str, suite: Suite | None, plans: tuple[str, ...]) -> None:
        self.problems.append(
            Problem(problem_id=name, dataset="d", split="test", level="easy", question="?", example_tests=suite)
        )
        for index, text in enumerate(plans):
            self.plans.append(Plan(problem_id=name, author="student", sample_index=index, text=text))

    def program(
        self, name: str, arm: Arm, phase: Phase, results: tuple[int | None, bool], plan: int = -1, sample: int = 0
    ) -> None:
        """Results: example tests passed of two (None: the problem has none), and whether the hidden tests pass."""
        program = Program(
            problem_id=name,
            arm=arm,
            phase=phase,
            plan_index=plan,
            sample_index=sample,
            code=f"{arm} {phase} {plan} {sample}",
            tokens=1,
            finished=True,
        )
        self.programs.append(program)
        examples, solved = results
        if examples is not None:
            self._verdict(program, "example", examples, 2)
        self._verdict(program, "hidden", 5 * solved, 5)

    def sampled(self, name: str, results: list[tuple[int | None, bool]]) -> None:
        for sample, result in enumerate(results):
            self.program(name, "sampled", "trial", result, sample=sample)

    def trials(self, name: str, plan: int, results: list[tuple[int | None, bool]]) -> None:
        for sample, result in enumerate(results):
            self.program(name, "codeplan", "trial", result, plan, sample)

    def gather(self) -> list[JudgedProblem]:
        return gather(
            self.problems,
            oracle_plans=self.oracle_plans,
            student_plans=self.plans,
            programs=self.programs,
            verdicts=self.verdicts,
            sampling=SAMPLING,
        )

    def _verdict(self, program: Program, suite: str, passed: int, total: int) -> None:
        self.verdicts.append(
            Verdict.model_validate(
                {
                    "problem_id": program.problem_id,
                    "program_key": program.key,
                    "suite": suite,
                    "outcome": Outcome.PASSED if passed == total else Outcome.WRONG_ANSWER,
                    "passed_tests": passed,
                    "total_tests": total,
                    "time_s": 0.0,
                    "memory_bytes": 0,
                }
            )
        )


@pytest.fixture
def records() -> Records:
    made = Records()
    made.problem("tested", EXAMPLES, ("sort the list", "sort the numbers"))
    made.program("tested", "direct", "final", (None, True))
    made.sampled("tested", [(2, True), (2, False), (1, True), (1, False), (1, False), (1, False), (1, False)])
    made.trials("tested", 0, [(2, True), (0, False)])
    made.trials("tested", 1, [(1, False), (1, True)])
    made.program("tested", "codeplan", "final", (None, False), plan=0)
    made.program("tested", "codeplan", "final", (None, True), plan=1)
    made.oracle_plans.append(
        Plan(problem_id="tested", author="t", solution_index=0, sample_index=0, text="plan", leakage=0.5)
    )
    made.program("tested", "oracle", "final", (None, True), plan=0)

    made.problem("untested", None, ("count", "count"))
    made.program("untested", "direct", "final", (None, False))
    made.sampled("untested", [(None, sample < 3) for sample in range(7)])
    made.trials("untested", 0, [(None, True), (None, True)])
    made.trials("untested", 1, [(None, False), (None, False)])
    made.program("untested", "codeplan", "final", (None, True), plan=0)
    made.program("untested", "codeplan", "final", (None, False), plan=1)
    return made


def rates(records: Records) -> list[SolveRates]:
    return [solve_rates(judged, SAMPLING, (1, 2), (1, 5), "fresh") for judged in records.gather()]


def test_solve_rates_of_a_problem_with_example_tests(records: Records) -> None:
    found = rates(records)[0]
    assert (found.direct, found.oracle) == (1.0, 1.0)
    # Of 35 subsets of 4 of 7 programs, 30 contain one of the two that pass all example tests, one of which is
    # correct; in the other 5 the pick is one of the remaining five, one of which is correct.
    assert found.control == pytest.approx({1: 16 / 35, 2: 1 / 2})
    # Plan 0 has a passing trial, so of both plans it is chosen, and its final program is wrong.
    assert found.codeplan == pytest.approx({1: 1 / 2, 2: 0.0})
    # Plan 0 alone: its one passing trial, correct. Plan 1 alone: two tied trials, one correct. Both: plan 0's trial.
    assert found.best_trial == pytest.approx({1: 3 / 4, 2: 1.0})
    assert found.pass_at_k == pytest.approx({1: 2 / 7, 5: 20 / 21})
    assert found.outcomes["control"] == pytest.approx({"passed": 0.5, "wrong_answer": 0.5})
    assert found.outcomes["codeplan"] == {"wrong_answer": 1.0}


def test_solve_rates_without_example_tests_are_means(records: Records) -> None:
    found = rates(records)[1]
    assert found.control == pytest.approx({1: 3 / 7, 2: 3 / 7})
    assert found.codeplan == pytest.approx({1: 1 / 2, 2: 1 / 2})
    assert found.best_trial == pytest.approx({1: 1 / 2, 2: 1 / 2})
    assert found.oracle is None
    assert found.outcomes["oracle"] == {}


def test_a_missing_hidden_verdict_counts_as_not_solved(records: Records) -> None:
    direct = next(program for program in records.programs if (program.arm, program.problem_id) == ("direct", "tested"))
    records.verdicts = [verdict for verdict in records.verdicts if verdict.program_key != direct.key]
    found = rates(records)
    assert [problem.direct for problem in found] == [0.0, 0.0]
    assert found[0].outcomes["direct"] == {"not_judged": 1.0}


def test_missing_program_raises_and_names_the_problem(records: Records) -> None:
    records.programs = [
        program for program in records.programs if (program.arm, program.sample_index) != ("sampled", 4)
    ]
    with pytest.raises(
        IncompleteSamplesError, match=r"tested: sampled programs: 7 expected, 1 missing \(first missing index: 4\)"
    ):
        records.gather()


def test_missing_trial_or_plan_raises(records: Records) -> None:
    plans, programs = records.plans, records.programs
    records.plans = plans[1:]
    with pytest.raises(IncompleteSamplesError, match="tested: plans: 2 expected, 1 missing"):
        records.gather()
    records.plans = plans
    records.programs = [
        program for program in programs if (program.arm, program.phase, program.plan_index) != ("codeplan", "trial", 1)
    ]
    with pytest.raises(IncompleteSamplesError, match="tested: trial programs of plan 1: 2 expected, 2 missing"):
        records.gather()


def test_chosen_plan_without_a_final_program_raises(records: Records) -> None:
    records.programs = [
        program
        for program in records.programs
        if (program.arm, program.phase, program.plan_index) != ("codeplan", "final", 1)
    ]
    with pytest.raises(
        IncompleteSamplesError, match="tested: plan 1 can be chosen from 1 plans but has no final program"
    ):
        rates(records)


def test_program_of_an_unknown_problem_or_missing_oracle_program_raises(records: Records) -> None:
    records.oracle_plans.append(Plan(problem_id="untested", author="t", solution_index=0, text="plan"))
    with pytest.raises(IncompleteSamplesError, match="untested: 0 oracle programs, but a plan by the teacher"):
        records.gather()
    records.program("elsewhere", "direct", "final", (None, True))
    with pytest.raises(IncompleteSamplesError, match="'elsewhere', which is not a test problem"):
        records.gather()


def test_plan_quality(records: Records) -> None:
    teachers = [Plan(problem_id="x", author="t", text="", leakage=leakage) for leakage in (0.0, 0.5, 0.25)]
    leakage, oracle_leakage = ([plan.leakage for plan in plans] for plans in (teachers, records.oracle_plans))
    found = plan_quality(list(map(problem_quality, records.gather())), leakage, oracle_leakage)
    assert found.own_plan == pytest.approx(0.5)
    assert found.best_plan == pytest.approx((1 / 2 + 1) / 2)
    # Of "tested" each plan passes one of two trials: whichever is chosen for a pass fails the other trial. Only where
    # neither first half has the pass, in one of four pairs of splits, the second half has it.
    assert found.cross_fitted_best_plan == pytest.approx((1 / 4 + 1) / 2)
    assert found.any_trial == 1.0
    # As many as there are trials, 4 of the 7 samples: C(5, 4) and C(4, 4) of C(7, 4) subsets hold failures alone.
    assert found.any_sampled == pytest.approx(((1 - 5 / 35) + (1 - 1 / 35)) / 2)
    assert found.oracle_plan == 1.0
    assert found.distinct == pytest.approx((1 + 1 / 2) / 2)
    # {sort, the, list} and {sort, the, numbers} have 2 of 4 words in common; the other problem's plans are equal.
    assert found.distance == pytest.approx((1 / 2 + 0) / 2)
    assert (found.leakage, found.oracle_leakage) == (0.25, 0.5)
    assert found.example_precision == 1.0
    # Fractions 1, 0, 1/2, 1/2 and successes 1, 0, 0, 1, centered: covariance 1/2 over the root of 1/2 times 1.
    assert found.score_correlation == pytest.approx(0.5 / 0.5**0.5)


def test_plan_quality_is_none_where_nothing_can_be_measured(records: Records) -> None:
    without_examples = [problem_quality(judged) for judged in records.gather() if not judged.has_examples]
    found = plan_quality(without_examples, [], [])
    assert found.leakage is found.oracle_leakage is found.oracle_plan is None
    assert found.example_precision is found.score_correlation is None


def test_mean_jaccard_distance_of_words() -> None:
    assert mean_distance(["A b", "b, a!"]) == 0.0
    assert mean_distance(["a", "b", "b"]) == pytest.approx(2 / 3)
    assert mean_distance(["", ""]) == 0.0
    with pytest.raises(ValueError, match="two texts"):
        mean_distance(["a"])
