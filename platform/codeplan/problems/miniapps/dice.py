"""Random choices that are the same on every machine and in every version of Python."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """Draws from a seed text.

    Python promises that ``Random.random`` keeps its sequence for a seed, and that text seeds keep their meaning; it
    promises neither for ``choice``, ``sample`` or ``shuffle``. So everything here comes from ``random`` alone.
    """

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secret: problems must be reproducible

    def chance(self, share: float) -> bool:
        """True with probability ``share``."""
        return self._random.random() < share

    def number(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        return low + int(self._random.random() * (high - low + 1))

    def pick(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[self.number(0, len(items) - 1)]
