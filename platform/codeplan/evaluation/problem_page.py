"""One HTML page that lets a person look at some problems: question, plans with their scores, programs with verdicts.

The page needs nothing else: no script, no style sheet, no font, no picture. All that a model or a data set wrote is
escaped.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from codeplan.config import SamplingConfig
from codeplan.evaluation.arms import TITLES, ArmName, answers
from codeplan.evaluation.pools import Judged, Pool, gather
from codeplan.evaluation.selection import Score
from codeplan.evaluation.tables import OUTCOME_TITLES
from codeplan.records import Plan, Problem, Program, Verdict

SHOWN = 30
"""How many problems a page shows unless told otherwise: more are slow to load and nobody reads them."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """An arm's most likely program."""

    title: str
    chance: float
    judged: Judged

    @property
    def outcome(self) -> str:
        return OUTCOME_TITLES[self.judged.outcome]


@dataclass(frozen=True, slots=True)
class _ScoredPlan:
    """A sampled plan: how its trials did on the example tests, how likely it is chosen, how many trials are right."""

    text: str
    score: Score
    chance: float
    solved: int


@dataclass(frozen=True, slots=True)
class _Page:
    """What is shown of one problem."""

    pool: Pool
    references: list[Plan]
    answers: list[_Answer]
    plans: list[_ScoredPlan]


def render(
    problems: Sequence[Problem],
    *,
    oracle_plans: Sequence[Plan],
    student_plans: Iterable[Plan],
    programs: Iterable[Program],
    verdicts: Collection[Verdict],
    sampling: SamplingConfig,
    seed: int = 0,
    shown: int = SHOWN,
) -> str:
    """The page's HTML.

    Args:
        problems: the test problems that the page draws from.
        oracle_plans: the teacher's plans for them.
        student_plans: the plans that were sampled for them.
        programs: the programs of all arms and phases.
        verdicts: of both suites.
        sampling: the settings that the programs were sampled with.
        seed: the same seed draws the same problems.
        shown: how many problems to draw at most.

    Raises:
        PoolError: a record is missing or does not belong, see `codeplan.evaluation.pools.gather`.
    """
    drawn = random.Random(seed).sample(range(len(problems)), min(shown, len(problems)))  # noqa: S311  # no secret
    picked = [problems[index] for index in sorted(drawn)]
    names = {problem.problem_id for problem in picked}
    pools = gather(
        picked,
        oracle_plans=[plan for plan in oracle_plans if plan.problem_id in names],
        student_plans=[plan for plan in student_plans if plan.problem_id in names],
        programs=[program for program in programs if program.problem_id in names],
        verdicts=verdicts,
        sampling=sampling,
    )
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("problem_page.html.j2").render(
        pages=[_page(pool, oracle_plans) for pool in pools], total=len(problems), seed=seed, sampling=sampling
    )


def _page(pool: Pool, oracle_plans: Sequence[Plan]) -> _Page:
    chances = pool.chances(len(pool.plans))
    return _Page(
        pool=pool,
        references=[plan for plan in oracle_plans if plan.problem_id == pool.problem.problem_id],
        answers=[_answer(arm, found) for arm, found in answers(pool).items() if found],
        plans=[
            _ScoredPlan(plan.text, score, chance, int(sum(trial.solved for trial in of_plan)))
            for plan, score, chance, of_plan in zip(pool.plans, pool.plan_scores, chances, pool.trials, strict=True)
        ],
    )


def _answer(arm: ArmName, found: Sequence[tuple[float, Judged]]) -> _Answer:
    chance, judged = max(found, key=lambda candidate: candidate[0])
    follows = arm in {"codeplan", "best_trial"}
    title = f"{TITLES[arm]}, from plan {judged.program.plan_index}" if follows else TITLES[arm]
    return _Answer(title=title, chance=chance, judged=judged)
