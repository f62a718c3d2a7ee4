"""A pool: records that grow, in parts, shared by all stages that need them.

A stage is all or nothing; what is sampled and judged is not: twenty plans are the eight that are there and twelve more.
So samples and verdicts are kept outside their stages, under an identity of what makes one record, without how many
there are. A stage that needs more records adds them, and its done marker names the pool.

    home/pools/samples/<fingerprint>/
        identity.json
        plans/00003.000.parquet           block 3, first part
        programs/00003.000.parquet
        programs/00003.001.parquet        block 3, added later
        00003.lock

Records are grouped in blocks of problems: `PROBLEMS_PER_BLOCK` of them in the data set's order. A block is what one
worker handles at a time, and the most that is in memory at once. A part is written once, whole, and never changed;
readers concatenate the parts of a block. A stage's marker of a block names the parts that were there: where one of them
is lost or cut off, the stage is not done, and adds what is missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from codeplan.errors import UserError, one_line
from codeplan.files import atomic_write, locked, remove_leftovers, write_text
from codeplan.records import R, arrow_schema, from_table, to_table
from codeplan.stage import Stage, are_whole, fingerprint

PROBLEMS_PER_BLOCK = 16
"""Few enough that a block of the paper's size (3,500 programs) is small in memory and little work is repeated when a
worker dies. Which problems share a batch can move a sample by a rounding error, so this is a constant."""

T = TypeVar("T")


class PoolError(UserError):
    """A part of a pool cannot be read; the message names it."""


@dataclass(frozen=True)
class Pool:
    """A folder of growing tables; it is made when a block is first locked.

    Attributes:
        folder: where it is.
        identity: what one record depends on, as plain JSON data; kept in the folder for a user who looks there.
    """

    folder: Path
    identity: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def open(cls, home: Path, kind: str, identity: Mapping[str, Any]) -> Pool:
        """The pool of an identity, which may be empty yet."""
        return cls(home / "pools" / kind / fingerprint(identity)[:16], identity)

    @contextmanager
    def lock(self, block: int, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
        """Hold one block for this process: another that wants to add to it waits, and then finds what was added.

        Args:
            block: which one.
            on_wait: called once, with who holds the block, where another process does.
        """
        with self._locked(f"{block:05d}", on_wait):
            for table in self.folder.iterdir():
                remove_leftovers(table, f"{block:05d}.")
            yield

    @contextmanager
    def lock_whole(self, on_wait: Callable[[str], None]) -> Iterator[None]:
        """Hold the pool, beside the other processes that hold blocks: two that would fill all of it take turns."""
        with self._locked("pool", on_wait):
            yield

    @contextmanager
    def _locked(self, name: str, on_wait: Callable[[str], None] | None) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "identity.json").exists():
            write_text(self.folder / "identity.json", json.dumps(self.identity, indent=1))
        with locked(self.folder / f"{name}.lock", on_wait=on_wait):
            yield

    def parts(self, table: str, block: int) -> list[Path]:
        """The files that hold a block of a table, in the order in which they were added."""
        return sorted((self.folder / table).glob(f"{block:05d}.*.parquet"))

    def add(self, table: str, block: int, kind: type[R], records: Sequence[R]) -> None:
        """Add records to a block, which is locked by the caller; nothing is written where there are none."""
        if not records:
            return
        (self.folder / table).mkdir(parents=True, exist_ok=True)
        # Not their count: a part may have been deleted, and none is ever overwritten.
        number = max((int(part.name.split(".")[1]) + 1 for part in self.parts(table, block)), default=0)
        path = self.folder / table / f"{block:05d}.{number:03d}.parquet"
        with atomic_write(path) as unfinished:
            pq.write_table(to_table(kind, records), unfinished, compression="zstd")

    def read_table(self, table: str, block: int, kind: type[R], columns: Sequence[str] | None = None) -> pa.Table:
        """A block of a table as Arrow columns: all of them, or those that are named.

        Raises:
            PoolError: a part is damaged.
        """
        schema = arrow_schema(kind)
        wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
        parts = [_read_part(path, wanted) for path in self.parts(table, block)]
        return pa.concat_tables(parts) if parts else wanted.empty_table()

    def read(self, table: str, block: int, kind: type[R]) -> list[R]:
        """A block of a table as records."""
        return from_table(kind, self.read_table(table, block, kind))


def _read_part(path: Path, schema: pa.Schema) -> pa.Table:
    try:
        return pq.read_table(path, columns=list(schema.names)).cast(schema)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise PoolError(
            f"{path} cannot be read ({one_line(error, 120)}); if it is damaged, delete it and run the same command"
        ) from error


def blocks(items: Sequence[T]) -> list[Sequence[T]]:
    """The problems, or what belongs to them one to one, block by block."""
    return [items[start : start + PROBLEMS_PER_BLOCK] for start in range(0, len(items), PROBLEMS_PER_BLOCK)]


@dataclass(frozen=True)
class BlockMarkers:
    """Which blocks a stage has finished, and the counts of each: what resumes a stage and sums up its result.

    A marker counts only while the parts that it names are there with their sizes.

    Attributes:
        folder: the stage's folder.
        home: the folder of all stages and pools.
    """

    folder: Path
    home: Path

    @classmethod
    def of(cls, stage: Stage) -> BlockMarkers:
        """The markers of a stage."""
        return cls(stage.folder, stage.home)

    def get(self, block: int) -> dict[str, int] | None:
        """The counts of a finished block; None where it is not finished."""
        found = self._read(block)
        return found["counts"] if found is not None and are_whole(self.home, found["parts"]) else None

    def put(self, block: int, counts: Mapping[str, int], parts: Iterable[Path]) -> None:
        """Mark a block as finished.

        Args:
            block: which one.
            counts: what is to be summed up.
            parts: the files of pools that the block's records were read from.
        """
        path = self._path(block)
        path.parent.mkdir(exist_ok=True)
        remove_leftovers(path.parent, path.name)
        sizes = {part.relative_to(self.home).as_posix(): part.stat().st_size for part in parts}
        write_text(path, json.dumps({"counts": dict(counts), "parts": sizes}))

    def missing(self, count: int) -> list[int]:
        """The blocks, of so many, that are not finished."""
        return [block for block in range(count) if self.get(block) is None]

    def total(self, count: int) -> dict[str, int]:
        """The sums of the counts of so many blocks, all finished."""
        sums: dict[str, int] = {}
        for block in range(count):
            for name, value in (self.get(block) or {}).items():
                sums[name] = sums.get(name, 0) + value
        return sums

    def parts(self, count: int) -> dict[str, int]:
        """The parts that the markers of so many blocks name: sizes in bytes, by path within the home."""
        return {name: size for block in range(count) for name, size in (self._read(block) or _NOTHING)["parts"].items()}

    def _read(self, block: int) -> dict[str, Any] | None:
        try:
            found = json.loads(self._path(block).read_text(encoding="utf-8", errors="replace"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) and {"counts", "parts"} <= found.keys() else None

    def _path(self, block: int) -> Path:
        return self.folder / "blocks" / f"{block:05d}.json"


_NOTHING: dict[str, Any] = {"counts": {}, "parts": {}}
