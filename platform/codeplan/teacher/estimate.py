"""What a distillation will take at most, from its real prompts and without sending anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from codeplan.config import ExecutionConfig, TeacherConfig
from codeplan.records import Problem
from codeplan.teacher.budget import Price, max_prompt_tokens
from codeplan.teacher.cache import AnswerCache
from codeplan.teacher.configured_endpoint import host_of
from codeplan.teacher.offline import MODEL as OFFLINE
from codeplan.teacher.plan_requests import build_plan_requests


@dataclass(frozen=True)
class DistillEstimate:
    """What a distillation will take.

    Attributes:
        requests: distinct requests, as equal ones are sent once.
        cached: those of them whose answer is in the cache: they are not sent, and cost nothing.
        prompt_tokens_at_most: an upper bound over the requests to be sent.
        completion_tokens_at_most: likewise; None where ``teacher.max_tokens`` sets no limit.
        cost_usd_at_most: an upper bound on what their answers cost, in US dollars; None where it is not known, as no
            price is configured or the length of answers is not limited. A provider may also charge for attempts that
            failed, and for longer answers where it refuses the setting ``max_tokens``; neither is in it.
    """

    requests: int
    cached: int
    prompt_tokens_at_most: int
    completion_tokens_at_most: int | None
    cost_usd_at_most: float | None


def estimate(
    problems: Sequence[Problem], teacher: TeacherConfig, execution: ExecutionConfig, cache: AnswerCache
) -> DistillEstimate:
    """What the distillation of these problems will take with these settings, and with the answers in the cache.

    Raises:
        StageError: a model is configured without an endpoint.
        PromptError: there is no such prompt.
    """
    distinct = {
        request.request.key: request.request for request in build_plan_requests(problems, teacher, host_of(teacher))
    }
    missing = [request for request in distinct.values() if cache.get(request) is None]
    prompt_tokens = sum(max_prompt_tokens(request) for request in missing)
    completion_tokens = None if missing and teacher.max_tokens is None else len(missing) * (teacher.max_tokens or 0)
    price = Price.of(execution)
    cost: float | None
    if not missing or teacher.model == OFFLINE:
        cost = 0.0
    elif not price.known:
        cost = None
    elif completion_tokens is None:
        cost = None if price.completion_usd else price.cost(prompt_tokens, 0)
    else:
        cost = price.cost(prompt_tokens, completion_tokens)
    return DistillEstimate(len(distinct), len(distinct) - len(missing), prompt_tokens, completion_tokens, cost)
