"""Sampling settings that a model refuses are left out, and reported; paid answers stay valid."""

import asyncio
import logging

import pytest
from pydantic import SecretStr

from codeplan.config import ExecutionConfig, TeacherConfig
from codeplan.records import Problem
from codeplan.teacher.budget import LocalBudget
from codeplan.teacher.cached_teacher import CachedTeacher, Reply, TeacherSetup
from codeplan.teacher.endpoint import Endpoint
from codeplan.teacher.plan_collection import collect_plans
from codeplan.teacher.plan_requests import PlanRequest, build_plan_requests
from codeplan.teacher.requests import ChatMessage, TeacherRequest

TEACHER = TeacherConfig(model="m")
GOOD = {"choices": [{"message": {"content": "1. Read.\n2. Print."}, "finish_reason": "stop"}], "usage": None}
SETTINGS = ("temperature", "top_p", "seed", "max_tokens", "max_completion_tokens")


def asked_of(count: int, **teacher) -> list[PlanRequest]:
    problems = [
        Problem(problem_id=f"p{n}", dataset="d", split="s", level="l", question=f"Q{n}", solutions=(f"print({n})",))
        for n in range(count)
    ]
    return build_plan_requests(problems, TeacherConfig(model="m", **teacher), "host")


def ask_in_turn(base_url: str, folder, asked: list[PlanRequest], budget: float | None = None, **prices) -> list[Reply]:
    async def all_in_turn() -> list[Reply]:
        execution = ExecutionConfig(request_attempts=1, **prices)
        limit = None if budget is None else LocalBudget(budget)
        async with CachedTeacher(
            TeacherSetup(Endpoint(base_url, SecretStr("sk-1")), execution, folder, limit)
        ) as teacher:
            return [await teacher.ask(plan_request.request) for plan_request in asked]

    return asyncio.run(all_in_turn())


def openai_form(words: str, code=None, param=None):
    return {"error": {"message": words, "type": "invalid_request_error", "param": param, "code": code}}


def refusing(status: int, body, *names: str):
    """A server that answers so where one of these settings is sent."""
    return lambda sent: (status, body, {}) if set(names) & set(sent) else (200, GOOD, {})


def refusing_both(body):
    return lambda sent: (400, body, {}) if {"temperature", "top_p"} <= set(sent) else (200, GOOD, {})


@pytest.mark.parametrize(
    ("respond", "left_out"),
    [
        (
            refusing(
                400, openai_form("temperature 0.2 is not possible", "unsupported_value", "temperature"), "temperature"
            ),
            "temperature",
        ),
        (refusing(400, openai_form("Unrecognized request argument supplied: top_p"), "top_p"), "top_p"),
        (refusing(400, openai_form("`seed` is deprecated for this model."), "seed"), "seed"),
        (
            refusing(
                422,
                {
                    "detail": [
                        {
                            "type": "extra_forbidden",
                            "loc": ["body", "seed"],
                            "msg": "Extra inputs are not permitted",
                            "input": {"top_p": 1},
                        }
                    ]
                },
                "seed",
            ),
            "seed",
        ),
        (
            refusing(
                422,
                {
                    "object": "error",
                    "message": {"detail": [{"loc": ["body", "seed"], "msg": "unexpected field"}]},
                    "param": None,
                },
                "seed",
            ),
            "seed",
        ),
        (
            refusing(
                400,
                [
                    {
                        "error": {
                            "code": 400,
                            "message": 'Invalid JSON payload. Unknown name "seed": Cannot find field.',
                            "status": "INVALID_ARGUMENT",
                        }
                    }
                ],
                "seed",
            ),
            "seed",
        ),
        (
            refusing(
                400,
                {
                    "error": {
                        "message": "Provider returned error",
                        "code": 400,
                        "metadata": {"raw": '{"error":{"message":"top_p is not supported"}}'},
                    }
                },
                "top_p",
            ),
            "top_p",
        ),
        (refusing(400, {"error": 'json: unknown field "seed"'}, "seed"), "seed"),
        (refusing(422, b"<html><body>the parameter <b>top_p</b> is not allowed</body></html>", "top_p"), "top_p"),
        (refusing(400, b"unsupported option: top-p", "top_p"), "top_p"),
        (refusing(400, openai_form("temperature must be 1 for this model"), "temperature"), "temperature"),
        (refusing(500, {"detail": "generate() got an unexpected keyword argument 'seed'"}, "seed"), "seed"),
        (refusing(200, openai_form("top_p is not supported", 400), "top_p"), "top_p"),
        (refusing_both(openai_form("this model takes temperature or top_p, not both")), "top_p"),
        (refusing_both(openai_form("`temperature` and `top_p` cannot both be given", None, "temperature")), "top_p"),
    ],
)
def test_a_refused_setting_is_left_out_of_later_requests_and_reported(
    scripted_teacher, tmp_path, caplog, respond, left_out
):
    teacher = scripted_teacher(respond)
    asked = asked_of(3)
    with caplog.at_level(logging.WARNING):
        replies = ask_in_turn(teacher.base_url, tmp_path, asked)
    assert [reply.answer.left_out for reply in replies] == [(left_out,)] * 3
    assert [left_out in body for body in teacher.bodies] == [True, False, False, False]
    assert all(name in teacher.bodies[-1] for name in SETTINGS[:4] if name != left_out)
    assert [left_out in record.getMessage() for record in caplog.records] == [True]
    made = collect_plans(
        asked, {reply.key: reply for reply in replies}, TEACHER, ExecutionConfig(max_failed_fraction=0.0)
    )
    assert any(f"teacher.{left_out}=null" in note for note in made.notes())
    assert ask_in_turn("http://127.0.0.1:9/v1", tmp_path, asked)[0].answer.left_out == (left_out,)  # kept with it


def test_several_refused_settings_are_detected_one_after_the_other(scripted_teacher, tmp_path):
    def respond(sent):
        for name in ("temperature", "top_p", "max_tokens"):
            if name in sent:
                return 400, openai_form(f"{name} is not supported", "unsupported_parameter", name), {}
        return 200, GOOD, {}

    teacher = scripted_teacher(respond)
    replies = ask_in_turn(teacher.base_url, tmp_path, asked_of(2))
    assert [reply.answer.left_out for reply in replies] == [("temperature", "top_p")] * 2
    assert len(teacher.bodies) == 4 + 1
    assert set(SETTINGS) & set(teacher.bodies[-1]) == {"seed", "max_completion_tokens"}


def test_a_length_limit_refused_by_both_names_is_left_out_unless_a_budget_needs_it(scripted_teacher, tmp_path):
    def respond(sent):
        names = [name for name in sent if "tokens" in name]
        return (400, openai_form(f"unknown parameter {names[0]}"), {}) if names else (200, GOOD, {})

    teacher = scripted_teacher(respond)
    (reply,) = ask_in_turn(teacher.base_url, tmp_path / "free", asked_of(1))
    assert reply.answer.left_out == ("max_tokens",)
    prices = {"prompt_price_usd": 1.0, "completion_price_usd": 1.0}
    (failed,) = ask_in_turn(teacher.base_url, tmp_path / "limited", asked_of(1), budget=100.0, **prices)
    assert failed.status == "failed"
    assert "max_completion_tokens" in failed.message


@pytest.mark.parametrize(
    "words",
    [
        "temperature must be between 0 and 2",
        "max_tokens is too large: 512. This model supports at most 100 completion tokens",
        "This model's maximum context length is 100 tokens, not enough for max_tokens 512",
        "the story about the top prize and its seeds is not allowed",
    ],
)
def test_a_wrong_value_or_a_refused_prompt_leaves_nothing_out(scripted_teacher, tmp_path, words):
    teacher = scripted_teacher(lambda sent: (400, openai_form(words), {}))
    (failed,) = ask_in_turn(teacher.base_url, tmp_path, asked_of(1))
    assert (failed.status, failed.reason) == ("failed", "rejected")
    assert words in failed.message
    assert len(teacher.bodies) == 1


def test_a_setting_is_sent_again_where_leaving_it_out_did_not_help(scripted_teacher, tmp_path):
    def respond(sent):
        refused = "Q0" in sent["messages"][-1]["content"]
        return (400, openai_form("the seed is not wanted"), {}) if refused else (200, GOOD, {})

    teacher = scripted_teacher(respond)
    failed, answered = ask_in_turn(teacher.base_url, tmp_path, asked_of(2))
    assert (failed.status, answered.status) == ("failed", "answered")
    assert answered.answer.left_out == ()
    assert "seed" in teacher.bodies[-1]


def test_null_leaves_a_setting_out_from_the_start(scripted_teacher, tmp_path):
    teacher = scripted_teacher(lambda sent: (200, GOOD, {}))
    nothing = dict.fromkeys(SETTINGS[:4])
    replies = ask_in_turn(teacher.base_url, tmp_path, asked_of(1, plans_per_solution=2, **nothing))
    assert not set(SETTINGS) & set(teacher.bodies[0])
    assert len({reply.key for reply in replies}) == 2
    assert all(reply.answer.left_out == () for reply in replies)


def test_golden_key_of_a_request():
    # Paid answers are found by it.
    message = ChatMessage(role="user", content="plan, please")
    request = TeacherRequest(
        host="h", model="m", messages=(message,), temperature=0.2, top_p=1.0, max_tokens=64, seed=7, sample_index=1
    )
    assert request.key == "09a96c262cad124d090886c52802b518ecf980188e1f6c7ca2406252650191bb"
    assert TeacherRequest.model_validate({**request.model_dump(), "seed": None}).key != request.key
