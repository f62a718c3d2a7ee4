"""distill: ask the teacher for the plans behind the problems' solutions, or for plans from their questions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from statistics import fmean
from typing import Any

from codeplan import records
from codeplan.config import ExecutionConfig, Settings, TeacherConfig
from codeplan.records import Plan, Problem
from codeplan.stage import StageError, StageResult, canonical
from codeplan.stages.run import PLANS, PROBLEMS, TABLE_ROWS, StageRun, columns
from codeplan.teacher.cached_teacher import Reply
from codeplan.teacher.offline import MODEL as OFFLINE
from codeplan.teacher.offline.server import offline_host
from codeplan.teacher.plan_collection import RequestCounts
from codeplan.teacher.prompts import FORWARD, prompt_version, reads_solution, require_prompt
from codeplan.teacher.requests import Answer, TeacherRequest
from codeplan.tracking import TeacherCall

VERSION = 4
REQUESTS = "plan requests"
"""What the stage's account counts; a problem without a solution counts as one."""


class DistillSettings(Settings):
    """The settings of the distill stage."""

    teacher: TeacherConfig
    prompt_version: str
    """Of the prompt template that the teacher's name."""
    offline_version: str
    """Of the offline teacher; empty where an endpoint is asked."""
    budget_usd: float | None
    """The budget, where it decides which plans there are (``teacher.allow_incomplete``); else None."""

    def identity(self) -> dict[str, Any]:
        """What the fingerprint covers: a budget only where it decides."""
        identity = super().identity()
        if self.budget_usd is None:
            del identity["budget_usd"]
        return identity


def asked(teacher: TeacherConfig, role: str) -> TeacherConfig:
    """What a role asks the teacher.

    The oracle needs one plan for one solution of each test problem. ``forward`` needs one from the question alone,
    at temperature 0; where the temperature is null, because a model refuses it, it stays null.
    """
    once = {"solutions_per_problem": 1, "plans_per_solution": 1}
    if role == "forward":
        temperature = None if teacher.temperature is None else 0.0
        return teacher.model_copy(update={**once, "prompt": FORWARD, "temperature": temperature})
    return teacher.model_copy(update=once) if role == "oracle" else teacher


def settings(teacher: TeacherConfig, budget_usd: float | None, role: str) -> DistillSettings:
    """What is asked, and of which budget.

    Raises:
        PromptError: there is no prompt of that name.
    """
    require_prompt(teacher.prompt)
    teacher = asked(teacher, role)
    return DistillSettings(
        teacher=teacher,
        prompt_version=prompt_version(teacher.prompt),
        offline_version=offline_host() if teacher.model == OFFLINE else "",
        budget_usd=budget_usd if teacher.allow_incomplete else None,
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
    solutions = [min(len(problem.solutions), teacher.solutions_per_problem) for problem in given]
    requests = sum(solutions) * teacher.plans_per_solution if reads_solution(teacher.prompt) else len(given)
    work.connect_ray(*resources(work.execution))
    cache = work.stage.home / "answers"
    with work.bar(requests, "plans") as bar, _traced(work) as trace:

        def advance(counts: RequestCounts) -> None:
            bar.advance(counts.rows, counts.cost_usd)

        made = distill(given, teacher, work.execution, cache, advance, on_reply=trace, watch=work.watch)
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
    return StageResult(accounts={REQUESTS: made.account}, metrics=metrics, digest=digest(made.plans))


def digest(plans: Iterable[Plan]) -> str:
    """A digest of the plans' texts; what they cost, and when it was paid, is not in it."""
    texts = [[plan.problem_id, plan.solution_index, plan.sample_index, plan.finished, plan.text] for plan in plans]
    return hashlib.sha256(canonical(texts).encode("utf-8", "replace")).hexdigest()


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
