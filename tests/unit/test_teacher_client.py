"""The teacher's client, against a real server that misbehaves."""

import asyncio
import json
import logging
import pickle
import socket
import time
from email.utils import formatdate

import pytest
from pydantic import SecretStr

from codeplan.teacher.budget import Price
from codeplan.teacher.client import Teacher
from codeplan.teacher.endpoint import Endpoint
from codeplan.teacher.failures import RequestLost, TeacherRefused, TeacherUnreachable, retry_after_s
from codeplan.teacher.requests import Answer, ChatMessage, Request

KEY = "sk-secret-1234567890"


def request(directive: dict | None = None, **changes) -> Request:
    content = "plan, please" + (f" @@{json.dumps(directive)}@@" if directive else "")
    plain = {"host": "h", "model": "m", "messages": (ChatMessage(role="user", content=content),), "temperature": 0.2}
    return Request(**{**plain, "top_p": 1.0, "max_tokens": 64, "seed": 7, **changes})


def ask(base_url: str, *asked: Request, attempts: int = 3, timeout_s: float = 10.0) -> list[Answer | BaseException]:
    async def all_at_once() -> list[Answer | BaseException]:
        teacher = Teacher(
            Endpoint(base_url, SecretStr(KEY)),
            price=Price(prompt_usd=1.0, completion_usd=10.0),
            timeout_s=timeout_s,
            attempts=attempts,
            first_pause_s=0.01,
        )
        async with teacher:
            return await asyncio.gather(*(teacher.answer(each) for each in asked), return_exceptions=True)

    return asyncio.run(all_at_once())


def test_an_answer_carries_text_tokens_cost_and_origin(fake_teacher):
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
    "trouble",
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
def test_passing_trouble_is_tried_again(fake_teacher, trouble):
    (answer,) = ask(fake_teacher.base_url, request(trouble))
    assert isinstance(answer, Answer)
    assert fake_teacher.counts()["received"] == 3


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ({"status": 500}, "server_error"),
        ({"status": 429}, "rate_limited"),
        ({"raw": "garbage"}, "malformed_answer"),
    ],
)
def test_lasting_trouble_loses_the_request_and_names_the_reason(fake_teacher, trouble, reason):
    (lost,) = ask(fake_teacher.base_url, request(trouble))
    assert isinstance(lost, RequestLost)
    assert lost.reason == reason
    assert pickle.loads(pickle.dumps(lost)).reason == reason
    assert fake_teacher.counts()["received"] == 3


@pytest.mark.parametrize("text", ["", "  ", None])
def test_an_empty_answer_is_paid_once_and_kept(fake_teacher, text):
    (answer,) = ask(fake_teacher.base_url, request({"text": text, "finish_reason": "length"}))
    assert isinstance(answer, Answer)
    assert not answer.text.strip()
    assert answer.completion_tokens > 0
    assert fake_teacher.counts()["received"] == 1


def test_a_slow_answer_is_a_timeout(fake_teacher):
    (lost,) = ask(fake_teacher.base_url, request({"delay": 30}), attempts=2, timeout_s=0.2)
    assert isinstance(lost, RequestLost)
    assert lost.reason == "timeout"


def test_the_pause_that_the_teacher_asks_for_is_kept(fake_teacher):
    started = time.monotonic()
    (answer,) = ask(fake_teacher.base_url, request({"status": 429, "headers": {"retry-after": "0.7"}, "times": 1}))
    assert isinstance(answer, Answer)
    assert time.monotonic() - started >= 0.7


def test_a_pause_that_the_teacher_asks_for_holds_for_all_requests(fake_teacher):
    async def scenario() -> float:
        endpoint = Endpoint(fake_teacher.base_url, SecretStr(KEY))
        async with Teacher(endpoint, price=Price(0, 0), timeout_s=10, attempts=2, first_pause_s=0.01) as teacher:
            started = time.monotonic()
            limited = {"status": 429, "headers": {"retry-after": "1"}, "times": 1}
            first = asyncio.create_task(teacher.answer(request(limited)))
            while fake_teacher.counts()["under_way"] or not fake_teacher.counts()["received"]:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            await teacher.answer(request())
            await first
            return time.monotonic() - started

    assert asyncio.run(scenario()) >= 1.0
    assert fake_teacher.counts()["received"] == 3


def test_a_pause_of_hours_loses_the_request_at_once(fake_teacher):
    (lost,) = ask(fake_teacher.base_url, request({"status": 429, "headers": {"retry-after": "7200"}}))
    assert isinstance(lost, RequestLost)
    assert fake_teacher.counts()["received"] == 1


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("2", 2.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("1e400", None),
        ("9" * 400, float("inf")),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 0.0),
        ("Mon, 01 Jan 2001 00:00:00 -0000", 0.0),
        ("Mon, 01 Jan 0001 00:00:00 -0000", 0.0),
        ("Mon, 01 Jan 2001 00:00:00 +9999999999", None),
        ("Mon, 99 Jan 2001 00:00:00", None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(stated, expected):
    assert retry_after_s({"retry-after": stated}) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after-ms": "4000"}, 4.0),
        ({"retry-after-ms": "250.5", "retry-after": "9"}, 0.2505),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "-1"}, 0.0),
        ({"x-ratelimit-reset-requests": "6m0s"}, None),
    ],
)
def test_a_pause_in_milliseconds_comes_first(headers, expected):
    assert retry_after_s(headers) == expected


def test_retry_after_may_be_a_date():
    assert retry_after_s({"retry-after": formatdate(time.time() + 100, usegmt=True)}) == pytest.approx(100, abs=5)


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
def test_a_refusal_is_not_tried_again_and_hides_the_key(fake_teacher, refusal, caplog):
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
def test_a_rejected_question_is_lost_alone_and_at_once(fake_teacher, rejection):
    lost, answer = ask(fake_teacher.base_url, request(rejection), request())
    assert isinstance(lost, RequestLost)
    assert lost.reason == "rejected"
    assert isinstance(answer, Answer)
    assert fake_teacher.counts()["received"] == 2


def test_a_model_that_knows_the_length_limit_by_another_name_is_asked_by_it(fake_teacher):
    old_name = {"status": 400, "code": "unsupported_parameter", "param": "max_tokens", "times": 1}
    (answer,) = ask(fake_teacher.base_url, request(old_name))
    assert isinstance(answer, Answer)
    sent = fake_teacher.counts()["last_body"]
    assert sent["max_completion_tokens"] == 64
    assert "max_tokens" not in sent


def test_half_a_character_does_not_cost_the_answer(fake_teacher):
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


def test_without_a_count_of_tokens_the_cost_is_the_most_it_can_be(fake_teacher):
    asked = request({"usage": None})
    (answer,) = ask(fake_teacher.base_url, asked)
    assert isinstance(answer, Answer)
    assert answer.cost_usd == Price(1.0, 10.0).at_most(asked) > 0


def test_where_nobody_listens_the_teacher_is_unreachable():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, but not listening: connections are refused
        (unreachable,) = ask(f"http://127.0.0.1:{free.getsockname()[1]}/v1", request(), attempts=2)
    assert isinstance(unreachable, TeacherUnreachable)
    assert "teacher.base_url" in str(unreachable)


def test_a_broken_connection_loses_the_request():
    async def scenario() -> BaseException:
        async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        async with server:
            endpoint = Endpoint(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", SecretStr(KEY))
            async with Teacher(endpoint, price=Price(0, 0), timeout_s=5, attempts=2, first_pause_s=0.01) as teacher:
                with pytest.raises(RequestLost) as lost:
                    await teacher.answer(request())
                return lost.value

    assert asyncio.run(scenario()).reason == "connection"


def test_an_endpoint_hides_its_key_and_names_its_host_without_credentials():
    endpoint = Endpoint("https://user:word@teacher.example:8443/v1", SecretStr(KEY))
    assert KEY not in repr(endpoint) + str(endpoint)
    assert endpoint.host == "teacher.example:8443"


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
    assert len({base.key, *(each.key for each in changed)}) == len(changed) + 1
