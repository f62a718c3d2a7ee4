"""One HTML page to inspect some problems: question, plans with their scores, programs with their verdicts.

The page is self-contained: no script, style sheet, font or image is loaded. All text by a model or from a data set is
escaped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from codeplan.config.inference import FinalRule
from codeplan.evaluation.arms import TITLES, ArmName, possible_answers
from codeplan.evaluation.judged_problems import JudgedProblem, JudgedProgram, gather
from codeplan.evaluation.tables import OUTCOME_TITLES
from codeplan.inference.selection import Score
from codeplan.inference.settings import SampleSettings
from codeplan.randomness import StableRandom
from codeplan.records import Plan, Problem, Program, Verdict

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


def render(
    problems: Sequence[Problem],
    *,
    oracle_plans: Sequence[Plan],
    forward_plans: Sequence[Plan] = (),
    student_plans: Iterable[Plan],
    programs: Iterable[Program],
    verdicts: Collection[Verdict],
    sampling: SampleSettings,
    final: FinalRule,
    seed: int = 0,
    shown: int = SHOWN,
) -> str:
    """The page's HTML.

    Args:
        problems: the test problems that the page draws from.
        oracle_plans: the teacher's plans for them.
        forward_plans: its plans for their questions alone.
        student_plans: the plans that were sampled for them.
        programs: the programs of all arms and phases.
        verdicts: of both suites.
        sampling: the settings that the programs were sampled with.
        final: how CodePLAN's answer follows from the chosen plan.
        seed: the same seed draws the same problems.
        shown: the maximum number of problems to draw.

    Raises:
        IncompleteSamplesError: a record is missing or belongs to no problem, see `judged_problems.gather`.
    """
    drawn = StableRandom(f"problem page/{seed}").sample(range(len(problems)), min(shown, len(problems)))
    picked = [problems[index] for index in sorted(drawn)]
    names = {problem.problem_id for problem in picked}
    judged_problems = gather(
        picked,
        oracle_plans=[plan for plan in oracle_plans if plan.problem_id in names],
        forward_plans=[plan for plan in forward_plans if plan.problem_id in names],
        student_plans=[plan for plan in student_plans if plan.problem_id in names],
        programs=[program for program in programs if program.problem_id in names],
        verdicts=verdicts,
        sampling=sampling,
    )
    return _template().render(
        sections=[_section(judged, [*oracle_plans, *forward_plans], final) for judged in judged_problems],
        total=len(problems),
        seed=seed,
        sampling=sampling,
    )


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
