"""The problems of a finished stage, block by block: none of them is in memory that is not worked on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from codeplan import records
from codeplan.pool import PROBLEMS_PER_BLOCK
from codeplan.records import Problem


@dataclass(frozen=True)
class ProblemBlocks:
    """A file of problems.

    Attributes:
        path: the file, which `records.write` wrote.
    """

    path: Path

    @cached_property
    def total(self) -> int:
        """The number of problems; raises RecordsError where the file is missing or damaged."""
        return records.count(self.path)

    @property
    def count(self) -> int:
        """The number of blocks."""
        return -(-self.total // PROBLEMS_PER_BLOCK)

    def size(self, block: int) -> int:
        """The number of problems of a block."""
        return min(PROBLEMS_PER_BLOCK, self.total - block * PROBLEMS_PER_BLOCK)

    def read(self, block: int, leave_out: Collection[str] = ()) -> list[Problem]:
        """The problems of a block, without the fields to leave out.

        Raises:
            RecordsError: the file is missing or damaged.
        """
        return records.read_rows(Problem, self.path, block * PROBLEMS_PER_BLOCK, PROBLEMS_PER_BLOCK, leave_out)
