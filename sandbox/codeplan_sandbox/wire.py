"""The messages between the judge, its fork server and the test processes.

The judge sends a message with four descriptors (memfds): the request, the program, the inputs, and an empty file for
the results. The server replies with one record per test and a final record that ends the request. It never reads
inputs, tests or outputs itself but copies them from file to file: a test process is forked from it and must not find in
its memory anything that an earlier program wrote or that a test expects.
"""

from __future__ import annotations

import json
import math
import struct
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from codeplan_sandbox.suites import SUITE_KINDS, Limits, SuiteKind
from codeplan_sandbox.verdicts import Outcome

OUTCOMES = tuple(Outcome)
REPORT = struct.Struct("=BBq")
"""A test process sends this after a test: the index of the outcome (PASSED: ran to its end), whether its state is
tainted so that it must not run another test, and its peak memory in KiB."""
STARTED = b"started"
"""A test process sends this first, when it is confined and before it reads the program."""
STOP = b"stop"
"""The judge sends this during a request to cancel its remaining tests."""
MAX_SHOWN_BYTES = 4096
"""How much is kept of an output that is shown but not compared."""


_MAX_BYTES = 1 << 62

_Check = Callable[[Any], bool]


class WireError(ValueError):
    """A message that the other side does not write; the message says what is wrong with it."""


def _is(*kinds: type) -> _Check:
    return lambda value: type(value) in kinds


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < _MAX_BYTES


def _is_list(check: _Check) -> _Check:
    return lambda value: type(value) is list and all(map(check, value))


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < math.inf


def _fields(text: bytes, checks: Mapping[str, _Check]) -> dict[str, Any]:
    """The fields of a message; raises WireError unless they are these, with valid values."""
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WireError(f"a message is not JSON: {error}") from error
    if type(plain) is not dict or plain.keys() != checks.keys():
        raise WireError("a message has other fields than it should")
    for name, check in checks.items():
        if not check(plain[name]):
            raise WireError(f"a message has an invalid {name}")
    return plain


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A request of the judge to run tests of one program.

    Attributes:
        kind: the suite's kind.
        indices: the tests to run, in this order.
        offsets: where each test's input starts in the inputs, and where the last one ends (not for assert tests).
        entry_point: see `Suite`.
        prelude: whether LeetCode's predefined names are available to the program; see `modules.prelude`.
        integer_keys: see `drivers.call_test`.
        fresh_processes: one process per test; otherwise a process is reused as long as its state is not tainted.
        limits: see `Limits`.
        budget_s: wall-clock seconds for the whole request.
    """

    kind: SuiteKind
    indices: Sequence[int]
    offsets: Sequence[int]
    entry_point: str
    prelude: bool
    integer_keys: bool
    fresh_processes: bool
    limits: Limits
    budget_s: float

    def to_json(self) -> bytes:
        """As bytes, for `from_json`."""
        plain = {name: getattr(self, name) for name in _REQUEST_FIELDS}
        numbers = {name: list(plain[name]) for name in ("indices", "offsets")}
        return json.dumps({**plain, **numbers, "limits": asdict(self.limits)}).encode()

    @classmethod
    def from_json(cls, text: bytes) -> RunRequest:
        """Read what `to_json` wrote; raises WireError for anything else.

        The numbers are in arrays: a list per test would count against the memory of programs, and slow down the garbage
        collector in their processes.
        """
        plain = _fields(text, _REQUEST_FIELDS)
        try:
            limits = Limits(**plain["limits"])
        except (TypeError, ValueError) as error:
            raise WireError(f"a message has an invalid limits: {error}") from error
        numbers = {name: array("q", plain[name]) for name in ("indices", "offsets")}
        return cls(**{**plain, **numbers, "limits": limits})

    @property
    def memory_bytes(self) -> int:
        """The memory that its numbers take in arrays; those of the tests that are left are kept as well."""
        return 8 * (2 * len(self.indices) + len(self.offsets))


@dataclass(frozen=True, slots=True)
class WireRecord:
    """The server's record of one test.

    Attributes:
        index: the test's number; -1 ends the request.
        outcome: PASSED if the program ran to its end; the judge compares the output.
        fresh_process: whether its process had run no other test.
        retryable: whether the machine may be the cause: the wall-clock limit was reached, or the process was killed
            (then the outcome is MEMORY_LIMIT).
        time_s: CPU seconds.
        memory_bytes: peak memory of its process so far.
        output_bytes: length of its output, which comes next in the results.
        answer_bytes: length of its answer, which follows the output: a call's result as JSON, or why the test failed.
        message: why the test failed, if the server knows.
    """

    index: int
    outcome: Outcome = Outcome.PASSED
    fresh_process: bool = True
    retryable: bool = False
    time_s: float = 0.0
    memory_bytes: int = 0
    output_bytes: int = 0
    answer_bytes: int = 0
    message: str = ""

    def to_bytes(self) -> bytes:
        """As bytes, for `from_bytes`."""
        head = _RECORD.pack(
            self.index,
            OUTCOMES.index(self.outcome),
            self.fresh_process,
            self.retryable,
            self.time_s,
            self.memory_bytes,
            self.output_bytes,
            self.answer_bytes,
        )
        return head + self.message.encode("utf-8", "surrogatepass")

    @classmethod
    def from_bytes(cls, data: bytes) -> WireRecord:
        """Read what `to_bytes` wrote; raises WireError for anything else."""
        try:
            index, outcome, *values = _RECORD.unpack_from(data)
            values.append(data[_RECORD.size :].decode("utf-8", "surrogatepass"))
            record = cls(index, OUTCOMES[outcome], *values)
        except (struct.error, IndexError, ValueError) as error:
            raise WireError(f"a message is not a record: {error}") from error
        counts = (record.memory_bytes, record.output_bytes, record.answer_bytes)
        if record.index < -1 or not _is_time(record.time_s) or not all(map(_is_count, counts)):
            raise WireError("a message has a number that is not possible")
        return record


_RECORD = struct.Struct("=qB??dqqq")


@dataclass(frozen=True, slots=True)
class Handshake:
    """The server's first message: it is ready, or why its tier is not available.

    Attributes:
        ready: whether it accepts requests.
        reason: why not.
        package_failed: whether the reason is a package for tests that cannot be imported.
        denials: what denied each forbidden operation to a test process; empty text where it succeeded.
    """

    ready: bool
    reason: str = ""
    package_failed: bool = False
    denials: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """As bytes, for `from_json`."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Handshake:
        """Read what `to_json` wrote; raises WireError for anything else."""
        return cls(**_fields(text, _HANDSHAKE_FIELDS))


_REQUEST_FIELDS: dict[str, _Check] = {
    "kind": lambda value: value in SUITE_KINDS,
    "indices": _is_list(_is_count),
    "offsets": _is_list(_is_count),
    "entry_point": _is(str),
    "prelude": _is(bool),
    "integer_keys": _is(bool),
    "fresh_processes": _is(bool),
    "limits": _is(dict),
    "budget_s": _is_time,
}
_HANDSHAKE_FIELDS: dict[str, _Check] = {
    "ready": _is(bool),
    "reason": _is(str),
    "package_failed": _is(bool),
    "denials": lambda value: type(value) is dict and all(type(text) is str for text in value.values()),
}
