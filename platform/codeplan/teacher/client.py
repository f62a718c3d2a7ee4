"""A client of an OpenAI-compatible chat endpoint, with retries of our own."""

from __future__ import annotations

import asyncio
import base64
import logging
import re
import secrets
import time
from collections.abc import Callable
from urllib.parse import quote, urlsplit

import httpx2
import openai

from codeplan.teacher.budget import Price
from codeplan.teacher.completion import Completion, NoCompletionError, read_completion
from codeplan.teacher.endpoint import Endpoint, EndpointError, http_client, proxy_for
from codeplan.teacher.failures import (
    MAX_MESSAGE_CHARACTERS,
    ErrorResponse,
    RequestFailed,
    TeacherRefused,
    TeacherUnreachable,
    classify,
    read_error,
    retry_after_s,
)
from codeplan.teacher.requests import Answer, TeacherRequest
from codeplan.teacher.response_body import body_text
from codeplan.teacher.sampling_settings import STATUSES, Adaptation

logger = logging.getLogger(__name__)

MAX_BACKOFF_S = 60.0
"""The longest pause between two attempts that we choose ourselves."""

MAX_RETRY_AFTER_S = 300.0
"""The longest pause that a teacher may ask for; where it asks for more, the request fails."""

MIN_SECRET_CHARACTERS = 8
"""A key of this many characters is redacted inside words too; a shorter one is a placeholder, not a secret."""

MIN_PREFIX_CHARACTERS = 12
"""Of a key longer than this, a prefix of this many characters is redacted too."""


class TeacherClient:
    """A client for one event loop; close it by leaving the ``async with`` block."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        price: Price,
        timeout_s: float,
        attempts: int,
        first_pause_s: float = 0.5,
        keep_limit: bool = False,
        adaptation: Adaptation | None = None,
    ) -> None:
        """Prepare a connection; nothing is sent yet.

        Args:
            endpoint: where requests are sent.
            price: what tokens cost.
            timeout_s: seconds that one attempt may take, from the connection to the last byte.
            attempts: how often one request is tried.
            first_pause_s: upper bound of the pause after the first failed attempt; it doubles with every further one.
            keep_limit: whether the length limit must be sent, because a budget depends on it.
            adaptation: what another client learned about this endpoint.

        Raises:
            EndpointError: a proxy or certificate variable of the environment cannot be used.
        """
        self.adaptation = adaptation or Adaptation()
        self._endpoint = endpoint
        self._price = price
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._first_pause_s = first_pause_s
        self._keep_limit = keep_limit
        self._not_before = 0.0
        self._where = f"teacher at {endpoint.display_url}"
        self._secrets = _secret_pattern(endpoint.api_key.get_secret_value())
        self._client = _client(endpoint, timeout_s)

    async def __aenter__(self) -> TeacherClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def answer(self, request: TeacherRequest, on_retry: Callable[[str], None] = lambda _: None) -> Answer:
        """Send a request, and retry where that may help, with exponential backoff or the pauses the teacher asks for.

        Args:
            request: what is asked.
            on_retry: called before each further attempt with the cause, a `RequestFailed.reason`.

        Raises:
            TeacherRefused: any other request would be refused too.
            TeacherUnreachable: no attempt could connect.
            RequestFailed: this request has no answer after all attempts.
        """
        for attempt in range(1, self._attempts + 1):
            await asyncio.sleep(max(0.0, self._not_before - time.monotonic()))
            retry_after = None
            try:
                return await self._attempt(request)
            except ErrorResponse as error:
                failure: Exception = classify(self._where, error.status, error.body, self._redact(error.body.message))
                retry_after = retry_after_s(error.headers)
            except (RequestFailed, TeacherUnreachable) as error:
                failure = error
            pause = self._backoff(attempt) if retry_after is None else retry_after
            reason = getattr(failure, "reason", "")
            final = isinstance(failure, TeacherRefused) or reason == "rejected"
            if final or attempt == self._attempts or pause > MAX_RETRY_AFTER_S:
                raise failure from None  # the cause's text may contain the key
            if reason == "rate_limited":  # then no other request should be sent in the meantime
                self._not_before = max(self._not_before, time.monotonic() + pause)
            on_retry(reason or "connection")
            await asyncio.sleep(pause)
        raise AssertionError("a request is tried at least once")

    async def _attempt(self, request: TeacherRequest) -> Answer:
        """One attempt; where the teacher refuses a sampling setting, it is repeated without it."""
        adaptation = self.adaptation
        while True:
            try:
                completion = await self._send(request, adaptation)
            except ErrorResponse as error:
                next_adaptation = None
                if error.status in STATUSES:
                    next_adaptation = adaptation.without_refused(request, error.body, keep_limit=self._keep_limit)
                if next_adaptation is None:
                    raise
                adaptation = next_adaptation
            else:
                self._adopt(adaptation)
                return self._answer(request, completion, adaptation)

    def _adopt(self, adaptation: Adaptation) -> None:
        for name in adaptation.left_out:
            if name not in self.adaptation.left_out:
                reason = self._redact(adaptation.reasons.get(name, ""))
                logger.warning("the %s refuses the setting %s (%s); it is left out", self._where, name, reason)
        self.adaptation = self.adaptation.merged(adaptation)

    async def _send(self, request: TeacherRequest, adaptation: Adaptation) -> Completion:
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._client.chat.completions.with_raw_response.create(
                    model=request.model,
                    messages=[],
                    # Here and not as an argument: the library walks through arguments key by key, which takes longer
                    # than all else that it does for a request.
                    extra_body={"messages": [message.model_dump() for message in request.messages]},
                    **adaptation.settings(request),
                )
            body = response.content
        except openai.APIStatusError as error:
            raise ErrorResponse(
                error.status_code, read_error(error.response.content), error.response.headers
            ) from error
        except (openai.OpenAIError, TimeoutError, httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            raise self._failure(error) from error
        try:
            return read_completion(body)
        except NoCompletionError as error:
            shown = self._redact(body_text(body))[:200]
            message = f"{self._where} sent something other than a chat completion: {shown!r}"
            raise RequestFailed("malformed_answer", message) from error

    def _answer(self, request: TeacherRequest, completion: Completion, adaptation: Adaptation) -> Answer:
        answer = Answer(
            text=completion.text,
            prompt_tokens=completion.prompt_tokens or 0,
            completion_tokens=completion.completion_tokens or 0,
            model=completion.model,
            system_fingerprint=completion.system_fingerprint,
            finish_reason=completion.finish_reason,
            refusal=completion.refusal,
            left_out=tuple(name for name in adaptation.left_out if getattr(request, name) is not None),
        )
        # An empty answer is paid for like any other: it is kept, and counts against the budget.
        # Without token counts, the most that the answer can have cost is charged to the budget.
        if completion.prompt_tokens is None or completion.completion_tokens is None:
            limit = None if "max_tokens" in answer.left_out else request.max_tokens
            cost = self._price.max_cost(request.model_copy(update={"max_tokens": limit}), completion.text)
        else:
            cost = self._price.answer_cost(answer)
        return answer.model_copy(update={"cost_usd": cost})

    def _failure(self, error: Exception) -> TeacherUnreachable | RequestFailed:
        cause = error.__cause__ if isinstance(error, openai.APIConnectionError) and error.__cause__ else error
        if isinstance(
            cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError | httpx2.UnsupportedProtocol
        ):
            proxy = proxy_for(self._endpoint.base_url)
            check = "teacher.base_url and the network"
            if proxy:
                check = f"the proxy in the environment variable {proxy.variable}, {check}"
            if "certificate" in str(cause).lower():
                check = "that SSL_CERT_FILE names the certificates to trust"
            shown = self._redact(str(cause)) or type(cause).__name__
            return TeacherUnreachable(f"{self._where} cannot be reached ({shown}); check {check}")
        if isinstance(cause, TimeoutError | openai.APITimeoutError | httpx2.TimeoutException):
            return RequestFailed("timeout", f"{self._where} did not answer within {self._timeout_s:g} s")
        shown = self._redact(str(cause)) or type(cause).__name__
        return RequestFailed("connection", f"the connection to the {self._where} broke ({shown})")

    def _backoff(self, attempt: int) -> float:
        longest: float = min(MAX_BACKOFF_S, self._first_pause_s * 2.0 ** min(attempt - 1, 30))
        return longest * secrets.SystemRandom().uniform(0.5, 1.0)

    def _redact(self, text: str) -> str:
        # Some servers repeat the key; it is redacted before the text is cut, or a part of it could remain.
        line = " ".join(text.split())
        return (self._secrets.sub("[key]", line) if self._secrets else line)[:MAX_MESSAGE_CHARACTERS]


def _client(endpoint: Endpoint, timeout_s: float) -> openai.AsyncOpenAI:
    connection = http_client(endpoint, timeout_s)
    client = openai.AsyncOpenAI(
        base_url=endpoint.base_url,
        api_key=endpoint.api_key.get_secret_value(),
        timeout=connection.timeout,
        max_retries=0,
        http_client=connection,
    )
    # The library also sends what it finds in the environment: OPENAI_CUSTOM_HEADERS, which may replace the key, and the
    # names of an organization and a project, which have a meaning for OpenAI alone.
    client._custom_headers = {}
    client.admin_api_key = None
    host = urlsplit(endpoint.base_url).hostname or ""
    if host != "openai.com" and not host.endswith(".openai.com"):
        client.organization = client.project = None
    for variable, value in {"OPENAI_ORG_ID": client.organization, "OPENAI_PROJECT_ID": client.project}.items():
        if value and not (value.isascii() and value.isprintable()):
            raise EndpointError(
                f"the environment variable {variable} contains characters that no such name has; correct or unset it"
            )
    return client


def _secret_pattern(key: str) -> re.Pattern[str] | None:
    """What matches a key in a server's message: plain, URL-encoded, JSON-escaped or in base64."""
    if not key.strip():
        return None
    plain = key.encode()
    forms = {
        key,
        quote(key, safe=""),
        quote(key),
        key.replace("\\", "\\\\").replace('"', '\\"').replace("/", "\\/"),
        base64.b64encode(plain).decode().rstrip("="),
        base64.urlsafe_b64encode(plain).decode().rstrip("="),
    }
    found = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    # A server may truncate what it repeats: a prefix of a long key is redacted as well, to the end of its word.
    starts = {
        re.escape(form[:MIN_PREFIX_CHARACTERS]) + r"[^\s\"'<>]*" for form in forms if len(form) > MIN_PREFIX_CHARACTERS
    }
    found = "|".join([found, *sorted(starts)])
    return re.compile(found if len(key) >= MIN_SECRET_CHARACTERS else rf"(?<!\w)(?:{found})(?!\w)", re.IGNORECASE)
