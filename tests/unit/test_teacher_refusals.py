"""A rejection of one request, or of everything: decided by what becomes of the others."""

import asyncio
import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from codeplan.config import ExecutionConfig, TeacherConfig
from codeplan.records import Problem
from codeplan.stage import StageError
from codeplan.teacher.cached_teacher import CachedTeacher, Reply, TeacherSetup
from codeplan.teacher.endpoint import Endpoint
from codeplan.teacher.failures import read_error
from codeplan.teacher.plan_collection import collect_plans
from codeplan.teacher.plan_requests import PlanRequest, build_plan_requests

KEY = "sk-se/cret+1234567890"
TEACHER = TeacherConfig(model="m")
GOOD = {"choices": [{"message": {"content": "1. Read.\n2. Print."}, "finish_reason": "stop"}], "usage": None}


def asked_of(count: int, **teacher) -> list[PlanRequest]:
    problems = [
        Problem(problem_id=f"p{n}", dataset="d", split="s", level="l", question=f"Q{n}.", solutions=(f"print({n})",))
        for n in range(count)
    ]
    return build_plan_requests(problems, TeacherConfig(model="m", **teacher), "host")


def ask(base_url: str, folder: Path, asked: list[PlanRequest], *, key: str = KEY) -> list[Reply]:
    async def in_turn() -> list[Reply]:
        settings = ExecutionConfig(request_attempts=1)
        async with CachedTeacher(TeacherSetup(Endpoint(base_url, SecretStr(key)), settings, folder)) as teacher:
            return [await teacher.ask(plan_request.request) for plan_request in asked]

    return asyncio.run(in_turn())


def number_in(sent) -> int:
    return int(sent["messages"][-1]["content"].split("Problem:\nQ")[1].split(".")[0])


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"message": "does not fit into 4096 tokens", "type": "context_size", "code": 400}}),
        (400, {"error": {"message": "The provider does not like this", "type": "policy", "code": None}}),
        (403, {"error": {"message": "Your input was flagged", "code": 403, "metadata": {"reasons": ["x"]}}}),
        (413, b"<html><title>413 Request Entity Too Large</title></html>"),
        (422, {"detail": "prompt unprocessable"}),
        (451, b"unavailable for legal reasons"),
        (200, {"error": {"message": "flagged", "code": 403}}),
    ],
)
@pytest.mark.parametrize("refused", [{0}, {1, 2}])
def test_one_rejected_request_fails_alone_with_the_servers_message(scripted_teacher, tmp_path, status, body, refused):
    teacher = scripted_teacher(lambda sent: (status, body, {}) if number_in(sent) in refused else (200, GOOD, {}))
    asked = asked_of(6)
    replies = ask(teacher.base_url, tmp_path, asked)
    assert {n for n, reply in enumerate(replies) if reply.status == "failed"} == refused
    assert {reply.reason for reply in replies} == {"", "rejected"}
    words = read_error(json.dumps(body).encode() if isinstance(body, dict) else body).message
    assert all(words in reply.message for reply in replies if reply.status == "failed")
    assert len(teacher.bodies) == 6
    made = collect_plans(
        asked, {reply.key: reply for reply in replies}, TEACHER, ExecutionConfig(max_failed_fraction=0.4)
    )
    assert made.account.dropped == {"rejected": len(refused)}


@pytest.mark.parametrize("status", [400, 403, 422])
def test_consecutive_rejections_without_an_answer_stop_everything(scripted_teacher, tmp_path, status):
    teacher = scripted_teacher(lambda sent: (status, {"error": {"message": "not for you"}}, {}))
    replies = ask(teacher.base_url, tmp_path, asked_of(50))
    assert [reply.status for reply in replies][:4] == ["failed", "failed", "stopped", "not_asked"]
    assert "not for you" in replies[2].message
    assert len(teacher.bodies) == 3


def test_html_pages_in_place_of_answers_stop_everything(scripted_teacher, tmp_path):
    teacher = scripted_teacher(lambda sent: (200, b"<html>Welcome to the router</html>", {}))
    replies = ask(teacher.base_url, tmp_path, asked_of(50))
    assert replies[2].status == "stopped"
    assert "teacher.base_url" in replies[2].message


@pytest.mark.parametrize(
    ("status", "body", "hint"),
    [
        (401, b"no", "teacher.api_key_env"),
        (400, {"error": {"code": 400, "message": "API key not valid. Pass another.", "status": "X"}}, "api_key_env"),
        (402, {"error": {"message": "Insufficient credits", "code": 402}}, "credit"),
        (429, {"error": {"message": "You exceeded your quota", "type": "insufficient_quota", "code": None}}, "credit"),
        (404, {"error": "model 'm' not found"}, "teacher.model"),
        (400, {"error": {"message": "no such model", "code": "model_not_found"}}, "teacher.model"),
        (422, {"detail": [{"loc": ["body", "model"], "msg": "unknown", "type": "value_error"}]}, "teacher.model"),
        (405, b"", "teacher.base_url"),
        (407, b"", "proxy"),
        (200, {"error": {"message": "bad key", "code": 401}}, "teacher.api_key_env"),
    ],
)
def test_a_refusal_of_the_key_model_credit_or_address_stops_at_once(scripted_teacher, tmp_path, status, body, hint):
    teacher = scripted_teacher(lambda sent: (status, body, {}))
    replies = ask(teacher.base_url, tmp_path, asked_of(3))
    assert [reply.status for reply in replies] == ["stopped", "not_asked", "not_asked"]
    assert hint in replies[0].message
    assert len(teacher.bodies) == 1


@pytest.mark.parametrize("cut", [0, 290])
def test_no_encoding_of_the_key_appears_in_a_message(scripted_teacher, tmp_path, cut):
    encoded = base64.b64encode(KEY.encode()).decode()
    forms = [KEY, KEY.upper(), quote(KEY, safe=""), encoded, encoded.rstrip("="), KEY[:15]]
    for number, form in enumerate(forms):
        for body in ({"error": {"message": "x" * cut + f" {form} is wrong"}}, ("x" * cut + form).encode()):
            for status in (200, 400, 401, 500):
                teacher = scripted_teacher(lambda sent, status=status, body=body: (status, body, {}))
                (reply,) = ask(teacher.base_url, tmp_path, asked_of(1))
                assert form[:6].lower() not in reply.message.lower(), (number, status)


def test_a_short_placeholder_key_does_not_garble_messages(scripted_teacher, tmp_path):
    teacher = scripted_teacher(lambda sent: (400, {"error": {"message": "the next text is x"}}, {}))
    (reply,) = ask(teacher.base_url, tmp_path, asked_of(1), key="x")
    assert "the next text is [key]" in reply.message


@pytest.mark.parametrize(
    ("content", "reason", "words", "dropped"),
    [
        (None, "length", ["finish_reason length", "64 tokens", "teacher.max_tokens, now 64"], "truncated_before_plan"),
        ("<think>so it", "MAX_TOKENS", ["truncated", "teacher.max_tokens"], "truncated_before_plan"),
        ("", "content_filter", ["filter"], "content_filter"),
        ("<think>so it</think>", "stop", ["reasoning alone"], "only_reasoning"),
        ("", "stop", ["empty", "stop"], "empty_answer"),
        ("```python\nx = 1\n```", "stop", ["no plan in"], "no_plan_in_answer"),
    ],
)
def test_an_answer_without_a_plan_says_why_and_what_to_change(
    scripted_teacher, tmp_path, content, reason, words, dropped
):
    message = {"content": content, "reasoning_content": "thinking " * 20}
    usage = {"prompt_tokens": 9, "completion_tokens": 64}
    said = {"choices": [{"message": message, "finish_reason": reason}], "usage": usage}
    teacher = scripted_teacher(lambda sent: (200, said, {}))
    asked = asked_of(2, max_tokens=64)
    for _ in range(2):
        replies = {reply.key: reply for reply in ask(teacher.base_url, tmp_path, asked)}
        with pytest.raises(StageError) as failed:
            collect_plans(asked, replies, TEACHER, ExecutionConfig(max_failed_fraction=0.0))
        assert all(phrase in str(failed.value) for phrase in (*words, f"2 {dropped.replace('_', ' ')}"))
        assert "the next run asks only for the others" not in str(failed.value)
        assert "not asked for again with these settings: another teacher.max_tokens" in str(failed.value)
    assert len(teacher.bodies) == 2
    ask(teacher.base_url, tmp_path, asked_of(2, max_tokens=128))
    assert len(teacher.bodies) == 4


def test_a_declined_request_has_no_plan(scripted_teacher, tmp_path):
    said = {"choices": [{"message": {"content": None, "refusal": "I cannot help with that."}}]}
    teacher = scripted_teacher(lambda sent: (200, said, {}))
    asked = asked_of(1)
    replies = {reply.key: reply for reply in ask(teacher.base_url, tmp_path, asked)}
    with pytest.raises(StageError, match=r"1 declined\. p0: the model declined: 'I cannot help with that\.'"):
        collect_plans(asked, replies, TEACHER, ExecutionConfig(max_failed_fraction=0.0))
