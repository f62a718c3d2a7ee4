"""Work on blocks of problems that needs no actor: one Ray task per block."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import ray

from codeplan.errors import explain
from codeplan.stage import StageError

T = TypeVar("T")


def each_block(work: Callable[[int], T], blocks: Iterable[int]) -> Iterator[T]:
    """Call ``work`` for every block, on any node that sees the home; yields the results in the blocks' order.

    Args:
        work: what to do for a block; it and its result are pickled.
        blocks: which ones.

    Raises:
        StageError: the work met an error that a user can act on.
    """
    # Anywhere in the cluster: in a trial of Ray Tune, Ray would look only in the trial's own reservation.
    task = ray.remote(_explained).options(num_cpus=1, scheduling_strategy="DEFAULT")
    shared = ray.put(work)
    pending = [task.remote(shared, block) for block in blocks]
    try:
        while pending:
            result, error = ray.get(pending[0])
            if error:
                raise StageError(error)
            pending.pop(0)  # so that Ray lets go of what was yielded
            yield result
    finally:
        for reference in pending:
            ray.cancel(reference)


def _explained(work: Callable[[int], Any], block: int) -> tuple[Any, str]:
    """The result, and what a user can do where there is none: Ray wraps what is raised, and shows its traceback."""
    try:
        return work(block), ""
    except Exception as error:
        message = explain(error)
        if message is None:
            raise
        return None, message
