"""How plans and programs are scored and chosen."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeplan.evaluation.estimators import selection_probability
from codeplan.inference.selection import (
    NOTHING,
    by_program,
    plan_score,
    plan_scores,
    program_score,
    selectable,
)
from codeplan.inference.settings import SampleSettings
from codeplan.records import Program, SuiteName, Verdict, program_key
from codeplan_sandbox import Outcome

SCORES = st.lists(st.tuples(st.integers(0, 2), st.fractions(0, 1, max_denominator=3)), min_size=1, max_size=8)


def trial(plan: int, sample: int, code: str, problem: str = "p") -> Program:
    return Program(
        problem_id=problem,
        arm="codeplan",
        phase="trial",
        plan_index=plan,
        sample_index=sample,
        code=code,
        tokens=1,
        finished=True,
    )


def verdict(code: str, passed: int, total: int, suite: SuiteName = "example", problem: str = "p") -> Verdict:
    return Verdict(
        problem_id=problem,
        program_key=program_key(code),
        suite=suite,
        outcome=Outcome.PASSED if passed == total else Outcome.WRONG_ANSWER,
        passed_tests=passed,
        total_tests=total,
        time_s=0.0,
        memory_bytes=0,
    )


def test_score_is_passing_all_tests_then_the_fraction_passed() -> None:
    ranked = [program_score(verdict("a", passed, 3)) for passed in (3, 2, 0)]
    assert ranked == [(1, Fraction(1)), (0, Fraction(2, 3)), NOTHING]
    assert program_score(None) == NOTHING


def test_a_plan_with_more_passing_trials_beats_one_with_a_better_mean() -> None:
    few_but_right = plan_score([(1, Fraction(1)), (0, Fraction(0)), (0, Fraction(0))])
    many_but_near = plan_score([(0, Fraction(2, 3))] * 3)
    assert few_but_right == (1, Fraction(1, 3))
    assert few_but_right > many_but_near


def test_plan_scores_join_trials_and_example_verdicts_and_nothing_else() -> None:
    programs = [trial(0, 0, "a"), trial(0, 1, "b"), trial(1, 0, "b"), trial(1, 1, "unjudged"), trial(0, 0, "a", "q")]
    final = trial(0, 0, "a").model_copy(update={"phase": "final"})
    verdicts = [verdict("a", 2, 2), verdict("b", 1, 2), verdict("b", 2, 2, suite="hidden")]
    assert plan_scores([*programs, final], verdicts) == {
        "p": {0: (1, Fraction(3, 4)), 1: (0, Fraction(1, 4))},
        "q": {0: NOTHING},
    }


def test_the_first_verdict_counts_where_a_program_was_judged_twice() -> None:
    first, second = verdict("a", 1, 2), verdict("a", 2, 2)
    assert by_program([first, second], "example") == {("p", program_key("a")): first}


@given(SCORES, st.data())
def test_selectable_is_what_has_a_chance_at_some_count(scores: list[tuple[int, Fraction]], data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.integers(1, len(scores)), min_size=1, max_size=3))
    chances = [selection_probability(scores, count) for count in counts]
    wanted = {index for index in range(len(scores)) if any(of_count[index] > 0 for of_count in chances)}
    assert selectable(scores, counts) == wanted


@pytest.mark.parametrize("counts", [[], [0], [3]])
def test_selectable_refuses_counts_that_no_subset_has(counts: list[int]) -> None:
    with pytest.raises(ValueError, match="of 2 plans"):
        selectable([NOTHING, NOTHING], counts)


def test_nothing_cannot_be_chosen_from() -> None:
    with pytest.raises(ValueError, match="nothing to choose"):
        selectable([], [1])


def test_the_budget_counts_plans_trials_and_the_final_program() -> None:
    assert SampleSettings(plans=20, trials=10).budget(20) == 221
    assert SampleSettings(plans=20, trials=10).budget(1) == 12
