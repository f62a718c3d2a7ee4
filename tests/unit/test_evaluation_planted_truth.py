"""Conclusions about simulated students whose truth is known: those that follow plans, ignore them, or sometimes err."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from codeplan.config import CodeOnly, ReportConfig
from codeplan.evaluation.arms import SolveRates, solve_rates
from codeplan.evaluation.code_only import with_code_only
from codeplan.evaluation.comparisons import compare_arms
from codeplan.evaluation.conclusions import THIS_STUDENT, PoolSizes, conclude
from codeplan.evaluation.judged_problems import JudgedProblem
from codeplan.evaluation.wordings import WORDINGS
from codeplan.inference.settings import SampleSettings

SAMPLING = SampleSettings(plans=4, trials=2)
SETTINGS = ReportConfig(plan_counts=(4,), pass_k=(1,), resamples=400)
PROBLEMS = 120
"""Of one report."""
POPULATION = 3000
"""Problems of which every report draws its own, so that the true differences are known."""
REPETITIONS = 100

Follow = Callable[[bool, float], float]
"""The probability that a program solves, given whether its plan is right and the probability without a plan."""

STUDENTS: dict[str, Follow] = {
    "follows plans": lambda right, skill: float(right),
    "ignores plans": lambda right, skill: skill,
    "follows 4 of 5 plans": lambda right, skill: 0.8 * right + 0.2 * skill,
}

CODE_ONLY_SKILL: dict[CodeOnly, float] = {"steps": 1.0, "examples": 0.4}
"""What students that learned from code alone solve without plans, as a part of what the other one does."""


def population(follow: Follow, rng: np.random.Generator) -> list[SolveRates]:
    """The solve rates of problems with different difficulties, with plans and without."""

    def program(probability: float) -> Any:
        solved = float(rng.random() < probability)
        passes = bool(solved) or rng.random() < 0.15
        return SimpleNamespace(
            solved=solved,
            score=(int(passes), Fraction(1 if passes else int(rng.integers(2)), 1 if passes else 2)),
            outcome="passed" if solved else "wrong_answer",
        )

    def problem(number: int) -> SolveRates:
        skill, planning = rng.beta(0.6, 1.4), rng.beta(0.8, 1.2)
        right = [bool(rng.random() < planning) for _ in range(SAMPLING.plans)]
        judged: Any = JudgedProblem(
            problem=SimpleNamespace(problem_id=f"t/{number}", level="easy", example_tests=True),  # type: ignore[arg-type]
            direct=program(skill),
            sampled=tuple(program(skill) for _ in range(SAMPLING.budget(SAMPLING.plans))),
            plans=tuple(right),  # type: ignore[arg-type]  # only their number counts
            trials=tuple(tuple(program(follow(plan, skill)) for _ in range(SAMPLING.trials)) for plan in right),
            finals={index: program(follow(plan, skill)) for index, plan in enumerate(right)},
            sampled_finals={},
            oracle=(program(follow(True, skill)),),
            foreign=(program(follow(False, skill)),),
            teacher_plan=(program(follow(bool(rng.random() < 0.7), skill)),),
        )
        rates = solve_rates(judged, SAMPLING, (SAMPLING.plans,), (1,), ReportConfig().final)
        for same, worth in CODE_ONLY_SKILL.items():
            alone: Any = SimpleNamespace(
                direct=program(worth * skill), sampled=[program(worth * skill) for _ in judged.sampled]
            )
            rates = with_code_only(rates, same, alone, SAMPLING, (SAMPLING.plans,))
        return rates

    return [problem(number) for number in range(POPULATION)]


def claims(rates: list[SolveRates]) -> dict[tuple[str, str], int]:
    """What a report's sentences claim, by pair: 1 for more, -1 for less, 0 for nothing."""
    sentences = conclude(compare_arms([rates], SAMPLING.plans, SETTINGS), PoolSizes.of(SAMPLING))
    return {
        pair: next((sign for sign in (1, -1) if f"): {wording.of(sign, THIS_STUDENT)}" in said), 0)
        for (pair, wording), said in zip(WORDINGS.items(), sentences[:-1], strict=True)
    }


def truth(rates: list[SolveRates]) -> dict[tuple[str, str], int]:
    """The signs of the differences in the population; 0 within two of its own standard errors."""
    signs = {}
    for left, right in WORDINGS:
        differences = [rate.known_rate(left, 4) - rate.known_rate(right, 4) for rate in rates]
        error = np.std(differences) / len(differences) ** 0.5
        signs[left, right] = int(np.sign(np.mean(differences))) * bool(abs(np.mean(differences)) > 2 * error)
    return signs


@pytest.mark.parametrize(
    ("name", "oracle_helps", "plans_are_better"),
    [("follows plans", 1, 1), ("ignores plans", 0, 0), ("follows 4 of 5 plans", 1, 1)],
)
def test_claims_are_wrong_in_at_most_five_of_a_hundred_reports(
    name: str, oracle_helps: int, plans_are_better: int
) -> None:
    rng = np.random.default_rng(0)
    whole = population(STUDENTS[name], rng)
    planted = truth(whole)
    assert planted["oracle", "direct"] == planted["oracle", "foreign"] == oracle_helps
    assert planted["best_trial", "equal_pool"] == plans_are_better
    # A student that learned from code alone, and is as good without plans, is no other control.
    assert planted["codeplan", "code_only_steps_control"] == planted["codeplan", "control"]
    assert planted["codeplan", "code_only_examples_control"] == 1
    right, false_reports = Counter[tuple[str, str]](), 0
    for _ in range(REPETITIONS):
        found = claims([whole[index] for index in rng.integers(POPULATION, size=PROBLEMS)])
        right.update(pair for pair, sign in found.items() if sign and sign == planted[pair])
        false_reports += any(sign and sign != planted[pair] for pair, sign in found.items())
    assert false_reports <= 0.05 * REPETITIONS
    # Silence would never be wrong: what is large is also found.
    assert right["control", "direct"] >= 0.95 * REPETITIONS
    assert right["oracle", "direct"] >= 0.95 * REPETITIONS * oracle_helps
    assert right["codeplan", "code_only_examples_control"] >= 0.95 * REPETITIONS
    assert right["oracle", "foreign"] >= 0.95 * REPETITIONS * oracle_helps
