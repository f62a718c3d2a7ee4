"""The teacher's client, against a real server that misbehaves."""

import asyncio
import json
import logging
import pickle
import socket
import time

import pytest
from pydantic import SecretStr

from codeplan.teacher.budget import Price
from codeplan.teacher.client import TeacherClient
from codeplan.teacher.endpoint import Endpoint
from codeplan.teacher.failures import RequestFailed, TeacherRefused, TeacherUnreachable
from codeplan.teacher.requests import Answer, ChatMessage, TeacherRequest

KEY = "sk-secret-1234567890"


def request(directive: dict | None = None, **changes) -> TeacherRequest:
    content = "plan, please" + (f" @@{json.dumps(directive)}@@" if directive else "")
    plain = {"host": "h", "model": "m", "messages": (ChatMessage(role="user", content=content),), "temperature": 0.2}
    return TeacherRequest(**{**plain, "top_p": 1.0, "max_tokens": 64, "seed": 7, **changes})


def ask(
    base_url: str, *asked: TeacherRequest, attempts: int = 3, timeout_s: float = 10.0
) -> list[Answer | BaseException]:
    async def all_at_once() -> list[Answer | BaseException]:
        teacher = TeacherClient(
            Endpoint(base_url, SecretStr(KEY)),
            price=Price(prompt_usd=1.0, completion_usd=10.0),
            timeout_s=timeout_s,
            attempts=attempts,
            first_pause_s=0.01,
        )
        async with teacher:
            return await asyncio.gather(*(teacher.answer(request) for request in asked), return_exceptions=True)

    return asyncio.run(all_at_once())


def test_an_answer_has_text_tokens_cost_and_model(fake_teacher):
    (answer,) = ask(fake_teacher.base_url, request())
    assert answer == Answer(
        text="1. Answer with seed 7.",
        prompt_tokens=100,
        completion_tokens=10,
        model="m-dated",
        system_fingerprint="fp_1",
        finish_reason="stop",
        cost_usd=200e-6,
    )
    sent = fake_teacher.counts()["last_body"]
    assert {key: sent[key] for key in ("model", "temperature", "top_p", "max_tokens", "seed")} == {
        "model": "m",
        "temperature": 0.2,
        "top_p": 1.0,
        "max_tokens": 64,
        "seed": 7,
    }


@pytest.mark.parametrize(
    "error",
    [
        {"status": 500, "times": 2},
        {"status": 503, "times": 2},
        {"status": 429, "times": 2},
        {"raw": "<html>busy</html>", "type": "text/html", "times": 2},
        {"raw": '{"choices": [', "times": 2},
        {"raw": '{"choices": ["what"]}', "times": 2},
        {"raw": "null", "times": 2},
        {"raw": '{"id": "g", "error": {"message": "Upstream overloaded", "code": 502}}', "times": 2},
    ],
)
def test_temporary_errors_are_retried(fake_teacher, error):
    (answer,) = ask(fake_teacher.base_url, request(error))
    assert isinstance(answer, Answer)
    assert fake_teacher.counts()["received"] == 3


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"status": 500}, "server_error"),
        ({"status": 429}, "rate_limited"),
        ({"raw": "garbage"}, "malformed_answer"),
    ],
)
def test_permanent_errors_fail_the_request_with_a_reason(fake_teacher, error, reason):
    (failed,) = ask(fake_teacher.base_url, request(error))
    assert isinstance(failed, RequestFailed)
    assert failed.reason == reason
    assert pickle.loads(pickle.dumps(failed)).reason == reason
    assert fake_teacher.counts()["received"] == 3


@pytest.mark.parametrize("text", ["", "  ", None])
def test_an_empty_answer_is_paid_once_and_kept(fake_teacher, text):
    (answer,) = ask(fake_teacher.base_url, request({"text": text, "finish_reason": "length"}))
    assert isinstance(answer, Answer)
    assert not answer.text.strip()
    assert answer.completion_tokens > 0
    assert fake_teacher.counts()["received"] == 1


def test_a_slow_answer_is_a_timeout(fake_teacher):
    (failed,) = ask(fake_teacher.base_url, request({"delay": 30}), attempts=2, timeout_s=0.2)
    assert isinstance(failed, RequestFailed)
    assert failed.reason == "timeout"


def test_retry_after_is_respected(fake_teacher):
    started = time.monotonic()
    (answer,) = ask(fake_teacher.base_url, request({"status": 429, "headers": {"retry-after": "0.7"}, "times": 1}))
    assert isinstance(answer, Answer)
    assert time.monotonic() - started >= 0.7


def test_retry_after_delays_all_requests(fake_teacher):
    async def scenario() -> float:
        endpoint = Endpoint(fake_teacher.base_url, SecretStr(KEY))
        async with TeacherClient(endpoint, price=Price(0, 0), timeout_s=10, attempts=2, first_pause_s=0.01) as teacher:
            started = time.monotonic()
            limited = {"status": 429, "headers": {"retry-after": "1"}, "times": 1}
            first = asyncio.create_task(teacher.answer(request(limited)))
            while fake_teacher.counts()["in_flight"] or not fake_teacher.counts()["received"]:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            await teacher.answer(request())
            await first
            return time.monotonic() - started

    assert asyncio.run(scenario()) >= 1.0
    assert fake_teacher.counts()["received"] == 3


def test_a_retry_after_of_hours_fails_the_request_at_once(fake_teacher):
    (failed,) = ask(fake_teacher.base_url, request({"status": 429, "headers": {"retry-after": "7200"}}))
    assert isinstance(failed, RequestFailed)
    assert fake_teacher.counts()["received"] == 1


@pytest.mark.parametrize(
    "refusal",
    [
        {"status": 401},
        {"status": 403, "code": "invalid_api_key"},
        {"status": 404, "code": "model_not_found"},
        {"status": 402},
        {"status": 400, "code": "invalid_value", "param": "model"},
        {"status": 429, "code": "insufficient_quota"},
    ],
)
def test_a_refusal_is_not_retried_and_the_key_is_redacted(fake_teacher, refusal, caplog):
    caplog.set_level(logging.DEBUG)
    (refused,) = ask(fake_teacher.base_url, request({**refusal, "say": "your key {key} will not do"}))
    assert isinstance(refused, TeacherRefused)
    assert "will not do" in str(refused)
    assert KEY not in str(refused) + repr(refused) + repr(refused.__cause__) + caplog.text
    assert fake_teacher.counts()["received"] == 1


@pytest.mark.parametrize(
    "rejection",
    [
        {"status": 400, "code": "content_filter"},
        {"status": 400, "code": "context_length_exceeded"},
        {"status": 400, "say": "This model's maximum context length is 10 tokens"},
        {"status": 413},
        {"status": 400},
        {"status": 403},
        {"status": 422},
        {"status": 451},
    ],
)
def test_a_rejected_request_fails_alone_and_without_a_retry(fake_teacher, rejection):
    failed, answer = ask(fake_teacher.base_url, request(rejection), request())
    assert isinstance(failed, RequestFailed)
    assert failed.reason == "rejected"
    assert isinstance(answer, Answer)
    assert fake_teacher.counts()["received"] == 2


def test_max_completion_tokens_is_sent_where_max_tokens_is_refused(fake_teacher):
    old_name = {"status": 400, "code": "unsupported_parameter", "param": "max_tokens", "times": 1}
    (answer,) = ask(fake_teacher.base_url, request(old_name))
    assert isinstance(answer, Answer)
    sent = fake_teacher.counts()["last_body"]
    assert sent["max_completion_tokens"] == 64
    assert "max_tokens" not in sent


def test_a_lone_surrogate_in_an_answer_is_replaced(fake_teacher):
    (answer,) = ask(
        fake_teacher.base_url, request({"raw": '{"choices": [{"message": {"content": "1. Go \\ud83d."}}]}'})
    )
    assert isinstance(answer, Answer)
    assert answer.text == "1. Go ?."
    assert Answer.model_validate_json(answer.model_dump_json()) == answer


def test_a_truncated_answer_is_kept_and_says_so(fake_teacher):
    (answer,) = ask(fake_teacher.base_url, request({"finish_reason": "length"}))
    assert isinstance(answer, Answer)
    assert answer.truncated


def test_without_token_counts_the_cost_is_the_upper_bound(fake_teacher):
    asked = request({"usage": None})
    (answer,) = ask(fake_teacher.base_url, asked)
    assert isinstance(answer, Answer)
    assert answer.cost_usd == Price(1.0, 10.0).max_cost(asked) > 0


def test_a_refused_connection_is_an_unreachable_teacher():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, but not listening: connections are refused
        (unreachable,) = ask(f"http://127.0.0.1:{free.getsockname()[1]}/v1", request(), attempts=2)
    assert isinstance(unreachable, TeacherUnreachable)
    assert "teacher.base_url" in str(unreachable)


def test_a_broken_connection_fails_the_request():
    async def scenario() -> BaseException:
        async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        async with server:
            endpoint = Endpoint(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", SecretStr(KEY))
            async with TeacherClient(
                endpoint, price=Price(0, 0), timeout_s=5, attempts=2, first_pause_s=0.01
            ) as teacher:
                with pytest.raises(RequestFailed) as failed:
                    await teacher.answer(request())
                return failed.value

    assert asyncio.run(scenario()).reason == "connection"


def test_equal_requests_have_equal_keys_and_every_setting_counts():
    base = request()
    assert base.key == request().key
    changed = [
        request(**change)
        for change in (
            {"host": "other"},
            {"model": "other"},
            {"temperature": 0.3},
            {"top_p": 0.9},
            {"max_tokens": 65},
            {"seed": 8},
            {"sample_index": 1},
            {"messages": (ChatMessage(role="system", content="plan, please"),)},
        )
    ]
    assert len({base.key, *(other.key for other in changed)}) == len(changed) + 1
