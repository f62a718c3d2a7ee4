"""The alternating schedule: which task each micro-batch trains, and on which of its examples.

All of it is arithmetic on the micro-batch's index. The sequence does not depend on the number of workers, and training
goes on at any index as if it had never stopped: the index is the only state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import lcm

import numpy as np
from numpy.typing import NDArray

from codeplan.config import TASKS, Task, TrainingConfig
from codeplan.errors import UserError


class MixtureError(UserError):
    """A mixture that cannot be drawn or shared; the message says which setting to change."""


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """One task, and the positions of its examples among the task's examples."""

    index: int
    task: Task
    examples: tuple[int, ...]


class Schedule:
    """Assigns a task to each micro-batch so that the mixing ratio holds at every moment.

    After any k micro-batches a task with share p has had floor(k p) or ceil(k p) of them. Rule: the quota method of
    Balinski and Young (The Quota Method of Apportionment, 1975): among the tasks that are below their share, the one
    whose next turn is due first.
    """

    def __init__(self, ratios: Mapping[Task, float]) -> None:
        shares = {task: Fraction(str(ratios[task])) for task in TASKS if ratios.get(task, 0.0) > 0}
        whole = lcm(*(share.denominator for share in shares.values()))
        self._parts = {task: int(share * whole) for task, share in shares.items()}
        self._total = sum(self._parts.values())
        self._counts = dict.fromkeys(self._parts, 0)
        self._turns: list[tuple[Task, int]] = []

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that have a share."""
        return tuple(self._parts)

    def turn(self, index: int) -> tuple[Task, int]:
        """The task of micro-batch ``index`` and how many micro-batches that task has had before it."""
        while len(self._turns) <= index:
            self._turns.append(self._next(len(self._turns) + 1))
        return self._turns[index]

    def _next(self, count: int) -> tuple[Task, int]:
        below = [task for task, part in self._parts.items() if self._counts[task] * self._total < count * part]
        task = min(below, key=lambda each: Fraction(self._counts[each] + 1, self._parts[each]))
        self._counts[task] += 1
        return task, self._counts[task] - 1


class Mixture:
    """The sequence of micro-batches of a whole training.

    Each task reads its examples in epochs, each epoch in an order of its own; a micro-batch may span two epochs, and no
    example is left out of an epoch.
    """

    def __init__(self, training: TrainingConfig, sizes: Mapping[Task, int]) -> None:
        """Set up the sequence.

        Args:
            training: gives mixing ratio, micro-batch size and seed.
            sizes: number of training examples of each task.

        Raises:
            MixtureError: a task has a share but no example.
        """
        self._schedule = Schedule(training.mixing)
        for task in self._schedule.tasks:
            if not sizes.get(task):
                raise MixtureError(
                    f"training.mixing gives task {task} a share, but there is no example of it; "
                    f"set training.mixing.{task} to 0, or look into the losses of the examples"
                )
        self._sizes = dict(sizes)
        self._micro_batch_size = training.micro_batch_size
        self._seed = training.seed

    def micro_batch(self, index: int) -> MicroBatch:
        """The micro-batch at a place of the sequence, counted from 0."""
        task, turn = self._schedule.turn(index)
        first = turn * self._micro_batch_size
        places = range(first, first + self._micro_batch_size)
        return MicroBatch(index, task, tuple(self._example(task, place) for place in places))

    def _example(self, task: Task, place: int) -> int:
        epoch, within = divmod(place, self._sizes[task])
        return int(_order(self._seed, task, epoch, self._sizes[task])[within])


def shares_of_rank(step: int, accumulation: int, rank: int, world_size: int) -> range:
    """The indices of the micro-batches that a worker computes in an optimizer step.

    Step s covers [s*accumulation, (s+1)*accumulation); rank r takes those whose index is r modulo the world size.

    Raises:
        MixtureError: the micro-batches of a step cannot be dealt out evenly, so workers would wait for each other.
    """
    if accumulation % world_size:
        raise MixtureError(
            f"a step has {accumulation} micro-batches (training.batch_size / training.micro_batch_size), which "
            f"{world_size} workers cannot share evenly; change one of these or execution.train_workers"
        )
    return range(step * accumulation + rank, (step + 1) * accumulation, world_size)


@lru_cache(maxsize=8)
def _order(seed: int, task: Task, epoch: int, size: int) -> NDArray[np.intp]:
    # Raw Philox output is the part of numpy's random numbers whose values are promised to stay.
    key = hashlib.blake2b(f"{seed}/{task}/{epoch}".encode(), digest_size=16).digest()
    raw = np.random.Philox(key=np.frombuffer(key, dtype="<u8").astype(np.uint64)).random_raw(size)
    return np.argsort(raw, kind="stable")
