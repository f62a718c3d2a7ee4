"""Ray actors that judge batches of programs; every actor keeps one `codeplan_sandbox.Judge` running.

Two kinds of failure are distinguished: a program that fails gets a verdict, a sandbox or a machine that fails never
yields one. A batch whose actor is away, because it or its machine died, goes to an actor that is free; the actor starts
again where there is room for it. A batch whose sandbox failed is judged again a limited number of times; then the error
is raised. Actors that the cluster has no room for yet get no batches, so that two stages that each hold a part of the
sandboxes both go on.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, ObjectLostError, RayActorError

from codeplan.config import ExecutionConfig
from codeplan.errors import UserError
from codeplan.on_ray.metrics import watch_worker
from codeplan.watching import UNWATCHED, Watch
from codeplan.watching.metrics import FAILURES
from codeplan_sandbox import Judge, Limits, SandboxError, Suite, SuiteVerdict

BATCH_PROGRAMS = 16
"""Maximum programs per batch: enough to amortize the cost of a call, few enough to judge again."""
BATCHES_IN_FLIGHT = 2
"""Batches in flight per actor and caller: one that is judged, one that is queued."""
BATCH_RETRIES = 3
"""Maximum retries of a batch whose sandbox failed."""
ACTOR_RESTARTS = 100
"""Maximum restarts of an actor's process."""
UNAVAILABLE_S = 900.0
"""How long no batch may come back while actors are away: a cluster may have to start another machine for them."""
PAUSE_S = 1.0
"""Pause before an actor that was away gets a batch again. The death of its node is noticed after some 20 s."""


class NoRoomError(UserError):
    """The cluster had no room for judging actors in time."""


class JudgeActor:
    """One actor, with a running judge, in a process of its own."""

    def __init__(self, limits: Limits, watch: Watch = UNWATCHED, packages: Sequence[str] = ()) -> None:
        watch_worker(watch)
        self._watch = watch
        if ray.get_runtime_context().was_current_actor_reconstructed:
            watch.count(FAILURES, kind="judge_actor_restarted")
            watch.event("judge_actor_restarted", level=logging.WARNING, node=socket.gethostname(), pid=os.getpid())
        self._judge = Judge(limits, program_packages=packages)

    def judge(self, programs: list[tuple[str, Suite]], stop_at_failure: bool) -> list[SuiteVerdict]:
        """The programs' verdicts, in the order of the programs."""
        try:
            return [self._judge.judge(program, suite, stop_at_failure=stop_at_failure) for program, suite in programs]
        except SandboxError as error:
            self._watch.count(FAILURES, kind="sandbox")
            self._watch.event("sandbox_failed", level=logging.WARNING, node=socket.gethostname(), error=str(error))
            raise

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
        up: those that have been seen running, by position; grows as they are used.
    """

    actors: tuple[Any, ...]
    up: set[int] = field(default_factory=set)

    @classmethod
    def start(
        cls,
        execution: ExecutionConfig,
        limits: Limits,
        watch: Watch = UNWATCHED,
        *,
        packages: Sequence[str] = (),
        within_s: float | None = None,
    ) -> JudgeActors:
        """Start the actors, and wait until the first one's sandbox has started; the others join when there is room.

        Args:
            execution: how many actors, one per CPU that is available for judging, and on which nodes.
            limits: limits per program.
            watch: where restarts and failures of sandboxes are counted.
            packages: the packages outside the standard library that programs may import.
            within_s: seconds that the cluster has to find room for them; None waits without a limit.

        Raises:
            SandboxError: the first machine that had room has no isolation tier that is strong enough, or lacks a
                package.
            NoRoomError: none was up in time.
        """
        remote = ray.remote(JudgeActor).options(
            num_cpus=execution.cpus_per_judge,
            resources={execution.judge_resource: 1.0} if execution.judge_resource else None,
            max_restarts=ACTOR_RESTARTS,
            max_task_retries=0,  # `_Dispatch` retries: Ray would wait for the same actor, though others are free.
            # Anywhere in the cluster: in a trial of Ray Tune, Ray would look only in the trial's own reservation.
            scheduling_strategy="DEFAULT",
            label_selector=execution.judge_labels or None,
        )
        actors = [remote.remote(limits, watch, packages) for _ in range(execution.judge_actors)]
        judges = cls(tuple(actors))
        starting = {actor.tier.remote(): position for position, actor in enumerate(actors)}
        ready, _ = ray.wait(list(starting), num_returns=1, timeout=within_s)
        try:
            if not ready:
                raise NoRoomError(f"no sandbox found room in the cluster within {within_s:g} s")
            for reference in ready:
                _tier(actors[starting[reference]])
                judges.up.add(starting[reference])
        except (SandboxError, NoRoomError):
            judges.stop()
            raise
        return judges

    def tiers(self) -> list[str]:
        """Name of the isolation tier, per actor, once all are up."""
        return [_tier(actor) for actor in self.actors]

    def judge_many(
        self, programs: Sequence[tuple[str, Suite]], *, stop_at_failure: bool = False, within_s: float = math.inf
    ) -> Iterator[tuple[int, SuiteVerdict]]:
        """Judge programs on all actors, with a limited number of batches in flight.

        Args:
            programs: each with its suite. Within a batch, programs that share the suite object serialize it once.
            stop_at_failure: skip a program's remaining tests after its first failure.
            within_s: seconds after which no further verdicts are waited for.

        Yields:
            The index of a program and its verdict, batch by batch as they finish.

        Raises:
            SandboxError: a batch could not be judged after all retries.
        """
        until = time.monotonic() + within_s
        size = max(1, min(BATCH_PROGRAMS, len(programs) // (len(self.actors) * BATCHES_IN_FLIGHT)))
        starts = range(0, len(programs), size)
        dispatch = _Dispatch(self, [range(start, min(start + size, len(programs))) for start in starts])
        while dispatch.unfinished and time.monotonic() < until:
            dispatch.send(lambda actor, batch: actor.judge.remote([programs[i] for i in batch], stop_at_failure))
            for batch, verdicts in dispatch.collect():
                yield from zip(batch, verdicts, strict=True)

    def stop(self) -> None:
        """Kill the actors and their sandboxes, without waiting for running programs."""
        for actor in self.actors:
            ray.kill(actor)


class _Dispatch:
    """The batches of one call: which wait, which are where, and which go to another actor because theirs is away."""

    def __init__(self, judges: JudgeActors, batches: Sequence[range]) -> None:
        self._queued = deque(batches)
        self._judges = judges
        up = [actor for position, actor in enumerate(judges.actors) if position in judges.up]
        self._free = deque(actor for _ in range(BATCHES_IN_FLIGHT) for actor in up)
        self._starting = {
            actor.tier.remote(): position for position, actor in enumerate(judges.actors) if position not in judges.up
        }
        self._resting: deque[tuple[float, Any]] = deque()
        self._in_flight: dict[Any, tuple[Any, range]] = {}
        self._sandbox_failures: Counter[range] = Counter()
        self._progress_at = time.monotonic()

    @property
    def unfinished(self) -> bool:
        """Whether a batch has not come back yet."""
        return bool(self._queued or self._in_flight)

    def send(self, judge: Callable[[Any, range], Any]) -> None:
        """Send queued batches to free actors; ``judge`` starts a call.

        Raises:
            SandboxError: the sandbox of an actor that has just come up did not start.
        """
        self._take_up()
        while self._resting and self._resting[0][0] <= time.monotonic():
            self._free.append(self._resting.popleft()[1])
        while self._queued and self._free:
            actor, batch = self._free.popleft(), self._queued.popleft()
            self._in_flight[judge(actor, batch)] = actor, batch

    def _take_up(self) -> None:
        """Count the actors that have come up as free."""
        if not self._starting:
            return
        ready, _ = ray.wait(list(self._starting), num_returns=len(self._starting), timeout=0)
        for reference in ready:
            position = self._starting.pop(reference)
            actor = self._judges.actors[position]
            try:
                ray.get(reference)
            except ActorUnavailableError:
                self._starting[actor.tier.remote()] = position
            except RayActorError as error:
                raise _gone(error) from error
            else:
                self._judges.up.add(position)
                self._free.extend([actor] * BATCHES_IN_FLIGHT)

    def collect(self) -> list[tuple[range, list[SuiteVerdict]]]:
        """The batches that came back within `PAUSE_S`, at most one.

        Raises:
            SandboxError: an actor will not come back, a batch's sandbox failed too often, or no batch has come back for
                `UNAVAILABLE_S`.
        """
        if not self._in_flight:
            time.sleep(PAUSE_S / 10)  # All actors are resting, or have no room yet.
            return []
        ready, _ = ray.wait(list(self._in_flight), num_returns=1, timeout=PAUSE_S)
        found = []
        for reference in ready:
            actor, batch = self._in_flight.pop(reference)
            try:
                verdicts = ray.get(reference)
            except (ActorUnavailableError, ObjectLostError) as error:
                if time.monotonic() - self._progress_at > UNAVAILABLE_S:
                    raise SandboxError(f"no judging actor has answered for {UNAVAILABLE_S:.0f} s: {error}") from error
                self._queued.appendleft(batch)
                self._resting.append((time.monotonic() + PAUSE_S, actor))
            except RayActorError as error:
                raise _gone(error) from error
            except SandboxError:
                self._sandbox_failures[batch] += 1
                if self._sandbox_failures[batch] > BATCH_RETRIES:
                    raise
                self._queued.appendleft(batch)
                self._free.append(actor)
            else:
                self._progress_at = time.monotonic()
                self._free.append(actor)
                found.append((batch, verdicts))
        return found


def _tier(actor: Any) -> str:
    """Name of an actor's isolation tier, once it answers.

    Raises:
        SandboxError: its sandbox did not start, or it was away for `UNAVAILABLE_S`.
    """
    until = time.monotonic() + UNAVAILABLE_S
    while True:
        try:
            tier: str = ray.get(actor.tier.remote())
        except ActorUnavailableError as error:
            if time.monotonic() > until:
                raise _gone(error) from error
            time.sleep(PAUSE_S)
        except RayActorError as error:
            raise _gone(error) from error
        else:
            return tier


def _gone(error: RayActorError) -> SandboxError:
    return SandboxError(f"a judging actor is no longer available: {error}")
