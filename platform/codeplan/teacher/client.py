"""The client of a teacher: an OpenAI-compatible chat endpoint, with retries of our own."""

from __future__ import annotations

import asyncio
import base64
import logging
import re
import secrets
import time
from urllib.parse import quote, urlsplit

import httpx2
import openai

from codeplan.teacher.bodies import body_text
from codeplan.teacher.budget import Price
from codeplan.teacher.completion import Completion, NoCompletionError, read_completion
from codeplan.teacher.endpoint import Endpoint, EndpointError, http_client, proxy_for
from codeplan.teacher.failures import (
    MOST_WORDS,
    ErrorResponse,
    RequestLost,
    TeacherRefused,
    TeacherUnreachable,
    classify,
    read_error,
    retry_after_s,
)
from codeplan.teacher.requests import Answer, Request
from codeplan.teacher.sampling_settings import STATUSES, Adaptation

logger = logging.getLogger(__name__)

LONGEST_PAUSE_S = 60.0
"""The longest pause between two attempts that we choose."""

LONGEST_ASKED_PAUSE_S = 300.0
"""The longest pause that a teacher may ask for; where it asks for more, the request is lost for now."""

SHORTEST_SECRET = 8
"""Characters of a key from which it is hidden inside words too; a shorter one is no secret but a placeholder."""

SHORTEST_START = 12
"""Characters of a longer key from which its beginning alone is hidden."""


class Teacher:
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
        """Prepare to ask; nothing is sent yet.

        Args:
            endpoint: where to ask.
            price: what tokens cost.
            timeout_s: seconds that one attempt may take, from the connection to the last byte.
            attempts: how often one request is tried.
            first_pause_s: upper bound of the pause after the first failed attempt; it doubles with each further one.
            keep_limit: whether the length limit must be sent, because a budget rests on it.
            adaptation: what another client of this endpoint found out.

        Raises:
            EndpointError: a proxy or a certificate variable of the environment cannot be used.
        """
        self.adaptation = adaptation or Adaptation()
        self._endpoint = endpoint
        self._price = price
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._first_pause_s = first_pause_s
        self._keep_limit = keep_limit
        self._not_before = 0.0
        self._where = f"teacher at {endpoint.shown}"
        self._hidden = _forms_of(endpoint.api_key.get_secret_value())
        self._client = _client(endpoint, timeout_s)

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
            asked_pause = None
            try:
                return await self._ask(request)
            except ErrorResponse as error:
                failure: Exception = classify(self._where, error.status, error.body, self._safe(error.body.words))
                asked_pause = retry_after_s(error.headers)
            except (RequestLost, TeacherUnreachable) as error:
                failure = error
            pause = self._pause(attempt) if asked_pause is None else asked_pause
            reason = getattr(failure, "reason", "")
            final = isinstance(failure, TeacherRefused) or reason == "rejected"
            if final or attempt == self._attempts or pause > LONGEST_ASKED_PAUSE_S:
                raise failure from None  # the cause's text may hold the key
            if reason == "rate_limited":  # then no other request should be sent meanwhile either
                self._not_before = max(self._not_before, time.monotonic() + pause)
            await asyncio.sleep(pause)
        raise AssertionError("a request is tried at least once")

    async def _ask(self, request: Request) -> Answer:
        """One attempt; where the teacher refuses a sampling setting, it is made again without it."""
        adaptation = self.adaptation
        while True:
            try:
                completion = await self._send(request, adaptation)
            except ErrorResponse as error:
                further = None
                if error.status in STATUSES:
                    further = adaptation.without_refused(request, error.body, keep_limit=self._keep_limit)
                if further is None:
                    raise
                adaptation = further
            else:
                self._adopt(adaptation)
                return self._answer(request, completion, adaptation)

    def _adopt(self, adaptation: Adaptation) -> None:
        for name in adaptation.left_out:
            if name not in self.adaptation.left_out:
                words = self._safe(adaptation.words.get(name, ""))
                logger.warning("the %s refuses the setting %s (%s): it is left out", self._where, name, words)
        self.adaptation = self.adaptation.joined(adaptation)

    async def _send(self, request: Request, adaptation: Adaptation) -> Completion:
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._client.chat.completions.with_raw_response.create(
                    model=request.model,
                    messages=[{"role": each.role, "content": each.content} for each in request.messages],  # type: ignore[misc]  # a union of typed dicts, by role
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
            shown = self._safe(body_text(body))[:200]
            raise RequestLost("malformed_answer", f"{self._where} sent no chat completion, but {shown!r}") from error

    def _answer(self, request: Request, completion: Completion, adaptation: Adaptation) -> Answer:
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
        # An empty answer is paid like any other: it is kept, counts against the budget, and is lost as a plan later.
        # Without a count of tokens the budget is kept by the most that the answer can have cost.
        if completion.prompt_tokens is None or completion.completion_tokens is None:
            limit = None if "max_tokens" in answer.left_out else request.max_tokens
            cost = self._price.at_most(request.model_copy(update={"max_tokens": limit}), completion.text)
        else:
            cost = self._price.of(answer)
        return answer.model_copy(update={"cost_usd": cost})

    def _failure(self, error: Exception) -> TeacherUnreachable | RequestLost:
        cause = error.__cause__ if isinstance(error, openai.APIConnectionError) and error.__cause__ else error
        if isinstance(
            cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError | httpx2.UnsupportedProtocol
        ):
            proxy = proxy_for(self._endpoint.base_url)
            check = "teacher.base_url and the network"
            if proxy:
                check = f"the proxy that the environment variable {proxy.variable} names, {check}"
            if "certificate" in str(cause).lower():
                check = "whether SSL_CERT_FILE names the certificates to trust"
            shown = self._safe(str(cause)) or type(cause).__name__
            return TeacherUnreachable(f"{self._where} cannot be reached ({shown}); check {check}")
        if isinstance(cause, TimeoutError | openai.APITimeoutError | httpx2.TimeoutException):
            return RequestLost("timeout", f"{self._where} did not answer within {self._timeout_s:g} s")
        shown = self._safe(str(cause)) or type(cause).__name__
        return RequestLost("connection", f"{self._where} broke the connection ({shown})")

    def _pause(self, attempt: int) -> float:
        longest: float = min(LONGEST_PAUSE_S, self._first_pause_s * 2.0 ** min(attempt - 1, 30))
        return longest * secrets.SystemRandom().uniform(0.5, 1.0)

    def _safe(self, said: str) -> str:
        # Some servers repeat the key they were given; it is hidden before anything is cut, lest a part of it stays.
        text = " ".join(said.split())
        return (self._hidden.sub("[key]", text) if self._hidden else text)[:MOST_WORDS]


def _client(endpoint: Endpoint, timeout_s: float) -> openai.AsyncOpenAI:
    connection = http_client(endpoint, timeout_s)
    client = openai.AsyncOpenAI(
        base_url=endpoint.base_url,
        api_key=endpoint.api_key.get_secret_value(),
        timeout=connection.timeout,
        max_retries=0,
        http_client=connection,
    )
    # The library sends more that it finds in the environment: OPENAI_CUSTOM_HEADERS, which may replace the key, and the
    # names of an organization and a project, which mean something to OpenAI alone.
    client._custom_headers = {}
    client.admin_api_key = None
    host = urlsplit(endpoint.base_url).hostname or ""
    if host != "openai.com" and not host.endswith(".openai.com"):
        client.organization = client.project = None
    for variable, value in {"OPENAI_ORG_ID": client.organization, "OPENAI_PROJECT_ID": client.project}.items():
        if value and not (value.isascii() and value.isprintable()):
            raise EndpointError(
                f"the environment variable {variable} contains characters that no name has; mend or unset it"
            )
    return client


def _forms_of(key: str) -> re.Pattern[str] | None:
    """What finds a key in a server's words: as it is, in a URL, in JSON, or in base64."""
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
    # A server may cut off what it repeats; the beginning of a long key is hidden as well, to the end of its word.
    starts = {re.escape(form[:SHORTEST_START]) + r"[^\s\"'<>]*" for form in forms if len(form) > SHORTEST_START}
    found = "|".join([found, *sorted(starts)])
    return re.compile(found if len(key) >= SHORTEST_SECRET else rf"(?<!\w)(?:{found})(?!\w)", re.IGNORECASE)
