"""distill: ask the teacher for the plans behind the problems' solutions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import fmean

from codeplan import records
from codeplan.config import ExecutionConfig, Settings, TeacherConfig
from codeplan.records import Plan, Problem
from codeplan.stage import StageError, StageResult
from codeplan.stages.run import PLANS, PROBLEMS, TABLE_ROWS, StageRun, columns
from codeplan.teacher.cached_teacher import Reply
from codeplan.teacher.offline import MODEL as OFFLINE
from codeplan.teacher.offline.server import offline_host
from codeplan.teacher.plan_collection import RequestCounts
from codeplan.teacher.prompts import prompt_version
from codeplan.teacher.requests import Answer, TeacherRequest
from codeplan.tracking import TeacherCall

VERSION = 4


class DistillSettings(Settings):
    """The settings of the distill stage."""

    teacher: TeacherConfig
    prompt_version: str
    """Of the prompt template that the teacher's name."""
    offline_version: str
    """Of the offline teacher; empty where an endpoint is asked."""


def settings(teacher: TeacherConfig, role: str) -> DistillSettings:
    """What is asked; the oracle needs one plan for one solution of each test problem."""
    if role == "oracle":
        teacher = teacher.model_copy(update={"solutions_per_problem": 1, "plans_per_solution": 1})
    return DistillSettings(
        teacher=teacher,
        prompt_version=prompt_version(teacher.prompt),
        offline_version=offline_host() if teacher.model == OFFLINE else "",
    )


def resources(execution: ExecutionConfig) -> tuple[float, float]:
    """Requests wait for the network: they ask for no CPU of their own."""
    del execution
    return 0.0, 0.0


def run(work: StageRun) -> StageResult:
    """Ask for every plan whose answer is not kept yet."""
    from codeplan.on_ray.distill import distill

    assert isinstance(work.stage.settings, DistillSettings)
    teacher = work.stage.settings.teacher
    (given,) = (work.read(role, PROBLEMS, Problem) for role in work.stage.inputs)
    requests = sum(min(len(problem.solutions), teacher.solutions_per_problem) for problem in given)
    requests *= teacher.plans_per_solution
    work.connect_ray(*resources(work.execution))
    cache = work.stage.home / "answers"
    with work.bar(requests, "plans") as bar, _traced(work) as trace:

        def advance(counts: RequestCounts) -> None:
            bar.advance(counts.rows, counts.cost_usd)

        made = distill(given, teacher, work.execution, cache, advance, on_reply=trace)
    if work.stage.role == "plans" and not made.plans:
        reasons = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in made.account.dropped.items())
        raise StageError(f"none of the {requests:,} plan requests gave a plan: {reasons}")
    records.write(work.folder / PLANS, Plan, made.plans)
    rows = [columns(plan, "problem_id", "text", "leakage") for plan in made.plans[:TABLE_ROWS]]
    work.tracking.table(rows, "plans.json")
    metrics = {
        "plans": len(made.plans),
        "plan.leakage": fmean(plan.leakage for plan in made.plans) if made.plans else 0.0,
        "teacher.prompt_tokens": made.counts.prompt_tokens,
        "teacher.completion_tokens": made.counts.completion_tokens,
        "teacher.cost_usd": made.counts.cost_usd,
        "teacher.cached": made.counts.cached,
        "teacher.truncated": made.counts.truncated,
        **{f"teacher.left_out.{name}": count for name, count in made.left_out.items()},
    }
    for note in made.notes():
        work.note(note)
    return StageResult(accounts={"solutions": made.account}, metrics=metrics)


@contextmanager
def _traced(work: StageRun) -> Iterator[Callable[[TeacherRequest, Reply], None]]:
    """Keep the first requests that are sent, and log them as traces when all is over, even in an error."""
    calls: list[TeacherCall] = []

    def keep(request: TeacherRequest, reply: Reply) -> None:
        if len(calls) < work.tracked.traces:
            calls.append(_call(request, reply))

    try:
        yield keep
    finally:
        work.tracking.traces(calls)


def _call(request: TeacherRequest, reply: Reply) -> TeacherCall:
    answer = reply.answer or Answer(text="")
    settings = request.model_dump(include={"temperature", "top_p", "max_tokens", "seed"}, exclude_none=True)
    return TeacherCall(
        key=request.key,
        model=answer.model or request.model,
        messages=[message.model_dump() for message in request.messages],
        settings={"model": request.model, **settings},
        answer=answer.text,
        error=reply.message,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        cost_usd=answer.cost_usd,
        started=reply.started,
        seconds=reply.seconds,
    )
