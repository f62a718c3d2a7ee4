"""What a server sends as a chat completion: nothing that was paid and holds a text is thrown away."""

import gzip
import json

import pytest

from codeplan.teacher.completion import NoCompletionError, read_completion
from codeplan.teacher.failures import ErrorResponse

TEXT = "1. Read.\n2. Print."


def body(content=TEXT, *, message=None, choice=None, **changes) -> bytes:
    said = {"message": {"role": "assistant", "content": content, **(message or {})}, **(choice or {})}
    return json.dumps({"choices": [said], "usage": {"prompt_tokens": 9, "completion_tokens": 5}, **changes}).encode()


@pytest.mark.parametrize(
    "sent",
    [
        body(),
        body([{"type": "text", "text": TEXT}]),
        body([{"type": "output_text", "text": TEXT}]),
        body([TEXT[:5], TEXT[5:]]),
        body({"type": "text", "text": {"value": TEXT}}),
        body([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": TEXT}]),
        body([{"type": "reasoning_text", "text": "hm"}, {"text": TEXT}, {"type": "image_url"}, 5, None]),
        body([{"thought": True, "text": "hm"}, {"text": TEXT}]),
        body(message={"reasoning_content": "hm", "reasoning": "hm", "refusal": None, "tool_calls": []}),
        body(choice={"finish_reason": None, "logprobs": None, "index": "0"}),
        body(model=None, system_fingerprint=7, error=None),
        body(error={}),
        body(error={"message": "a warning"}),
        json.dumps({"choices": [{"text": TEXT}]}).encode(),
        json.dumps({"choices": [{"message": TEXT}]}).encode(),
        json.dumps({"choices": [{"message": None, "delta": {"content": TEXT}}]}).encode(),
        json.dumps({"choices": {"message": {"content": TEXT}}}).encode(),
        json.dumps({"choices": [None, {"message": {"content": None}}, {"message": {"content": TEXT}}]}).encode(),
        json.dumps({"message": {"content": TEXT}, "done": True}).encode(),
        b"[" + body() + b"]",
        b"\xef\xbb\xbf" + body(),
        body().decode().encode("utf-16"),
        b"\n\n  " + body() + b"\n\ndata: [DONE]",
        gzip.compress(body()),
        b'{"x": NaN, "y": -Infinity, "z": ' + b"9" * 5000 + b", " + body()[1:],
        b'{"choices": [{"message": {"content": "1. Read.\n2. Print.", "content": null}}]}',
    ],
)
def test_the_text_is_extracted_from_every_known_form(sent):
    assert read_completion(sent).text == TEXT


def test_a_stream_of_events_is_assembled():
    events = [
        ": keep alive",
        'data: {"model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}',
        'data: {"choices": [{"index": 0, "delta": {"reasoning_content": "hm"}}]}',
        'data: {"choices": [{"index": 0, "delta": {"content": "1. Read."}}]}',
        'data: {"choices": [{"index": 0, "delta": {"content": "\\n2. Print."}, "finish_reason": "length"}]}',
        'data: {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 5}}',
        "data: [DONE]",
    ]
    said = read_completion("\n\n".join(events).encode())
    assert (said.text, said.finish_reason, said.prompt_tokens, said.model) == (TEXT, "length", 9, "m")


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 5}, (9, 5)),
        ({"prompt_tokens": "9", "completion_tokens": 4.2}, (9, 5)),
        ({"input_tokens": 9, "output_tokens": 5}, (9, 5)),
        ({"prompt_tokens": 9, "completion_tokens": None, "total_tokens": 9}, (9, None)),
        ({"prompt_tokens": -1, "completion_tokens": True}, (None, None)),
        ({"prompt_tokens": 10**30, "completion_tokens": float("nan")}, (None, None)),
        ({"prompt_tokens": "many", "completion_tokens": [5]}, (None, None)),
        ([{"prompt_tokens": 9, "completion_tokens": 5}], (9, 5)),
        (None, (None, None)),
        ("none", (None, None)),
    ],
)
def test_token_counts_are_parsed_or_none(usage, expected):
    said = read_completion(body(usage=usage))
    assert (said.prompt_tokens, said.completion_tokens) == expected
    assert said.text == TEXT


@pytest.mark.parametrize(
    "sent",
    [
        body(None, message={"refusal": "I cannot."}),
        body([{"type": "refusal", "refusal": "I cannot."}]),
    ],
)
def test_a_refusal_is_not_text(sent):
    said = read_completion(sent)
    assert (said.text, said.refusal) == ("", "I cannot.")


@pytest.mark.parametrize(
    "sent",
    [b"", b"null", b"[]", b"5", b"{}", b'{"choices": []}', b'{"choices": [{}]}', b"<html>busy</html>", b"[" * 100_000],
)
def test_anything_else_is_not_a_completion(sent):
    with pytest.raises(NoCompletionError):
        read_completion(sent)


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        (b'{"error": {"message": "Upstream overloaded", "code": 502}}', 502, "Upstream overloaded"),
        (b'{"error": {"message": "slow down", "code": "429"}, "choices": []}', 429, "slow down"),
        (b'{"error": "out of memory"}', 500, "out of memory"),
        (b'{"error": {"message": "no", "type": "invalid_request_error"}, "choices": null}', 400, "no"),
        (body("", choice={"error": {"message": "gone", "code": 503}, "finish_reason": "error"}), 503, "gone"),
        (body("1. Re", error={"message": "torn", "code": 500}, choice={"finish_reason": "error"}), 500, "torn"),
        (b'data: {"error": {"message": "busy", "code": 503}}\n\n', 503, "busy"),
        (b'{"object": "error", "message": "too long", "code": 40303}', 500, "too long"),
    ],
)
def test_an_error_inside_a_successful_response_raises_with_the_servers_message(sent, status, words):
    with pytest.raises(ErrorResponse) as failed:
        read_completion(sent)
    assert failed.value.status == status
    assert words in failed.value.body.message
