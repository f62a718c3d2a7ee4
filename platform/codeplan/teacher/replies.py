"""The replies of a distillation, counted as they come: for its progress, as metrics, and in the log's summary."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from codeplan.teacher.cached_teacher import Reply
from codeplan.teacher.plan_collection import RequestCounts
from codeplan.watching import Watch
from codeplan.watching.metrics import (
    FAILURES,
    TEACHER_ANSWERS,
    TEACHER_COST,
    TEACHER_PENDING,
    TEACHER_RETRIES,
    TEACHER_SECONDS,
    TEACHER_TOKENS,
)


class Replies:
    """What became of each request so far; every distinct request is counted once, when it is settled."""

    def __init__(self, sharing: Mapping[str, int], advance: Callable[[RequestCounts], None], watch: Watch) -> None:
        """Start with all requests pending.

        Args:
            sharing: by the key of each distinct request, how many plan requests share it.
            advance: called with the counts of each reply.
            watch: where metrics and events go.
        """
        self.by_key: dict[str, Reply] = {}
        self._sharing = sharing
        self._advance = advance
        self._watch = watch
        self._outcomes: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._retries: Counter[str] = Counter()
        self._cost_usd = 0.0

    def add(self, reply: Reply) -> None:
        """Keep and count what became of one request."""
        self.by_key[reply.key] = reply
        self._count(reply)
        self._advance(RequestCounts.of(reply, self._sharing[reply.key]))

    def _count(self, reply: Reply) -> None:
        watch = self._watch
        outcome = "cached" if reply.cached else reply.status
        self._outcomes[outcome] += 1
        watch.count(TEACHER_ANSWERS, outcome=outcome)
        watch.record(TEACHER_PENDING, len(self._sharing) - len(self.by_key))
        for reason in reply.retried:
            self._retries[reason] += 1
            watch.count(TEACHER_RETRIES, reason=reason)
        if reply.status in {"failed", "stopped"}:
            kind = reply.reason or "refused"
            self._failures[kind] += 1
            watch.count(FAILURES, kind=kind)
        if reply.status == "over_budget" and self._outcomes[outcome] == 1:
            watch.event("budget_reached", level=logging.WARNING)
        if reply.answer is not None and not reply.cached:
            self._cost_usd += reply.answer.cost_usd
            watch.count(TEACHER_TOKENS, reply.answer.prompt_tokens, kind="prompt")
            watch.count(TEACHER_TOKENS, reply.answer.completion_tokens, kind="completion")
            watch.count(TEACHER_COST, reply.answer.cost_usd)
            watch.record(TEACHER_SECONDS, reply.seconds)

    def summarized(self, replies: Iterator[Reply]) -> Iterator[Reply]:
        """Pass replies on; at their end, also by an error, log one event with the counts."""
        try:
            yield from replies
        finally:
            self._watch.record(TEACHER_PENDING, 0)
            self._watch.event(
                "teacher_summary",
                requests=dict(self._outcomes),
                failures=dict(self._failures),
                retries=dict(self._retries),
                cost_usd=round(self._cost_usd, 6),
            )
