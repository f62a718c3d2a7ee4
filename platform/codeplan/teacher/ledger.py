"""Where every request of a distillation went, and whether that is good enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

from codeplan.records import Plan
from codeplan.stages import Account, StageError
from codeplan.teacher.asking import Reply
from codeplan.teacher.questions import Question
from codeplan.teacher.thoughts import ends_unopened_thoughts

MESSAGES_SHOWN = 3


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
        left_out: for each sampling setting that the teacher refused, how many plans were written without it.
        failures: why the requests without a plan have none, by problem; each sentence once.
    """

    plans: list[Plan]
    account: Account
    tally: Tally
    left_out: Mapping[str, int] = field(default_factory=dict)
    failures: tuple[str, ...] = ()

    def notes(self) -> list[str]:
        """What a person should know of the plans, in sentences."""
        said = [
            f"the teacher refuses the setting {name}: {count:,} of {len(self.plans):,} plans were written without it "
            f"(teacher.{name}=null leaves it out from the start)"
            for name, count in self.left_out.items()
        ]
        if self.tally.truncated:
            said.append(
                f"{self.tally.truncated:,} of {self.tally.rows:,} answers were cut off by the length limit "
                "(teacher.max_tokens); what they hold of a plan is kept"
            )
        said += [f"no plan for {failure}" for failure in self.failures[:MESSAGES_SHOWN]]
        if len(self.failures) > MESSAGES_SHOWN:
            said.append(f"no plan for {len(self.failures) - MESSAGES_SHOWN:,} more")
        return said


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
    thinks_unopened = any(reply.answer and ends_unopened_thoughts(reply.answer.text) for reply in rows)
    plans: list[Plan] = []
    losses: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    messages: dict[str, None] = {}
    paid: set[str] = set()
    for question, reply in zip(asked, rows, strict=True):
        reason, message = reply.reason, reply.message
        if answer := reply.answer:
            cached = reply.cached or reply.key in paid
            if plan := question.plan(answer, cached=cached, thinks_unopened=thinks_unopened):
                plans.append(plan)
                paid.add(reply.key)
                left_out.update(answer.left_out)
                continue
            reason, message = question.why_no_plan(answer)
        elif message:
            message = f"{question.problem_id}: {message}"
        losses[reason] += 1
        messages.setdefault(message)
    if (lost := losses.total()) > lost_share * len(asked):
        reasons = ", ".join(f"{count} {reason}" for reason, count in losses.most_common())
        without_plan = sum(reply.answer is not None for reply in rows) - len(plans)
        raise StageError(
            f"{lost} of {len(asked)} requests to the teacher are lost, more than teacher.lost_share {lost_share:g} "
            f"allows: {reasons}. {'; '.join(list(messages)[:MESSAGES_SHOWN])}. {_kept(rows, without_plan)}"
        )
    if without_solution:
        losses["problem_without_solution"] = without_solution
    tally = Tally()
    for key, shared in Counter(reply.key for reply in rows).items():
        tally += Tally.of(replies[key], shared)
    return Distilled(
        plans, Account(len(asked) + without_solution, len(plans), dict(losses)), tally, dict(left_out), tuple(messages)
    )


def _check_complete(rows: Sequence[Reply], budget_usd: float | None) -> None:
    stopped = next((reply.message for reply in rows if reply.status == "stopped"), "")
    if stopped:
        raise StageError(f"{stopped}. {_kept(rows)}")
    if any(reply.status == "over_budget" for reply in rows):
        raise StageError(
            f"the budget of ${budget_usd:g} (execution.budget_usd) allows no further request; raise it to go on. "
            f"{_kept(rows)}"
        )


def _kept(rows: Sequence[Reply], without_plan: int = 0) -> str:
    kept = sum(reply.status == "answered" for reply in rows)
    said = f"{kept} of {len(rows)} answers are kept"
    said += "; the next run asks only for the others" if kept < len(rows) else ""
    if without_plan:
        said += (
            f"; {without_plan} of those kept hold no plan and are not asked for again with these settings: another "
            "teacher.max_tokens or teacher.seed asks everything anew, a higher teacher.lost_share goes on without them"
        )
    return said
