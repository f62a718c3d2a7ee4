"""A distillation without Ray: its workers are tasks of one event loop, its teacher is a real server."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from codeplan.config import ExecutionConfig, TeacherConfig
from codeplan.records import Problem
from codeplan.stage import StageError
from codeplan.teacher.budget import Budget, LocalBudget
from codeplan.teacher.cached_teacher import REJECTION_LIMIT, CachedTeacher, Reply, TeacherSetup
from codeplan.teacher.distillation import REJECTION_LIMIT_AFTER_ANSWER, distill
from codeplan.teacher.plan_collection import Distilled, RequestCounts
from codeplan.teacher.requests import TeacherRequest

KEY = "sk-secret-1234567890"


class LocalWorkers:
    """All requests from one event loop."""

    def budget(self, limit_usd: float, spent_usd: float) -> Budget:
        return LocalBudget(limit_usd, spent_usd)

    def replies(self, requests: list[TeacherRequest], setup: TeacherSetup) -> Iterator[Reply]:
        async def ask_all() -> list[Reply]:
            async with CachedTeacher(setup) as teacher:
                return await asyncio.gather(*(teacher.ask(request) for request in requests))

        yield from asyncio.run(ask_all())


@pytest.fixture(autouse=True)
def api_key(monkeypatch) -> None:
    monkeypatch.setenv("A_TEACHERS_KEY", KEY)


def make_problems(count: int, directive: dict | None = None) -> list[Problem]:
    text = f" @@{json.dumps(directive)}@@" if directive else ""
    return [
        Problem(
            problem_id=f"p{n}", dataset="d", split="s", level="l", question=f"Q{n}{text}", solutions=(f"print({n})",)
        )
        for n in range(count)
    ]


def run(problems: list[Problem], base_url: str, folder: Path, seen=None, teacher=(), **execution) -> Distilled:
    settings = TeacherConfig(base_url=base_url, model="m", api_key_env="A_TEACHERS_KEY", **dict(teacher))
    advance = (seen if seen is not None else []).append
    return distill(
        problems,
        settings,
        ExecutionConfig(**{"request_attempts": 1, **execution}),
        folder,
        advance,
        workers=LocalWorkers(),
    )


def test_progress_adds_up_to_the_result_and_a_second_run_sends_nothing(fake_teacher, tmp_path):
    seen: list[RequestCounts] = []
    first = run(make_problems(12), fake_teacher.base_url, tmp_path, seen)
    assert len(first.plans) == 12
    assert sum(seen, RequestCounts()) == first.counts
    second = run(make_problems(12), fake_teacher.base_url, tmp_path)
    assert second.counts.cached == 12
    assert fake_teacher.counts()["received"] == 12


def test_a_plan_from_the_question_alone_is_asked_for_once_and_kept(fake_teacher, tmp_path):
    teacher = {"prompt": "forward", "temperature": 0.0}
    problems = [
        problem.model_copy(update={"solutions": ()}) if n else problem for n, problem in enumerate(make_problems(5))
    ]
    found = run(problems, fake_teacher.base_url, tmp_path, teacher=teacher)
    assert [(plan.problem_id, plan.solution_index, plan.leakage) for plan in found.plans] == [
        (f"p{n}", -1, 0.0) for n in range(5)
    ]
    assert (found.account.rows_in, found.account.rows_out) == (5, 5)
    body = fake_teacher.counts()["last_body"]
    assert body["temperature"] == 0.0
    assert "print(" not in json.dumps(body["messages"])
    again = run(problems, fake_teacher.base_url, tmp_path, teacher=teacher)
    assert again.counts.cached == 5
    assert fake_teacher.counts()["received"] == 5


def test_a_budget_ends_plans_from_questions_as_it_ends_those_from_solutions(fake_teacher, tmp_path):
    teacher = {"prompt": "forward", "allow_incomplete": True}
    prices = {"prompt_price_usd": 1000.0, "completion_price_usd": 10_000.0, "budget_usd": 14.0}
    found = run(make_problems(40), fake_teacher.base_url, tmp_path, teacher=teacher, **prices)
    assert 0 < len(found.plans) == fake_teacher.counts()["answered"] < 40
    assert found.account.dropped == {"budget_exhausted": 40 - len(found.plans)}


def test_equal_requests_are_sent_once(fake_teacher, tmp_path):
    (problem,) = make_problems(1)
    distilled = run([problem, problem.model_copy(update={"problem_id": "same"})], fake_teacher.base_url, tmp_path)
    assert [(plan.problem_id, plan.cached) for plan in distilled.plans] == [("p0", False), ("same", True)]
    assert fake_teacher.counts()["received"] == 1


def test_a_wrong_key_stops_after_one_request(fake_teacher, tmp_path):
    with pytest.raises(StageError, match=r"your \[key\] is wrong.*teacher.api_key_env"):
        run(make_problems(500, {"status": 401, "say": "your {key} is wrong"}), fake_teacher.base_url, tmp_path)
    assert fake_teacher.counts()["received"] == 1


def test_rejections_stop_the_stage_sooner_where_nothing_was_ever_answered(fake_teacher, tmp_path):
    problems = make_problems(300, {"status": 403, "say": "no longer"})
    with pytest.raises(StageError, match=r"no longer.*0 of 300 answers are kept"):
        run(problems, fake_teacher.base_url, tmp_path)
    assert fake_teacher.counts()["received"] == REJECTION_LIMIT
    fake_teacher.reset()
    problems[0] = make_problems(1)[0]
    with pytest.raises(StageError, match=r"no longer.*1 of 300 answers are kept"):
        run(problems, fake_teacher.base_url, tmp_path, requests_in_flight=1)
    assert fake_teacher.counts()["received"] == 1 + REJECTION_LIMIT_AFTER_ANSWER


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"teacher": {"max_tokens": None}}, "set teacher.max_tokens"),
        ({}, "execution.prompt_price_usd"),
    ],
)
def test_a_budget_that_cannot_be_kept_is_refused_before_any_request(tmp_path, settings, message):
    with pytest.raises(StageError, match=message):
        run(make_problems(1), "http://127.0.0.1:9/v1", tmp_path, budget_usd=1.0, **settings)


def test_allow_incomplete_finishes_with_paid_plans_and_a_higher_budget_completes_them(fake_teacher, tmp_path):
    # An answer costs 0.2 $, and any of 40 may cost about 11 $.
    prices = {"prompt_price_usd": 1000.0, "completion_price_usd": 10_000.0}
    with pytest.raises(StageError, match=r"\$14 .*teacher.allow_incomplete: true"):
        run(make_problems(40), fake_teacher.base_url, tmp_path, budget_usd=14.0, **prices)
    paid = fake_teacher.counts()["answered"]
    incomplete = run(
        make_problems(40),
        fake_teacher.base_url,
        tmp_path,
        teacher={"allow_incomplete": True},
        budget_usd=14.0,
        **prices,
    )
    assert len(incomplete.plans) == fake_teacher.counts()["answered"] >= paid
    assert incomplete.account.dropped == {"budget_exhausted": 40 - len(incomplete.plans)}
    complete = run(make_problems(40), fake_teacher.base_url, tmp_path, budget_usd=100.0, **prices)
    assert len(complete.plans) == fake_teacher.counts()["answered"] == 40


def test_truncated_plans_are_dropped_and_kept_by_the_switch_without_another_request(fake_teacher, tmp_path):
    problems = [*make_problems(3), *make_problems(5, {"finish_reason": "length"})[3:]]
    distilled = run(problems, fake_teacher.base_url, tmp_path, max_failed_fraction=0.0)
    assert distilled.account.dropped == {"truncated": 2}
    kept = run(problems, fake_teacher.base_url, tmp_path, teacher={"keep_truncated_plans": True})
    assert [plan.finished for plan in kept.plans] == [True] * 3 + [False] * 2
    assert fake_teacher.counts()["received"] == 5


def test_both_switches_enter_the_identity():
    default = TeacherConfig(model="m").identity()
    for switch in ("keep_truncated_plans", "allow_incomplete"):
        assert TeacherConfig(model="m", **{switch: True}).identity() != default
