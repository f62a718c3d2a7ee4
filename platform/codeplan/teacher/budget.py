"""What answers cost, and a spending limit that is never exceeded."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from codeplan.config import ExecutionConfig
from codeplan.teacher.requests import Answer, TeacherRequest

MESSAGE_OVERHEAD_TOKENS = 16
"""More than any chat template adds per message."""


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens."""

    prompt_usd: float
    completion_usd: float

    @classmethod
    def of(cls, execution: ExecutionConfig) -> Price:
        """The configured price."""
        return cls(execution.prompt_price_usd, execution.completion_price_usd)

    @property
    def known(self) -> bool:
        """Whether a price is configured at all."""
        return bool(self.prompt_usd or self.completion_usd)

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What these tokens cost, in US dollars."""
        return (prompt_tokens * self.prompt_usd + completion_tokens * self.completion_usd) / 1e6

    def answer_cost(self, answer: Answer) -> float:
        """What an answer costs by its own token counts, in US dollars."""
        return self.cost(answer.prompt_tokens, answer.completion_tokens)

    def max_cost(self, request: TeacherRequest, text: str = "") -> float:
        """The most that an answer to a request can cost, in US dollars; see `max_prompt_tokens`.

        Args:
            request: the request.
            text: the answer; it counts where the request has no length limit.
        """
        completion_tokens = _num_bytes(text) if request.max_tokens is None else request.max_tokens
        return self.cost(max_prompt_tokens(request), completion_tokens)


def max_prompt_tokens(request: TeacherRequest) -> int:
    """An upper bound on a request's prompt tokens: no tokenizer makes more tokens than there are bytes."""
    content = sum(_num_bytes(message.content) for message in request.messages)
    return content + MESSAGE_OVERHEAD_TOKENS * (len(request.messages) + 1)


def _num_bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


class Budget(Protocol):
    """A spending limit over many concurrent requests, in this process or in another one."""

    async def reserve(self, amount_usd: float) -> bool:
        """Set aside what a request may cost; False where the limit does not allow it."""

    async def release(self, reserved_usd: float, spent_usd: float) -> None:
        """Replace a reservation by what was spent."""


class LocalBudget:
    """A `Budget` for one event loop.

    Each request reserves the most that it can cost before it is sent, and releases the rest afterwards. While the rest
    of the limit is reserved by others, a request waits for them. What a provider charges for failed requests is unknown
    to us, and not counted.
    """

    def __init__(self, limit_usd: float, spent_usd: float = 0.0) -> None:
        self._limit_usd = limit_usd
        self._spent_usd = spent_usd
        self._reserved_usd = 0.0
        self._in_flight = 0
        self._released = asyncio.Condition()

    async def reserve(self, amount_usd: float) -> bool:
        """Set aside what a request may cost; False where the limit does not allow it, now or later."""
        async with self._released:
            while self._spent_usd + self._reserved_usd + amount_usd > self._limit_usd:
                if not self._in_flight:
                    return False
                await self._released.wait()
            self._reserved_usd += amount_usd
            self._in_flight += 1
            return True

    async def release(self, reserved_usd: float, spent_usd: float) -> None:
        """Replace a reservation by what was spent: 0 for a request without an answer."""
        async with self._released:
            self._in_flight -= 1
            self._reserved_usd = self._reserved_usd - reserved_usd if self._in_flight else 0.0
            self._spent_usd += spent_usd
            self._released.notify_all()
