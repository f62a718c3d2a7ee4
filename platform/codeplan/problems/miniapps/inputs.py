"""The tests of a MiniAPPS problem: inputs on which its chain differs from its mutants, as in mutation testing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from codeplan.problems.miniapps.mutants import ChainTree, InputValue, Run, mutants_of
from codeplan.problems.miniapps.operations import Chain, ValueType
from codeplan.randomness import StableRandom

EXAMPLES = 2
HIDDEN = 8
_MAX_EXAMPLE_CHARACTERS = 40
_MIN_DISTINCT_OUTPUTS = 4

WORDS = (
    "apple", "bee", "cat", "dog", "ear", "fig", "goose", "hat", "ice", "jar", "kite", "lemon", "moon", "nut", "oak",
    "pear", "queen", "rose", "sea", "tree", "urn", "vase", "wolf", "yarn",
)  # fmt: skip
"""The words that inputs are made of: few, so that a small vocabulary has short encodings for them."""

_RANGES = ((0, 9), (0, 30), (-9, 9), (-30, 60), (0, 200))
"""The lowest and highest number of a list in hidden tests."""


@dataclass(frozen=True)
class InputOutput:
    """An input and the chain's output."""

    input: InputValue
    output: Any


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
    input_type = chain[0].operation.input_type
    runs = _Runs(ChainTree(chain, mutants_of(chain)))
    small = [_example_input(rng, input_type) for _ in range(10)]
    if len(list(islice(filter(_is_short, runs.of(small)), EXAMPLES))) < EXAMPLES:
        return None
    drawn = [_hidden_input(rng, input_type) for _ in range(22)]
    # Most chains without good tests have a mutant that means the same; that is seen before the tests are chosen.
    if drawn[0] not in small and not runs.could_be_hidden([*drawn, (), drawn[0][:1]]):
        return None
    example = _greedy([run for run in runs.of(small) if _is_short(run)], EXAMPLES)
    shown = {run.input for run in example}
    large = [value for value in drawn if value not in shown]
    # The empty list and a list of one item are edge cases worth testing wherever they have an output.
    edges = list(runs.of(((), large[0][:1])))
    hidden = [*edges, *_greedy(list(runs.of(large)), HIDDEN - len(edges))]
    if len(hidden) < HIDDEN or not _are_enough(hidden, len(runs.tree.mutants)):
        return None
    return Tests(_as_tests(example), _as_tests(hidden))


class _Runs:
    """The runs of a chain and its mutants, each kept."""

    def __init__(self, tree: ChainTree) -> None:
        self.tree = tree
        self._by_input: dict[InputValue, Run] = {}

    def of(self, inputs: Iterable[InputValue]) -> Iterator[Run]:
        """The runs that can be tests, in the order of the inputs, without repeats."""
        return (run for value in dict.fromkeys(inputs) if (run := self._run(value)).output is not None)

    def could_be_hidden(self, inputs: Iterable[InputValue]) -> bool:
        """Whether the inputs kill all mutants and their outputs vary, without which no hidden tests do."""
        alive = list(range(len(self.tree.mutants)))
        outputs: set[str] = set()
        for run in self.of(inputs):
            alive = [mutant for mutant in alive if not run.kills(mutant)]
            if len(outputs) < _MIN_DISTINCT_OUTPUTS:
                outputs.add(repr(run.output))
            elif not alive:
                return True
        return not alive and len(outputs) >= _MIN_DISTINCT_OUTPUTS

    def _run(self, value: InputValue) -> Run:
        run = self._by_input.get(value)
        if run is None:
            run = self._by_input[value] = Run(self.tree, value)
        return run


def _are_enough(hidden: list[Run], mutants: int) -> bool:
    killed = frozenset[int]().union(*(run.killed for run in hidden))
    return len(killed) == mutants and len({repr(run.output) for run in hidden}) >= _MIN_DISTINCT_OUTPUTS


def _as_tests(runs: list[Run]) -> tuple[InputOutput, ...]:
    return tuple(InputOutput(run.input, run.output) for run in runs)


def _is_short(run: Run) -> bool:
    return bool(run.output != [] and len(str(run.output)) <= _MAX_EXAMPLE_CHARACTERS)


def _greedy(runs: list[Run], count: int) -> list[Run]:
    """Up to ``count`` runs, each the one that kills most of the mutants still alive; the earliest among equals."""
    remaining = list(runs)
    chosen: list[Run] = []
    killed: frozenset[int] = frozenset()
    while remaining and len(chosen) < count:
        best = max(remaining, key=lambda run: len(run.killed - killed))
        remaining.remove(best)
        chosen.append(best)
        killed |= best.killed
    return chosen


def _example_input(rng: StableRandom, input_type: ValueType) -> InputValue:
    length = rng.integer(4, 6)
    return tuple(rng.choices(WORDS, length) if input_type == "words" else rng.integers(0, 15, length))


def _hidden_input(rng: StableRandom, input_type: ValueType) -> InputValue:
    length = rng.integer(2, 10)
    # A few distinct items give repeats, many give none; tests need both.
    if input_type == "words":
        words = WORDS[rng.integer(0, 12) :][: rng.choice((4, 12, 24))]
        return tuple(rng.choices(words, length))
    return tuple(rng.integers(*rng.choice(_RANGES), length))
