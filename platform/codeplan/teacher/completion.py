"""Parsing a chat completion, with one place for everything that servers leave out or send in another form.

Whatever was paid for and has a text is kept. Reasoning never counts as text, in whichever field it comes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from codeplan.teacher.failures import ErrorResponse, error_body
from codeplan.teacher.response_body import body_text, parse_json

MAX_TOKEN_COUNT = 10**9
"""A token count above this is ignored."""

_TEXT_PARTS = frozenset({"", "text", "output_text", "message"})


class NoCompletionError(ValueError):
    """The body is not a chat completion."""


@dataclass(frozen=True)
class Completion:
    """The content of a chat completion.

    Attributes:
        text: the answer without reasoning that came in fields or parts of its own; it may be empty.
        refusal: the model's words where it declined to answer.
        prompt_tokens: the server's count; None where it sends none that is usable.
        completion_tokens: likewise.
        model: the model that answered, or empty.
        system_fingerprint: the endpoint's name for its configuration, or empty.
        finish_reason: why it ended, in the server's term, or empty.
    """

    text: str
    refusal: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    model: str = ""
    system_fingerprint: str = ""
    finish_reason: str = ""


def read_completion(body: bytes) -> Completion:
    """The completion in the body of a successful response.

    Raises:
        NoCompletionError: it is not a chat completion.
        ErrorResponse: it contains an error instead.
    """
    plain = _plain(body)
    choices = [choice for choice in _list(plain.get("choices")) if isinstance(choice, dict)]
    if not choices and isinstance(plain.get("message"), dict):
        choices = [plain]
    texts = [(_text(choice), choice) for choice in choices]
    text, choice = next((pair for pair in texts if pair[0].strip()), texts[0] if texts else ("", {}))
    finish_reason = _word(choice.get("finish_reason")) or _word(choice.get("stop_reason"))
    error = plain.get("error") or choice.get("error") or (plain if _word(plain.get("object")) == "error" else None)
    if error and (not text.strip() or finish_reason == "error"):
        raise ErrorResponse(_status(error), error_body({"error": error}), {})
    if not choices or not any(key in choice for key in ("message", "delta", "text")):
        raise NoCompletionError("it contains no message")
    prompt, completion = _usage(plain.get("usage"))
    return Completion(
        text=_clean(text),
        refusal=_clean(_refusal(choice)),
        prompt_tokens=prompt,
        completion_tokens=completion,
        model=_word(plain.get("model")),
        system_fingerprint=_word(plain.get("system_fingerprint")),
        finish_reason=finish_reason,
    )


def _plain(body: bytes) -> dict[str, Any]:
    stream = _events(body_text(body))
    if stream is not None:
        return stream
    try:
        plain = parse_json(body)
    except ValueError as error:
        raise NoCompletionError(str(error)) from error
    found = next((item for item in _list(plain) if isinstance(item, dict)), None)
    if found is None:
        raise NoCompletionError("it is not a JSON object")
    return found


def _events(text: str) -> dict[str, Any] | None:
    """The completion in a stream of server-sent events; None where the text is not such a stream."""
    lines = text.lstrip("\ufeff \t\r\n").splitlines()
    if not lines or not lines[0].startswith(("data:", "event:", "id:", "retry:", ":")):
        return None
    whole: dict[str, Any] = {}
    contents: list[str] = []
    last: dict[str, Any] = {}
    for line in lines:
        if not line.startswith("data:"):
            continue
        try:
            event = parse_json(line[5:].encode("utf-8", "surrogatepass"))
        except ValueError:
            continue  # [DONE], or a truncated line
        if not isinstance(event, dict):
            continue
        whole |= {key: value for key, value in event.items() if value is not None}
        for choice in _list(event.get("choices")):
            if isinstance(choice, dict) and choice.get("index") in (None, 0):
                contents.append(_text(choice))
                last |= {key: value for key, value in choice.items() if value is not None}
    if last:
        whole["choices"] = [{**last, "message": {"content": "".join(contents), "refusal": _refusal(last)}}]
    return whole


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _message(choice: dict[str, Any]) -> Any:
    return choice.get("message") if choice.get("message") is not None else choice.get("delta")


def _text(choice: dict[str, Any]) -> str:
    message = next((item for item in _list(_message(choice)) if isinstance(item, dict | str)), None)
    content = message.get("content") if isinstance(message, dict) else message
    text = "".join(_parts(content, "text", 8))
    completion = choice.get("text")  # the form of the older completions
    return text if text.strip() or not isinstance(completion, str) else completion


def _refusal(choice: dict[str, Any]) -> str:
    message = next((item for item in _list(_message(choice)) if isinstance(item, dict)), {})
    return "".join(_parts(message.get("refusal"), "text", 8)) or "".join(_parts(message.get("content"), "refusal", 8))


def _parts(content: Any, wanted: str, depth: int) -> Iterator[str]:
    """The texts in a content that may be a text, a part, or a list of either; parts of other kinds are skipped."""
    if isinstance(content, str):
        if wanted == "text":
            yield content
    elif isinstance(content, list) and depth:
        for item in content:
            yield from _parts(item, wanted, depth - 1)
    elif isinstance(content, dict) and depth:
        kind = _word(content.get("type")).lower()
        if wanted == "refusal" and kind == "refusal":
            yield from _parts(content.get("refusal", content.get("text")), "text", depth - 1)
        elif wanted == "text" and kind in _TEXT_PARTS and not content.get("thought"):
            text = content.get("text", content.get("content", content.get("value")))
            yield from _parts(text, "text", depth - 1)


def _usage(usage: Any) -> tuple[int | None, int | None]:
    counts = next((item for item in _list(usage) if isinstance(item, dict)), {})
    prompt = _count(counts.get("prompt_tokens", counts.get("input_tokens")))
    completion = _count(counts.get("completion_tokens", counts.get("output_tokens")))
    return prompt, completion


def _count(value: Any) -> int | None:
    """A token count: an integer, or a value that stands for one."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_TOKEN_COUNT:
        return None
    return math.ceil(value)


def _status(error: Any) -> int:
    """The HTTP status of an error inside a successful response; 500, which is retried, where it names none."""
    stated = (
        [error.get(key) for key in ("code", "status", "status_code", "http_status")] if isinstance(error, dict) else []
    )
    for value in stated:
        number = int(value) if isinstance(value, str) and value.isdecimal() and len(value) == 3 else value
        if isinstance(number, int) and not isinstance(number, bool) and 400 <= number < 600:
            return number
    codes = " ".join(error_body({"error": error}).codes)
    return 429 if "rate_limit" in codes or "overloaded" in codes else 400 if "invalid_request" in codes else 500


def _word(value: Any) -> str:
    return _clean(value) if isinstance(value, str) else ""


def _clean(text: str) -> str:
    # A lone surrogate is legal in JSON but not in UTF-8, and models do write it.
    return text.encode("utf-8", "replace").decode()
