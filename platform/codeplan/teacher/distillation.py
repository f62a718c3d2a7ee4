"""A distillation: what is in the cache, which requests are sent first, and what stops it.

Sending the bulk of the requests is left to `Workers`, so that nothing here depends on how they are run.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from codeplan.config import ExecutionConfig, TeacherConfig
from codeplan.records import Problem
from codeplan.stage import StageError
from codeplan.teacher.budget import Budget, Price
from codeplan.teacher.cache import AnswerCache
from codeplan.teacher.cached_teacher import REJECTION_LIMIT, CachedTeacher, Reply, TeacherSetup
from codeplan.teacher.configured_endpoint import endpoint_of, host_of
from codeplan.teacher.plan_collection import Distilled, RequestCounts, collect_plans
from codeplan.teacher.plan_requests import build_plan_requests
from codeplan.teacher.prompts import reads_solution
from codeplan.teacher.replies import Replies
from codeplan.teacher.requests import TeacherRequest
from codeplan.teacher.sampling_settings import Adaptation
from codeplan.watching import UNWATCHED, Watch

REJECTION_LIMIT_AFTER_ANSWER = 10
"""The least number of consecutive rejections that stops everything once any request was answered."""


class Workers(Protocol):
    """Processes that send requests, each with a `CachedTeacher` of its own."""

    def budget(self, limit_usd: float, spent_usd: float) -> Budget:
        """A budget that all workers share."""

    def replies(self, requests: list[TeacherRequest], setup: TeacherSetup) -> Iterator[Reply]:
        """One reply per request, in any order, as they arrive."""


def distill(
    problems: Sequence[Problem],
    teacher: TeacherConfig,
    execution: ExecutionConfig,
    cache_folder: Path,
    advance: Callable[[RequestCounts], None],
    *,
    workers: Workers,
    on_reply: Callable[[TeacherRequest, Reply], None] | None = None,
    watch: Watch = UNWATCHED,
) -> Distilled:
    """Ask the teacher for the plans behind the problems' solutions.

    Cached answers are not requested again. First, single requests are sent until one is not rejected (`_ask_first`).

    Args:
        problems: the problems whose solutions are explained.
        teacher: the model, prompt and sampling settings.
        execution: concurrency, prices and limits.
        cache_folder: the teacher's answers; on a cluster, a folder that all nodes share.
        advance: called with the counts since the last call.
        workers: what sends the requests after the first.
        on_reply: called with each request that was sent, and what became of it.
        watch: where replies are counted.

    Raises:
        StageError: the teacher refuses everything, the budget is exhausted, or too many requests failed. All answers
            are kept, and the next run asks only for the others.
    """
    cache = AnswerCache(cache_folder.resolve())
    plan_requests = build_plan_requests(problems, teacher, host_of(teacher))
    sharing = Counter(plan_request.request.key for plan_request in plan_requests)
    distinct = {plan_request.request.key: plan_request.request for plan_request in plan_requests}
    replies = Replies(sharing, advance, watch)
    for reply in _cached(distinct.values(), cache):
        replies.add(reply)
    if missing := [request for key, request in distinct.items() if key not in replies.by_key]:
        budget = _open_budget(teacher, execution, replies.by_key.values(), workers)
        limit = _rejection_limit(execution, len(plan_requests)) if replies.by_key else REJECTION_LIMIT
        with endpoint_of(teacher) as endpoint:
            setup = TeacherSetup(endpoint, execution, cache.folder, budget, limit, watch=watch)
            for reply in replies.summarized(_ask_all(missing, setup, workers)):
                replies.add(reply)
                if on_reply is not None and reply.started:
                    on_reply(distinct[reply.key], reply)
                _ensure_cached(distinct[reply.key], reply, cache)
    return collect_plans(plan_requests, replies.by_key, teacher, execution, _without_solution(problems, teacher))


def _cached(requests: Iterable[TeacherRequest], cache: AnswerCache) -> Iterator[Reply]:
    for request in requests:
        if (found := cache.get(request)) is not None:
            yield Reply(key=request.key, status="answered", answer=found, cached=True)


def _ensure_cached(request: TeacherRequest, reply: Reply, cache: AnswerCache) -> None:
    if reply.answer and not reply.cached and not cache.path(reply.key).exists():
        # A worker on a node that does not share the folder wrote it where the next run will not look.
        cache.put(request, reply.answer)


def _without_solution(problems: Sequence[Problem], teacher: TeacherConfig) -> int:
    if not reads_solution(teacher.prompt):
        return 0
    return sum(not any(solution.strip() for solution in problem.solutions) for problem in problems)


def _open_budget(
    teacher: TeacherConfig, execution: ExecutionConfig, cached: Iterable[Reply], workers: Workers
) -> Budget | None:
    check_budget(teacher, execution)
    if execution.budget_usd is None:
        return None
    return workers.budget(execution.budget_usd, sum(reply.answer.cost_usd for reply in cached if reply.answer))


def check_budget(teacher: TeacherConfig, execution: ExecutionConfig) -> None:
    """Refuse a budget that could not be kept.

    Raises:
        StageError: there is a budget, but no price, or no limit on the length of answers.
    """
    if execution.budget_usd is None:
        return
    if teacher.max_tokens is None:
        raise StageError(
            "execution.budget_usd needs a limit on the length of answers; set teacher.max_tokens, or leave the budget "
            "out"
        )
    if not Price.of(execution).known:
        raise StageError(
            "execution.budget_usd needs prices; set execution.prompt_price_usd and execution.completion_price_usd, or "
            "leave the budget out"
        )


def _rejection_limit(execution: ExecutionConfig, num_requests: int) -> int:
    # Where answers are known, the teacher does not reject everything: only as many rejections stop it as fail the stage
    # anyway.
    return max(REJECTION_LIMIT_AFTER_ANSWER, int(execution.max_failed_fraction * num_requests) + 1)


def _ask_all(requests: list[TeacherRequest], setup: TeacherSetup, workers: Workers) -> Iterator[Reply]:
    first, adaptation = asyncio.run(_ask_first(requests, setup))
    yield from first
    done = {reply.key for reply in first}
    remaining = [request for request in requests if request.key not in done]
    if first[-1].status in {"stopped", "over_budget"}:
        yield from (Reply(key=request.key, status="not_asked") for request in remaining)
    elif remaining:
        limit = setup.rejection_limit
        if first[-1].status != "failed":
            limit = max(limit, REJECTION_LIMIT_AFTER_ANSWER)
        yield from workers.replies(remaining, replace(setup, rejection_limit=limit, adaptation=adaptation))


async def _ask_first(requests: list[TeacherRequest], setup: TeacherSetup) -> tuple[list[Reply], Adaptation]:
    """Ask one at a time, far apart, until one does not fail: a rejection may concern the teacher or one request."""
    replies: list[Reply] = []
    async with CachedTeacher(setup) as teacher:
        for position in dict.fromkeys((0, len(requests) // 2, len(requests) - 1)):
            replies.append(await teacher.ask(requests[position]))
            if replies[-1].status != "failed":
                break
        return replies, teacher.adaptation
