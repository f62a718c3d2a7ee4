"""The arms' numbers and the plans' quality on two problems small enough to count by hand."""

from __future__ import annotations

import pytest

from codeplan.config import SamplingConfig
from codeplan.evaluation.arms import Solved, measure
from codeplan.evaluation.plan_quality import mean_distance, plan_quality
from codeplan.evaluation.pools import Pool, PoolError, gather
from codeplan.records import Arm, Phase, Plan, Problem, Program, Verdict
from codeplan_sandbox import Case, Outcome, Suite

SAMPLING = SamplingConfig(plans=2, trials=2, plan_counts=(1, 2))
EXAMPLES = Suite(kind="stdin", cases=(Case("1", "1"), Case("2", "2")))


class Records:
    """Problems with two example tests, or none, and programs whose fate is written beside them."""

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
        self, name: str, arm: Arm, phase: Phase, fate: tuple[int | None, bool], plan: int = -1, sample: int = 0
    ) -> None:
        """Fate: example tests passed of two (None: none exist), and whether the hidden tests pass."""
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
        examples, solved = fate
        if examples is not None:
            self._verdict(program, "example", examples, 2)
        self._verdict(program, "hidden", 5 * solved, 5)

    def pool(self, name: str, fates: list[tuple[int | None, bool]]) -> None:
        for sample, fate in enumerate(fates):
            self.program(name, "sampled", "trial", fate, sample=sample)

    def trials(self, name: str, plan: int, fates: list[tuple[int | None, bool]]) -> None:
        for sample, fate in enumerate(fates):
            self.program(name, "codeplan", "trial", fate, plan, sample)

    def gather(self) -> list[Pool]:
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
    made.pool("tested", [(2, True), (2, False), (1, True), (1, False), (1, False), (1, False), (1, False)])
    made.trials("tested", 0, [(2, True), (0, False)])
    made.trials("tested", 1, [(1, False), (1, True)])
    made.program("tested", "codeplan", "final", (None, False), plan=0)
    made.program("tested", "codeplan", "final", (None, True), plan=1)
    made.oracle_plans.append(
        Plan(problem_id="tested", author="t", solution_index=0, sample_index=0, text="plan", leakage=0.5)
    )
    made.program("tested", "oracle", "final", (None, True), plan=0)

    made.problem("bare", None, ("count", "count"))
    made.program("bare", "direct", "final", (None, False))
    made.pool("bare", [(None, sample < 3) for sample in range(7)])
    made.trials("bare", 0, [(None, True), (None, True)])
    made.trials("bare", 1, [(None, False), (None, False)])
    made.program("bare", "codeplan", "final", (None, True), plan=0)
    made.program("bare", "codeplan", "final", (None, False), plan=1)
    return made


def measured(records: Records) -> list[Solved]:
    return [measure(pool, SAMPLING, (1, 5)) for pool in records.gather()]


def test_a_problem_with_example_tests(records: Records) -> None:
    found = measured(records)[0]
    assert (found.direct, found.oracle) == (1.0, 1.0)
    # Of 35 subsets of 4 of 7 programs, 30 hold one of the two that pass all example tests, one of which is right; in
    # the other 5 the pick is one of the remaining five, one of which is right.
    assert found.control == pytest.approx({1: 16 / 35, 2: 1 / 2})
    # Plan 0 has a passing trial, so with both plans it is chosen, and its final program is wrong.
    assert found.codeplan == pytest.approx({1: 1 / 2, 2: 0.0})
    # Plan 0 alone: its one passing trial, right. Plan 1 alone: two tied trials, one right. Both: plan 0's trial.
    assert found.best_trial == pytest.approx({1: 3 / 4, 2: 1.0})
    assert found.pass_at_k == pytest.approx({1: 2 / 7, 5: 20 / 21})
    assert found.outcomes["control"] == pytest.approx({"passed": 0.5, "wrong_answer": 0.5})
    assert found.outcomes["codeplan"] == {"wrong_answer": 1.0}


def test_without_example_tests_every_choice_is_uniform(records: Records) -> None:
    found = measured(records)[1]
    assert found.control == pytest.approx({1: 3 / 7, 2: 3 / 7})
    assert found.codeplan == pytest.approx({1: 1 / 2, 2: 1 / 2})
    assert found.best_trial == pytest.approx({1: 1 / 2, 2: 1 / 2})
    assert found.oracle is None
    assert found.outcomes["oracle"] == {}


def test_a_missing_hidden_verdict_counts_as_not_solved(records: Records) -> None:
    direct = next(program for program in records.programs if (program.arm, program.problem_id) == ("direct", "tested"))
    records.verdicts = [each for each in records.verdicts if each.program_key != direct.key]
    found = measured(records)
    assert [each.direct for each in found] == [0.0, 0.0]
    assert found[0].outcomes["direct"] == {"not_judged": 1.0}


def test_a_missing_program_is_an_error_that_names_the_problem(records: Records) -> None:
    records.programs = [each for each in records.programs if (each.arm, each.sample_index) != ("sampled", 4)]
    with pytest.raises(PoolError, match=r"tested: sampled programs: 7 wanted, 1 missing \(the first is number 4\)"):
        records.gather()


def test_a_missing_trial_and_a_missing_plan_are_errors(records: Records) -> None:
    plans, programs = records.plans, records.programs
    records.plans = plans[1:]
    with pytest.raises(PoolError, match="tested: plans: 2 wanted, 1 missing"):
        records.gather()
    records.plans = plans
    records.programs = [
        each for each in programs if (each.arm, each.phase, each.plan_index) != ("codeplan", "trial", 1)
    ]
    with pytest.raises(PoolError, match="tested: trial programs of plan 1: 2 wanted, 2 missing"):
        records.gather()


def test_a_chosen_plan_without_a_final_program_is_an_error(records: Records) -> None:
    records.programs = [
        each for each in records.programs if (each.arm, each.phase, each.plan_index) != ("codeplan", "final", 1)
    ]
    with pytest.raises(PoolError, match="tested: plan 1 can be chosen from 1 plans but has no final program"):
        measured(records)


def test_a_program_for_an_unknown_problem_and_an_oracle_without_its_program_are_errors(records: Records) -> None:
    records.oracle_plans.append(Plan(problem_id="bare", author="t", solution_index=0, text="plan"))
    with pytest.raises(PoolError, match="bare: 0 oracle programs, but a plan by the teacher"):
        records.gather()
    records.program("elsewhere", "direct", "final", (None, True))
    with pytest.raises(PoolError, match="'elsewhere', which is not a test problem"):
        records.gather()


def test_plan_quality(records: Records) -> None:
    teachers = [Plan(problem_id="x", author="t", text="", leakage=share) for share in (0.0, 0.5, 0.25)]
    found = plan_quality(records.gather(), teachers, records.oracle_plans)
    assert found.own_plan == pytest.approx(0.5)
    assert found.best_plan == pytest.approx((1 / 2 + 1) / 2)
    assert found.any_trial == 1.0
    assert found.oracle_plan == 1.0
    assert found.distinct == pytest.approx((1 + 1 / 2) / 2)
    # {sort, the, list} and {sort, the, numbers} share 2 of 4 words; the other problem's plans are the same.
    assert found.distance == pytest.approx((1 / 2 + 0) / 2)
    assert (found.leakage, found.oracle_leakage) == (0.25, 0.5)
    assert found.example_precision == 1.0
    # Shares 1, 0, 1/2, 1/2 and successes 1, 0, 0, 1 around their means: 1/2 over the root of 1/2 times 1.
    assert found.score_correlation == pytest.approx(0.5 / 0.5**0.5)


def test_plan_quality_says_nothing_where_nothing_can_be_measured(records: Records) -> None:
    bare = [pool for pool in records.gather() if not pool.has_examples]
    found = plan_quality(bare, [], [])
    assert found.leakage is found.oracle_leakage is found.oracle_plan is None
    assert found.example_precision is found.score_correlation is None


def test_mean_distance_of_words() -> None:
    assert mean_distance(["A b", "b, a!"]) == 0.0
    assert mean_distance(["a", "b", "b"]) == pytest.approx(2 / 3)
    assert mean_distance(["", ""]) == 0.0
    with pytest.raises(ValueError, match="two texts"):
        mean_distance(["a"])
