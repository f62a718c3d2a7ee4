"""The door to a teacher: an OpenAI-compatible chat endpoint, with retries of our own.

Three things can go wrong, and each is a type of its own: the teacher refuses all we ask (`TeacherRefused`), nobody
answers there (`TeacherUnreachable`), or one request is lost (`RequestLost`). Only the last leaves the others a chance.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai
from pydantic import BaseModel, Field, SecretStr

from codeplan.errors import UserError
from codeplan.teacher.budget import Price
from codeplan.teacher.requests import Answer, Request

LONGEST_PAUSE_S = 60.0
"""The longest pause between two attempts that we choose."""

LONGEST_ASKED_PAUSE_S = 300.0
"""The longest pause that a teacher may ask for; where it asks for more, the request is lost for now."""


class TeacherRefused(UserError):  # noqa: N818 - a teacher that refuses is no error of ours
    """The teacher refuses whatever we ask: a wrong key, an unknown model, a setting it does not know, no credit."""


class TeacherUnreachable(UserError):  # noqa: N818
    """Nobody answers at the endpoint, after all attempts."""


class RequestLost(Exception):  # noqa: N818
    """One request has no answer after all attempts; others may have.

    Attributes:
        reason: one word for counting: timeout, connection, server_error, rate_limited, rejected, malformed_answer or
            empty_answer.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type[RequestLost], tuple[str, str]]:
        return type(self), (self.reason, str(self))


@dataclass(frozen=True)
class Endpoint:
    """Where a teacher listens, and the key to it, which shows in no text form of this object.

    Attributes:
        base_url: for example ``https://teacher.example/v1``.
        api_key: the bearer key.
        host: what stands for the endpoint in the keys of requests; by default the address' host and port.
    """

    base_url: str
    api_key: SecretStr
    host: str = ""

    def __post_init__(self) -> None:
        if not self.host:
            parts = urlsplit(self.base_url)
            host = f"{parts.hostname or ''}:{parts.port}" if parts.port else parts.hostname or ""
            object.__setattr__(self, "host", host)


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(BaseModel):
    """What we need of a chat completion. A server may send anything at all, and the client library checks nothing."""

    choices: list[_Choice] = Field(min_length=1)
    model: str | None = None
    system_fingerprint: str | None = None
    usage: _Usage | None = None


class Teacher:
    """A client for one event loop; close it by leaving the ``async with`` block."""

    def __init__(
        self, endpoint: Endpoint, *, price: Price, timeout_s: float, attempts: int, first_pause_s: float = 0.5
    ) -> None:
        """Prepare to ask; nothing is sent yet.

        Args:
            endpoint: where to ask.
            price: what tokens cost.
            timeout_s: seconds that one attempt may take, from the connection to the last byte.
            attempts: how often one request is tried.
            first_pause_s: upper bound of the pause after the first failed attempt; it doubles with each further one.
        """
        self._endpoint = endpoint
        self._price = price
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._first_pause_s = first_pause_s
        self._length_setting = "max_tokens"
        self._not_before = 0.0
        self._client = openai.AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=endpoint.api_key.get_secret_value(),
            timeout=timeout_s,
            max_retries=0,
        )

    async def __aenter__(self) -> Teacher:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def answer(self, request: Request) -> Answer:
        """Ask, and try again where that may help, with growing random pauses or those that the teacher asks for.

        Raises:
            TeacherRefused: asking anything else would be refused too.
            TeacherUnreachable: no connection in any attempt.
            RequestLost: this request has no answer after all attempts.
        """
        for attempt in range(1, self._attempts + 1):
            await asyncio.sleep(max(0.0, self._not_before - time.monotonic()))
            try:
                async with asyncio.timeout(self._timeout_s):
                    return self._read(request, await self._send(request))
            except (openai.OpenAIError, TimeoutError, RequestLost) as error:
                failure = self._classify(error)
                pause = self._pause(attempt, error)
                if isinstance(failure, TeacherRefused) or getattr(failure, "reason", "") == "rejected":
                    raise failure from None  # the cause's text may hold the key
                if attempt == self._attempts or pause > LONGEST_ASKED_PAUSE_S:
                    raise failure from None
            if (
                getattr(failure, "reason", "") == "rate_limited"
            ):  # then no other request should be sent meanwhile either
                self._not_before = max(self._not_before, time.monotonic() + pause)
            await asyncio.sleep(pause)
        raise AssertionError("a request is tried at least once")

    async def _send(self, request: Request) -> bytes:
        settings: dict[str, Any] = {self._length_setting: request.max_tokens}
        try:
            response = await self._client.chat.completions.with_raw_response.create(
                model=request.model,
                messages=[{"role": each.role, "content": each.content} for each in request.messages],  # type: ignore[misc]  # a union of typed dicts, by role
                temperature=request.temperature,
                top_p=request.top_p,
                seed=request.seed,
                **settings,
            )
            return response.content
        except openai.BadRequestError as error:
            # Newer models know the same limit by another name only. Others under way may have found out before us.
            if error.param == "max_tokens" and "max_tokens" in settings:
                self._length_setting = "max_completion_tokens"
                return await self._send(request)
            raise

    def _read(self, request: Request, body: bytes) -> Answer:
        try:
            said = _Completion.model_validate(json.loads(body))
        except (ValueError, RecursionError) as error:
            shown = self._safe(body[:200].decode("utf-8", "replace"))
            raise RequestLost("malformed_answer", f"the teacher sent no chat completion, but {shown!r}") from error
        choice, usage = said.choices[0], said.usage
        answer = Answer(
            # Half a character, which UTF-8 cannot hold, is legal in JSON, and models do write it.
            text=(choice.message.content or "").encode("utf-8", "replace").decode(),
            prompt_tokens=usage.prompt_tokens if usage else 0,
            completion_tokens=usage.completion_tokens if usage else 0,
            model=said.model or "",
            system_fingerprint=said.system_fingerprint or "",
            finish_reason=choice.finish_reason or "",
        )
        # An empty answer is paid like any other: it is kept, counts against the budget, and is lost as a plan later.
        # Without a count of tokens the budget is kept by the most that the answer can have cost.
        cost = self._price.of(answer) if usage else self._price.at_most(request)
        return answer.model_copy(update={"cost_usd": cost})

    def _classify(self, error: Exception) -> TeacherRefused | TeacherUnreachable | RequestLost:
        where = f"teacher at {self._endpoint.base_url}"
        if isinstance(error, RequestLost):
            return error
        if isinstance(error, openai.APIStatusError):
            return self._classify_status(where, error)
        if isinstance(error, TimeoutError | openai.APITimeoutError):
            return RequestLost("timeout", f"{where} did not answer within {self._timeout_s:g} s")
        if isinstance(error, openai.APIConnectionError):
            cause = error if error.__cause__ is None else error.__cause__
            if isinstance(cause, httpx2.ConnectError):
                return TeacherUnreachable(
                    f"{where} cannot be reached ({self._safe(cause)}); check teacher.base_url and the network"
                )
            return RequestLost("connection", f"{where} broke the connection ({self._safe(cause)})")
        return RequestLost("server_error", f"{where} failed: {self._safe(error)}")

    def _classify_status(self, where: str, error: openai.APIStatusError) -> TeacherRefused | RequestLost:
        status, said = error.status_code, self._safe(error)
        if status in _OF_THIS_REQUEST or (status == 400 and _is_about_content(error)):
            return RequestLost("rejected", f"{where} rejects the request: {said}")
        if status in _REFUSALS or (status == 429 and error.code in _NO_CREDIT):
            return TeacherRefused(f"{where} refuses: {said}{_REFUSALS.get(status, '')}")
        if status == 429:
            return RequestLost("rate_limited", f"{where} is asked too much: {said}")
        return RequestLost("server_error", f"{where} failed with status {status}: {said}")

    def _pause(self, attempt: int, error: Exception) -> float:
        asked = retry_after_s(error.response.headers) if isinstance(error, openai.APIStatusError) else None
        if asked is not None:
            return asked
        longest: float = min(LONGEST_PAUSE_S, self._first_pause_s * 2.0 ** (attempt - 1))
        return longest * secrets.SystemRandom().uniform(0.5, 1.0)

    def _safe(self, said: BaseException | str) -> str:
        # Some servers repeat the key they were given.
        text = " ".join(str(said).split())
        key = self._endpoint.api_key.get_secret_value()
        return (text.replace(key, "[key]") if key else text)[:300]


_REFUSALS = {
    400: "; check the teacher's settings",
    401: "; check the key in the environment variable that teacher.api_key_env names",
    402: "; check the account's credit",
    403: "; check what the key in the environment variable that teacher.api_key_env names may do",
    404: "; check teacher.model and teacher.base_url",
    405: "; check teacher.base_url",
}
_OF_THIS_REQUEST = frozenset({413, 422})
_NO_CREDIT = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
_CONTENT_CODES = frozenset(
    {
        "content_filter",
        "content_policy_violation",
        "context_length_exceeded",
        "string_above_max_length",
        "invalid_prompt",
    }
)


def _is_about_content(error: openai.APIStatusError) -> bool:
    # vLLM and others give no code of their own for a prompt that is too long, only the words.
    text = error.message.lower()
    return error.code in _CONTENT_CODES or "context length" in text or "content management policy" in text


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The pause that a server asks for, in seconds (RFC 9110, 10.2.3); None where it asks for none that we can read."""
    stated = headers.get("retry-after", "").strip()
    if not stated:
        return None
    if re.fullmatch(r"\d+(\.\d*)?", stated):
        return float(stated)
    try:
        return max(0.0, parsedate_to_datetime(stated).timestamp() - time.time())
    except ValueError:
        return None
