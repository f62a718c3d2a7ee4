"""What passes between the judge, its fork server and the processes of a test.

The judge sends a message with four descriptors (memfds): the request, the program, the inputs, and an empty one for the
results. The server answers with one record a test, as JSON, and ends with a record that says so. It never reads inputs,
tests or outputs itself, it copies them from file to file: a test process starts as its copy, and must find nothing in
its memory that an earlier program wrote or that a test expects.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass, field

from codeplan_sandbox.suites import Limits, SuiteKind
from codeplan_sandbox.verdicts import Outcome

OUTCOMES = tuple(Outcome)
REPORT = struct.Struct("=BBq")
"""What a test process says after a test: the outcome's index (PASSED: ran to its end), whether its state is tainted so
that it must not run another test, and its peak memory in KiB."""
STARTED = b"started"
"""What it says first, when it is confined and before it has seen the program."""
STOP = b"stop"
"""What the judge sends while a request runs: no more tests of it."""
SHOWN_BYTES = 4096
"""How much is kept of an output that nobody compares."""


@dataclass(frozen=True, slots=True)
class Request:
    """Tests to run.

    Attributes:
        kind: the suite's kind.
        indices: which tests, in this order.
        extents: offset and length of each test's input in the inputs (not for assert tests).
        entry_point: see `Suite`.
        prelude: whether the program finds LeetCode's names defined; see `modules.prelude`.
        whole_keys: see `drivers.call_test`.
        fresh: one process for each test; otherwise one for as many as its state allows.
        limits: see `Limits`.
        budget_s: wall seconds for the whole request.
    """

    kind: SuiteKind
    indices: list[int]
    extents: list[tuple[int, int]]
    entry_point: str
    prelude: bool
    whole_keys: bool
    fresh: bool
    limits: Limits
    budget_s: float

    def to_json(self) -> bytes:
        """As bytes, for `from_json`."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Request:
        """What `to_json` wrote."""
        plain = json.loads(text)
        return cls(**{**plain, "limits": Limits(**plain["limits"])})


@dataclass(frozen=True, slots=True)
class Record:
    """What the server says of one test.

    Attributes:
        index: the test's number; -1 ends the request.
        outcome: PASSED when the program ran to its end; whether its output is right is the judge's business.
        first: whether its process ran no other test before.
        doubtful: whether a busy machine may be to blame: the wall clock ran out, or something else killed it.
        time_s: processor seconds.
        memory_bytes: peak of its process so far.
        output_bytes: length of its output, which is next in the results.
        answer_bytes: length of what follows there: a call's result as JSON, or why the test failed.
        note: why, where the server itself knows.
    """

    index: int
    outcome: Outcome = Outcome.PASSED
    first: bool = True
    doubtful: bool = False
    time_s: float = 0.0
    memory_bytes: int = 0
    output_bytes: int = 0
    answer_bytes: int = 0
    note: str = ""

    def to_json(self) -> bytes:
        """As bytes, for `from_json`."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Record:
        """What `to_json` wrote."""
        plain = json.loads(text)
        return cls(**{**plain, "outcome": Outcome(plain["outcome"])})


@dataclass(frozen=True, slots=True)
class Greeting:
    """What the server says when it is ready, or why its tier cannot be had.

    Attributes:
        ready: whether it judges.
        reason: why not.
        unusable: whether that is because a package of tests cannot be imported.
        holes: forbidden things that a test process could do when it tried.
    """

    ready: bool
    reason: str = ""
    unusable: bool = False
    holes: list[str] = field(default_factory=list)

    def to_json(self) -> bytes:
        """As bytes, for `from_json`."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Greeting:
        """What `to_json` wrote."""
        return cls(**json.loads(text))
