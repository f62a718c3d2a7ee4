"""Distillation on Ray Data: many requests under way in few actors, every answer kept at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
from ray.data import ActorPoolStrategy, DataContext

from codeplan.config import ExecutionConfig, TeacherConfig
from codeplan.records import Problem
from codeplan.stages import StageError
from codeplan.teacher.asking import PATIENCE, Asker, Reply
from codeplan.teacher.budget import Budget
from codeplan.teacher.cache import AnswerCache
from codeplan.teacher.configured import endpoint_of, host_of
from codeplan.teacher.endpoint import Endpoint
from codeplan.teacher.ledger import Distilled, Tally, settle
from codeplan.teacher.offline_server import offline_host
from codeplan.teacher.questions import questions
from codeplan.teacher.requests import Request
from codeplan.teacher.sampling_settings import Adaptation

PATIENCE_WITH_ANSWERS = 10
"""So many requests refused in a row stop everything at the least, where others were answered before."""

ROWS_A_TASK = 8
"""Requests in one Ray task: progress reaches the driver task by task."""


def distill(
    problems: Sequence[Problem],
    teacher: TeacherConfig,
    execution: ExecutionConfig,
    cache_folder: Path,
    advance: Callable[[Tally], None],
) -> Distilled:
    """Ask the teacher for the plans behind the problems' solutions. Ray is running.

    Answers in the cache are not asked for again; the first that are missing are asked for alone, until one is not
    refused, so that a wrong key or address shows before thousands of requests.

    Args:
        problems: whose solutions are explained.
        teacher: who is asked, and what.
        execution: where and how fast.
        cache_folder: the teacher's answers; on a cluster, a folder that all nodes share.
        advance: called with what came since the last call.

    Raises:
        StageError: the teacher refuses or is not there, the budget is spent, or too many requests are lost. All
            answers are kept, and the next run asks only for what is missing.
    """
    cache_folder = cache_folder.resolve()
    asked = questions(problems, teacher, host_of(teacher))
    sharing = Counter(question.request.key for question in asked)
    replies: dict[str, Reply] = {}

    def take(reply: Reply) -> None:
        replies[reply.key] = reply
        if reply.status in {"answered", "lost"}:
            advance(Tally.of(reply, sharing[reply.key]))

    cache = AnswerCache(cache_folder)
    missing: dict[str, Request] = {}
    for request in {question.request.key: question.request for question in asked}.values():
        found = cache.get(request)
        if found is None:
            missing[request.key] = request
        else:
            take(Reply(key=request.key, status="answered", answer=found, cached=True))
    if missing:
        spent = sum(reply.answer.cost_usd for reply in replies.values() if reply.answer)
        # Where answers are known, the teacher does not refuse everything: only so many refusals stop it as fail the
        # stage anyway.
        patience = max(PATIENCE_WITH_ANSWERS, int(teacher.lost_share * len(asked)) + 1) if replies else PATIENCE
        with endpoint_of(teacher) as endpoint:
            asking = _Asking(endpoint, execution, cache_folder, _budget(teacher, execution, spent), patience)
            for reply in _ask_all(list(missing.values()), asking):
                take(reply)
                if reply.answer and not reply.cached and not cache.path(reply.key).exists():
                    # An actor on a node that does not share the folder kept it where the next run will not look.
                    cache.put(missing[reply.key], reply.answer)
    without_solution = sum(not any(solution.strip() for solution in problem.solutions) for problem in problems)
    return settle(asked, replies, without_solution, teacher.lost_share, execution.budget_usd)


@dataclass(frozen=True)
class _Asking:
    """How an `Asker` is made, here or in an actor."""

    endpoint: Endpoint
    execution: ExecutionConfig
    cache_folder: Path
    budget: _SharedBudget | None
    patience: int
    adaptation: Adaptation | None = None

    def asker(self) -> Asker:
        return Asker(
            self.endpoint,
            self.execution,
            self.cache_folder,
            self.budget,
            patience=self.patience,
            adaptation=self.adaptation,
        )


def _ask_all(requests: list[Request], asking: _Asking) -> Iterator[Reply]:
    first, adaptation = asyncio.run(_ask_first(requests, asking))
    yield from first
    done = {reply.key for reply in first}
    left = [request for request in requests if request.key not in done]
    if first[-1].status in {"stopped", "over_budget"}:
        yield from (Reply(key=request.key, status="not_asked") for request in left)
    elif left:
        patience = asking.patience if first[-1].status == "lost" else max(asking.patience, PATIENCE_WITH_ANSWERS)
        yield from _ask_in_actors(left, replace(asking, patience=patience, adaptation=adaptation))


async def _ask_first(requests: list[Request], asking: _Asking) -> tuple[list[Reply], Adaptation]:
    """Ask one at a time, far apart, until one is not refused: a refusal may be of the teacher or of one request."""
    replies: list[Reply] = []
    async with asking.asker() as asker:
        for place in dict.fromkeys((0, len(requests) // 2, len(requests) - 1)):
            replies.append(await asker.ask(requests[place]))
            if replies[-1].status != "lost":
                break
        return replies, asker.adaptation


def _ask_in_actors(requests: list[Request], asking: _Asking) -> Iterator[Reply]:
    execution = asking.execution
    waiting = -(-execution.requests_in_flight // ROWS_A_TASK) + 1  # one more than needed, so that no slot stands idle
    rows = [{"request": request.model_dump_json()} for request in requests]
    # The offline teacher listens on this machine's loopback alone.
    here = {"ray.io/node-id": ray.get_runtime_context().get_node_id()}
    tasks = -(-len(rows) // ROWS_A_TASK)
    with _patient_data_context():
        replies = ray.data.from_items(rows, override_num_blocks=tasks).map_batches(
            _AskerActor,
            batch_size=ROWS_A_TASK,
            batch_format="numpy",
            num_cpus=0.1,
            fn_constructor_args=(asking,),
            compute=ActorPoolStrategy(
                size=min(execution.teacher_actors, tasks),
                max_tasks_in_flight_per_actor=waiting,
                max_concurrent_calls_per_actor=waiting,
            ),
            label_selector=here if asking.endpoint.host == offline_host() else None,
        )
        for batch in replies.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=0):
            yield from (Reply.model_validate_json(reply) for reply in batch["reply"])


class _AskerActor:
    """An `Asker` behind Ray Data's interface: rows of requests in, rows of replies out."""

    def __init__(self, asking: _Asking) -> None:
        self._asker = asking.asker()

    async def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[str]]:
        requests = [Request.model_validate_json(row) for row in batch["request"]]
        replies = await asyncio.gather(*(self._asker.ask(request) for request in requests))
        return {"reply": [reply.model_dump_json() for reply in replies]}


class _SharedBudget:
    """The `Budget` of all actors, as each of them sees it."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    async def reserve(self, amount_usd: float) -> bool:
        return bool(await self._actor.reserve.remote(amount_usd))

    async def settle(self, reserved_usd: float, spent_usd: float) -> None:
        await self._actor.settle.remote(reserved_usd, spent_usd)


def _budget(teacher: TeacherConfig, execution: ExecutionConfig, spent_usd: float) -> _SharedBudget | None:
    if execution.budget_usd is None:
        return None
    if teacher.max_tokens is None:
        raise StageError(
            "execution.budget_usd can only be kept where the length of answers is limited; set teacher.max_tokens, or "
            "leave the budget out"
        )
    if not execution.prompt_price_usd and not execution.completion_price_usd:
        raise StageError(
            "execution.budget_usd can only be kept where prices are known; set execution.prompt_price_usd and "
            "execution.completion_price_usd, or leave the budget out"
        )
    # Every request under way may be waiting in a call of its own, and must not keep out those that settle.
    calls = 2 * execution.teacher_actors * execution.requests_in_flight + 2
    actor = ray.remote(Budget).options(num_cpus=0, max_concurrency=calls)
    return _SharedBudget(actor.remote(execution.budget_usd, spent_usd))


@contextmanager
def _patient_data_context() -> Iterator[None]:
    # A long pause that the teacher asks for is no reason for Ray Data to give up.
    context = DataContext.get_current()
    before = context.execution_no_progress_timeout_s, context.enable_progress_bars
    context.execution_no_progress_timeout_s, context.enable_progress_bars = -1, False
    try:
        yield
    finally:
        context.execution_no_progress_timeout_s, context.enable_progress_bars = before
