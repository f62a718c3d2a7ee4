"""How plans and programs are chosen by what the example tests said: the step between phases 2 and 3 of plan sampling.

A score is a pair. For a program: whether it passes all example tests, then the fraction of them that it passes. For a
plan: how many of its trial programs pass all example tests, then the mean fraction that its trials pass. Where a
problem has no example tests nothing was judged, so all scores are equal and the choice is uniform: the fallback.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from codeplan.records import Program, SuiteName, Verdict

Score = tuple[int, Fraction]
"""Exact, because a tie must be a tie however the fractions were added up."""

NOTHING: Score = (0, Fraction(0))
"""The score of what was not judged."""

VerdictIndex = Mapping[tuple[str, str], Verdict]
"""One suite's verdicts by problem_id and program key."""


def by_program(verdicts: Iterable[Verdict], suite: SuiteName) -> VerdictIndex:
    """The verdicts of one suite by problem and program; the first counts where a program was judged twice."""
    index: dict[tuple[str, str], Verdict] = {}
    for verdict in verdicts:
        if verdict.suite == suite:
            index.setdefault((verdict.problem_id, verdict.program_key), verdict)
    return index


def program_score(example: Verdict | None) -> Score:
    """A program's score from its verdict on the example tests; None counts as nothing passed."""
    if example is None or not example.total_tests:
        return NOTHING
    return int(example.passed), Fraction(example.passed_tests, example.total_tests)


def plan_score(trials: Sequence[Score]) -> Score:
    """A plan's score from the scores of its trial programs."""
    if not trials:
        return NOTHING
    return sum(passes for passes, _ in trials), sum((fraction for _, fraction in trials), Fraction(0)) / len(trials)


def plan_scores(programs: Iterable[Program], verdicts: Iterable[Verdict]) -> dict[str, dict[int, Score]]:
    """The scores of all plans that have trial programs, by problem_id and plan index.

    Args:
        programs: programs of any arm and phase; only trials that follow a plan count.
        verdicts: verdicts of any suite; only the example tests count.
    """
    examples = by_program(verdicts, "example")
    trials: defaultdict[str, defaultdict[int, list[Score]]] = defaultdict(lambda: defaultdict(list))
    for program in programs:
        if program.phase == "trial" and program.plan_index >= 0:
            score = program_score(examples.get((program.problem_id, program.key)))
            trials[program.problem_id][program.plan_index].append(score)
    return {key: {plan: plan_score(scores) for plan, scores in plans.items()} for key, plans in trials.items()}


def selectable(scores: Sequence[Score | None], counts: Sequence[int]) -> set[int]:
    """The positions that can be chosen from some subset whose size is one of ``counts``; None counts as nothing passed.

    An item can be chosen from ``count`` items when the items above it can be left out of such a subset. The
    smallest count therefore admits all that any other does.

    Raises:
        ValueError: there is nothing to choose from, or a count is below 1 or above the number of scores.
    """
    ranked = _ranked(scores)
    if not counts or min(counts) < 1 or max(counts) > len(ranked):
        raise ValueError(
            f"cannot choose from {sorted(counts)} of {len(ranked)} plans; counts must be 1 to {len(ranked)}"
        )
    # The lowest score that can be chosen is that of the item with only count - 1 items below or beside it.
    floor = sorted(ranked)[min(counts) - 1]
    return {position for position, score in enumerate(ranked) if not score < floor}


def _ranked(scores: Sequence[Score | None]) -> list[Score]:
    if not scores:
        raise ValueError("there is nothing to choose from")
    return [NOTHING if score is None else score for score in scores]
