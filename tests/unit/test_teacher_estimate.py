"""Estimates of requests, tokens and cost: never below what is charged."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from codeplan.config import ExecutionConfig, TeacherConfig
from codeplan.records import Problem
from codeplan.stage import StageError
from codeplan.teacher.budget import Price
from codeplan.teacher.cache import AnswerCache
from codeplan.teacher.cached_teacher import CachedTeacher, Reply, TeacherSetup
from codeplan.teacher.endpoint import Endpoint
from codeplan.teacher.estimate import DistillEstimate, estimate
from codeplan.teacher.plan_requests import build_plan_requests
from codeplan.teacher.requests import Answer

PRICED = ExecutionConfig(prompt_price_usd=3.0, completion_price_usd=15.0)
TEACHER = TeacherConfig(model="m", base_url="http://host/v1", max_tokens=100)


def make_problem(question: str, *solutions: str) -> Problem:
    return Problem(problem_id=question, dataset="d", split="s", level="l", question=question, solutions=solutions)


PROBLEMS = [
    make_problem("A", "print(1)", "print(2)"),
    make_problem("B", "print(3)"),
    make_problem("C"),
    make_problem("D", " "),
]


def test_requests_are_counted_by_solution_and_sample(tmp_path):
    cache = AnswerCache(tmp_path)
    assert estimate(PROBLEMS, TEACHER, PRICED, cache).requests == 2
    more = TEACHER.model_copy(update={"solutions_per_problem": 3, "plans_per_solution": 2})
    assert estimate(PROBLEMS, more, PRICED, cache).requests == 6
    assert estimate([*PROBLEMS, *PROBLEMS], more, PRICED, cache).requests == 6  # equal requests are sent once


def test_cached_answers_cost_nothing(tmp_path):
    cache = AnswerCache(tmp_path)
    before = estimate(PROBLEMS, TEACHER, PRICED, cache)
    first, second = (plan_request.request for plan_request in build_plan_requests(PROBLEMS, TEACHER, "host"))
    cache.put(first, Answer(text="1. Plan."))
    after = estimate(PROBLEMS, TEACHER, PRICED, cache)
    assert (before.requests, before.cached, after.requests, after.cached) == (2, 0, 2, 1)
    assert 0 < after.cost_usd_at_most < before.cost_usd_at_most
    cache.put(second, Answer(text="1. Plan."))
    assert estimate(PROBLEMS, TEACHER, PRICED, cache) == DistillEstimate(2, 2, 0, 0, 0.0)


@settings(deadline=None)
@given(question=st.text(max_size=50), solution=st.text(max_size=50), fraction=st.floats(0, 1))
def test_no_charge_exceeds_the_estimate(tmp_path_factory, question, solution, fraction):
    # One token per byte is the most that any tokenizer makes.
    problems = [make_problem(question, solution)]
    found = estimate(problems, TEACHER, PRICED, AnswerCache(tmp_path_factory.getbasetemp() / "empty"))
    for plan_request in build_plan_requests(problems, TEACHER, "host"):
        prompt = sum(len(m.content.encode("utf-8", "surrogatepass")) for m in plan_request.request.messages)
        charged = Price.of(PRICED).cost(prompt, int(fraction * TEACHER.max_tokens))
        assert charged <= found.cost_usd_at_most
        assert prompt <= found.prompt_tokens_at_most


def test_the_estimate_covers_what_a_server_charges(fake_teacher, tmp_path):
    teacher = TEACHER.model_copy(update={"base_url": fake_teacher.base_url, "plans_per_solution": 3})
    host = Endpoint(fake_teacher.base_url, SecretStr("")).host
    cache = AnswerCache(tmp_path)
    before = estimate(PROBLEMS, teacher, PRICED, cache)

    async def ask_all() -> list[Reply]:
        async with CachedTeacher(
            TeacherSetup(Endpoint(fake_teacher.base_url, SecretStr("sk")), PRICED, tmp_path)
        ) as made:
            requests = build_plan_requests(PROBLEMS, teacher, host)
            return [await made.ask(plan_request.request) for plan_request in requests]

    replies = asyncio.run(ask_all())
    assert len(replies) == before.requests - before.cached == fake_teacher.counts()["received"]
    assert 0 < sum(reply.answer.cost_usd for reply in replies) <= before.cost_usd_at_most
    assert estimate(PROBLEMS, teacher, PRICED, cache).cost_usd_at_most == 0.0


@pytest.mark.parametrize(
    ("changes", "execution", "completion_tokens", "cost_known"),
    [
        ({}, ExecutionConfig(), 200, False),
        ({"max_tokens": None}, PRICED, None, False),
        ({"max_tokens": None}, ExecutionConfig(prompt_price_usd=1.0), None, True),
    ],
)
def test_an_unknown_cost_is_none_and_never_zero(tmp_path, changes, execution, completion_tokens, cost_known):
    found = estimate(PROBLEMS, TEACHER.model_copy(update=changes), execution, AnswerCache(tmp_path))
    assert found.completion_tokens_at_most == completion_tokens
    assert (found.cost_usd_at_most is not None) is cost_known


def test_the_offline_teacher_is_free(tmp_path):
    assert estimate(PROBLEMS, TeacherConfig(), ExecutionConfig(), AnswerCache(tmp_path)).cost_usd_at_most == 0.0


def test_a_model_without_an_endpoint_is_refused(tmp_path):
    with pytest.raises(StageError, match=r"teacher\.base_url"):
        estimate(PROBLEMS, TeacherConfig(model="m"), PRICED, AnswerCache(tmp_path))
