"""Distillation on Ray Data: a few actors, each with many concurrent requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.data import ActorPoolStrategy, DataContext
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from codeplan.config import ExecutionConfig, TeacherConfig
from codeplan.on_ray.metrics import watch_worker
from codeplan.records import Problem
from codeplan.teacher import distillation
from codeplan.teacher.budget import Budget, LocalBudget
from codeplan.teacher.cached_teacher import CachedTeacher, Reply, TeacherSetup
from codeplan.teacher.offline.server import offline_host
from codeplan.teacher.plan_collection import Distilled, RequestCounts
from codeplan.teacher.requests import TeacherRequest
from codeplan.watching import UNWATCHED, Watch

ROWS_PER_TASK = 8
"""Requests per Ray task: progress reaches the driver task by task."""


def distill(
    problems: Sequence[Problem],
    teacher: TeacherConfig,
    execution: ExecutionConfig,
    cache_folder: Path,
    advance: Callable[[RequestCounts], None],
    *,
    on_reply: Callable[[TeacherRequest, Reply], None] | None = None,
    watch: Watch = UNWATCHED,
) -> Distilled:
    """`codeplan.teacher.distillation.distill` with Ray actors as its workers. Ray is running."""
    return distillation.distill(
        problems,
        teacher,
        execution,
        cache_folder,
        advance,
        workers=_RayWorkers(execution),
        on_reply=on_reply,
        watch=watch,
    )


class _RayWorkers:
    """A pool of `_TeacherActor`, and an actor for the budget that they share."""

    def __init__(self, execution: ExecutionConfig) -> None:
        self._execution = execution

    def budget(self, limit_usd: float, spent_usd: float) -> Budget:
        # Every request in flight may be waiting in a call of its own, and must not keep out those that release.
        calls = 2 * self._execution.teacher_actors * self._execution.requests_in_flight + 2
        # On this process's node: what is spent must not be lost with another one.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        actor = ray.remote(LocalBudget).options(num_cpus=0, max_concurrency=calls, scheduling_strategy=here)
        return _RemoteBudget(actor.remote(limit_usd, spent_usd))

    def replies(self, requests: list[TeacherRequest], setup: TeacherSetup) -> Iterator[Reply]:
        # One task more than needed, so that no slot stands idle.
        tasks_per_actor = -(-self._execution.requests_in_flight // ROWS_PER_TASK) + 1
        rows = [{"request": request.model_dump_json()} for request in requests]
        num_tasks = -(-len(rows) // ROWS_PER_TASK)
        # The offline teacher listens on this machine's loopback interface alone.
        this_node = {"ray.io/node-id": ray.get_runtime_context().get_node_id()}
        with _without_progress_timeout():
            replies = ray.data.from_items(rows, override_num_blocks=num_tasks).map_batches(
                _TeacherActor,
                batch_size=ROWS_PER_TASK,
                batch_format="numpy",
                num_cpus=0.1,
                fn_constructor_args=(setup,),
                compute=ActorPoolStrategy(
                    size=min(self._execution.teacher_actors, num_tasks),
                    max_tasks_in_flight_per_actor=tasks_per_actor,
                    max_concurrent_calls_per_actor=tasks_per_actor,
                ),
                label_selector=this_node if setup.endpoint.host == offline_host() else None,
            )
            for batch in replies.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=0):
                yield from (Reply.model_validate_json(reply) for reply in batch["reply"])


class _TeacherActor:
    """A `CachedTeacher` behind Ray Data's interface: rows of requests in, rows of replies out."""

    def __init__(self, setup: TeacherSetup) -> None:
        watch_worker(setup.watch)
        self._teacher = CachedTeacher(setup)

    async def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[str]]:
        requests = [TeacherRequest.model_validate_json(row) for row in batch["request"]]
        replies = await asyncio.gather(*(self._teacher.ask(request) for request in requests))
        return {"reply": [reply.model_dump_json() for reply in replies]}


class _RemoteBudget:
    """The `Budget` that an actor holds, as each worker sees it."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    async def reserve(self, amount_usd: float) -> bool:
        return bool(await self._actor.reserve.remote(amount_usd))

    async def release(self, reserved_usd: float, spent_usd: float) -> None:
        await self._actor.release.remote(reserved_usd, spent_usd)


@contextmanager
def _without_progress_timeout() -> Iterator[None]:
    # A long pause that the teacher asks for is no reason for Ray Data to give up.
    context = DataContext.get_current()
    before = context.execution_no_progress_timeout_s, context.enable_progress_bars
    context.execution_no_progress_timeout_s, context.enable_progress_bars = -1, False
    try:
        yield
    finally:
        context.execution_no_progress_timeout_s, context.enable_progress_bars = before
