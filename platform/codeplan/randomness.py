"""Named random streams: numbers that depend on a name alone, not on what else was drawn, where, or in which order.

All randomness of a run comes from here, so that work can be split, resumed and grown. Raw Philox output and
``random.Random.random`` are the parts of numpy's and Python's random numbers whose values are promised to stay.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


def uniforms(name: str, count: int) -> NDArray[np.float64]:
    """The first ``count`` numbers in [0, 1) of a stream, 53 random bits each."""
    return (_raw(name, count) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def permutation(name: str, size: int) -> NDArray[np.intp]:
    """The numbers 0 to ``size`` - 1 in random order."""
    return np.argsort(_raw(name, size), kind="stable")


def seed_of(name: str) -> int:
    """A seed of 63 bits for a library's own generator."""
    return int.from_bytes(_hash(name, 8), "little") >> 1


class StableRandom:
    """Random choices that are the same on every machine and in every version of Python.

    Python promises that ``Random.random`` keeps its sequence for a seed, and that text seeds keep their meaning; it
    promises neither for ``choice``, ``sample`` or ``shuffle``. So everything here comes from ``random`` alone.
    """

    def __init__(self, name: str) -> None:
        self._random = random.Random(name)  # noqa: S311  # not a secret: results must be reproducible

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self._random.random() < probability

    def integer(self, low: int, high: int) -> int:
        """An integer from ``low`` to ``high``, both included."""
        return low + int(self._random.random() * (high - low + 1))

    def uniform(self, low: float, high: float) -> float:
        """A number from ``low`` to below ``high``."""
        return low + self._random.random() * (high - low)

    def choice(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[int(self._random.random() * len(items))]

    def integers(self, low: int, high: int, count: int) -> list[int]:
        """As many calls of `integer`, in a fraction of the time."""
        draw, width = self._random.random, high - low + 1
        return [low + int(draw() * width) for _ in range(count)]

    def choices(self, items: Sequence[T], count: int) -> list[T]:
        """As many calls of `choice`, in a fraction of the time."""
        draw, size = self._random.random, len(items)
        return [items[int(draw() * size)] for _ in range(count)]

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """So many different items, in random order."""
        left = list(items)
        return [left.pop(self.integer(0, len(left) - 1)) for _ in range(count)]


def _raw(name: str, count: int) -> NDArray[np.uint64]:
    key = np.frombuffer(_hash(name, 16), dtype="<u8").astype(np.uint64)
    return np.random.Philox(key=key).random_raw(count)


def _hash(name: str, size: int) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=size).digest()
