"""Compositions of steps: drawing one, and keeping train and test apart."""

from __future__ import annotations

import hashlib
from typing import Literal

from codeplan.problems.miniapps.dice import Dice
from codeplan.problems.miniapps.steps import STEPS, Chain, Move, Step, Type

Split = Literal["train", "test"]

LENGTHS: dict[str, tuple[int, ...]] = {"introductory": (1, 2), "interview": (3,), "competition": (4, 5)}
"""How many steps a problem of each level has."""

TEST_SHARE = 0.25
"""Share of the compositions that only the test split uses."""

_LISTS: tuple[Type, ...] = ("numbers", "words")


def composition(chain: Chain) -> str:
    """What makes two problems the same task: the names of the steps in order, whatever their parameters."""
    return " ".join(move.step.name for move in chain)


def split_of(chain: Chain) -> Split:
    """The one split that may use the chain's composition.

    All single steps are in train, so that a test problem holds no step that training could not show; longer
    compositions are divided by a hash of their names.
    """
    if len(chain) == 1:
        return "train"
    digest = hashlib.sha256(f"miniapps composition: {composition(chain)}".encode()).digest()
    return "test" if digest[0] < TEST_SHARE * 256 else "train"


def draw_length(dice: Dice, split: Split, level: str) -> int:
    """How many steps a problem of the level gets: each number that the split has, equally often."""
    return dice.pick([length for length in LENGTHS[level] if split == "train" or length > 1])


def draw(dice: Dice, split: Split, length: int) -> Chain:
    """A chain of so many steps whose composition belongs to the split."""
    while True:
        chain = _walk(dice, length)
        if split_of(chain) == split:
            return chain


def _walk(dice: Dice, length: int) -> Chain:
    chain: list[Move] = []
    kind = dice.pick(_LISTS)
    while len(chain) < length:
        remaining = length - len(chain) - 1
        used = {move.step.name for move in chain}
        # Single values come late: after them there is little left to do.
        open_steps = [
            step
            for step in STEPS
            if step.takes == kind and step.name not in used and (step.gives in _LISTS or remaining <= 1)
        ]
        step = dice.pick(open_steps)
        chain.append(_move(dice, step))
        kind = step.gives
    return tuple(chain)


def _move(dice: Dice, step: Step) -> Move:
    return Move(step, dice.pick(step.values) if step.values else None)
