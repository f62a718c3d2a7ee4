"""Collects the plans in the teacher's replies, accounts for every request, and says whether the result will do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

from codeplan.config import ExecutionConfig, TeacherConfig
from codeplan.records import Plan
from codeplan.stage import Account, StageError
from codeplan.teacher.cached_teacher import Reply
from codeplan.teacher.plan_requests import PlanRequest, max_tokens_setting
from codeplan.teacher.reasoning import only_closes_reasoning

MESSAGES_SHOWN = 3

TRUNCATED = "truncated"
BUDGET_EXHAUSTED = "budget_exhausted"
WITHOUT_SOLUTION = "without_solution"


@dataclass(frozen=True)
class RequestCounts:
    """Counts of plan requests: of a distillation, or of a part of it.

    Attributes:
        rows: plan requests that are finished, failed ones included.
        cached: rows whose answer came from the cache.
        failed: rows without an answer.
        truncated: rows whose answer the length limit ended.
        prompt_tokens: the teacher's count, over answered rows.
        completion_tokens: the teacher's count, over answered rows.
        cost_usd: what was paid in this run.
    """

    rows: int = 0
    cached: int = 0
    failed: int = 0
    truncated: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0

    def __add__(self, other: RequestCounts) -> RequestCounts:
        names = [counter.name for counter in fields(self)]
        return RequestCounts(**{name: getattr(self, name) + getattr(other, name) for name in names})

    @classmethod
    def of(cls, reply: Reply, rows: int) -> RequestCounts:
        """What one reply adds, for the rows that share its request: equal requests are paid once."""
        answer = reply.answer
        if answer is None:
            return cls(rows=rows, failed=rows) if reply.status == "failed" else cls()
        return cls(
            rows=rows,
            cached=rows if reply.cached else rows - 1,
            truncated=rows * answer.truncated,
            prompt_tokens=rows * answer.prompt_tokens,
            completion_tokens=rows * answer.completion_tokens,
            cost_usd=0.0 if reply.cached else answer.cost_usd,
        )


@dataclass(frozen=True)
class Distilled:
    """The result of a distillation.

    Attributes:
        plans: in the problems' order, then by solution, then by sample.
        account: where every plan request went; a problem without a solution counts as one.
        counts: totals.
        left_out: per sampling setting that the teacher refused, how many plans were written without it.
        failures: why requests have no plan, one sentence per problem and cause.
    """

    plans: list[Plan]
    account: Account
    counts: RequestCounts
    left_out: Mapping[str, int] = field(default_factory=dict)
    failures: tuple[str, ...] = ()

    def notes(self) -> list[str]:
        """What a person should know about the plans, in sentences."""
        total = f"{self.account.rows_in - self.account.dropped.get(WITHOUT_SOLUTION, 0):,}"
        notes = [
            f"the teacher refuses the setting {name}: {count:,} of {len(self.plans):,} plans were written without it "
            f"(teacher.{name}=null leaves it out from the start)"
            for name, count in self.left_out.items()
        ]
        if dropped := self.account.dropped.get(TRUNCATED, 0):
            notes.append(
                f"{dropped:,} of {total} plans were truncated by the length limit and dropped; raise "
                "teacher.max_tokens, or keep them with teacher.keep_truncated_plans: true"
            )
        if kept := sum(not plan.finished for plan in self.plans):
            notes.append(
                f"{kept:,} of {len(self.plans):,} plans are truncated by the length limit (teacher.max_tokens), and "
                "kept because of teacher.keep_truncated_plans"
            )
        if unpaid := self.account.dropped.get(BUDGET_EXHAUSTED, 0):
            notes.append(
                f"the plans are incomplete: {unpaid:,} of {total} are missing, as execution.budget_usd is exhausted; "
                "to complete them, raise it"
            )
        notes += [f"no plan for {failure}" for failure in self.failures[:MESSAGES_SHOWN]]
        if len(self.failures) > MESSAGES_SHOWN:
            notes.append(f"no plan for {len(self.failures) - MESSAGES_SHOWN:,} more")
        return notes


def collect_plans(
    plan_requests: Sequence[PlanRequest],
    replies: Mapping[str, Reply],
    teacher: TeacherConfig,
    execution: ExecutionConfig,
    without_solution: int = 0,
) -> Distilled:
    """The plans in the replies, and the account of all plan requests.

    Args:
        plan_requests: in the plans' order.
        replies: what became of each request, by key.
        teacher: whether truncated plans are kept, and whether an incomplete set of plans will do.
        execution: the fraction of requests that may fail, and the budget, for messages.
        without_solution: problems that have no plan request.

    Raises:
        StageError: the teacher stopped everything, the budget is exhausted, more than the fraction of requests failed,
            or every plan is truncated.
    """
    rows = [replies[plan_request.request.key] for plan_request in plan_requests]
    _check_not_stopped(rows)
    collection = _Collection(teacher)
    collection.reasoning_unmarked = any(reply.answer and only_closes_reasoning(reply.answer.text) for reply in rows)
    for plan_request, reply in zip(plan_requests, rows, strict=True):
        collection.add(plan_request, reply)
    plans, dropped = collection.plans, collection.dropped
    if dropped[BUDGET_EXHAUSTED] and not (teacher.allow_incomplete and plans):
        raise StageError(_budget_message(rows, teacher, execution))
    _check_failures(collection, rows, execution)
    if dropped[TRUNCATED] and not plans:
        raise StageError(
            f"all {dropped[TRUNCATED]:,} plans are truncated by the length limit: raise "
            f"{max_tokens_setting(teacher.max_tokens)}, or keep them with teacher.keep_truncated_plans: true"
        )
    if without_solution:
        dropped[WITHOUT_SOLUTION] = without_solution
    counts = RequestCounts()
    for key, sharing in Counter(reply.key for reply in rows).items():
        counts += RequestCounts.of(replies[key], sharing)
    account = Account(len(plan_requests) + without_solution, len(plans), dict(dropped))
    return Distilled(plans, account, counts, dict(collection.left_out), tuple(collection.messages))


class _Collection:
    """Plans and causes, row by row."""

    def __init__(self, teacher: TeacherConfig) -> None:
        self.plans: list[Plan] = []
        self.dropped: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.messages: dict[str, None] = {}
        self.answers_without_plan = 0
        self.reasoning_unmarked = False
        self._keep_truncated = teacher.keep_truncated_plans
        self._paid: set[str] = set()

    def add(self, plan_request: PlanRequest, reply: Reply) -> None:
        if reply.answer is None:
            if reply.status == "failed":
                self._drop(reply.reason, f"{plan_request.problem_id}: {reply.message}")
            else:
                self.dropped[BUDGET_EXHAUSTED] += 1
            return
        cached = reply.cached or reply.key in self._paid
        plan = plan_request.plan(reply.answer, cached=cached, reasoning_unmarked=self.reasoning_unmarked)
        if plan is None:
            self.answers_without_plan += 1
            self._drop(*plan_request.explain_missing(reply.answer))
        elif not plan.finished and not self._keep_truncated:
            self.dropped[TRUNCATED] += 1
        else:
            self.plans.append(plan)
            self._paid.add(reply.key)
            self.left_out.update(reply.answer.left_out)

    def _drop(self, reason: str, message: str) -> None:
        self.dropped[reason] += 1
        self.messages.setdefault(message)


def _check_not_stopped(rows: Sequence[Reply]) -> None:
    if stopped := next((reply.message for reply in rows if reply.status == "stopped"), ""):
        raise StageError(f"{stopped}. {_kept(rows)}")


def _check_failures(collection: _Collection, rows: Sequence[Reply], execution: ExecutionConfig) -> None:
    # A truncated plan is a matter of teacher.max_tokens, and a request without budget was never sent: neither failed.
    not_failed = {TRUNCATED, BUDGET_EXHAUSTED}
    reasons = Counter({reason: count for reason, count in collection.dropped.items() if reason not in not_failed})
    sent = len(rows) - collection.dropped[BUDGET_EXHAUSTED]
    if (failed := reasons.total()) > execution.max_failed_fraction * sent:
        counts = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in reasons.most_common())
        raise StageError(
            f"{failed} of {sent} requests to the teacher failed, more than execution.max_failed_fraction "
            f"{execution.max_failed_fraction:g} allows: {counts}. "
            f"{'; '.join(list(collection.messages)[:MESSAGES_SHOWN])}. {_kept(rows, collection.answers_without_plan)}"
        )


def _budget_message(rows: Sequence[Reply], teacher: TeacherConfig, execution: ExecutionConfig) -> str:
    message = (
        f"the distill stage's budget of ${execution.budget_usd:g} (execution.budget_usd) allows no further request"
    )
    if teacher.allow_incomplete:
        return f"{message}, and has paid for no plan; raise it. {_kept(rows)}"
    finish = "set teacher.allow_incomplete: true to finish with the plans that are paid for"
    return f"{message}; raise it, or {finish}. {_kept(rows)}"


def _kept(rows: Sequence[Reply], without_plan: int = 0) -> str:
    kept = sum(reply.status == "answered" for reply in rows)
    message = f"{kept} of {len(rows)} answers are kept"
    message += "; the next run asks only for the others" if kept < len(rows) else ""
    if without_plan:
        message += (
            f"; {without_plan} of those kept hold no plan and are not asked for again with these settings: another "
            "teacher.max_tokens or teacher.seed asks for all of them anew, a higher execution.max_failed_fraction "
            "continues without them"
        )
    return message
