"""What can go wrong with a teacher, read from error responses of any form.

Three things can go wrong, and each is a type of its own: the teacher refuses every request (`TeacherRefused`), it
cannot be reached (`TeacherUnreachable`), or one request failed (`RequestFailed`). Only after the last may others
succeed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from codeplan.errors import UserError
from codeplan.teacher.response_body import body_text, parse_json

MAX_MESSAGE_CHARACTERS = 300
"""Characters of a server's message that we repeat."""


class TeacherRefused(UserError):  # noqa: N818 - the teacher's doing, not an error of ours
    """The teacher refuses every request: a wrong key, an unknown model, an unknown setting, no credit."""


class TeacherUnreachable(UserError):  # noqa: N818
    """The endpoint cannot be reached, after all attempts."""


class RequestFailed(Exception):  # noqa: N818
    """One request has no answer after all attempts; others may succeed.

    Attributes:
        reason: one word for counting: timeout, connection, server_error, rate_limited, rejected or malformed_answer.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type[RequestFailed], tuple[str, str]]:
        return type(self), (self.reason, str(self))


@dataclass(frozen=True)
class ErrorBody:
    """The content of an error response.

    Attributes:
        message: the server's messages, in one line; it may repeat the key.
        codes: its codes, types and statuses, in lower case.
        params: the settings that it names as the cause, such as ``temperature`` or ``body.seed``.
    """

    message: str
    codes: frozenset[str] = frozenset()
    params: tuple[str, ...] = ()


class ErrorResponse(Exception):  # noqa: N818 - it carries a server's error, and is not one of ours
    """A server answered with an error: by its status, or inside a response with a status of success."""

    def __init__(self, status: int, body: ErrorBody, headers: Mapping[str, str]) -> None:
        super().__init__(f"status {status}")
        self.status, self.body, self.headers = status, body, headers


_MESSAGE_KEYS = frozenset(
    {
        *("message", "msg", "detail", "details", "error", "errors", "error_message", "errormessage", "fault", "cause"),
        *("error_description", "title", "reason", "description", "fieldviolations", "metadata", "raw"),
    }
)
_CODE_KEYS = frozenset({"code", "type", "status", "error_code", "errorcode", "reason", "__type"})
_PARAM_KEYS = frozenset({"param", "loc", "field", "parameter", "parameters", "path"})
_MAX_DEPTH = 10
_MARKUP = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^<>]*>", re.DOTALL | re.IGNORECASE)


def read_error(body: bytes) -> ErrorBody:
    """The error in a body: OpenAI's form, FastAPI's ``detail``, Google's list, other JSON, HTML or plain text.

    Only the server's own words count; many servers repeat the request (``input``, ``body``), which is not a cause.
    """
    try:
        plain = parse_json(body)
    except ValueError:
        return ErrorBody(_one_line(_MARKUP.sub(" ", body_text(body))))
    return error_body(plain, body_text(body))


def error_body(plain: Any, fallback: str = "") -> ErrorBody:
    """The same for a body that is JSON, or for the part of it that is an error.

    Args:
        plain: the JSON.
        fallback: the message where the JSON has none in a known form.
    """
    messages: dict[str, None] = {}
    codes: set[str] = set()
    params: dict[str, None] = {}
    for kind, value in _items(plain, _MAX_DEPTH):
        if kind == "message":
            messages.setdefault(_one_line(value))
        elif kind == "codes":
            codes.add(value.strip().lower())
        else:
            params.setdefault(value.strip())
    return ErrorBody("; ".join(filter(None, messages)) or _one_line(fallback), frozenset(codes), tuple(params))


def _items(value: Any, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield "message", value
    elif isinstance(value, list) and depth:
        for item in value:
            yield from _items(item, depth - 1)
    elif isinstance(value, dict) and depth:
        where = ".".join(_scalars(value.get("loc")))
        for name, item in value.items():
            key = name.lower()
            if key in _PARAM_KEYS:
                yield from (
                    ("params", text) for text in ([".".join(_scalars(item))] if key == "loc" else _scalars(item))
                )
            if key in _CODE_KEYS:
                yield from (("codes", text) for text in _scalars(item))
            if key in _MESSAGE_KEYS:
                for kind, text in _items(item, depth - 1):
                    yield kind, f"{where}: {text}" if kind == "message" and where else text


def _scalars(value: Any) -> list[str]:
    if isinstance(value, list):
        return [str(item) for item in value if isinstance(item, str | int)]
    return [str(value)] if isinstance(value, str | int) and value != "" else []


def _one_line(text: str) -> str:
    return " ".join(text.split())


_FATAL_STATUS = {
    401: "; check the key in the environment variable that teacher.api_key_env names",
    402: "; check the account's credit",
    404: "; check teacher.model and teacher.base_url",
    405: "; check teacher.base_url",
    407: "; check the user name and password of the proxy",
    410: "; check teacher.model and teacher.base_url",
}
_KEY_HINT = _FATAL_STATUS[401]
_FATAL_CODES = {
    "insufficient_quota": _FATAL_STATUS[402],
    "billing_hard_limit_reached": _FATAL_STATUS[402],
    "billing_not_active": _FATAL_STATUS[402],
    "invalid_api_key": _KEY_HINT,
    "api_key_invalid": _KEY_HINT,
    "authentication_error": _KEY_HINT,
    "account_deactivated": _KEY_HINT,
    "model_not_found": _FATAL_STATUS[404],
    "invalid_model": _FATAL_STATUS[404],
    "unsupported_country_region_territory": "",
}
_FATAL_MESSAGE = re.compile(
    r"\b(?:invalid|incorrect|wrong|missing|expired) api[ _-]?key|api[ _-]?key (?:is )?(?:not valid|invalid|expired)",
    re.IGNORECASE,
)
_SETTINGS = frozenset({"temperature", "top_p", "seed", "model"})
_TRY_AGAIN = frozenset({408, 409, 425})
_CONTENT_CODES = frozenset(
    {
        "content_filter",
        "content_policy_violation",
        "context_length_exceeded",
        "string_above_max_length",
        "invalid_prompt",
    }
)
_CONTENT_MESSAGE = re.compile(
    r"context (?:length|window|size)|content management policy|prompt is too long|moderation", re.IGNORECASE
)


def is_about_content(body: ErrorBody) -> bool:
    """Whether an error is about one prompt: too long for the model, or filtered."""
    # vLLM and others send no code for a prompt that is too long, only the message.
    return bool(body.codes & _CONTENT_CODES) or bool(_CONTENT_MESSAGE.search(body.message))


def classify(where: str, status: int, body: ErrorBody, shown: str) -> TeacherRefused | RequestFailed:
    """The failure that an error response means: of every request only where that is unmistakable, else of this one.

    A 400 or 403 alone does not tell whether one prompt or every request is refused; `CachedTeacher` concludes that from
    what becomes of other requests.

    Args:
        where: the teacher, for the message.
        status: the HTTP status.
        body: the content of the response.
        shown: its message, without secrets.
    """
    details = f"status {status}" + (f", {shown}" if shown else "")
    hint = _fatal_hint(status, body)
    if hint is not None:
        return TeacherRefused(f"{where} refuses: {details}{hint}")
    if status == 429:
        return RequestFailed("rate_limited", f"{where} is rate-limited (HTTP 429): {details}")
    if 400 <= status < 500 and status not in _TRY_AGAIN:
        return RequestFailed("rejected", f"{where} rejects the request: {details}")
    return RequestFailed("server_error", f"{where} failed: {details}")


def _fatal_hint(status: int, body: ErrorBody) -> str | None:
    """What to check where every request would be refused; None where only this one may be."""
    if 300 <= status < 400:
        return "; it redirects elsewhere: check teacher.base_url"
    if status >= 500 or is_about_content(body):
        return None
    by_code = [hint for code, hint in _FATAL_CODES.items() if code in body.codes]
    if by_code or status in _FATAL_STATUS:
        return by_code[0] if by_code else _FATAL_STATUS[status]
    if status != 429 and _FATAL_MESSAGE.search(body.message):
        return _KEY_HINT
    named = [param.rpartition(".")[2] for param in body.params]
    if status in {400, 422} and (refused := next((name for name in named if name in _SETTINGS), None)):
        return f"; check teacher.{refused}"
    return None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The pause that a server asks for, in seconds; None where it asks for none in a known form.

    Read are ``retry-after-ms`` and ``retry-after`` (RFC 9110, 10.2.3: seconds or a date). ``x-ratelimit-reset-*`` are
    not: their units differ between servers, and they describe limits that may not have been reached.
    """
    milliseconds = headers.get("retry-after-ms", "").strip()
    if _NUMBER.fullmatch(milliseconds):
        return max(0.0, float(milliseconds) / 1000)
    stated = headers.get("retry-after", "").strip()
    if _NUMBER.fullmatch(stated):
        return max(0.0, float(stated))
    try:
        date = parsedate_to_datetime(stated)
        # A date in zone -0000 is parsed without a zone; it is UTC (RFC 5322, 3.3).
        return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?|[+-]?\.[0-9]+")
