"""Where every request of a distillation went, and whether that is good enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from codeplan.records import Plan
from codeplan.stages import Account, StageError
from codeplan.teacher.asking import Reply
from codeplan.teacher.questions import Question

MESSAGES_SHOWN = 3
NO_PLAN = "no_plan_in_answer"


@dataclass(frozen=True)
class Tally:
    """Counts of a distillation, or of a part of it.

    Attributes:
        rows: requests that are done with, lost ones included.
        cached: rows whose answer was found, not paid.
        lost: rows without an answer.
        truncated: rows whose answer the length limit cut off; they are kept.
        prompt_tokens: the teacher's count, over answered rows.
        completion_tokens: the teacher's count, over answered rows.
        cost_usd: what was paid in this run.
    """

    rows: int = 0
    cached: int = 0
    lost: int = 0
    truncated: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})

    @classmethod
    def of(cls, reply: Reply, rows: int) -> Tally:
        """What one reply means for the rows that share its request: equal requests are paid once."""
        answer = reply.answer
        if answer is None:
            return cls(rows=rows, lost=rows)
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
    """What a distillation made.

    Attributes:
        plans: in the problems' order, then by solution, then by sample.
        account: where every request went; a problem without a solution counts as one.
        tally: totals.
    """

    plans: list[Plan]
    account: Account
    tally: Tally


def settle(
    asked: Sequence[Question],
    replies: Mapping[str, Reply],
    without_solution: int,
    lost_share: float,
    budget_usd: float | None,
) -> Distilled:
    """The plans in the replies, and the account of all questions.

    Args:
        asked: the questions, in the plans' order.
        replies: what became of each request, by key.
        without_solution: problems that gave no question.
        lost_share: the share of questions that may be lost.
        budget_usd: the budget, for its message.

    Raises:
        StageError: the teacher stopped everything, the budget was too small, or more than the share is lost.
    """
    rows = [replies[question.request.key] for question in asked]
    _check_complete(rows, budget_usd)
    plans: list[Plan] = []
    losses: Counter[str] = Counter()
    messages: dict[str, None] = {}
    paid: set[str] = set()
    for question, reply in zip(asked, rows, strict=True):
        plan = question.plan(reply.answer, cached=reply.cached or reply.key in paid) if reply.answer else None
        if plan is not None:
            plans.append(plan)
            paid.add(reply.key)
            continue
        losses[NO_PLAN if reply.answer else reply.reason] += 1
        text = reply.answer.text if reply.answer else ""
        messages.setdefault(reply.message or f"{question.problem_id}: no plan in {text[:100]!r}")
    if (lost := losses.total()) > lost_share * len(asked):
        reasons = ", ".join(f"{count} {reason}" for reason, count in losses.most_common())
        raise StageError(
            f"{lost} of {len(asked)} requests to the teacher are lost, more than teacher.lost_share {lost_share:g} "
            f"allows: {reasons}. {'; '.join(list(messages)[:MESSAGES_SHOWN])}. {_kept(rows)}"
        )
    if without_solution:
        losses["problem_without_solution"] = without_solution
    tally = Tally()
    for key, shared in Counter(reply.key for reply in rows).items():
        tally += Tally.of(replies[key], shared)
    return Distilled(plans, Account(len(asked) + without_solution, len(plans), dict(losses)), tally)


def _check_complete(rows: Sequence[Reply], budget_usd: float | None) -> None:
    stopped = next((reply.message for reply in rows if reply.status == "stopped"), "")
    if stopped:
        raise StageError(f"{stopped}. {_kept(rows)}")
    if any(reply.status == "over_budget" for reply in rows):
        raise StageError(
            f"the budget of ${budget_usd:g} (execution.budget_usd) allows no further request; raise it to go on. "
            f"{_kept(rows)}"
        )


def _kept(rows: Sequence[Reply]) -> str:
    kept = sum(reply.status == "answered" for reply in rows)
    return f"{kept} of {len(rows)} answers are kept; the next run asks only for the others"
