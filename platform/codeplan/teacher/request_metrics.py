"""Metrics and the log's summary of a distillation, from its replies."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from codeplan.teacher.cached_teacher import Reply
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


class RequestMetrics:
    """Counts each distinct request once, when it is settled."""

    def __init__(self, watch: Watch, requests: int) -> None:
        """Start with all requests pending."""
        self._watch = watch
        self._pending = requests
        self._outcomes: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._retries: Counter[str] = Counter()
        self._cost_usd = 0.0

    def add(self, reply: Reply) -> None:
        """Count what became of one request."""
        watch = self._watch
        self._pending -= 1
        outcome = "cached" if reply.cached else reply.status
        self._outcomes[outcome] += 1
        watch.count(TEACHER_ANSWERS, outcome=outcome)
        watch.record(TEACHER_PENDING, self._pending)
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

    @contextmanager
    def summarized(self) -> Iterator[None]:
        """Log one event with the counts when the block ends, also by an error."""
        try:
            yield
        finally:
            self._watch.record(TEACHER_PENDING, 0)
            self._watch.event(
                "teacher_summary",
                requests=dict(self._outcomes),
                failures=dict(self._failures),
                retries=dict(self._retries),
                cost_usd=round(self._cost_usd, 6),
            )
