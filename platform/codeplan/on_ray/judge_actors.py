"""Ray actors that judge batches of programs; every actor keeps one `codeplan_sandbox.Judge` running.

Two kinds of failure are distinguished: a program that fails gets a verdict, a sandbox or a machine that fails never
yields one. After the death of an actor or a failure of its sandbox the batch is judged again, a limited number of
times; then the error is raised.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, RayActorError

from codeplan.config import ExecutionConfig
from codeplan_sandbox import Judge, Limits, SandboxError, Suite, SuiteVerdict

BATCH_PROGRAMS = 16
"""Maximum programs per batch: enough to amortize the cost of a call, few enough to judge again."""
BATCHES_IN_FLIGHT = 2
"""Batches in flight per actor and caller: one that is judged, one that is queued."""
BATCH_RETRIES = 3
"""Maximum retries of a batch whose actor died or whose sandbox failed."""
ACTOR_RESTARTS = 100
"""Maximum restarts of an actor's process."""
UNAVAILABLE_S = 300.0
"""How long no batch may come back while actors are unreachable: the death of a node is noticed after some 20 s, and its
actors start again elsewhere."""
PAUSE_S = 1.0
"""Pause before a batch goes to an actor again that was unreachable; Ray's own retries are over within milliseconds."""
START_ATTEMPTS = 3
"""Maximum actors that are created for one place, if Ray drops an actor before it ran."""


class JudgeActor:
    """One actor, with a running judge, in a process of its own."""

    def __init__(self, limits: Limits) -> None:
        self._judge = Judge(limits)

    def judge(self, programs: list[tuple[str, Suite]], stop_at_failure: bool) -> list[SuiteVerdict]:
        """The programs' verdicts, in the order of the programs."""
        return [self._judge.judge(program, suite, stop_at_failure=stop_at_failure) for program, suite in programs]

    def tier(self) -> str:
        """Name of the isolation tier on this actor's machine."""
        return self._judge.tier

    def pid(self) -> int:
        """ID of the actor's process on its machine."""
        return os.getpid()


@dataclass(frozen=True)
class JudgeActors:
    """Handles to the judging actors; they can be passed to other actors and tasks, which then use the same ones.

    Attributes:
        actors: handles of `JudgeActor` actors.
    """

    actors: tuple[Any, ...]

    @classmethod
    def start(cls, execution: ExecutionConfig, limits: Limits) -> JudgeActors:
        """Start the actors, and wait until every actor's sandbox has started.

        Args:
            execution: how many actors, one per CPU that is available for judging, and on which nodes.
            limits: limits per program.

        Raises:
            SandboxError: a machine of the cluster has no isolation tier that is strong enough.
        """
        remote = ray.remote(JudgeActor).options(
            num_cpus=execution.cpus_per_judge,
            resources={execution.judge_resource: 1.0} if execution.judge_resource else None,
            max_restarts=ACTOR_RESTARTS,
            max_task_retries=BATCH_RETRIES,
            # Anywhere in the cluster: in a trial of Ray Tune, Ray would look only in the trial's own reservation.
            scheduling_strategy="DEFAULT",
            label_selector=execution.judge_labels or None,
        )
        actors = [remote.remote(limits) for _ in range(execution.judge_actors)]
        try:
            for place, actor in enumerate(actors):
                actors[place] = started(actor, lambda: remote.remote(limits))
        except SandboxError:
            cls(tuple(actors)).stop()
            raise
        return cls(tuple(actors))

    def tiers(self) -> list[str]:
        """Name of the isolation tier, per actor."""
        return [_result(actor.tier.remote()) for actor in self.actors]

    def judge_many(
        self, programs: Sequence[tuple[str, Suite]], *, stop_at_failure: bool = False
    ) -> Iterator[tuple[int, SuiteVerdict]]:
        """Judge programs on all actors, with a limited number of batches in flight.

        Args:
            programs: each with its suite. Within a batch, programs that share the suite object serialize it once.
            stop_at_failure: skip a program's remaining tests after its first failure.

        Yields:
            The index of a program and its verdict, batch by batch as they finish.

        Raises:
            SandboxError: a batch could not be judged after all retries.
        """
        size = max(1, min(BATCH_PROGRAMS, len(programs) // (len(self.actors) * BATCHES_IN_FLIGHT)))
        queued = deque(range(start, min(start + size, len(programs))) for start in range(0, len(programs), size))
        in_flight: dict[Any, tuple[Any, range]] = {}
        free = deque(actor for _ in range(BATCHES_IN_FLIGHT) for actor in self.actors)
        resting: deque[tuple[float, Any]] = deque()
        last = time.monotonic()
        while queued or in_flight:
            while resting and resting[0][0] < time.monotonic():
                free.append(resting.popleft()[1])
            while queued and free:
                actor, batch = free.popleft(), queued.popleft()
                judge = actor.judge.options(retry_exceptions=[SandboxError])
                in_flight[judge.remote([programs[index] for index in batch], stop_at_failure)] = actor, batch
            ready, _ = ray.wait(list(in_flight), num_returns=1, timeout=PAUSE_S) if in_flight else ([], [])
            if not in_flight:
                time.sleep(PAUSE_S / 10)
            for done in ready:
                actor, batch = in_flight.pop(done)
                try:
                    verdicts = _result(done)
                except SandboxError as error:
                    if (
                        not isinstance(error.__cause__, ActorUnavailableError)
                        or time.monotonic() - last > UNAVAILABLE_S
                    ):
                        raise
                    queued.appendleft(batch)
                    resting.append((time.monotonic() + PAUSE_S, actor))
                    continue
                last = time.monotonic()
                free.append(actor)
                yield from zip(batch, verdicts, strict=True)

    def stop(self) -> None:
        """Kill the actors and their sandboxes, without waiting for running programs."""
        for actor in self.actors:
            ray.kill(actor)


def started(actor: Any, another: Callable[[], Any]) -> Any:
    """An actor whose sandbox has started: the given one, or another one if Ray dropped it before it ever ran.

    On a busy machine Ray 2.60 was seen to cancel an actor that still had a handle, with the reason that it had none.
    Ray restarts actors that died, but not those that never ran.

    Raises:
        SandboxError: the actor's sandbox did not start, or Ray dropped `START_ATTEMPTS` actors.
    """
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            _result(actor.tier.remote())
            break
        except SandboxError as error:
            if "The actor never ran" not in str(error) or attempt == START_ATTEMPTS:
                raise
            actor = another()
    return actor


def _result(reference: Any) -> Any:
    try:
        return ray.get(reference)
    except RayActorError as error:
        raise SandboxError(f"a judging actor is no longer available: {error}") from error
