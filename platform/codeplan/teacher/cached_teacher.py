"""Many concurrent requests: answered from the cache where possible, otherwise by the teacher and within the budget."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from codeplan.config import ExecutionConfig
from codeplan.teacher.budget import Budget, Price
from codeplan.teacher.cache import AnswerCache
from codeplan.teacher.client import TeacherClient
from codeplan.teacher.endpoint import Endpoint
from codeplan.teacher.failures import RequestFailed, TeacherRefused, TeacherUnreachable
from codeplan.teacher.requests import Answer, TeacherRequest
from codeplan.teacher.sampling_settings import Adaptation
from codeplan.watching import UNWATCHED, Watch
from codeplan.watching.metrics import TEACHER_IN_FLIGHT

REJECTION_LIMIT = 3
"""After this many consecutive rejections, without any answer, the teacher is taken to reject everything."""

_REPEATABLE = frozenset({"rejected", "malformed_answer"})
"""Failures that recur for every request where their cause is the endpoint, the key or a setting."""

ReplyStatus = Literal["answered", "failed", "stopped", "over_budget", "not_asked"]
"""answered; failed after all attempts; stopped: the teacher refuses everything or cannot be reached, which ends the
stage; over_budget: the budget does not allow the request; not_asked: the stage had ended, or the budget was exhausted,
before this request's turn."""


class Reply(BaseModel):
    """What became of one request."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    key: str
    status: ReplyStatus
    answer: Answer | None = None
    cached: bool = False
    """Whether the answer came from the cache, so that nothing was paid."""
    reason: str = ""
    """For a failed request, one word; see `RequestFailed`."""
    message: str = ""
    started: float = 0.0
    """When the request was sent, in seconds since the epoch; 0 where none was."""
    seconds: float = 0.0
    """How long the answer took, repeated attempts and the pauses between them included."""
    retried: tuple[str, ...] = ()
    """The causes for which attempts were repeated, in order; see `RequestFailed`."""


@dataclass(frozen=True)
class TeacherSetup:
    """What a `CachedTeacher` is made from, in this process or in another one.

    Attributes:
        endpoint: where requests are sent.
        execution: concurrency, attempts and price.
        cache_folder: where answers are kept.
        budget: the spending limit; None sets no limit.
        rejection_limit: after this many consecutive rejections everything stops.
        adaptation: what another `CachedTeacher` learned about the endpoint.
        watch: where requests in flight are counted.
    """

    endpoint: Endpoint
    execution: ExecutionConfig
    cache_folder: Path
    budget: Budget | None = None
    rejection_limit: int = REJECTION_LIMIT
    adaptation: Adaptation | None = None
    watch: Watch = UNWATCHED


class CachedTeacher:
    """A teacher for one process: ``requests_in_flight`` at once, each answer on disk before it is returned."""

    def __init__(self, setup: TeacherSetup) -> None:
        """Prepare a client; nothing is sent yet.

        Raises:
            EndpointError: a proxy or certificate variable of the environment cannot be used.
        """
        self._price = Price.of(setup.execution)
        self._client = TeacherClient(
            setup.endpoint,
            price=self._price,
            timeout_s=setup.execution.request_timeout_s,
            attempts=setup.execution.request_attempts,
            keep_limit=setup.budget is not None,
            adaptation=setup.adaptation,
        )
        self._rejection_limit = setup.rejection_limit
        self._consecutive_rejections = 0
        self._cache = AnswerCache(setup.cache_folder)
        self._budget = setup.budget
        self._slots = asyncio.Semaphore(setup.execution.requests_in_flight)
        self._stopped = False
        self._watch = setup.watch
        self._in_flight = 0

    @property
    def adaptation(self) -> Adaptation:
        """How requests are changed for this endpoint, by what it has refused so far."""
        return self._client.adaptation

    async def __aenter__(self) -> CachedTeacher:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.__aexit__(*error)

    async def ask(self, request: TeacherRequest) -> Reply:
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
            if self._budget is None:
                return await self._query(request)
            reserved = self._price.max_cost(request)
            if not await self._budget.reserve(reserved):
                return Reply(key=request.key, status="over_budget")
            spent = 0.0
            try:
                reply = await self._query(request)
                spent = reply.answer.cost_usd if reply.answer else 0.0
                return reply
            finally:
                await self._budget.release(reserved, spent)

    async def _query(self, request: TeacherRequest) -> Reply:
        started, clock = time.time(), time.monotonic()
        retried: list[str] = []
        self._count_in_flight(1)
        try:
            reply = await self._send(request, retried.append)
        finally:
            self._count_in_flight(-1)
        update = {"started": started, "seconds": time.monotonic() - clock, "retried": tuple(retried)}
        return reply.model_copy(update=update)

    def _count_in_flight(self, change: int) -> None:
        self._in_flight += change
        self._watch.record(TEACHER_IN_FLIGHT, self._in_flight)

    async def _send(self, request: TeacherRequest, on_retry: Callable[[str], None]) -> Reply:
        try:
            answer = await self._client.answer(request, on_retry)
        except (TeacherRefused, TeacherUnreachable) as error:
            self._stopped = True
            return Reply(key=request.key, status="stopped", message=str(error))
        except RequestFailed as error:
            return self._failed(request, error)
        self._consecutive_rejections = 0
        await asyncio.to_thread(self._cache.put, request, answer)
        return Reply(key=request.key, status="answered", answer=answer)

    def _failed(self, request: TeacherRequest, error: RequestFailed) -> Reply:
        """One rejected request says nothing about the others; many in a row without an answer do."""
        self._consecutive_rejections += error.reason in _REPEATABLE
        if self._consecutive_rejections < self._rejection_limit or error.reason not in _REPEATABLE:
            return Reply(key=request.key, status="failed", reason=error.reason, message=str(error))
        self._stopped = True
        message = (
            f"the teacher rejected {self._consecutive_rejections} requests in a row and answered none in between, most "
            f"recently: {error}; check the teacher's settings, its key and teacher.base_url"
        )
        return Reply(key=request.key, status="stopped", message=message)
