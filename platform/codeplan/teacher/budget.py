"""What answers cost, and a limit that is never exceeded."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from codeplan.teacher.requests import Answer, Request

TOKENS_OF_A_MESSAGE = 16
"""More than any chat template adds to one message."""


@dataclass(frozen=True)
class Price:
    """US dollars for a million tokens."""

    prompt_usd: float
    completion_usd: float

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What so many tokens cost, in US dollars."""
        return (prompt_tokens * self.prompt_usd + completion_tokens * self.completion_usd) / 1e6

    def of(self, answer: Answer) -> float:
        """What an answer costs by its own count of tokens."""
        return self.cost(answer.prompt_tokens, answer.completion_tokens)

    def at_most(self, request: Request, text: str = "") -> float:
        """What an answer to a request can cost at most: no tokenizer makes more tokens than there are bytes.

        Args:
            request: what is asked.
            text: the answer; it counts where the request has no length limit.
        """
        content = sum(_bytes(each.content) for each in request.messages)
        written = _bytes(text) if request.max_tokens is None else request.max_tokens
        return self.cost(content + TOKENS_OF_A_MESSAGE * (len(request.messages) + 1), written)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


class Budget:
    """A limit in US dollars over many requests under way at once.

    Each request reserves the most that it can cost before it is sent, and settles what it did cost afterwards. Where
    the rest of the limit is reserved by others, a request waits for them to settle. Charges for requests that failed
    are unknown to us, and not counted.
    """

    def __init__(self, limit_usd: float, spent_usd: float = 0.0) -> None:
        self._limit_usd = limit_usd
        self._spent_usd = spent_usd
        self._reserved_usd = 0.0
        self._under_way = 0
        self._settled = asyncio.Condition()

    async def reserve(self, amount_usd: float) -> bool:
        """Set aside what a request may cost; False where the limit does not allow it, now or later."""
        async with self._settled:
            while self._spent_usd + self._reserved_usd + amount_usd > self._limit_usd:
                if not self._under_way:
                    return False
                await self._settled.wait()
            self._reserved_usd += amount_usd
            self._under_way += 1
            return True

    async def settle(self, reserved_usd: float, spent_usd: float) -> None:
        """Replace a reservation by what was really spent: 0 for a request without an answer."""
        async with self._settled:
            self._under_way -= 1
            self._reserved_usd = self._reserved_usd - reserved_usd if self._under_way else 0.0
            self._spent_usd += spent_usd
            self._settled.notify_all()
