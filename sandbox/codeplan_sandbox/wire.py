"""The messages between the judge, its fork server and the test processes.

The judge sends a message with four descriptors (memfds): the request, the program, the inputs, and an empty file for
the results. The server replies with one record per test and a final record that ends the request. It never reads
inputs, tests or outputs itself but copies them from file to file: a test process is forked from it and must not find in
its memory anything that an earlier program wrote or that a test expects.
"""

from __future__ import annotations

import json
import marshal
import struct
from dataclasses import asdict, dataclass, field, fields

from codeplan_sandbox.suites import Limits, SuiteKind
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


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A request of the judge to run tests of one program.

    Attributes:
        kind: the suite's kind.
        indices: the tests to run, in this order.
        extents: offset and length of each test's input in the inputs (not for assert tests).
        entry_point: see `Suite`.
        prelude: whether LeetCode's predefined names are available to the program; see `modules.prelude`.
        integer_keys: see `drivers.call_test`.
        fresh_processes: one process per test; otherwise a process is reused as long as its state is not tainted.
        limits: see `Limits`.
        budget_s: wall-clock seconds for the whole request.
    """

    kind: SuiteKind
    indices: list[int]
    extents: list[tuple[int, int]]
    entry_point: str
    prelude: bool
    integer_keys: bool
    fresh_processes: bool
    limits: Limits
    budget_s: float

    def to_bytes(self) -> bytes:
        """As bytes, for `from_bytes` of the same version of Python: the judge starts the server with its own."""
        limits = [getattr(self.limits, name) for name in _LIMITS_FIELDS]
        return marshal.dumps([limits, *(getattr(self, name) for name in _REQUEST_FIELDS)])

    @classmethod
    def from_bytes(cls, data: bytes) -> RunRequest:
        """Read what `to_bytes` of the judge wrote; never for data of a program."""
        limits, *values = marshal.loads(data)  # noqa: S302
        return cls(
            **dict(zip(_REQUEST_FIELDS, values, strict=True)),
            limits=Limits(**dict(zip(_LIMITS_FIELDS, limits, strict=True))),
        )


_LIMITS_FIELDS = tuple(field.name for field in fields(Limits))
_REQUEST_FIELDS = tuple(field.name for field in fields(RunRequest) if field.name != "limits")


@dataclass(frozen=True, slots=True)
class WireRecord:
    """The server's record of one test.

    Attributes:
        index: the test's number; -1 ends the request.
        outcome: PASSED if the program ran to its end; the judge compares the output.
        fresh_process: whether its process had run no other test.
        retryable: whether a busy machine may be the cause: the wall-clock limit was reached, or the process was killed.
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
        """Read what `to_bytes` wrote; raises ValueError for anything else."""
        try:
            index, outcome, *values = _RECORD.unpack_from(data)
            values.append(data[_RECORD.size :].decode("utf-8", "surrogatepass"))
            return cls(index, OUTCOMES[outcome], *values)
        except (struct.error, IndexError) as error:
            raise ValueError(f"not a record: {error}") from error


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
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))
