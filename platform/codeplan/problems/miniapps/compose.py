"""Chains of operations: drawing one, and keeping train and test apart.

A *composition* is the names of the operations in order, a *program* also has their parameters. Three sets are disjoint:

- the compositions of the test split, a quarter of all, with all their programs;
- of the other compositions, the held-out programs, a quarter of those with parameters;
- the rest.

``held_out: compositions`` tests on the first set and trains on the two others. ``held_out: programs`` tests on the
second and trains on the third only, so that a student trained with it may be tested on both; ``held_out: both`` does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

from codeplan.problems.miniapps.operations import (
    OPERATIONS,
    VARIABLE_NAMES,
    BoundOperation,
    Chain,
    Operation,
    ValueType,
)
from codeplan.randomness import StableRandom

Split = Literal["train", "test"]
HeldOut = Literal["compositions", "programs"]
HELD_OUT: tuple[HeldOut, ...] = ("compositions", "programs")
Kinds = HeldOut | Literal["both"]
"""What a set of test problems has that training has not: one of the two, or both by turns."""

LENGTHS: dict[str, tuple[int, ...]] = {"introductory": (1, 2), "interview": (3,), "competition": (4, 5)}
"""The possible numbers of operations of each level's problems."""

TEST_FRACTION = 0.25
"""The fraction of compositions that only the test split uses; also that of the other compositions' programs."""

_LIST_TYPES: tuple[ValueType, ...] = ("numbers", "words")
_BY_INPUT = {kind: [operation for operation in OPERATIONS if operation.input_type == kind] for kind in VARIABLE_NAMES}
_TO_LISTS = {kind: [one for one in possible if one.output_type in _LIST_TYPES] for kind, possible in _BY_INPUT.items()}


def composition(chain: Chain) -> str:
    """What makes two problems the same task: the names of the operations in order, whatever their parameters."""
    return " ".join(bound.operation.name for bound in chain)


def split_of(chain: Chain) -> Split:
    """The one split that may use the chain's composition.

    All single operations are in train, so that a test problem has no operation that training could not show; longer
    compositions are divided by a hash of their names.
    """
    if len(chain) == 1:
        return "train"
    digest = hashlib.sha256(f"miniapps composition: {composition(chain)}".encode()).digest()
    return "test" if digest[0] < TEST_FRACTION * 256 else "train"


def is_held_out_program(chain: Chain) -> bool:
    """Whether ``held_out: programs`` tests on the program, given that its composition is one of train.

    All single operations are in train, and so is each composition's program with the first value of every parameter:
    no composition is missing there.
    """
    if len(chain) == 1 or all(bound.parameter in (None, *bound.operation.parameters[:1]) for bound in chain):
        return False
    program = " ".join(f"{bound.operation.name}:{bound.parameter}" for bound in chain)
    return hashlib.sha256(f"miniapps program: {program}".encode()).digest()[0] < TEST_FRACTION * 256


def belongs_to(chain: Chain, split: Split, held_out: HeldOut) -> bool:
    """Whether the split may use the chain."""
    if held_out == "compositions":
        return split_of(chain) == split
    return split_of(chain) == "train" and is_held_out_program(chain) == (split == "test")


def draw_length(rng: StableRandom, split: Split, level: str) -> int:
    """A number of operations for a problem of the level, uniform over those that the split has."""
    return rng.choice([length for length in LENGTHS[level] if split == "train" or length > 1])


def draw_chain(rng: StableRandom, split: Split, length: int, held_out: HeldOut = "compositions") -> Chain:
    """A chain of ``length`` operations that belongs to the split."""
    while True:
        chain = _random_chain(rng, length)
        if belongs_to(chain, split, held_out):
            return chain


def candidates(before: Sequence[BoundOperation], current: ValueType, remaining: int) -> list[Operation]:
    """The operations that may come next, each with the same probability; its parameter is uniform too.

    Args:
        before: the chain so far; no operation comes twice.
        current: the type of its result.
        remaining: the number of operations that come after this one.
    """
    used = {bound.operation.name for bound in before}
    # Single values come late: few operations apply to them.
    possible = _BY_INPUT[current] if remaining <= 1 else _TO_LISTS[current]
    return [operation for operation in possible if operation.name not in used]


def _random_chain(rng: StableRandom, length: int) -> Chain:
    chain: list[BoundOperation] = []
    current = rng.choice(_LIST_TYPES)
    while len(chain) < length:
        operation = rng.choice(candidates(chain, current, length - len(chain) - 1))
        chain.append(_bind(rng, operation))
        current = operation.output_type
    return tuple(chain)


def _bind(rng: StableRandom, operation: Operation) -> BoundOperation:
    return BoundOperation(operation, rng.choice(operation.parameters) if operation.parameters else None)
