"""Whatever a teacher sends, a request ends as an answer on disk or as one message, and no key is shown.

A longer run: HYPOTHESIS_PROFILE=fuzz CODEPLAN_FUZZ_EXAMPLES=50000 pytest tests/unit/test_fuzz_teacher.py
"""

import asyncio
import base64
import gzip
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from codeplan.config import ExecutionConfig
from codeplan.teacher.cache import AnswerCache
from codeplan.teacher.cached_teacher import CachedTeacher, Reply, TeacherSetup
from codeplan.teacher.endpoint import Endpoint
from codeplan.teacher.plans import clean_plan
from codeplan.teacher.requests import ChatMessage, TeacherRequest

EXAMPLES = settings().max_examples if os.environ.get("HYPOTHESIS_PROFILE") == "fuzz" else 60
KEY = "sk-fuzz/key+0123456789"
pytestmark = pytest.mark.fuzz

MARKERS = [
    *("<think>", "</think>", "<thinking>", "</thinking>", "<reasoning>", "</THOUGHT>", "[THINK]", "[/THINK]"),
    *("◁think▷", "◁/think▷", "<seed:think>", "<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
    *("<|begin_of_thought|>", "<|end_of_thought|>", "&lt;think&gt;", "<|channel>thought", "<channel|>"),
]
MARKER_LEFT = re.compile(
    r"</?(?:\w+:)?(?:think|thinking|reasoning|thought)>|\[/?think\]|◁/?think▷|<\|channel\|?>|<channel\|>|_of_thought\|>",
    re.IGNORECASE,
)


class RawServer:
    """A server on loopback that answers every request with the bytes it was given last."""

    def __init__(self) -> None:
        self.raw = b""
        self.cut: int | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
                await reader.readexactly(int(length[1]) if length else 0)
                writer.write(self.raw[: self.cut])
                await writer.drain()
                if self.cut is not None:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class Client:
    """One event loop with a server, for all examples of a test."""

    def __init__(self, folder: Path) -> None:
        self.runner = asyncio.Runner()
        self.server = RawServer()
        self.listening = self.runner.run(self._start())
        self.base_url = f"http://127.0.0.1:{self.listening.sockets[0].getsockname()[1]}/v1"
        self.folder = folder
        self.asked = 0

    async def _start(self) -> asyncio.Server:
        return await asyncio.start_server(self.server.serve, "127.0.0.1", 0)

    def request(self) -> TeacherRequest:
        self.asked += 1
        message = ChatMessage(role="user", content=f"question {self.asked}")
        return TeacherRequest(
            host="h", model="m", messages=(message,), temperature=0.2, top_p=1.0, max_tokens=64, seed=self.asked
        )

    def ask(self, request: TeacherRequest) -> Reply:
        async def once() -> Reply:
            execution = ExecutionConfig(request_attempts=2, request_timeout_s=5, prompt_price_usd=1.0)
            async with CachedTeacher(
                TeacherSetup(Endpoint(self.base_url, SecretStr(KEY)), execution, self.folder)
            ) as teacher:
                teacher._client._first_pause_s = 0.0
                return await asyncio.wait_for(teacher.ask(request), 60)

        return self.runner.run(once())

    def close(self) -> None:
        self.listening.close()
        self.runner.close()


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with tempfile.TemporaryDirectory() as folder:
        made = Client(Path(folder))
        yield made
        made.close()


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
anything: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
texts = st.lists(
    st.sampled_from([*MARKERS, "1. Read.\n2. Print.", "hm, so", "\n", f"{KEY}", "`", "```python\nx = 1\n```"])
    | st.text(max_size=10),
    max_size=6,
).map("".join)
words = texts | st.sampled_from(
    [
        f"your key {KEY} is wrong",
        f"{'x' * 190}{KEY}",
        base64.b64encode(KEY.encode()).decode(),
        "top_p is not supported",
        "temperature or top_p, not both",
        "unknown field seed",
        "use max_completion_tokens instead of max_tokens",
    ]
)
parts = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["text", "output_text", "thinking", "refusal", "x", None, 5]),
        "text": texts | anything,
        "thinking": anything,
        "refusal": anything,
    },
)
messages = st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant"),
        "content": texts | st.lists(parts | texts, max_size=3) | anything,
        "reasoning_content": texts,
        "refusal": st.none() | texts,
    },
)
choices = st.fixed_dictionaries(
    {},
    optional={
        "index": st.integers(0, 2) | anything,
        "message": messages | anything,
        "delta": messages,
        "text": texts,
        "finish_reason": st.sampled_from(["stop", "length", "content_filter", "error", None, 5]),
        "error": st.none() | anything,
    },
)
usages = st.fixed_dictionaries(
    {},
    optional={"prompt_tokens": scalars, "completion_tokens": scalars | st.integers(0, 100), "total_tokens": scalars},
)
errors = st.fixed_dictionaries(
    {},
    optional={
        "message": words,
        "code": st.sampled_from([None, 400, 429, "502", "unsupported_parameter", "insufficient_quota"]) | scalars,
        "type": words,
        "param": st.sampled_from(["temperature", "top_p", "seed", "max_tokens", "model", None]),
        "detail": anything | words,
    },
)
completions = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.lists(choices | anything, max_size=3) | choices,
        "usage": usages | anything,
        "model": scalars,
        "system_fingerprint": scalars,
        "error": st.none() | errors | anything,
        "message": messages,
        "detail": words,
        "object": st.sampled_from(["chat.completion", "error"]),
    },
)


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


bodies = st.one_of(
    completions.map(encoded),
    anything.map(encoded),
    st.fixed_dictionaries({"error": errors}).map(encoded),
    st.binary(max_size=200),
    words.map(lambda text: text.encode("utf-8", "replace")),
    completions.map(lambda value: b"\xef\xbb\xbf" + encoded(value)),
    completions.map(lambda value: gzip.compress(encoded(value))),
    st.lists(completions, max_size=3).map(
        lambda events: b"".join(b"data: " + encoded(event) + b"\n\n" for event in events)
    ),
    completions.map(encoded).flatmap(lambda raw: st.integers(0, len(raw)).map(lambda end: raw[:end])),
)
statuses = st.sampled_from(
    [200] * 8 + [201, 204, 301, 304, 307, 400, 400, 401, 403, 404, 413, 422, 429, 451, 500, 503, 599]
)
headers = st.dictionaries(
    st.sampled_from(["retry-after", "retry-after-ms", "content-encoding", "content-type", "location", "x-extra"]),
    st.sampled_from(["0", "0", "-1", "nan", "1e400", "9999999", "gzip", "br", "text/html; charset=x", "http://[", KEY])
    | st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=12),
    max_size=3,
)


def raw_response(status: int, said: dict[str, str], body: bytes) -> bytes:
    # A pause of seconds would only make the test slow; it has tests of its own.
    lines = [
        f"{name}: {value}"
        for name, value in said.items()
        if not re.match(r"retry.*: *[+]?0*[1-9.]\d{0,4}", f"{name}: {value}")
    ]
    head = "\r\n".join([f"HTTP/1.1 {status} Said", f"content-length: {len(body)}", *lines])
    return head.encode("latin-1", "replace") + b"\r\n\r\n" + body


def check(client: Client, raw: bytes, cut: int | None = None) -> None:
    client.server.raw, client.server.cut = raw, cut
    request = client.request()
    reply = client.ask(request)
    stored = AnswerCache(client.folder).get(request)
    if reply.status == "answered":
        assert reply.answer == stored
        assert reply.answer.cost_usd >= 0
        clean_plan(reply.answer.text)
        again = client.ask(request)
        assert (again.cached, again.answer) == (True, reply.answer)
    else:
        assert reply.status in {"failed", "stopped"}
        assert reply.message
        assert "\n" not in reply.message
        assert len(reply.message) < 1000
        assert stored is None
    encoded_key = base64.b64encode(KEY.encode()).decode().rstrip("=")
    assert KEY not in reply.message
    assert KEY[:12] not in reply.message
    assert encoded_key[:12] not in reply.message
    assert Reply.model_validate_json(reply.model_dump_json()) == reply


@settings(deadline=None, max_examples=EXAMPLES)
@given(status=statuses, said=headers, body=bodies)
def test_any_response_is_a_cached_answer_or_one_message(client, status, said, body):
    check(client, raw_response(status, said, b"" if status in {204, 304} else body))


@settings(deadline=None, max_examples=max(10, EXAMPLES // 6))
@given(raw=st.binary(max_size=100) | bodies.map(lambda body: raw_response(200, {}, body)), data=st.data())
def test_any_bytes_in_place_of_http_are_an_answer_or_one_message(client, raw, data):
    check(client, raw, data.draw(st.integers(0, len(raw))))


@settings(deadline=None, max_examples=5 * EXAMPLES)
@given(text=texts | st.text())
def test_a_clean_plan_has_no_reasoning_marker_unless_quoted_or_inside_a_step(text):
    plan = clean_plan(text)
    for line in plan.split("\n"):
        left = MARKER_LEFT.search(line)
        assert left is None or "`" in line or re.match(r"[ \t]*(?:[-*•]|\d+[.):])[ \t]+\S", line), plan


@settings(deadline=None, max_examples=5 * EXAMPLES)
@given(before=st.text(max_size=40), marker=st.sampled_from(["</think>", "[/THINK]", "</reasoning>", "◁/think▷"]))
def test_text_before_a_closing_marker_is_never_in_a_plan(before, marker):
    plan = "1. Read the numbers.\n2. Print their sum."
    assert clean_plan(f"{before}\n{marker}\n{plan}") == plan
