"""The teacher: one request with the real settings, whose answer is kept like any other, and what a run may cost."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence
from itertools import islice

from codeplan.config import TeacherConfig
from codeplan.files import locked
from codeplan.preflight.context import CheckContext
from codeplan.preflight.findings import Finding, failed, ok, skipped, warning
from codeplan.records import Problem
from codeplan.stages.distill import asked
from codeplan.teacher.budget import Price
from codeplan.teacher.cache import AnswerCache
from codeplan.teacher.cached_teacher import CachedTeacher, Reply, TeacherSetup
from codeplan.teacher.configured_endpoint import endpoint_of, host_of
from codeplan.teacher.distillation import check_budget
from codeplan.teacher.estimate import estimate
from codeplan.teacher.offline import MODEL as OFFLINE
from codeplan.teacher.plan_requests import PlanRequest, build_plan_requests

MAX_REQUESTS = 3
"""Requests that are sent at most: one prompt may be rejected where others are not."""


def check(context: CheckContext) -> Iterator[Finding]:
    """Ask once, unless an answer to one of the first requests is in the cache."""
    role = "train" if context.problems.get("train") else "test"
    if not context.problems.get(role):
        yield skipped("not asked, as there are no problems to ask about")
        return
    if not context.home_usable:
        yield skipped("not asked, as no answer could be kept in the home")
        return
    teacher = context.config.teacher
    host = host_of(teacher)
    first = list(islice(_plan_requests(context.problems[role], teacher, host), MAX_REQUESTS))
    if not first:
        yield skipped("not asked, as no problem has a solution")
        return
    plan_request, reply = _ask(context, first)
    yield from _answer_findings(teacher, plan_request, reply)
    if teacher.model != OFFLINE and reply.answer is not None:
        yield from _cost(context, reply)


def _plan_requests(problems: Sequence[Problem], teacher: TeacherConfig, host: str) -> Iterator[PlanRequest]:
    for problem in problems:
        yield from build_plan_requests([problem], teacher, host)


def _ask(context: CheckContext, candidates: Sequence[PlanRequest]) -> tuple[PlanRequest, Reply]:
    """The first request that has an answer, or gets one; else the last that was tried."""
    cache = AnswerCache(context.home / "answers")

    async def ask_in_turn() -> tuple[PlanRequest, Reply]:
        with endpoint_of(context.config.teacher) as endpoint:
            async with CachedTeacher(TeacherSetup(endpoint, context.config.execution, cache.folder)) as teacher:
                for plan_request in candidates:
                    reply = await teacher.ask(plan_request.request)
                    if reply.status != "failed" or reply.reason != "rejected":
                        break
        return plan_request, reply

    (context.home / "checks").mkdir(exist_ok=True)
    # Of two checks that start at once, the second finds the answer of the first.
    with locked(context.home / "checks" / "teacher.lock", {}):
        for plan_request in candidates:
            found = cache.get(plan_request.request)
            if found is not None:
                return plan_request, Reply(key=plan_request.request.key, status="answered", answer=found, cached=True)
        return asyncio.run(ask_in_turn())


def _answer_findings(teacher: TeacherConfig, plan_request: PlanRequest, reply: Reply) -> Iterator[Finding]:
    who = (
        f"{teacher.model}, which is not an LLM,"
        if teacher.model == OFFLINE
        else f"{teacher.model} at {teacher.base_url}"
    )
    if reply.answer is None:
        yield failed(f"{who.rstrip(',')}: {reply.message or reply.reason.replace('_', ' ')}")
        return
    how = "answered in an earlier run" if reply.cached else "answers"
    answer = reply.answer
    yield ok(f"{who} {how}: {answer.prompt_tokens:,} prompt + {answer.completion_tokens:,} completion tokens")
    if answer.left_out:
        yield warning(
            f"{teacher.model} refuses the setting {', '.join(answer.left_out)}, and is asked without it",
            "set it to null to say so in the configuration",
        )
    plan = plan_request.plan(answer, cached=True)
    if plan is None:
        yield warning(plan_request.explain_missing(answer)[1])
    elif not plan.finished:
        outcome = "kept" if teacher.keep_truncated_plans else "dropped"
        yield warning(
            f"the plan for {plan_request.problem_id} is truncated at {answer.completion_tokens} tokens and {outcome}",
            "raise teacher.max_tokens",
        )


def _cost(context: CheckContext, reply: Reply) -> Iterator[Finding]:
    execution, teacher = context.config.execution, context.config.teacher
    check_budget(teacher, execution)
    requests, at_most = _estimate(context)
    price = Price.of(execution)
    if not price.known:
        yield warning(
            f"the price of {teacher.model} is not known; {requests:,} requests remain",
            "set execution.prompt_price_usd and execution.completion_price_usd to see costs",
        )
        return
    assert reply.answer is not None
    text, expected = f"{requests:,} requests remain", at_most
    if reply.answer.prompt_tokens and reply.answer.completion_tokens:
        expected = price.answer_cost(reply.answer) * requests
        text += f", about ${expected:,.2f} if all answers are as long as the first"
    text += f", at most ${at_most:,.2f}" if at_most is not None else ", with no upper bound: set teacher.max_tokens"
    if execution.budget_usd is not None and expected is not None and expected > execution.budget_usd:
        yield warning(
            f"{text}, which is more than the budget of ${execution.budget_usd:g}",
            "the stage stops there and keeps every answer; raise execution.budget_usd, request fewer plans, or set "
            "teacher.allow_incomplete: true to finish with the plans that are paid for",
        )
    else:
        yield ok(text)


def _estimate(context: CheckContext) -> tuple[int, float | None]:
    """How many requests remain to be sent, and the most that they cost in US dollars; None where that is not known.

    Of generated problems only the first are at hand; the others are taken to be like them.
    """
    sampling, cache = context.config.sampling, AnswerCache(context.home / "answers")
    asking = {"plans": "train"}
    asking |= {"oracle": "test"} if sampling.oracle else {}
    asking |= {"forward": "test"} if sampling.teacher_plan else {}
    requests, at_most = 0, 0.0
    for stage, role in asking.items():
        settings = asked(context.config.teacher, stage)
        if not (problems := context.problems.get(role, [])):
            continue
        found = estimate(problems, settings, context.config.execution, cache)
        scale = context.counts.get(role, 0) / len(problems)
        requests += round((found.requests - found.cached) * scale)
        if found.cost_usd_at_most is None:
            at_most = math.inf
        else:
            at_most += found.cost_usd_at_most * scale
    return requests, at_most if math.isfinite(at_most) else None
