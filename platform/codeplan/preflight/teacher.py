"""The teacher: one request with the real settings, whose answer is kept as any other, and what all of them may cost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import islice

from codeplan.config import TeacherConfig
from codeplan.preflight.findings import Finding, failed, ok, skipped, warning
from codeplan.preflight.subject import Subject
from codeplan.records import Problem
from codeplan.stages import locked
from codeplan.teacher.asking import Asker, Reply
from codeplan.teacher.budget import Price
from codeplan.teacher.cache import AnswerCache
from codeplan.teacher.configured import endpoint_of, host_of
from codeplan.teacher.offline import MODEL as OFFLINE
from codeplan.teacher.questions import Question, questions

TRIES = 3
"""Requests that are asked at most: one prompt may be refused where others are not."""


def check(subject: Subject) -> Iterator[Finding]:
    """Ask once, unless an answer to one of the first requests is there."""
    role = "train" if subject.problems.get("train") else "test"
    if not subject.problems.get(role):
        yield skipped("not asked, as there are no problems to ask about")
        return
    if not subject.home_usable:
        yield skipped("not asked, as no answer could be kept in the home")
        return
    teacher = subject.config.teacher
    host = host_of(teacher)
    first = list(islice(_questions(subject.problems[role], teacher, host), TRIES))
    if not first:
        yield skipped("not asked, as no problem has a solution")
        return
    question, reply = _ask(subject, first)
    yield from _said(teacher, question, reply)
    if teacher.model != OFFLINE and reply.answer is not None:
        yield from _cost(subject, question, reply)


def _questions(problems: Sequence[Problem], teacher: TeacherConfig, host: str) -> Iterator[Question]:
    for problem in problems:
        yield from questions([problem], teacher, host)


def _ask(subject: Subject, asked: Sequence[Question]) -> tuple[Question, Reply]:
    """The first request that has an answer, or gets one; else the last that was tried."""
    folder = subject.home / "answers"

    async def ask_in_turn() -> tuple[Question, Reply]:
        with endpoint_of(subject.config.teacher) as where:
            async with Asker(where, subject.config.execution, folder) as asker:
                for question in asked:
                    reply = await asker.ask(question.request)
                    if reply.status != "lost" or reply.reason != "rejected":
                        break
        return question, reply

    (subject.home / "checks").mkdir(exist_ok=True)
    # Of two runs that begin at once, the second finds the answer of the first.
    with locked(subject.home / "checks" / "teacher.lock", {}):
        cache = AnswerCache(folder)
        for question in asked:
            found = cache.get(question.request)
            if found is not None:
                return question, Reply(key=question.request.key, status="answered", answer=found, cached=True)
        return asyncio.run(ask_in_turn())


def _said(teacher: TeacherConfig, question: Question, reply: Reply) -> Iterator[Finding]:
    who = f"{teacher.model}, which is no LLM" if teacher.model == OFFLINE else f"{teacher.model} at {teacher.base_url}"
    if reply.answer is None:
        yield failed(f"{who}: {reply.message or reply.reason}")
        return
    how = "answered in an earlier run" if reply.cached else "answers"
    answer = reply.answer
    yield ok(f"{who} {how}: {answer.prompt_tokens} + {answer.completion_tokens} tokens")
    if answer.left_out:
        yield warning(
            f"{teacher.model} refuses the setting {', '.join(answer.left_out)}, and is asked without",
            "set it to null to say so in the configuration",
        )
    if question.plan(answer, cached=True) is None:
        yield warning(question.why_no_plan(answer)[1])
    elif answer.truncated:
        yield warning(
            f"the plan for {question.problem_id} is cut off after {answer.completion_tokens} tokens",
            "raise teacher.max_tokens",
        )


def _cost(subject: Subject, question: Question, reply: Reply) -> Iterator[Finding]:
    execution, teacher = subject.config.execution, subject.config.teacher
    price = Price(execution.prompt_price_usd, execution.completion_price_usd)
    requests = _requests(subject)
    if not execution.prompt_price_usd and not execution.completion_price_usd:
        advice = "set execution.prompt_price_usd and execution.completion_price_usd to see costs and to keep a budget"
        if execution.budget_usd is not None:
            yield failed("execution.budget_usd can only be kept where prices are known", advice)
        else:
            yield warning(
                f"the price of {teacher.model} is not known: up to {requests:,} requests will be sent", advice
            )
        return
    assert reply.answer is not None
    if reply.answer.prompt_tokens and reply.answer.completion_tokens:
        expected = price.of(reply.answer) * requests
        text = f"up to {requests:,} requests, about ${expected:,.2f} if all are as long as the first"
    else:
        expected = price.at_most(question.request, reply.answer.text) * requests
        text = (
            f"up to {requests:,} requests, at most ${expected:,.2f}: the teacher does not say how many tokens it used"
        )
    if execution.budget_usd is not None and expected > execution.budget_usd:
        yield warning(
            f"{text}, which is more than the budget of ${execution.budget_usd:g}",
            "the stage stops there and keeps every answer; raise execution.budget_usd or ask for fewer plans",
        )
    else:
        yield ok(text)


def _requests(subject: Subject) -> int:
    """How many requests the run makes at most: where none is answered yet."""
    teacher = subject.config.teacher
    whole = 0
    for role in ("train", "test") if subject.config.sampling.oracle else ("train",):
        found = subject.problems.get(role, [])
        solutions, plans = (teacher.solutions_per_problem, teacher.plans_per_solution) if role == "train" else (1, 1)
        asked = sum(min(len(each.solutions), solutions) for each in found) * plans
        whole += round(asked * subject.counts.get(role, 0) / len(found)) if found else 0
    return whole
