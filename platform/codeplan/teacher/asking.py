"""Ask many requests at once: from the cache where it has the answer, else within the budget from the teacher."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

from codeplan.config import ExecutionConfig
from codeplan.teacher.budget import Price
from codeplan.teacher.cache import AnswerCache
from codeplan.teacher.client import Teacher
from codeplan.teacher.endpoint import Endpoint
from codeplan.teacher.failures import RequestLost, TeacherRefused, TeacherUnreachable
from codeplan.teacher.requests import Answer, Request
from codeplan.teacher.sampling_settings import Adaptation

PATIENCE = 3
"""So many refused requests in a row, without one that was answered, mean that the teacher refuses everything."""

_ALIKE = frozenset({"rejected", "malformed_answer"})
"""Failures that come again for each request where their cause is the endpoint, the key or a setting."""

Status = Literal["answered", "lost", "stopped", "over_budget", "not_asked"]
"""answered; lost for this time; the teacher stopped everything by refusing or not being there; the budget allows no
more; not asked, because everything had stopped before."""


class Reply(BaseModel):
    """What became of one request."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    key: str
    status: Status
    answer: Answer | None = None
    cached: bool = False
    """Whether the answer was found, so that nothing was paid."""
    reason: str = ""
    """For a lost request, one word; see `RequestLost`."""
    message: str = ""


class Purse(Protocol):
    """A budget, here or in another process; see `codeplan.teacher.budget.Budget`."""

    async def reserve(self, amount_usd: float) -> bool:
        """Set aside what a request may cost."""

    async def settle(self, reserved_usd: float, spent_usd: float) -> None:
        """Replace a reservation by what was spent."""


class Asker:
    """Asks for one process: at most ``requests_in_flight`` at once, each answer on disk before it is handed on."""

    def __init__(
        self,
        endpoint: Endpoint,
        execution: ExecutionConfig,
        cache_folder: Path,
        purse: Purse | None = None,
        *,
        patience: int = PATIENCE,
        adaptation: Adaptation | None = None,
    ) -> None:
        """Prepare to ask; nothing is sent yet.

        Args:
            endpoint: where to ask.
            execution: how fast, how often, and at which price.
            cache_folder: where answers are kept.
            purse: the budget; without one, nothing is limited.
            patience: after so many refused requests in a row everything stops.
            adaptation: what another asker found out of the endpoint.

        Raises:
            EndpointError: a proxy or a certificate variable of the environment cannot be used.
        """
        self._price = Price(execution.prompt_price_usd, execution.completion_price_usd)
        self._teacher = Teacher(
            endpoint,
            price=self._price,
            timeout_s=execution.request_timeout_s,
            attempts=execution.request_attempts,
            keep_limit=purse is not None,
            adaptation=adaptation,
        )
        self._patience = patience
        self._refused_in_a_row = 0
        self._cache = AnswerCache(cache_folder)
        self._purse = purse
        self._slots = asyncio.Semaphore(execution.requests_in_flight)
        self._stopped = False

    @property
    def adaptation(self) -> Adaptation:
        """How requests are changed for this endpoint, by what it refused so far."""
        return self._teacher.adaptation

    async def __aenter__(self) -> Asker:
        await self._teacher.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._teacher.__aexit__(*error)

    async def ask(self, request: Request) -> Reply:
        """What becomes of a request. Never raises for what a teacher does: the reply says it.

        Raises:
            OSError: the answer cannot be written, for example because the disk is full.
        """
        async with self._slots:
            if self._stopped:
                return Reply(key=request.key, status="not_asked")
            found = await asyncio.to_thread(self._cache.get, request)
            if found is not None:
                return Reply(key=request.key, status="answered", answer=found, cached=True)
            at_most = self._price.at_most(request)
            if self._purse is None:
                return await self._pay(request)
            if not await self._purse.reserve(at_most):
                return Reply(key=request.key, status="over_budget")
            spent = 0.0
            try:
                reply = await self._pay(request)
                spent = reply.answer.cost_usd if reply.answer else 0.0
                return reply
            finally:
                await self._purse.settle(at_most, spent)

    async def _pay(self, request: Request) -> Reply:
        try:
            answer = await self._teacher.answer(request)
        except (TeacherRefused, TeacherUnreachable) as error:
            self._stopped = True
            return Reply(key=request.key, status="stopped", message=str(error))
        except RequestLost as lost:
            return self._lost(request, lost)
        self._refused_in_a_row = 0
        await asyncio.to_thread(self._cache.put, request, answer)
        return Reply(key=request.key, status="answered", answer=answer)

    def _lost(self, request: Request, lost: RequestLost) -> Reply:
        """One refused request says nothing of the others; many in a row without an answer do."""
        self._refused_in_a_row += lost.reason in _ALIKE
        if self._refused_in_a_row < self._patience or lost.reason not in _ALIKE:
            return Reply(key=request.key, status="lost", reason=lost.reason, message=str(lost))
        self._stopped = True
        message = (
            f"the teacher refused {self._refused_in_a_row} requests in a row and answered none meanwhile, the last so: "
            f"{lost}; check the teacher's settings, its key and teacher.base_url"
        )
        return Reply(key=request.key, status="stopped", message=message)
