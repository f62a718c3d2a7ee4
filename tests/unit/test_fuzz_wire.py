"""Corrupt messages: the judge answers with SandboxError, never with a verdict, another exception or a hang."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeplan_sandbox import (
    Case,
    Judge,
    Limits,
    Outcome,
    SandboxError,
    Suite,
    SuiteError,
    client,
    judging,
    long_integers,
)
from codeplan_sandbox.client import Server
from codeplan_sandbox.oom import OutOfMemoryWatch
from codeplan_sandbox.processes import unpack_report
from codeplan_sandbox.suite_run import SuiteRun
from codeplan_sandbox.suites import COMPARATORS
from codeplan_sandbox.wire import OUTCOMES, REPORT, Handshake, RunRequest, WireError, WireRecord

pytestmark = pytest.mark.fuzz
EXAMPLES = settings().max_examples if os.environ.get("HYPOTHESIS_PROFILE") == "fuzz" else 150
LIMITS = Limits(time_s=1.0, total_s=1.0)

NUMBERS = st.integers() | st.sampled_from([-1, 0, 1, 2, 2**31, 2**62, 2**64, -(2**63)]) | st.floats()
TEXTS = st.text(st.characters(), max_size=6) | st.sampled_from(["", "stdin", "assert", "passed", "\ud800", "\0"])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
DEEP = [b"[" * 4000, b'{"index":' * 400, b"\xff\xfe", b"", b"null", b"-1", b"{}", b"\xef\xbb\xbf{}", b"NaN"]


def messages(valid: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Valid messages with damage: of bytes, of one field, of several; and others."""

    def with_field(change: tuple[bytes, int, Any]) -> bytes:
        text, position, value = change
        plain = long_integers.loads(text)
        names = sorted(plain)
        plain[names[position % len(names)]] = value
        return long_integers.dumps(plain).encode()

    def with_bytes(change: tuple[bytes, int, int, bytes]) -> bytes:
        text, start, length, inserted = change
        start %= len(text)
        return text[:start] + inserted + text[start + length :]

    def without(change: tuple[bytes, int]) -> bytes:
        plain = long_integers.loads(change[0])
        del plain[sorted(plain)[change[1] % len(plain)]]
        return long_integers.dumps(plain).encode()

    positions = st.integers(0, 5000)
    return (
        st.tuples(valid, positions, VALUES).map(with_field)
        | st.tuples(valid, positions, st.integers(0, 9), st.binary(max_size=4)).map(with_bytes)
        | st.tuples(valid, positions).map(without)
        | VALUES.map(lambda value: json.dumps(value).encode())
        | st.binary(max_size=40)
        | st.sampled_from(DEEP)
    )


def binary(valid: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Valid messages with damaged bytes, cut off, and others."""
    places = st.integers(0, 80)

    def damaged(change: tuple[bytes, int, int, bytes]) -> bytes:
        text, start, length, inserted = change
        start %= len(text)
        return text[:start] + inserted + text[start + length :]

    return (
        st.tuples(valid, places, st.integers(0, 9), st.binary(max_size=9)).map(damaged)
        | st.binary(max_size=80)
        | st.sampled_from(DEEP)
    )


COUNTS = st.integers(0, 3) | st.integers(0, 2**40)
RECORDS = st.builds(
    WireRecord,
    index=st.integers(-1, 3),
    outcome=st.sampled_from(OUTCOMES),
    fresh_process=st.booleans(),
    retryable=st.booleans(),
    time_s=st.floats(0, 10),
    memory_bytes=COUNTS,
    output_bytes=COUNTS,
    answer_bytes=COUNTS,
    message=TEXTS,
).map(WireRecord.to_bytes)
REQUESTS = st.builds(
    RunRequest,
    kind=st.sampled_from(["stdin", "call", "assert"]),
    indices=st.lists(st.integers(0, 9), max_size=4),
    offsets=st.lists(st.integers(0, 9), max_size=4),
    entry_point=TEXTS,
    prelude=st.booleans(),
    integer_keys=st.booleans(),
    fresh_processes=st.booleans(),
    limits=st.builds(Limits, time_s=st.floats(0.1, 9), processes=st.integers(1, 99)),
    budget_s=st.floats(0, 99),
).map(RunRequest.to_json)
HANDSHAKES = st.builds(
    Handshake,
    ready=st.booleans(),
    reason=TEXTS,
    package_failed=st.booleans(),
    denials=st.dictionaries(TEXTS, TEXTS, max_size=2),
).map(Handshake.to_json)


@settings(max_examples=EXAMPLES, deadline=None)
@given(binary(RECORDS), messages(REQUESTS), messages(HANDSHAKES))
def test_messages_are_read_or_rejected(record: bytes, request: bytes, handshake: bytes) -> None:
    readers: list[tuple[Callable[[bytes], Any], bytes]] = [
        (WireRecord.from_bytes, record),
        (RunRequest.from_json, request),
        (Handshake.from_json, handshake),
    ]
    for read, message in readers:
        try:
            found = read(message)
        except WireError as error:
            found = str(error)
        assert found.startswith("a message ") if isinstance(found, str) else read(_written(found)) == found


def _written(message: WireRecord | RunRequest | Handshake) -> bytes:
    return message.to_bytes() if isinstance(message, WireRecord) else message.to_json()


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.binary(max_size=20) | st.builds(REPORT.pack, st.integers(0, 255), st.integers(0, 255), st.integers(-9, 2**62))
)
def test_reports_are_read_or_rejected(message: bytes) -> None:
    report = unpack_report(message)
    assert report is None or (len(message) == REPORT.size and 0 <= report[2] < 2**30)


class CorruptServer(Server):
    """Sends given messages in answer to a request, and writes given results; then it ends."""

    def __init__(self, answers: list[bytes], results: bytes) -> None:
        self.tier, self._group, self._memory = "namespaces", None, OutOfMemoryWatch(None)
        self._socket, self._other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._answers, self._results = answers, results

    def _record(self) -> WireRecord:
        if self._answers is not None:
            _, descriptors, _, _ = socket.recv_fds(self._other, 64, 4)
            os.pwrite(descriptors[-1], self._results, 0)
            for descriptor in descriptors:
                os.close(descriptor)
            for answer in self._answers:
                self._other.send(answer)
            self._other.shutdown(socket.SHUT_WR)
            self._answers = None  # type: ignore[assignment]
        return super()._record()

    def close(self) -> None:
        self._socket.close()
        self._other.close()


class JudgeOfCorruptServers(Judge):
    """Starts servers that send given messages."""

    def __init__(self, answers: list[bytes], results: bytes) -> None:
        self._arguments = answers, results
        super().__init__(LIMITS)

    def _start(self) -> Server:
        return CorruptServer(*self._arguments)


SUITES = [
    Suite("stdin", cases=(Case("1", "correct"), Case("2", "correct"))),
    Suite("call", cases=(Case(args=(1,), expected="correct"), Case(args=(2,), expected="correct")), entry_point="f"),
    Suite("assert", tests=("assert f()", "assert f()")),
]
ANSWERS = st.lists(binary(RECORDS) | RECORDS, max_size=6).map(lambda some: [answer for answer in some if answer])


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from(SUITES), ANSWERS, st.binary(max_size=30), st.booleans())
def test_corrupt_server_gets_no_verdict_that_its_records_do_not_state(
    suite: Suite, answers: list[bytes], results: bytes, stop: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judging, "_PAUSES_S", (0.0, 0.0, 0.0))
        judge = JudgeOfCorruptServers(answers, results)
        verdict, reason = None, ""
        try:
            verdict = judge.judge("print('correct')", suite, stop_at_failure=stop)
        except SandboxError as error:
            reason = str(error)
        judge.close()
    if verdict is None:
        assert reason.startswith("the fork server failed 3 times in a row: ")
        return
    # The records up to one that ends the request were all valid; the first failure may end it as well.
    assert stop or any(WireRecord.from_bytes(answer).index < 0 for answer in answers)
    assert verdict.outcome is not Outcome.PASSED or suite.kind == "assert"


def test_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_GRACE_S", 0.05)
    monkeypatch.setattr(CorruptServer, "_record", Server._record)
    judge = JudgeOfCorruptServers([], b"")
    with pytest.raises(SandboxError, match="failed 3 times in a row: timed out"):
        judge.judge("print(1)", SUITES[0], Limits(total_s=0.05))
    judge.close()


def test_endless_records_are_given_up() -> None:
    record = WireRecord(0, Outcome.WRONG_ANSWER).to_bytes()
    for stop in (False, True):
        judge = JudgeOfCorruptServers([record] * 50, b"")
        with pytest.raises(SandboxError, match=r"a record of a test that was not to run|does not stop"):
            judge.judge("print(1)", SUITES[0], stop_at_failure=stop)
        judge.close()


@pytest.mark.parametrize("message", [b"{}", b"[" * 3000, b"\xff", b'{"ready": 1}', b"1"])
def test_corrupt_handshake_is_reported(message: bytes) -> None:
    server = CorruptServer([], b"")
    server._other.send(message)
    with pytest.raises(SandboxError, match="tier namespaces: the fork server sent something else than it should"):
        server._shake_hands()
    server.close()


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.sampled_from(SUITES[:2]),
    st.sampled_from([None, *COMPARATORS]),
    st.binary(max_size=30)
    | VALUES.map(lambda value: json.dumps(value).encode())
    | st.sampled_from([*DEEP, b"1" * 5000, b"[" * 990 + b"]" * 990, b"1e999", b"Infinity", b'{"a":1,"a":2}']),
    VALUES,
)
def test_whatever_a_program_answers_is_compared(suite: Suite, comparator: Any, answer: bytes, expected: Any) -> None:
    text = expected if isinstance(expected, str) else repr(expected)
    case = Case("1", text) if suite.kind == "stdin" else Case(args=(1,), expected=expected)
    tolerance = 1e-3 if comparator == "floats" else None
    given_suite = Suite(suite.kind, (case,), entry_point="f", comparator=comparator, tolerance=tolerance)
    run = SuiteRun("", given_suite, LIMITS, False)
    result = run._result(WireRecord(0), answer, answer)
    assert result.outcome in (Outcome.PASSED, Outcome.WRONG_ANSWER)
    assert len(result.message) <= 500
    result.message.encode("utf-8", "backslashreplace")


SUITE_TEXTS = st.sampled_from(
    [suite.to_json().encode() for suite in SUITES]
    + [Suite("call", cases=(Case(args=({"1": [2.5]},), expected=10**5000),), entry_point="f").to_json().encode()]
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(messages(SUITE_TEXTS).map(lambda text: text.decode("utf-8", "surrogateescape")))
def test_suites_are_read_or_rejected(text: str) -> None:
    try:
        suite = Suite.from_json(text)
    except SuiteError:
        return
    assert Suite.from_json(suite.to_json()).to_json() == suite.to_json()
