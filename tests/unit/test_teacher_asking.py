"""Asking many requests: what is kept when the asker dies, and what the ledger says of it."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from codeplan.config import ExecutionConfig, TeacherConfig
from codeplan.records import Problem
from codeplan.stages import StageError
from codeplan.teacher.asking import Asker, Reply
from codeplan.teacher.budget import Budget
from codeplan.teacher.cache import AnswerCache
from codeplan.teacher.endpoint import Endpoint
from codeplan.teacher.ledger import Tally, settle
from codeplan.teacher.questions import Question, questions
from codeplan.teacher.requests import Answer


def asked_of(count: int, directive: dict | None = None) -> list[Question]:
    text = f" @@{json.dumps(directive)}@@" if directive else ""
    problems = [
        Problem(
            problem_id=f"p{n}", dataset="d", split="s", level="l", question=f"Q{n}{text}", solutions=(f"print({n})",)
        )
        for n in range(count)
    ]
    return questions(problems, TeacherConfig(model="m"), "host")


def ask_all(
    base_url: str, folder: Path, asked: list[Question], budget: float | None = None, **execution
) -> list[Reply]:
    async def all_at_once() -> list[Reply]:
        settings = ExecutionConfig(request_attempts=1, **execution)
        purse = None if budget is None else Budget(budget)
        async with Asker(Endpoint(base_url, SecretStr("sk-1")), settings, folder, purse) as asker:
            return await asyncio.gather(*(asker.ask(each.request) for each in asked))

    return asyncio.run(all_at_once())


def test_requests_are_under_way_together_up_to_the_limit(fake_teacher, tmp_path):
    asked = asked_of(24, {"delay": 0.2})
    replies = ask_all(fake_teacher.base_url, tmp_path, asked, requests_in_flight=6)
    assert {reply.status for reply in replies} == {"answered"}
    assert fake_teacher.counts()["most_under_way"] == 6


def test_answers_in_the_cache_are_not_asked_for(fake_teacher, tmp_path):
    ask_all(fake_teacher.base_url, tmp_path, asked_of(5))
    replies = ask_all(fake_teacher.base_url, tmp_path, asked_of(8))
    assert [reply.cached for reply in replies] == [True] * 5 + [False] * 3
    assert fake_teacher.counts()["received"] == 8


def test_a_refusal_stops_everything_after_it(fake_teacher, tmp_path):
    asked = asked_of(20, {"status": 401, "say": "wrong key"})
    replies = ask_all(fake_teacher.base_url, tmp_path, asked, requests_in_flight=2)
    assert fake_teacher.counts()["received"] <= 2
    assert [reply.status for reply in replies].count("not_asked") >= 18
    with pytest.raises(StageError, match=r"wrong key.*0 of 20 answers are kept"):
        settle(asked, {reply.key: reply for reply in replies}, 0, 0.01, None)


def test_the_budget_is_never_exceeded_and_all_answers_are_kept(fake_teacher, tmp_path):
    asked = asked_of(30)
    prices = {"prompt_price_usd": 1000.0, "completion_price_usd": 10_000.0}  # an answer costs 0.2 $
    replies = ask_all(fake_teacher.base_url, tmp_path, asked, budget=12.0, requests_in_flight=8, **prices)
    spent = sum(reply.answer.cost_usd for reply in replies if reply.answer)
    assert 0 < spent <= 12.0
    answered = [reply for reply in replies if reply.status == "answered"]
    assert len(answered) == fake_teacher.counts()["answered"] < 30
    assert all(
        AnswerCache(tmp_path).get(each.request) for each, reply in zip(asked, replies, strict=True) if reply.answer
    )
    with pytest.raises(StageError, match=rf"\$12 .*{len(answered)} of 30 answers are kept"):
        settle(asked, {reply.key: reply for reply in replies}, 0, 0.01, 12.0)


# What a process runs that is killed while it asks.
CHILD = """
import asyncio, sys
from pathlib import Path
from pydantic import SecretStr
from codeplan.config import ExecutionConfig
from codeplan.teacher.asking import Asker
from codeplan.teacher.endpoint import Endpoint
from codeplan.teacher.requests import Request

async def main():
    execution = ExecutionConfig(requests_in_flight=4, request_attempts=1)
    async with Asker(Endpoint(sys.argv[1], SecretStr("sk-1")), execution, Path(sys.argv[2])) as asker:
        await asyncio.gather(*(asker.ask(Request.model_validate_json(line)) for line in sys.stdin))

asyncio.run(main())
"""


def until(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


def test_no_answer_on_disk_is_paid_twice_after_a_kill(fake_teacher, tmp_path):
    asked = asked_of(60, {"delay": 0.05})
    command = [sys.executable, "-c", CHILD, fake_teacher.base_url, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as child:
        child.stdin.write("\n".join(each.request.model_dump_json() for each in asked))
        child.stdin.close()
        until(lambda: fake_teacher.counts()["answered"] >= 15)
        child.kill()
    until(lambda: fake_teacher.counts()["under_way"] == 0)
    paid_before = fake_teacher.counts()["answered"]
    kept = sum(AnswerCache(tmp_path).get(each.request) is not None for each in asked)
    assert 0 < paid_before - 4 <= kept <= paid_before < 60  # at most what was under way at the kill is lost
    replies = ask_all(fake_teacher.base_url, tmp_path, asked)
    assert sum(reply.cached for reply in replies) == kept
    assert fake_teacher.counts()["answered"] == paid_before + 60 - kept


def answered(question: Question, text: str = "1. Plan.", **changes) -> Reply:
    answer = Answer(text=text, prompt_tokens=10, completion_tokens=2, cost_usd=0.5)
    return Reply(**{"key": question.request.key, "status": "answered", "answer": answer, **changes})


def test_the_ledger_names_every_loss_and_pays_equal_requests_once():
    asked = asked_of(4)
    asked.append(asked[0])
    replies = [answered(asked[0]), answered(asked[1], cached=True), answered(asked[2], text="```python\nx = 1\n```")]
    replies.append(Reply(key=asked[3].request.key, status="lost", reason="timeout", message="too slow"))
    made = settle(asked, {reply.key: reply for reply in replies}, 2, 0.5, None)
    assert [(plan.problem_id, plan.cached, plan.cost_usd) for plan in made.plans] == [
        ("p0", False, 0.5),
        ("p1", True, 0.0),
        ("p0", True, 0.0),
    ]
    assert made.account.rows_in == 7
    assert made.account.losses == {"no_plan_in_answer": 1, "timeout": 1, "problem_without_solution": 2}
    assert made.tally == Tally(5, cached=2, lost=1, prompt_tokens=40, completion_tokens=8, cost_usd=1.0)


def test_too_many_losses_fail_the_stage_with_counts_and_first_errors():
    asked = asked_of(100)
    lost = [Reply(key=each.request.key, status="lost", reason="timeout", message="too slow") for each in asked[:2]]
    replies = {reply.key: reply for reply in [*lost, *(answered(each) for each in asked[2:])]}
    assert len(settle(asked, replies, 0, 0.02, None).plans) == 98
    with pytest.raises(
        StageError, match=r"2 of 100 requests .* 0.01 allows: 2 timeout. p0: too slow; p1: too slow. 98 of 100 answers"
    ):
        settle(asked, replies, 0, 0.01, None)


def test_nothing_to_ask_is_no_failure():
    made = settle([], {}, 3, 0.0, None)
    assert made.account.losses == {"problem_without_solution": 3}
