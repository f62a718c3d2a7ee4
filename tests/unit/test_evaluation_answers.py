"""Arms that draw from the pool: the rule of the final program, plan after trial, pass@k, each by brute force."""

from __future__ import annotations

from itertools import combinations
from math import fsum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeplan.config import JudgingConfig, ReportConfig, SamplingConfig
from codeplan.config.inference import FinalRule
from codeplan.evaluation.answers import of_plan, solved
from codeplan.evaluation.arms import solve_rates
from codeplan.evaluation.judged_problems import JudgedProblem, JudgedProgram
from codeplan.evaluation.plan_after_trial import plan_after_trial
from codeplan.inference.selection import NOTHING, Score, plan_score, program_score
from codeplan.inference.settings import SampleSettings
from codeplan.records import Arm, Plan, Problem, Program, Verdict
from codeplan_sandbox import Case, Outcome, Suite

EXAMPLES = Suite(kind="stdin", cases=(Case("1", "1"), Case("2", "2")))
Made = tuple[int, bool]
"""How many of two example tests a program passes, and whether it passes the hidden tests."""

program_results = st.tuples(st.integers(0, 2), st.booleans())


def judged(made: Made, examples: bool, arm: Arm = "codeplan", plan: int = -1, index: int = 0) -> JudgedProgram:
    passed, correct = made
    program = Program(
        problem_id="p", arm=arm, phase="final", plan_index=plan, sample_index=index, code="", tokens=1, finished=True
    )
    return JudgedProgram(program, verdict(5 * correct, 5), program_score(verdict(passed, 2)) if examples else NOTHING)


def verdict(passed: int, total: int) -> Verdict:
    outcome = Outcome.PASSED if passed == total else Outcome.WRONG_ANSWER
    return Verdict(
        problem_id="p",
        program_key="k",
        suite="hidden",
        outcome=outcome,
        passed_tests=passed,
        total_tests=total,
        time_s=0.0,
        memory_bytes=0,
    )


@st.composite
def problems(draw: st.DrawFn) -> tuple[JudgedProblem, SampleSettings]:
    """A problem with all its programs, with and without example tests."""
    trials, plans, finals = draw(st.integers(1, 2)), draw(st.integers(1, 4)), draw(st.integers(0, 3))
    examples = draw(st.booleans())
    sampling = SampleSettings(plans=plans, trials=trials, finals=finals)

    def some(count: int) -> tuple[JudgedProgram, ...]:
        found = draw(st.lists(program_results, min_size=count, max_size=count))
        return tuple(judged(made, examples) for made in found)

    problem = Problem(
        problem_id="p",
        dataset="d",
        split="test",
        level="l",
        question="?",
        example_tests=EXAMPLES if examples else None,
    )
    made = JudgedProblem(
        problem=problem,
        direct=some(1)[0],
        sampled=some(sampling.budget(plans)),
        plans=tuple(Plan(problem_id="p", author="student", sample_index=index, text="") for index in range(plans)),
        trials=tuple(some(trials) for _ in range(plans)),
        finals=dict(enumerate(some(plans))),
        sampled_finals={plan: some(finals) for plan in range(plans)},
        oracle=(),
        foreign=(),
    )
    return made, sampling


def best(programs: list[JudgedProgram]) -> list[JudgedProgram]:
    top = max(program.score for program in programs)
    return [program for program in programs if program.score == top]


def mean(values: list[float]) -> float:
    return fsum(values) / len(values)


def answer_of_plan(problem: JudgedProblem, plan: int, rule: FinalRule) -> float:
    fresh = problem.finals[plan]
    if rule == "fresh" or (rule == "fresh_if_it_passes" and (fresh.score[0] or not problem.has_examples)):
        return fresh.solved
    return mean([trial.solved for trial in best(list(problem.trials[plan]))])


def answer_of_plans(problem: JudgedProblem, count: int, rule: FinalRule) -> float:
    """Over all subsets of the plans, and all plans that are tied there."""
    scores: list[Score] = [plan_score([trial.score for trial in trials]) for trials in problem.trials]
    values = []
    for subset in combinations(range(len(scores)), count):
        top = max(scores[plan] for plan in subset)
        values.append(mean([answer_of_plan(problem, plan, rule) for plan in subset if scores[plan] == top]))
    return mean(values)


rules = st.sampled_from(["fresh", "best_trial", "fresh_if_it_passes"])


@given(problems(), rules)
def test_the_rule_of_the_final_program_is_what_brute_force_gives(
    made: tuple[JudgedProblem, SampleSettings], rule: FinalRule
) -> None:
    problem, sampling = made
    counts = range(1, sampling.plans + 1)
    found = solve_rates(problem, sampling, counts, (), rule)
    assert found.codeplan == pytest.approx({count: answer_of_plans(problem, count, rule) for count in counts})
    assert found.fresh == pytest.approx({count: answer_of_plans(problem, count, "fresh") for count in counts})
    for plan in range(sampling.plans):
        answers = of_plan(problem, plan, rule)
        assert fsum(p for p, _ in answers) == pytest.approx(1.0)
        assert solved(answers) == pytest.approx(answer_of_plan(problem, plan, rule))


@settings(max_examples=40)
@given(problems(), rules, st.data())
def test_plan_after_trial_is_what_brute_force_gives(
    made: tuple[JudgedProblem, SampleSettings], rule: FinalRule, data: st.DataObject
) -> None:
    problem, sampling = made
    count = data.draw(st.integers(1, sampling.plans))
    first, plans = sampling.after_trial(count)
    rates, costs = [], []
    for drawn in combinations(problem.sampled, first):
        chosen = best(list(drawn))
        if not problem.has_examples:
            rates.append(mean([program.solved for program in drawn]))
            costs.append(1.0)
        elif chosen[0].score[0] or not plans:
            rates.append(mean([program.solved for program in chosen]))
            costs.append(first)
        else:
            rates.append(answer_of_plans(problem, plans, rule))
            costs.append(first + sampling.budget(plans))
    found = plan_after_trial(problem, sampling, count, rule)
    assert found.solved == pytest.approx(mean(rates))
    assert found.sequences == pytest.approx(mean(costs))
    assert found.sequences <= sampling.budget(count)


@given(st.integers(1, 60), st.integers(1, 12))
def test_plan_after_trial_spends_the_budget_of_plan_sampling(plans: int, trials: int) -> None:
    sampling = SampleSettings(plans=plans, trials=trials)
    first, later = sampling.after_trial(plans)
    assert first + (sampling.budget(later) if later else 0) == sampling.budget(plans)
    assert first >= sampling.budget(plans) / 2
    assert later < plans


@given(problems())
def test_codeplans_pass_at_k_is_what_brute_force_gives(made: tuple[JudgedProblem, SampleSettings]) -> None:
    problem, sampling = made
    found = solve_rates(problem, sampling, (sampling.plans,), (1, 2, 5), "fresh")
    scores = [plan_score([trial.score for trial in trials]) for trials in problem.trials]
    tied = [plan for plan, score in enumerate(scores) if score == max(scores)]
    assert set(found.codeplan_pass_at_k) == {k for k in (1, 2) if k <= sampling.finals}
    for k, rate in found.codeplan_pass_at_k.items():
        per_plan = [
            mean([max(final.solved for final in drawn) for drawn in combinations(problem.sampled_finals[plan], k)])
            for plan in tied
        ]
        assert rate == pytest.approx(mean(per_plan))


def test_plans_that_plan_after_trial_can_choose_get_final_programs() -> None:
    made = SampleSettings.of(SamplingConfig(plans=20, trials=10), JudgingConfig(), ReportConfig(plan_counts=(20,)))
    assert made.fewest_plans == made.after_trial(20)[1] == 9
