"""Concurrent requests to a teacher, its budget, and which answers survive a kill."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

from pydantic import SecretStr

from codeplan.config import ExecutionConfig, TeacherConfig
from codeplan.records import Problem
from codeplan.teacher.budget import LocalBudget
from codeplan.teacher.cache import AnswerCache
from codeplan.teacher.cached_teacher import CachedTeacher, Reply, TeacherSetup
from codeplan.teacher.endpoint import Endpoint
from codeplan.teacher.plan_requests import PlanRequest, build_plan_requests


def make_plan_requests(count: int, directive: dict | None = None) -> list[PlanRequest]:
    text = f" @@{json.dumps(directive)}@@" if directive else ""
    problems = [
        Problem(
            problem_id=f"p{n}", dataset="d", split="s", level="l", question=f"Q{n}{text}", solutions=(f"print({n})",)
        )
        for n in range(count)
    ]
    return build_plan_requests(problems, TeacherConfig(model="m"), "host")


def ask_all(
    base_url: str, folder: Path, plan_requests: list[PlanRequest], budget: float | None = None, **execution
) -> list[Reply]:
    async def all_at_once() -> list[Reply]:
        settings = ExecutionConfig(request_attempts=1, **execution)
        limit = None if budget is None else LocalBudget(budget)
        async with CachedTeacher(
            TeacherSetup(Endpoint(base_url, SecretStr("sk-1")), settings, folder, limit)
        ) as teacher:
            return await asyncio.gather(*(teacher.ask(plan_request.request) for plan_request in plan_requests))

    return asyncio.run(all_at_once())


def test_requests_in_flight_reach_and_never_exceed_the_limit(fake_teacher, tmp_path):
    plan_requests = make_plan_requests(24, {"delay": 0.2})
    replies = ask_all(fake_teacher.base_url, tmp_path, plan_requests, requests_in_flight=6)
    assert {reply.status for reply in replies} == {"answered"}
    assert fake_teacher.counts()["max_in_flight"] == 6


def test_cached_answers_are_not_requested_again(fake_teacher, tmp_path):
    ask_all(fake_teacher.base_url, tmp_path, make_plan_requests(5))
    replies = ask_all(fake_teacher.base_url, tmp_path, make_plan_requests(8))
    assert [reply.cached for reply in replies] == [True] * 5 + [False] * 3
    assert fake_teacher.counts()["received"] == 8


def test_a_refusal_of_everything_stops_later_requests(fake_teacher, tmp_path):
    plan_requests = make_plan_requests(20, {"status": 401, "say": "wrong key"})
    replies = ask_all(fake_teacher.base_url, tmp_path, plan_requests, requests_in_flight=2)
    assert fake_teacher.counts()["received"] <= 2
    assert [reply.status for reply in replies].count("not_asked") >= 18
    assert "wrong key" in next(reply.message for reply in replies if reply.status == "stopped")


def test_the_budget_is_never_exceeded_and_paid_answers_are_cached(fake_teacher, tmp_path):
    plan_requests = make_plan_requests(30)
    prices = {"prompt_price_usd": 1000.0, "completion_price_usd": 10_000.0}  # an answer costs 0.2 $
    replies = ask_all(fake_teacher.base_url, tmp_path, plan_requests, budget=12.0, requests_in_flight=8, **prices)
    spent = sum(reply.answer.cost_usd for reply in replies if reply.answer)
    assert 0 < spent <= 12.0
    answered = [reply for reply in replies if reply.status == "answered"]
    assert len(answered) == fake_teacher.counts()["answered"] < 30
    assert {reply.status for reply in replies} == {"answered", "over_budget"}
    for plan_request, reply in zip(plan_requests, replies, strict=True):
        assert AnswerCache(tmp_path).get(plan_request.request) == reply.answer


# Run by a process that is killed while its requests are in flight.
CHILD = """
import asyncio, sys
from pathlib import Path
from pydantic import SecretStr
from codeplan.config import ExecutionConfig
from codeplan.teacher.cached_teacher import CachedTeacher, TeacherSetup
from codeplan.teacher.endpoint import Endpoint
from codeplan.teacher.requests import TeacherRequest

async def main():
    execution = ExecutionConfig(requests_in_flight=4, request_attempts=1)
    endpoint = Endpoint(sys.argv[1], SecretStr("sk-1"))
    async with CachedTeacher(TeacherSetup(endpoint, execution, Path(sys.argv[2]))) as teacher:
        await asyncio.gather(*(teacher.ask(TeacherRequest.model_validate_json(line)) for line in sys.stdin))

asyncio.run(main())
"""


def until(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "condition not met in time"
        time.sleep(0.02)


def test_after_kill_9_no_cached_answer_is_paid_again(fake_teacher, tmp_path):
    plan_requests = make_plan_requests(60, {"delay": 0.05})
    command = [sys.executable, "-c", CHILD, fake_teacher.base_url, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as child:
        child.stdin.write("\n".join(plan_request.request.model_dump_json() for plan_request in plan_requests))
        child.stdin.close()
        until(lambda: fake_teacher.counts()["answered"] >= 15)
        child.kill()
    until(lambda: fake_teacher.counts()["in_flight"] == 0)
    paid_before = fake_teacher.counts()["answered"]
    kept = sum(AnswerCache(tmp_path).get(plan_request.request) is not None for plan_request in plan_requests)
    assert 0 < paid_before - 4 <= kept <= paid_before < 60  # at most what was in flight at the kill is not cached
    replies = ask_all(fake_teacher.base_url, tmp_path, plan_requests)
    assert sum(reply.cached for reply in replies) == kept
    assert fake_teacher.counts()["answered"] == paid_before + 60 - kept
