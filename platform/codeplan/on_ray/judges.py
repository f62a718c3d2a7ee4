"""A pool of warm sandboxes on Ray: each actor keeps one `codeplan_sandbox.Judge` and judges batches of programs.

Two kinds of failure are kept apart: a program that fails gets a verdict, a sandbox or a machine that fails never gives
one. A dead worker is replaced and its batch judged again, a sandbox that could not judge is asked again, both with a
ceiling; above it the error rises.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayActorError

from codeplan_sandbox import Judge, Limits, SandboxError, Suite, Verdict

BATCH_PROGRAMS = 16
"""Programs in a batch at most: enough to hide the cost of a call, few enough to judge again."""
BATCHES_IN_FLIGHT = 2
"""Batches under way for each actor and caller: one that it works on, one that waits."""
BATCH_RETRIES = 3
"""How often a batch is judged again after its worker died or its sandbox failed."""
WORKER_RESTARTS = 100
"""How often an actor's process is replaced before the actor is given up."""


class JudgeWorker:
    """One actor: a judge that stays warm, in a process of its own."""

    def __init__(self, limits: Limits) -> None:
        self._judge = Judge(limits)

    def judge(self, programs: list[tuple[str, Suite]], stop_at_failure: bool) -> list[Verdict]:
        """Verdicts of the programs, in their order."""
        return [self._judge.judge(program, suite, stop_at_failure=stop_at_failure) for program, suite in programs]

    def tier(self) -> str:
        """Name of the isolation tier that this worker's machine gives."""
        return self._judge.tier

    def pid(self) -> int:
        """The worker's process on its machine."""
        return os.getpid()


@dataclass(frozen=True)
class JudgePool:
    """A handle to the actors: it can be sent to other actors and tasks, which then judge with the same ones.

    Attributes:
        actors: handles of `JudgeWorker` actors.
    """

    actors: tuple[Any, ...]

    @classmethod
    def start(cls, actors: int, limits: Limits, num_cpus: float = 0.5) -> JudgePool:
        """Start a pool, and wait until every actor's sandbox is warm.

        Args:
            actors: how many; one for each processor that may be busy with judging is right.
            limits: what each program may use.
            num_cpus: processors that Ray sets aside for each actor.

        Raises:
            SandboxError: a machine of the cluster gives no isolation tier that is strong enough.
        """
        worker = ray.remote(JudgeWorker).options(
            num_cpus=num_cpus, max_restarts=WORKER_RESTARTS, max_task_retries=BATCH_RETRIES
        )
        pool = cls(tuple(worker.remote(limits) for _ in range(actors)))
        try:
            pool.tiers()
        except SandboxError:
            pool.stop()
            raise
        return pool

    def tiers(self) -> list[str]:
        """Name of the isolation tier of each actor."""
        return [_result(actor.tier.remote()) for actor in self.actors]

    def judge_many(
        self, tasks: Sequence[tuple[str, Suite]], *, stop_at_failure: bool = False
    ) -> Iterator[tuple[int, Verdict]]:
        """Judge programs on all actors; no more than a few batches are under way at once.

        Args:
            tasks: programs with their suites. Tasks of one suite travel cheaply when they share the object.
            stop_at_failure: leave out a program's tests after its first failure.

        Yields:
            A task's index and its verdict, batch by batch as they are done.

        Raises:
            SandboxError: a batch could not be judged, several times.
        """
        size = max(1, min(BATCH_PROGRAMS, len(tasks) // (len(self.actors) * BATCHES_IN_FLIGHT)))
        waiting = deque(range(start, min(start + size, len(tasks))) for start in range(0, len(tasks), size))
        under_way: dict[Any, tuple[Any, range]] = {}
        free = deque(actor for _ in range(BATCHES_IN_FLIGHT) for actor in self.actors)
        while waiting or under_way:
            while waiting and free:
                actor, batch = free.popleft(), waiting.popleft()
                judge = actor.judge.options(retry_exceptions=[SandboxError])
                under_way[judge.remote([tasks[index] for index in batch], stop_at_failure)] = actor, batch
            (done,), _ = ray.wait(list(under_way), num_returns=1)
            actor, batch = under_way.pop(done)
            free.append(actor)
            yield from zip(batch, _result(done), strict=True)

    def stop(self) -> None:
        """End the actors and their sandboxes, whatever they do."""
        for actor in self.actors:
            ray.kill(actor)


def _result(reference: Any) -> Any:
    try:
        return ray.get(reference)
    except RayActorError as error:
        raise SandboxError(f"a judging worker cannot be had any more: {error}") from error
