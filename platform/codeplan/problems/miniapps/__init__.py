"""MiniAPPS: a generated benchmark in the form of APPS, small enough to learn on a laptop's processor.

A problem is a chain of known steps over a list of numbers or words, told as a short story. What makes a plan worth
having is the gap between the two: the question may name the steps out of order (the dial is ``inversion``), so that
the order must be inferred, while the reference solution has one statement a step, in order. Levels go by the number of
steps. Train and test share no composition of steps, but all of their steps.

The same arguments give the same bytes on every machine; problem *i* does not depend on how many are asked for, and its
steps and tests do not depend on ``inversion``: only its wording does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from codeplan.problems.miniapps import compose, inputs, stories
from codeplan.problems.miniapps.compose import Split
from codeplan.problems.miniapps.dice import Dice
from codeplan.problems.miniapps.steps import VARIABLES, Chain
from codeplan.records import Problem
from codeplan_sandbox import Case, Suite

VERSION = 1
"""Raised when the generator writes other problems for the same arguments."""

LEVELS = tuple(compose.LENGTHS)
ENTRY_POINT = "solve"
_CALL_SHARE = 0.3
_READS = {"numbers": "xs = list(map(int, input().split()))", "words": "words = input().split()"}


def generate(split: Split, count: int, seed: int = 0, inversion: float = 0.5) -> Iterator[Problem]:
    """Generate problems, their levels in turn.

    Args:
        split: ``train`` or ``test``.
        count: how many.
        seed: other seeds give other problems.
        inversion: share of the questions, 0 to 1, that name their steps out of order.
    """
    return (problem(split, index, seed, inversion) for index in range(count))


def problem(split: Split, index: int, seed: int = 0, inversion: float = 0.5) -> Problem:
    """The problem at an index; arguments as for `generate`."""
    level = LEVELS[index % len(LEVELS)]
    dice = Dice(f"miniapps/{seed}/{split}/{index}")
    entry_point = ENTRY_POINT if dice.chance(_CALL_SHARE) else ""
    length = compose.draw_length(dice, split, level)
    tests = None
    while tests is None:
        chain = compose.draw(dice, split, length)
        tests = inputs.choose(dice, chain)
    # A generator of their own keeps the words from moving the steps and tests of any problem.
    words = Dice(f"miniapps/{seed}/{split}/{index}/words")
    question = stories.tell(words, chain, inverted=words.chance(inversion), entry_point=entry_point)
    example, hidden = _suite(tests.example, entry_point), _suite(tests.hidden, entry_point)
    return Problem(
        problem_id=f"miniapps/{split}/{seed}-{index}",
        dataset="miniapps",
        split=split,
        level=level,
        question=f"{question}\n{_shown(example)}",
        starter_code=f"def {ENTRY_POINT}({VARIABLES[chain[0].step.takes]}):\n" if entry_point else "",
        solutions=(_solution(chain, entry_point),),
        example_tests=example,
        hidden_tests=hidden,
    )


def _solution(chain: Chain, entry_point: str) -> str:
    takes, gives = chain[0].step.takes, chain[-1].step.gives
    statements = [move.statement() for move in chain]
    if entry_point:
        body = "\n".join(f"    {line}" for line in (*statements, f"return {VARIABLES[gives]}"))
        return f"def {entry_point}({VARIABLES[takes]}):\n{body}\n"
    star = "*" if gives in ("numbers", "words") else ""
    return "\n".join((_READS[takes], *statements, f"print({star}{VARIABLES[gives]})")) + "\n"


def _suite(trials: tuple[inputs.Trial, ...], entry_point: str) -> Suite:
    if entry_point:
        cases = tuple(Case(args=(list(trial.value),), expected=trial.answer) for trial in trials)
        return Suite(kind="call", cases=cases, entry_point=entry_point)
    return Suite(
        kind="stdin",
        cases=tuple(Case(input=_line(list(trial.value)), output=_line(trial.answer)) for trial in trials),
    )


def _line(value: Any) -> str:
    return (" ".join(map(str, value)) if isinstance(value, list) else str(value)) + "\n"


def _shown(suite: Suite) -> str:
    if suite.kind == "call":
        return "".join(f"Input: {case.args[0]!r}\nOutput: {case.expected!r}\n" for case in suite.cases)
    return "".join(f"Input: {case.input}Output: {case.output}" for case in suite.cases)
