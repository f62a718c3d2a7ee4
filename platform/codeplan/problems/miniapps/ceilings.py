"""The ceiling of a direct student: how often the best guess from a question alone is right, known by construction.

A question that leaves steps open has several chains of operations that it could be about. The best guess is the program
that is right for most of them, each weighted by the probability with which the generator makes a problem of it. So it
is taken into account that no operation comes twice, how many values a parameter has, which chains have good tests (most
of the long ones do not: two of their steps can be swapped) and which ones the split may use, as if the student knew all
this. Chains whose outputs are equal on all hidden tests of the problem are one guess.

Where there are too many chains to look at all, a sample of them stands for all: the share of its commonest guess. What
is commonest in a sample is above the true share in expectation, so the mean over problems is an upper bound; with
``SAMPLE`` chains that differ, by up to 1 / ``SAMPLE``.

With its example tests a question leaves less open. The second ceiling is that of a student that runs every chain on
them, in its head; which inputs were chosen as tests tells it nothing. Where there are too many chains for that, it
counts as 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from statistics import fmean
from typing import Any

from codeplan.problems import miniapps
from codeplan.problems.miniapps import compose, inputs
from codeplan.problems.miniapps.aims import aim_of, serving
from codeplan.problems.miniapps.compose import HeldOut, Split
from codeplan.problems.miniapps.dials import Dials
from codeplan.problems.miniapps.operations import OPERATIONS, BoundOperation, Chain, Operation, ValueType
from codeplan.randomness import StableRandom

MEASURED = 500
"""The number of problems whose ceilings are worked out, the first ones of a set."""
SAMPLE = 100
"""The number of chains that stand for all where there are too many."""
_MAX_DRAWS = 4000
_MAX_ALL = 2_000
"""The number of chains up to which all are looked at, for the ceiling without example tests."""
_MAX_RUN = 20_000
"""The same for the ceiling with example tests, which are quick to run."""

Weighted = tuple[tuple[Chain, float], ...]
"""Chains with numbers that are proportional to their probabilities."""


@dataclass(frozen=True)
class Ceiling:
    """The probability that the best guess is right: from the words of the question, and with its example tests."""

    words: float
    with_examples: float


@dataclass(frozen=True)
class Reading:
    """What a question says of its chain.

    Attributes:
        input_type: type of its input.
        output_type: type of its result.
        steps: per step, the operations that it may be.
    """

    input_type: ValueType
    output_type: ValueType
    steps: tuple[tuple[BoundOperation, ...], ...]

    @classmethod
    def of(cls, drawn: miniapps.Drawn) -> Reading:
        """What a reader who makes no mistake knows of the chain from the words of the question."""
        chain = drawn.chain
        if drawn.openness.goal:
            steps = (_bound(OPERATIONS),) * len(chain)
        else:
            steps = tuple(
                _bound(serving(aim_of(bound.operation))) if vague else (bound,)
                for bound, vague in zip(chain, drawn.openness.vague, strict=True)
            )
        return cls(chain[0].operation.input_type, chain[-1].operation.output_type, steps)


def mean(split: Split, count: int, seed: int, dials: Dials) -> Ceiling:
    """The means over the first problems of a set; arguments as for `codeplan.problems.miniapps.generate`."""
    found = [of_problem(miniapps.draw(split, index, seed, dials), split) for index in range(min(count, MEASURED))]
    return Ceiling(fmean(one.words for one in found), fmean(one.with_examples for one in found))


def of_problem(drawn: miniapps.Drawn, split: Split) -> Ceiling:
    """The ceilings of a problem of a split."""
    reading, tests, held_out = Reading.of(drawn), drawn.tests, drawn.held_out
    words = _best_share(problems_of(reading, split, held_out), tests.hidden)
    chains = all_chains(reading, _MAX_RUN)
    if chains is None:
        return Ceiling(words, 1.0)
    fitting = ((chain, weight) for chain, weight in chains if _passes(chain, tests.example))
    possible = tuple(one for one in fitting if _is_a_problem(one[0], split, held_out))
    return Ceiling(words, _best_share(possible, tests.hidden))


@lru_cache(maxsize=4096)
def problems_of(reading: Reading, split: Split, held_out: HeldOut) -> Weighted:
    """The chains that a question could be about, of all that it may mean or of a sample."""
    chains = all_chains(reading, _MAX_ALL)
    if chains is not None:
        return tuple(one for one in chains if _is_a_problem(one[0], split, held_out))
    draws = (_draw(StableRandom(f"miniapps ceiling {at}"), reading) for at in range(_MAX_DRAWS))
    found = (chain for chain in draws if chain is not None and _is_a_problem(chain, split, held_out))
    return tuple((chain, 1.0) for chain in islice(found, SAMPLE))


@lru_cache(maxsize=4096)
def all_chains(reading: Reading, limit: int) -> Weighted | None:
    """All chains that a question may mean, with the probabilities of drawing them; None where there are too many."""
    found = tuple(islice(_extensions(reading, (), reading.input_type, 1.0), limit + 1))
    return found if len(found) <= limit else None


def _extensions(reading: Reading, before: Chain, current: ValueType, weight: float) -> Iterator[tuple[Chain, float]]:
    remaining = len(reading.steps) - len(before)
    if not remaining:
        if current == reading.output_type:
            yield before, weight
        return
    candidates = compose.candidates(before, current, remaining - 1)
    for bound in reading.steps[len(before)]:
        if bound.operation in candidates:
            chance = weight / len(candidates) / max(1, len(bound.operation.parameters))
            yield from _extensions(reading, (*before, bound), bound.operation.output_type, chance)


def _draw(rng: StableRandom, reading: Reading) -> Chain | None:
    """A chain that the question may mean, with the generator's probabilities; None where the draw leads nowhere.

    As the operations of an aim have the same types, and two aims no operation in common, the chains of vague steps
    that do not lead nowhere are drawn with the probabilities that they have among each other.
    """
    chain: list[BoundOperation] = []
    current = reading.input_type
    for at, step in enumerate(reading.steps):
        operations = {bound.operation for bound in step}
        candidates = compose.candidates(chain, current, len(reading.steps) - at - 1)
        possible = [operation for operation in candidates if operation in operations]
        if not possible:
            return None
        operation = rng.choice(possible)
        chain.append(rng.choice([bound for bound in step if bound.operation is operation]))
        current = operation.output_type
    return tuple(chain) if current == reading.output_type else None


@lru_cache(maxsize=2**16)
def _is_a_problem(chain: Chain, split: Split, held_out: HeldOut) -> bool:
    """Whether the generator may make a problem of it; for nearly all chains this does not depend on the inputs."""
    key = " ".join(f"{bound.operation.name}:{bound.parameter}" for bound in chain)
    return compose.belongs_to(chain, split, held_out) and (
        inputs.choose_tests(StableRandom(f"miniapps ceiling {key}"), chain) is not None
    )


def _best_share(chains: Weighted, tests: Sequence[inputs.InputOutput]) -> float:
    """The largest share of the weight that chains with equal outputs have; 1 where nothing is known to be possible."""
    shares: dict[str, float] = {}
    for chain, weight in chains:
        outputs = repr([_output(chain, test) for test in tests])
        shares[outputs] = shares.get(outputs, 0.0) + weight
    return max(shares.values()) / sum(shares.values()) if shares else 1.0


def _passes(chain: Chain, tests: Sequence[inputs.InputOutput]) -> bool:
    return all(_output(chain, test) == test.output for test in tests)


def _output(chain: Chain, test: inputs.InputOutput) -> Any:
    value: Any = list(test.input)
    try:
        for bound in chain:
            value = bound.apply(value)
    except (ValueError, IndexError):
        return None
    return value


@lru_cache(maxsize=64)
def _bound(operations: tuple[Operation, ...]) -> tuple[BoundOperation, ...]:
    return tuple(BoundOperation(one, parameter) for one in operations for parameter in one.parameters or (None,))
