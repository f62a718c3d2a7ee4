"""The account of a distillation: failed requests, truncated plans, an exhausted budget, and the messages about them."""

import pytest

from codeplan.config import ExecutionConfig, TeacherConfig
from codeplan.records import Problem
from codeplan.stage import StageError
from codeplan.teacher.cached_teacher import Reply
from codeplan.teacher.plan_collection import Distilled, RequestCounts, collect_plans
from codeplan.teacher.plan_requests import PlanRequest, build_plan_requests
from codeplan.teacher.requests import Answer


def make_plan_requests(count: int) -> list[PlanRequest]:
    problems = [
        Problem(problem_id=f"p{n}", dataset="d", split="s", level="l", question=f"Q{n}", solutions=(f"print({n})",))
        for n in range(count)
    ]
    return build_plan_requests(problems, TeacherConfig(model="m"), "host")


def answered(plan_request: PlanRequest, text: str = "1. Plan.", finish_reason: str = "stop", **changes) -> Reply:
    answer = Answer(text=text, prompt_tokens=10, completion_tokens=2, cost_usd=0.5, finish_reason=finish_reason)
    return Reply(**{"key": plan_request.request.key, "status": "answered", "answer": answer, **changes})


def without_answer(plan_request: PlanRequest, status: str, reason: str = "", message: str = "") -> Reply:
    return Reply(key=plan_request.request.key, status=status, reason=reason, message=message)


def timed_out(plan_request: PlanRequest) -> Reply:
    return without_answer(plan_request, "failed", "timeout", "too slow")


def collect(
    plan_requests: list[PlanRequest], replies: list[Reply], without_solution: int = 0, teacher=(), **execution
) -> Distilled:
    return collect_plans(
        plan_requests,
        {reply.key: reply for reply in replies},
        TeacherConfig(model="m", **dict(teacher)),
        ExecutionConfig(**execution),
        without_solution,
    )


def test_every_dropped_request_has_a_reason_and_equal_requests_are_paid_once():
    requests = make_plan_requests(4)
    requests.append(requests[0])
    replies = [
        answered(requests[0]),
        answered(requests[1], cached=True),
        answered(requests[2], text="```python\nx = 1\n```"),
        timed_out(requests[3]),
    ]
    distilled = collect(requests, replies, 2, max_failed_fraction=0.5)
    assert [(plan.problem_id, plan.cached, plan.cost_usd) for plan in distilled.plans] == [
        ("p0", False, 0.5),
        ("p1", True, 0.0),
        ("p0", True, 0.0),
    ]
    assert distilled.account.rows_in == 7
    assert distilled.account.dropped == {"no_plan_in_answer": 1, "timeout": 1, "without_solution": 2}
    assert distilled.counts == RequestCounts(5, cached=2, failed=1, prompt_tokens=40, completion_tokens=8, cost_usd=1.0)


def test_too_many_failed_requests_fail_the_stage_with_counts_and_first_messages():
    requests = make_plan_requests(100)
    replies = [*map(timed_out, requests[:2]), *map(answered, requests[2:])]
    assert len(collect(requests, replies, max_failed_fraction=0.02).plans) == 98
    with pytest.raises(
        StageError,
        match=r"2 of 100 requests .* failed, .* 0.01 allows: 2 timeout. p0: too slow; p1: too slow. 98 of 100 answers",
    ):
        collect(requests, replies, max_failed_fraction=0.01)


def test_a_stopped_teacher_fails_the_stage_and_says_how_many_answers_are_kept():
    requests = make_plan_requests(3)
    replies = [
        answered(requests[0]),
        without_answer(requests[1], "stopped", message="wrong key"),
        without_answer(requests[2], "not_asked"),
    ]
    for allow_incomplete in (False, True):
        with pytest.raises(StageError, match=r"^wrong key\. 1 of 3 answers are kept; the next run asks only for"):
            collect(requests, replies, teacher={"allow_incomplete": allow_incomplete}, max_failed_fraction=1.0)


def test_no_plan_requests_are_no_failure():
    distilled = collect([], [], 3, max_failed_fraction=0.0)
    assert distilled.account.dropped == {"without_solution": 3}


def test_truncated_plans_are_dropped_and_do_not_count_as_failed():
    requests = make_plan_requests(10)
    replies = [*(answered(request, finish_reason="length") for request in requests[:9]), answered(requests[9])]
    distilled = collect(requests, replies, max_failed_fraction=0.0)
    assert [plan.problem_id for plan in distilled.plans] == ["p9"]
    assert distilled.account.dropped == {"truncated": 9}
    assert distilled.counts.truncated == 9
    assert distilled.counts.failed == 0
    (note,) = distilled.notes()
    assert note.startswith("9 of 10 plans were truncated")
    assert "teacher.max_tokens" in note
    assert "teacher.keep_truncated_plans: true" in note


def test_keep_truncated_plans_keeps_them_as_unfinished():
    requests = make_plan_requests(2)
    replies = [answered(requests[0], finish_reason="length"), answered(requests[1])]
    distilled = collect(requests, replies, teacher={"keep_truncated_plans": True}, max_failed_fraction=0.0)
    assert [plan.finished for plan in distilled.plans] == [False, True]
    assert distilled.account.dropped == {}
    assert distilled.notes()[0].startswith("1 of 2 plans are truncated")


def test_only_truncated_plans_fail_the_stage():
    requests = make_plan_requests(3)
    replies = [answered(request, finish_reason="length") for request in requests]
    with pytest.raises(StageError, match=r"all 3 plans are truncated .* teacher.max_tokens, now 512, .*keep_truncated"):
        collect(requests, replies)


def budget_replies(requests: list[PlanRequest], num_paid: int) -> list[Reply]:
    unpaid = [without_answer(request, "over_budget") for request in requests[num_paid:-1]]
    return [*map(answered, requests[:num_paid]), *unpaid, without_answer(requests[-1], "not_asked")]


def test_an_exhausted_budget_fails_the_stage_and_names_the_way_to_use_the_paid_plans():
    requests = make_plan_requests(5)
    with pytest.raises(StageError, match=r"\$12 .*teacher.allow_incomplete: true .*3 of 5 answers are kept"):
        collect(requests, budget_replies(requests, 3), budget_usd=12.0)


def test_allow_incomplete_finishes_with_the_paid_plans_and_counts_the_rest():
    requests = make_plan_requests(5)
    distilled = collect(
        requests,
        budget_replies(requests, 3),
        teacher={"allow_incomplete": True},
        budget_usd=12.0,
        max_failed_fraction=0,
    )
    assert [plan.problem_id for plan in distilled.plans] == ["p0", "p1", "p2"]
    assert distilled.account.dropped == {"budget_exhausted": 2}
    assert distilled.counts.rows == 3
    (note,) = distilled.notes()
    assert note.startswith("the plans are incomplete: 2 of 5 are missing")
    assert note.endswith("to complete them, raise it")


def test_failed_requests_of_an_incomplete_stage_are_measured_against_the_requests_sent():
    requests = make_plan_requests(100)
    replies = [timed_out(requests[0]), *budget_replies(requests, 10)[1:]]
    with pytest.raises(StageError, match=r"1 of 10 requests to the teacher failed"):
        collect(requests, replies, teacher={"allow_incomplete": True}, budget_usd=12.0, max_failed_fraction=0.05)


def test_allow_incomplete_without_any_paid_plan_fails():
    requests = make_plan_requests(2)
    with pytest.raises(StageError, match="has paid for no plan; raise it"):
        collect(requests, budget_replies(requests, 0), teacher={"allow_incomplete": True}, budget_usd=12.0)
