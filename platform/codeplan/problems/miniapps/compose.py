"""Chains of operations: drawing one, and keeping the compositions of train and test apart."""

from __future__ import annotations

import hashlib
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

LENGTHS: dict[str, tuple[int, ...]] = {"introductory": (1, 2), "interview": (3,), "competition": (4, 5)}
"""The possible numbers of operations of each level's problems."""

TEST_FRACTION = 0.25
"""The fraction of compositions that only the test split uses."""

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


def draw_length(rng: StableRandom, split: Split, level: str) -> int:
    """A number of operations for a problem of the level, uniform over those that the split has."""
    return rng.choice([length for length in LENGTHS[level] if split == "train" or length > 1])


def draw_chain(rng: StableRandom, split: Split, length: int) -> Chain:
    """A chain of ``length`` operations whose composition belongs to the split."""
    while True:
        chain = _random_chain(rng, length)
        if split_of(chain) == split:
            return chain


def _random_chain(rng: StableRandom, length: int) -> Chain:
    chain: list[BoundOperation] = []
    current = rng.choice(_LIST_TYPES)
    while len(chain) < length:
        remaining = length - len(chain) - 1
        used = {bound.operation.name for bound in chain}
        # Single values come late: few operations apply to them.
        possible = _BY_INPUT[current] if remaining <= 1 else _TO_LISTS[current]
        candidates = [operation for operation in possible if operation.name not in used]
        operation = rng.choice(candidates)
        chain.append(_bind(rng, operation))
        current = operation.output_type
    return tuple(chain)


def _bind(rng: StableRandom, operation: Operation) -> BoundOperation:
    return BoundOperation(operation, rng.choice(operation.parameters) if operation.parameters else None)
