"""The alternating schedule: which task each micro-batch trains, and on which of its examples.

All of it is arithmetic on the micro-batch's index. The sequence does not depend on the number of workers, and training
resumes at any index as if it had never stopped: the index is the only state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import gcd, lcm

import numpy as np
from numpy.typing import NDArray

from codeplan.config import TASKS, Task, TrainingConfig
from codeplan.errors import UserError
from codeplan.randomness import permutation


class MixtureError(UserError):
    """A mixture that cannot be drawn or divided; the message says which setting to change."""


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """One task, and the positions of its examples among the task's examples."""

    index: int
    task: Task
    examples: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TaskTotals:
    """What a task was trained on: examples, repeated ones counted each time, and their targets' tokens."""

    examples: int
    target_tokens: int


def whole_ratio(ratios: Mapping[Task, float]) -> dict[Task, int]:
    """The ratios of the tasks that are above 0, in the smallest whole numbers; at least one is."""
    fractions = {task: Fraction(str(ratios[task])) for task in TASKS if ratios.get(task, 0.0) > 0}
    whole = lcm(*(fraction.denominator for fraction in fractions.values()))
    parts = {task: int(fraction * whole) for task, fraction in fractions.items()}
    common = gcd(*parts.values())
    return {task: part // common for task, part in parts.items()}


class Schedule:
    """Assigns a task to each micro-batch so that the mixing ratio holds at every moment.

    After any k micro-batches a task with fraction p has had floor(k p) or ceil(k p) of them. Rule: the quota method of
    Balinski and Young (The Quota Method of Apportionment, 1975): among the tasks that are below their fraction,
    the one whose next turn is due first.
    """

    def __init__(self, ratios: Mapping[Task, float]) -> None:
        self._parts = whole_ratio(ratios)
        self._total = sum(self._parts.values())
        self._counts = dict.fromkeys(self._parts, 0)
        self._turns: list[tuple[Task, int]] = []

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks whose ratio is above 0."""
        return tuple(self._parts)

    def turn(self, index: int) -> tuple[Task, int]:
        """The task of micro-batch ``index`` and how many micro-batches that task has had before it."""
        while len(self._turns) <= index:
            self._turns.append(self._next(len(self._turns) + 1))
        return self._turns[index]

    def counts(self, length: int) -> dict[Task, int]:
        """How many of the first ``length`` micro-batches each task has."""
        counts: dict[Task, int] = {}
        for index in range(length - 1, -1, -1):
            task, before = self.turn(index)
            counts.setdefault(task, before + 1)
            if len(counts) == len(self._parts):
                break
        return {task: counts.get(task, 0) for task in self._parts}

    def _next(self, count: int) -> tuple[Task, int]:
        below = [task for task, part in self._parts.items() if self._counts[task] * self._total < count * part]
        task = min(below, key=lambda task: Fraction(self._counts[task] + 1, self._parts[task]))
        self._counts[task] += 1
        return task, self._counts[task] - 1


class Mixture:
    """The sequence of micro-batches of a whole training.

    Each task reads its examples in epochs, each epoch in an order of its own; a micro-batch may span two epochs, and no
    example is left out of an epoch.
    """

    def __init__(self, training: TrainingConfig, target_lengths: Mapping[Task, Sequence[int]]) -> None:
        """Set up the sequence.

        Args:
            training: gives mixing ratio, micro-batch size and seed.
            target_lengths: tokens in the target of each training example, by task.

        Raises:
            MixtureError: a task's ratio is above 0, but it has no example.
        """
        self._schedule = Schedule(training.mixing)
        for task in self._schedule.tasks:
            if not target_lengths.get(task):
                raise MixtureError(
                    f"training.mixing.{task} is above 0, but there is no example of task {task}; "
                    f"set it to 0, or look at why its examples were dropped"
                )
        self._target_lengths = {task: np.asarray(lengths) for task, lengths in target_lengths.items()}
        self._micro_batch_size = training.micro_batch_size
        self._seed = training.seed

    def micro_batch(self, index: int) -> MicroBatch:
        """The micro-batch at an index of the sequence, from 0."""
        task, turn = self._schedule.turn(index)
        first = turn * self._micro_batch_size
        positions = range(first, first + self._micro_batch_size)
        return MicroBatch(index, task, tuple(self._example(task, position) for position in positions))

    def totals(self, micro_batches: int) -> dict[Task, TaskTotals]:
        """What each task was trained on after this many micro-batches."""
        totals = {}
        for task, count in self._schedule.counts(micro_batches).items():
            examples = count * self._micro_batch_size
            lengths = self._target_lengths[task]
            epochs, rest = divmod(examples, len(lengths))
            last = lengths[_order(self._seed, task, epochs, len(lengths))[:rest]]
            totals[task] = TaskTotals(examples, epochs * int(lengths.sum()) + int(last.sum()))
        return totals

    def _example(self, task: Task, position: int) -> int:
        size = len(self._target_lengths[task])
        epoch, within = divmod(position, size)
        return int(_order(self._seed, task, epoch, size)[within])


def micro_batches_of_rank(step: int, accumulation: int, rank: int, world_size: int) -> range:
    """Indices of the micro-batches that a worker computes in an optimizer step.

    Step s covers [s*accumulation, (s+1)*accumulation); rank r takes those whose index is r modulo the world size.

    Raises:
        MixtureError: the micro-batches of a step cannot be divided evenly among the workers.
    """
    if accumulation % world_size:
        raise MixtureError(
            f"a step has {accumulation} micro-batches (training.batch_size / training.micro_batch_size), which "
            f"cannot be divided evenly among {world_size} workers; change one of these or execution.train_workers"
        )
    return range(step * accumulation + rank, (step + 1) * accumulation, world_size)


@lru_cache(maxsize=8)
def _order(seed: int, task: Task, epoch: int, size: int) -> NDArray[np.intp]:
    return permutation(f"{seed}/{task}/{epoch}", size)
