"""All that crosses a stage boundary, and how it is stored.

A record is a frozen pydantic model; a table of records is one Parquet file. Suites of tests are stored as the JSON text
of `codeplan_sandbox.Suite`, because their arguments may be any JSON value.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from codeplan.errors import UserError, one_line
from codeplan.files import atomic_write
from codeplan_sandbox import Outcome, Suite

Arm = Literal["direct", "sampled", "codeplan", "oracle", "foreign", "teacher_plan"]
"""Who wrote a program: ``direct`` greedily from the question; ``sampled`` from the question at temperature (the pool of
the equal-budget control and of pass@k); ``codeplan`` from the question and one of the student's plans; ``oracle`` from
the question and the teacher's plan for the problem's own solution; ``foreign`` from the plan for another problem's;
``teacher_plan`` from the teacher's plan for the question alone."""

Phase = Literal["trial", "final"]
"""Phase 2 of plan sampling writes trials, phase 3 finals. Direct and oracle programs are finals, sampled are trials."""

SuiteName = Literal["example", "hidden"]

StoredSuite = Annotated[
    Suite | None,
    BeforeValidator(lambda value: (Suite.from_json(value) if value else None) if isinstance(value, str) else value),
    PlainSerializer(lambda suite: suite.to_json() if suite is not None else ""),
]


class RecordsError(UserError):
    """A stage's records cannot be read; the message names the file."""


class Record(BaseModel):
    """Base of all records."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, use_attribute_docstrings=True)


R = TypeVar("R", bound=Record)


class Problem(Record):
    """A programming problem with its tests and human solutions."""

    problem_id: str
    """Unique over data sets and splits, for example ``apps/train/2361``."""
    dataset: str
    split: str
    level: str
    """Difficulty, for example introductory, interview or competition; the data set's name where it has no levels."""
    question: str
    starter_code: str = ""
    solutions: tuple[str, ...] = ()
    example_tests: StoredSuite = None
    """Tests that the question shows, which the student may use."""
    hidden_tests: StoredSuite = None
    """Tests that decide."""


class Plan(Record):
    """A plan for one problem: by the teacher from a solution, or by the teacher or the student from the question."""

    problem_id: str
    author: str
    """The teacher's model, or ``student``."""
    solution_index: int = -1
    """Which of the problem's solutions it explains; -1 for a plan from the question alone."""
    sample_index: int = 0
    """Which of several plans for the same problem and solution."""
    text: str
    request_key: str = ""
    """The answer's key in the teacher's cache."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0
    """What the answer cost when it was paid; 0 where the price is not known or the answer came from the cache."""
    cached: bool = False
    leakage: float = 0.0
    """Fraction of the solution's non-trivial lines that appear verbatim in the plan, 0 to 1."""
    finished: bool = True
    """Whether it ended before the length limit."""
    dropped: str = ""
    """Why the student could not be asked for it; empty where it was. No program follows such a plan."""


class Program(Record):
    """A program by the student."""

    problem_id: str
    arm: Arm
    phase: Phase
    plan_index: int = -1
    """The ``sample_index`` of the plan it follows; -1 without a plan."""
    sample_index: int = 0
    code: str
    tokens: int
    """Tokens generated, the EOS token included."""
    finished: bool
    """Whether the EOS token came before the length limit."""
    dropped: str = ""
    """Why the student could not be asked, for example because the plan is too long for a prompt; empty where it was.
    Such a program has no text, is not judged, and counts as not solved."""

    @property
    def key(self) -> str:
        """What identifies its text: equal programs are judged once."""
        return program_key(self.code)


class Verdict(Record):
    """What the tests said of one program text for one problem: equal programs share a verdict."""

    problem_id: str
    program_key: str
    suite: SuiteName
    outcome: Outcome
    passed_tests: int
    total_tests: int
    time_s: float
    """CPU seconds over all tests."""
    memory_bytes: int
    """Peak over all tests."""
    message: str = ""
    tier: str = ""
    """The sandbox's isolation tier."""

    @property
    def passed(self) -> bool:
        """Whether every test passed."""
        return self.outcome is Outcome.PASSED


def program_key(code: str) -> str:
    """The first 16 hexadecimal digits of the text's SHA-256."""
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@cache
def arrow_schema(kind: type[Record]) -> pa.Schema:
    """The Arrow schema of a kind of record: one column per field, in the fields' order."""
    return pa.schema([(name, _COLUMNS[field.annotation]) for name, field in kind.model_fields.items()])


_COLUMNS: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    tuple[str, ...]: pa.list_(pa.string()),
    Suite | None: pa.large_string(),
    Arm: pa.string(),
    Phase: pa.string(),
    SuiteName: pa.string(),
    Outcome: pa.string(),
}


def to_table(kind: type[Record], records: Iterable[Record]) -> pa.Table:
    """The records as an Arrow table with their schema; an empty table where there are none."""
    return pa.Table.from_pylist([_storable(record.model_dump()) for record in records], schema=arrow_schema(kind))


def from_table(kind: type[R], table: pa.Table) -> list[R]:
    """The records of a table that `to_table` made."""
    return [kind.model_validate(row) for row in table.to_pylist()]


def write(path: Path, kind: type[Record], records: Iterable[Record], group: int | None = None) -> int:
    """Write records to a Parquet file, all or nothing; returns how many.

    Args:
        path: the file.
        kind: of the records.
        records: what is written.
        group: records per row group: what `read_rows` reads at least. None makes one group of all.
    """
    table = to_table(kind, records)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as unfinished:
        pq.write_table(table, unfinished, compression="zstd", row_group_size=group)
    return int(table.num_rows)


def read(kind: type[R], path: Path) -> list[R]:
    """Read records that `write` wrote.

    Raises:
        RecordsError: the file is missing or damaged.
    """
    with _readable(path):
        return from_table(kind, pq.read_table(path, schema=arrow_schema(kind)))


def read_rows(kind: type[R], path: Path, start: int, count: int, leave_out: Collection[str] = ()) -> list[R]:
    """Read some consecutive records of a file, and no more of it than the row groups that hold them.

    Args:
        kind: of the records.
        path: the file that `write` wrote.
        start: number of the first record.
        count: number of records; fewer where the file ends.
        leave_out: fields that have a default value, which they then get.

    Raises:
        RecordsError: the file is missing or damaged.
    """
    names = [name for name in kind.model_fields if name not in leave_out]
    parts = []
    with _readable(path), pq.ParquetFile(path) as file:
        first_row = 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            low, high = max(start, first_row), min(start + count, first_row + rows)
            if low < high:
                parts.append(file.read_row_group(group, columns=names).slice(low - first_row, high - low))
            first_row += rows
        return [record for part in parts for record in from_table(kind, part)]


def columns(path: Path, *names: str) -> dict[str, list[Any]]:
    """Some columns of all records of a file that `write` wrote, without reading the others.

    Raises:
        RecordsError: the file is missing or damaged.
    """
    with _readable(path):
        found: dict[str, list[Any]] = pq.read_table(path, columns=list(names)).to_pydict()
        return found


def count(path: Path) -> int:
    """The number of records in a file that `write` wrote; none of them is read.

    Raises:
        RecordsError: the file is missing or damaged.
    """
    with _readable(path), pq.ParquetFile(path) as file:
        return int(file.metadata.num_rows)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        raise RecordsError(
            f"{path} is missing or damaged ({one_line(error, 120)}); delete the folder {path.parent} and run the same "
            "command"
        ) from error


def first(path: Path, *columns: str) -> dict[str, Any]:
    """Some columns of the first record of a file that `write` wrote, without reading the others; empty without one."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=1, columns=list(columns)):
            return dict(batch.to_pylist()[0])
    return {}


def _storable(plain: dict[str, Any]) -> dict[str, Any]:
    # A model may write lone surrogates, which UTF-8, and so Arrow, cannot hold.
    return {key: _encodable(value) for key, value in plain.items()}


def _encodable(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_encodable(item) for item in value]
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value
