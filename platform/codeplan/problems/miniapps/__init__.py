"""MiniAPPS: a generated benchmark in the form of APPS, small enough to be learned on a laptop's CPU.

A problem is a chain of known operations on a list of numbers or words, told as a short story. A plan is worth having
because of the gap between the two: the question may name the operations out of order (with probability ``inversion``),
so that their order must be inferred, while the reference solution has one statement per operation, in order. Levels
depend on the number of operations. Train and test share all operations, but no composition of them, or no program;
``held_out: both`` has both kinds of test problems, half of each, as two splits.

Such a question is its own plan, as it names every step. Three dials leave a choice that a plan decides: ``vague`` names
steps by their aims, which several operations serve, ``goal`` names only what comes out and in how many steps, and
``show_examples: false`` takes the example tests out of the question, by which the choice could be guessed. How often
the best guess from a question is right is known: see `codeplan.problems.miniapps.ceilings`.

The same arguments give the same bytes on every machine; problem *i* does not depend on how many are generated, and its
operations and tests do not depend on ``inversion``, ``vague``, ``goal`` and ``show_examples``: only its wording does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from codeplan.problems.miniapps import compose, inputs, wording
from codeplan.problems.miniapps.compose import HELD_OUT, HeldOut, Kinds, Split
from codeplan.problems.miniapps.dials import Dials
from codeplan.problems.miniapps.operations import VARIABLE_NAMES, Chain
from codeplan.randomness import StableRandom
from codeplan.records import Problem
from codeplan_sandbox import Case, Suite

VERSION = 1
"""Raised when the generator writes other problems for the same arguments, with the default dials."""
DIALS_VERSION = 2
"""The same with any other dials."""
DEFAULT = Dials()

LEVELS = tuple(compose.LENGTHS)
ENTRY_POINT = "solve"
_CALL_FRACTION = 0.3
_READ_STATEMENTS = {"numbers": "xs = list(map(int, input().split()))", "words": "words = input().split()"}


def generate(
    split: Split, count: int, seed: int = 0, inversion: float = 0.5, dials: Dials = DEFAULT
) -> Iterator[Problem]:
    """Generate problems, cycling through the levels.

    Args:
        split: ``train`` or ``test``.
        count: number of problems.
        seed: other seeds give other problems.
        inversion: fraction of the questions, 0 to 1, that name their operations out of order.
        dials: what questions leave open, and what is held out.
    """
    return (problem(split, index, seed, inversion, dials) for index in range(count))


def problem(split: Split, index: int, seed: int = 0, inversion: float = 0.5, dials: Dials = DEFAULT) -> Problem:
    """The problem at an index; arguments as for `generate`."""
    drawn = draw(split, index, seed, dials)
    chain, entry_point = drawn.chain, drawn.entry_point
    # Wording has a generator of its own, so that operations and tests do not depend on it.
    wording_rng = StableRandom(f"{drawn.rng_key}/words")
    inverted = wording_rng.chance(inversion)
    question = wording.render_question(wording_rng, chain, drawn.openness, inverted=inverted, entry_point=entry_point)
    example, hidden = _suite(drawn.tests.example, entry_point), _suite(drawn.tests.hidden, entry_point)
    parameter = VARIABLE_NAMES[chain[0].operation.input_type]
    return Problem(
        problem_id=drawn.problem_id,
        dataset="miniapps",
        split=f"{split}-{drawn.held_out}" if dials.held_out == "both" else split,
        level=drawn.level,
        question=f"{question}\n{_examples_text(example) if dials.show_examples else ''}",
        starter_code=f"def {ENTRY_POINT}({parameter}):\n" if entry_point else "",
        solutions=(_solution(chain, entry_point),),
        example_tests=example,
        hidden_tests=hidden,
    )


@dataclass(frozen=True)
class Drawn:
    """A problem before it is put into words.

    Attributes:
        problem_id: its name.
        rng_key: the name of its random stream.
        level: how difficult it is.
        entry_point: name of the function to write; empty for a program from stdin to stdout.
        chain: its operations, first to last.
        tests: its tests.
        openness: what its question leaves open.
        held_out: what a test problem has that training has not.
    """

    problem_id: str
    rng_key: str
    level: str
    entry_point: str
    chain: Chain
    tests: inputs.Tests
    openness: wording.Openness
    held_out: HeldOut


def draw(split: Split, index: int, seed: int, dials: Dials) -> Drawn:
    """What the problem at an index is made of; arguments as for `generate`."""
    level = LEVELS[index % len(LEVELS)]
    held_out, number = _place(index, dials.held_out)
    set_name = split if held_out == "compositions" else f"{split}-{held_out}"
    rng_key = f"miniapps/{seed}/{set_name}/{number}"
    rng = StableRandom(rng_key)
    entry_point = ENTRY_POINT if rng.chance(_CALL_FRACTION) else ""
    length = compose.draw_length(rng, split, level)
    tests = None
    while tests is None:
        chain = compose.draw_chain(rng, split, length, held_out)
        tests = inputs.choose_tests(rng, chain)
    openness = wording.Openness.draw(f"{rng_key}/open", chain, dials.vague, dials.goal)
    problem_id = f"miniapps/{set_name}/{seed}-{number}"
    return Drawn(problem_id, rng_key, level, entry_point, chain, tests, openness, held_out)


def _place(index: int, kinds: Kinds) -> tuple[HeldOut, int]:
    """The kind of the problem at an index, and its number in the set of that kind.

    Kinds take turns after one problem of every level, so that the first problems of a set have as many of each.
    """
    if kinds != "both":
        return kinds, index
    turn, level = divmod(index, len(LEVELS))
    number, kind = divmod(turn, len(HELD_OUT))
    return HELD_OUT[kind], number * len(LEVELS) + level


def _solution(chain: Chain, entry_point: str) -> str:
    input_type, output_type = chain[0].operation.input_type, chain[-1].operation.output_type
    result = VARIABLE_NAMES[output_type]
    statements = [bound.statement() for bound in chain]
    if entry_point:
        body = "\n".join(f"    {line}" for line in (*statements, f"return {result}"))
        return f"def {entry_point}({VARIABLE_NAMES[input_type]}):\n{body}\n"
    star = "*" if output_type in ("numbers", "words") else ""
    return "\n".join((_READ_STATEMENTS[input_type], *statements, f"print({star}{result})")) + "\n"


def _suite(tests: tuple[inputs.InputOutput, ...], entry_point: str) -> Suite:
    if entry_point:
        calls = tuple(Case(args=(list(test.input),), expected=test.output) for test in tests)
        return Suite(kind="call", cases=calls, entry_point=entry_point)
    lines = tuple(Case(input=_line(list(test.input)), output=_line(test.output)) for test in tests)
    return Suite(kind="stdin", cases=lines)


def _line(value: Any) -> str:
    return (" ".join(map(str, value)) if isinstance(value, list) else str(value)) + "\n"


def _examples_text(suite: Suite) -> str:
    if suite.kind == "call":
        return "".join(f"Input: {case.args[0]!r}\nOutput: {case.expected!r}\n" for case in suite.cases)
    return "".join(f"Input: {case.input}Output: {case.output}" for case in suite.cases)
