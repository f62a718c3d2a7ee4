"""Reading a chat completion: the one place that decides what a value means that a server leaves out or sends otherwise.

Whatever was paid for and holds a text is kept. Thoughts are never a text, in whichever field they come.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from codeplan.teacher.bodies import body_text, parse_json
from codeplan.teacher.failures import ErrorResponse, error_body

MOST_TOKENS = 10**9
"""A count above this is no count."""

_TEXT_PARTS = frozenset({"", "text", "output_text", "message"})


class NoCompletionError(ValueError):
    """The body holds no chat completion."""


@dataclass(frozen=True)
class Completion:
    """What a chat completion says.

    Attributes:
        text: the answer without the thoughts that came in fields or parts of their own; it may be empty.
        refusal: the model's words where it declines to answer.
        prompt_tokens: the server's count; None where it gives none that can be used.
        completion_tokens: likewise.
        model: the model that answered, or nothing.
        system_fingerprint: the endpoint's name for its configuration, or nothing.
        finish_reason: why it ended, in the server's word, or nothing.
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
        NoCompletionError: it holds none.
        ErrorResponse: it holds an error in place of one.
    """
    plain = _plain(body)
    choices = [choice for choice in _list(plain.get("choices")) if isinstance(choice, dict)]
    if not choices and isinstance(plain.get("message"), dict):
        choices = [plain]
    read = [(_text(choice), choice) for choice in choices]
    text, choice = next((each for each in read if each[0].strip()), read[0] if read else ("", {}))
    finish_reason = _word(choice.get("finish_reason")) or _word(choice.get("stop_reason"))
    error = plain.get("error") or choice.get("error") or (plain if _word(plain.get("object")) == "error" else None)
    if error and (not text.strip() or finish_reason == "error"):
        raise ErrorResponse(_status(error), error_body({"error": error}), {})
    if not choices or not any(key in choice for key in ("message", "delta", "text")):
        raise NoCompletionError("there is no message in it")
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
        raise NoCompletionError("it is no JSON object")
    return found


def _events(text: str) -> dict[str, Any] | None:
    """The completion that server-sent events make up; None where the text is no such stream."""
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
            continue  # [DONE], or a torn line
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
    """The texts of a content that may be a text, a part, or a list of either; parts of other kinds are passed over."""
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
    """A count of tokens: a whole number, or what is meant for one."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_TOKENS:
        return None
    return math.ceil(value)


def _status(error: Any) -> int:
    """The HTTP status that an error inside a success stands for; 500, which is tried again, where it names none."""
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
    # Half a character, which UTF-8 cannot hold, is legal in JSON, and models do write it.
    return text.encode("utf-8", "replace").decode()
