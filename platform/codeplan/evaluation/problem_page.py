"""One HTML page to inspect some problems: question, plans with their scores, programs with their verdicts.

The page is self-contained: no script, style sheet, font or image is loaded. All text by a model or from a data set is
escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from codeplan.config.inference import FinalRule
from codeplan.evaluation.arms import TITLES, ArmName, possible_answers
from codeplan.evaluation.judged_problems import JudgedProblem, JudgedProgram
from codeplan.evaluation.tables import OUTCOME_TITLES
from codeplan.inference.selection import Score
from codeplan.inference.settings import SampleSettings
from codeplan.randomness import StableRandom
from codeplan.records import Plan

SHOWN = 30
"""Default number of problems on a page: with more it is slow to load, and nobody reads them."""


@dataclass(frozen=True, slots=True)
class _ArmAnswer:
    """An arm's most likely program."""

    title: str
    probability: float
    judged: JudgedProgram

    @property
    def outcome(self) -> str:
        return OUTCOME_TITLES[self.judged.outcome]


@dataclass(frozen=True, slots=True)
class _ScoredPlan:
    """A sampled plan: its score by the example tests, its probability of being chosen, the number of solving trials."""

    text: str
    score: Score
    probability: float
    solved: int


@dataclass(frozen=True, slots=True)
class _ProblemSection:
    """The part of the page about one problem."""

    judged: JudgedProblem
    references: list[Plan]
    answers: list[_ArmAnswer]
    plans: list[_ScoredPlan]


def draw(problems: int, seed: int = 0, shown: int = SHOWN) -> list[int]:
    """The positions of the problems that a page shows, of so many; the same seed draws the same ones."""
    return sorted(StableRandom(f"problem page/{seed}").sample(range(problems), min(shown, problems)))


def render(
    judged_problems: Iterable[JudgedProblem],
    teacher_plans: Sequence[Plan],
    *,
    total: int,
    sampling: SampleSettings,
    final: FinalRule,
    seed: int = 0,
) -> str:
    """The page's HTML.

    Args:
        judged_problems: what is shown, as `draw` picked it.
        teacher_plans: the teacher's plans for these problems, for their solutions and from their questions.
        total: the number of problems that they were drawn from.
        sampling: the settings that the programs were sampled with.
        final: how CodePLAN's answer follows from the chosen plan.
        seed: of the draw.
    """
    sections = [_section(judged, teacher_plans, final) for judged in judged_problems]
    return _template().render(sections=sections, total=total, seed=seed, sampling=sampling)


def _template() -> Template:
    folder = FileSystemLoader(Path(__file__).parent)
    return Environment(loader=folder, autoescape=True, undefined=StrictUndefined).get_template("problem_page.html.j2")


def _section(judged: JudgedProblem, teacher_plans: Sequence[Plan], final: FinalRule) -> _ProblemSection:
    probabilities = judged.plan_probabilities(len(judged.plans))
    return _ProblemSection(
        judged=judged,
        references=[plan for plan in teacher_plans if plan.problem_id == judged.problem.problem_id],
        answers=[_answer(arm, found) for arm, found in possible_answers(judged, final).items() if found],
        plans=[
            _ScoredPlan(plan.text, score, probability, int(sum(trial.solved for trial in trials)))
            for plan, score, probability, trials in zip(
                judged.plans, judged.plan_scores, probabilities, judged.trials, strict=True
            )
        ],
    )


def _answer(arm: ArmName, found: Sequence[tuple[float, JudgedProgram]]) -> _ArmAnswer:
    probability, judged = max(found, key=lambda candidate: candidate[0])
    follows_plan = arm in {"codeplan", "fresh", "best_trial"}
    title = f"{TITLES[arm]}, from plan {judged.program.plan_index}" if follows_plan else TITLES[arm]
    return _ArmAnswer(title=title, probability=probability, judged=judged)
