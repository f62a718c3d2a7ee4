"""The tests of a MiniAPPS problem: inputs on which its chain differs from its mutants, as in mutation testing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from codeplan.problems.miniapps.operations import Chain, ValueType, apply, is_well_typed
from codeplan.randomness import StableRandom

EXAMPLES = 2
HIDDEN = 8
_MAX_EXAMPLE_CHARACTERS = 40
_MAX_NUMBER = 10**9
_MIN_DISTINCT_OUTPUTS = 4

WORDS = (
    "apple", "bee", "cat", "dog", "ear", "fig", "goose", "hat", "ice", "jar", "kite", "lemon", "moon", "nut", "oak",
    "pear", "queen", "rose", "sea", "tree", "urn", "vase", "wolf", "yarn",
)  # fmt: skip
"""The words that inputs are made of: few, so that a small vocabulary has short encodings for them."""

InputValue = tuple[int | str, ...]


@dataclass(frozen=True)
class InputOutput:
    """An input and the chain's output; ``killed`` are the indices of the mutants with another output."""

    input: InputValue
    output: Any
    killed: frozenset[int]


@dataclass(frozen=True)
class Tests:
    """A problem's tests."""

    example: tuple[InputOutput, ...]
    hidden: tuple[InputOutput, ...]


def choose_tests(rng: StableRandom, chain: Chain) -> Tests | None:
    """Tests for a chain, or None where no good ones are found.

    The hidden tests kill all mutants, and their outputs vary. The example tests are short and kill as many mutants as
    two tests can.
    """
    mutants, input_type = _mutants(chain), chain[0].operation.input_type
    small = [_example_input(rng, input_type) for _ in range(10)]
    example = _greedy([test for test in _run(chain, mutants, small) if _is_short(test)], EXAMPLES)
    if len(example) < EXAMPLES:
        return None
    shown = {test.input for test in example}
    large = [value for value in (_hidden_input(rng, input_type) for _ in range(22)) if value not in shown]
    # The empty list and a list of one item are edge cases worth testing wherever they have an output.
    edges = _run(chain, mutants, ((), large[0][:1]))
    hidden = [*edges, *_greedy(_run(chain, mutants, large), HIDDEN - len(edges))]
    killed = frozenset[int]().union(*(test.killed for test in hidden))
    outputs = {repr(test.output) for test in hidden}
    if len(hidden) < HIDDEN or len(killed) < len(mutants) or len(outputs) < _MIN_DISTINCT_OUTPUTS:
        return None
    return Tests(tuple(example), tuple(hidden))


def _mutants(chain: Chain) -> list[Chain]:
    """The chains one misreading away: an operation left out, two neighbours swapped, the whole order reversed."""
    mutants = [chain[:at] + chain[at + 1 :] for at in range(len(chain))]
    mutants += [(*chain[:at], chain[at + 1], chain[at], *chain[at + 2 :]) for at in range(len(chain) - 1)]
    mutants.append(chain[::-1])
    input_type = chain[0].operation.input_type
    usable = (mutant for mutant in dict.fromkeys(mutants) if mutant != chain and is_well_typed(mutant))
    return [mutant for mutant in usable if not mutant or mutant[0].operation.input_type == input_type]


def _run(chain: Chain, mutants: list[Chain], inputs: Iterable[InputValue]) -> list[InputOutput]:
    tests = []
    for value in dict.fromkeys(inputs):
        output = _output(chain, value)
        if output is None or _is_too_large(output):
            continue
        killed = frozenset(at for at, mutant in enumerate(mutants) if _output(mutant, value) != output)
        tests.append(InputOutput(value, output, killed))
    return tests


def _output(chain: Chain, value: InputValue) -> Any:
    try:
        return apply(chain, list(value))
    except (ValueError, IndexError):
        return None


def _is_too_large(output: Any) -> bool:
    numbers = output if isinstance(output, list) else [output]
    return any(isinstance(number, int) and abs(number) > _MAX_NUMBER for number in numbers)


def _is_short(test: InputOutput) -> bool:
    return bool(test.output != [] and len(str(test.output)) <= _MAX_EXAMPLE_CHARACTERS)


def _greedy(tests: list[InputOutput], count: int) -> list[InputOutput]:
    """Up to ``count`` tests, each the one that kills most of the mutants still alive; the earliest among equals."""
    remaining = list(tests)
    chosen: list[InputOutput] = []
    killed: frozenset[int] = frozenset()
    while remaining and len(chosen) < count:
        best = max(remaining, key=lambda test: len(test.killed - killed))
        remaining.remove(best)
        chosen.append(best)
        killed |= best.killed
    return chosen


def _example_input(rng: StableRandom, input_type: ValueType) -> InputValue:
    length = rng.integer(4, 6)
    if input_type == "words":
        return tuple(rng.choice(WORDS) for _ in range(length))
    return tuple(rng.integer(0, 15) for _ in range(length))


def _hidden_input(rng: StableRandom, input_type: ValueType) -> InputValue:
    length = rng.integer(2, 10)
    # A few distinct items give repeats, many give none; tests need both.
    if input_type == "words":
        words = WORDS[rng.integer(0, 12) :][: rng.choice((4, 12, 24))]
        return tuple(rng.choice(words) for _ in range(length))
    low, high = rng.choice(((0, 9), (0, 30), (-9, 9), (-30, 60), (0, 200)))
    return tuple(rng.integer(low, high) for _ in range(length))
