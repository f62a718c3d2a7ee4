"""What the problem page shows of one problem, as plain JSON data: its row in the index, and its details.

The details hold every distinct program once. Programs are in order of priority: those that are an arm's most
likely answers first, then final programs, trial programs by their plans' probabilities, and programs without a plan. A
page that has no room for all texts leaves out the last ones, then those of plans that cannot be chosen; scores and
outcomes stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from codeplan.config import CodeOnly
from codeplan.config.inference import FinalRule
from codeplan.evaluation.answers import Answers, best_of
from codeplan.evaluation.arms import ArmName, SolveRates, possible_answers
from codeplan.evaluation.choice import why
from codeplan.evaluation.code_only import ARMS
from codeplan.evaluation.judged_problems import JudgedProblem, JudgedProgram
from codeplan.records import Plan

LONGEST = 20_000
"""Characters of one text that a page shows at most; the details say how many more it has."""
FIRST_LINE = 100
"""Characters of a question that the index shows."""
ALWAYS = 3
"""Programs of an arm whose texts come first, where several tie for its answer."""


@dataclass(frozen=True)
class PageProblem:
    """One problem as the page shows it.

    Attributes:
        judged: the programs of the student that learned from plans.
        code_only: those of the students that learned from code alone.
        rates: the solve rates of all arms.
        teacher_plans: the teacher's plans for the problem.
    """

    judged: JudgedProblem
    code_only: Mapping[CodeOnly, JudgedProblem]
    rates: SolveRates
    teacher_plans: Sequence[Plan]


def index_row(found: PageProblem, arms: Sequence[ArmName], place: tuple[int, int] | None) -> dict[str, Any]:
    """The row of one problem.

    Args:
        found: the problem.
        arms: in the order of the row's rates.
        place: the block of its details and its position there; None where the page has no room for its details.
    """
    problem, plans = found.judged.problem, len(found.judged.plans)
    passes, fraction = max(found.judged.plan_scores)
    outcomes = [found.rates.outcomes.get(arm) for arm in arms]
    return {
        "id": problem.problem_id,
        "level": problem.level,
        "split": problem.split,
        "line": problem.question.strip()[: 4 * FIRST_LINE].partition("\n")[0][:FIRST_LINE],
        "runs": [
            {
                "place": place,
                "score": [passes, round(float(fraction), 4)] if found.judged.has_examples else None,
                "rates": [_rounded(found.rates.rate(arm, plans)) for arm in arms],
                "outcomes": [max(of_arm, key=lambda name: of_arm[name]) if of_arm else None for of_arm in outcomes],
            }
        ],
    }


def details(found: PageProblem, final: FinalRule) -> tuple[dict[str, Any], int]:
    """The details of one problem, with the texts of all programs, and how many of these come first.

    Raises:
        IncompleteSamplesError: a plan that can be chosen has no final program.
    """
    judged = found.judged
    answers = _answers(found, final)
    table = _Programs()
    for of_arm in answers.values():
        likely = sorted(of_arm, key=lambda answer: -answer[0])[:ALWAYS]
        table.numbers(program for _, program in likely)
    first = len(table.rows)
    plans = _plans(judged, table)
    plain = {
        "id": judged.problem.problem_id,
        "question": _text(judged.problem.question),
        "starter": _text(judged.problem.starter_code),
        "teacher_plans": [
            {"author": plan.author, "solution": plan.solution_index, **_text(plan.text)} for plan in found.teacher_plans
        ],
        "plans": plans,
        "why": why(judged, final),
        "sampled": table.numbers(judged.sampled),
        "sampled_code_only": {same: table.numbers(alone.sampled) for same, alone in found.code_only.items()},
        "answers": {
            arm: [[round(p, 6), table.number(program)] for p, program in of_arm]
            for arm, of_arm in answers.items()
            if of_arm
        },
        "programs": table.rows,
    }
    return plain, first


def _plans(judged: JudgedProblem, table: _Programs) -> list[dict[str, Any]]:
    """The student's plans with the numbers of their programs: final ones first, then trials of likely plans."""
    probabilities = judged.plan_probabilities(len(judged.plans))
    finals = {
        plan: table.numbers([judged.finals[plan], *judged.sampled_finals.get(plan, ())])
        for plan in sorted(judged.finals)
    }
    by_probability = sorted(range(len(judged.plans)), key=lambda plan: -probabilities[plan])
    trials = {plan: table.numbers(judged.trials[plan]) for plan in by_probability}
    scores = judged.plan_scores
    return [
        {
            **_text(plan.text),
            "finished": plan.finished,
            "dropped": plan.dropped,
            "passes": scores[index][0],
            "fraction": round(float(scores[index][1]), 4),
            "probability": round(probabilities[index], 6),
            "trials": trials[index],
            "finals": finals.get(index, []),
        }
        for index, plan in enumerate(judged.plans)
    ]


def without_texts(plain: dict[str, Any], kept: int, *, all_plans: bool = True) -> dict[str, Any]:
    """The details with the texts of the first ``kept`` programs alone; of the others the outcome and tests passed.

    Without ``all_plans``, plans that cannot be chosen have no text either, but their scores.
    """
    programs = plain["programs"]
    short = [{name: value for name, value in row.items() if name not in _OF_TEXTS} for row in programs[kept:]]
    plans = [
        plan if all_plans or plan["probability"] > 0 else {name: plan[name] for name in plan if name not in _OF_TEXTS}
        for plan in plain["plans"]
    ]
    return {**plain, "plans": plans, "programs": programs[:kept] + short}


_OF_TEXTS = {"text", "more", "message"}


def _answers(found: PageProblem, final: FinalRule) -> dict[ArmName, Answers]:
    answers = possible_answers(found.judged, final)
    for same, alone in found.code_only.items():
        greedy, control = ARMS[same]
        answers[greedy] = [(1.0, alone.direct)]
        answers[control] = best_of(alone.sampled) if alone.sampled else []
    return answers


@dataclass
class _Programs:
    """The distinct programs of one problem, numbered in the order in which they are asked for."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    known: dict[tuple[str, bool, str], int] = field(default_factory=dict)

    def numbers(self, programs: Iterable[JudgedProgram]) -> list[int]:
        return [self.number(program) for program in programs]

    def number(self, judged: JudgedProgram) -> int:
        program = judged.program
        key = (program.key, program.finished, program.dropped)
        if key not in self.known:
            self.known[key] = len(self.rows)
            self.rows.append(_program(judged))
        return self.known[key]


def _program(judged: JudgedProgram) -> dict[str, Any]:
    program, hidden = judged.program, judged.hidden
    row: dict[str, Any] = {"outcome": judged.outcome, **_text(program.code)}
    row |= {"passes": judged.score[0], "fraction": round(float(judged.score[1]), 4), "finished": program.finished}
    if hidden is not None:
        row |= {"tests": [hidden.passed_tests, hidden.total_tests], "message": hidden.message[:LONGEST]}
    return row | ({"dropped": program.dropped} if program.dropped else {})


def _text(text: str) -> dict[str, Any]:
    """A text of at most `LONGEST` characters, and how many are left out."""
    return {"text": text[:LONGEST]} | ({"more": len(text) - LONGEST} if len(text) > LONGEST else {})


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 4)
