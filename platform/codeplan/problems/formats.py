"""What a reader of a known format consists of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from codeplan.problems.rows import Row
from codeplan.records import Problem


@dataclass(frozen=True)
class RowContext:
    """What a row's problem depends on besides the row.

    Attributes:
        split: the split that the row belongs to.
        examples: apps only: the rows of ``examples_path`` by split and id.
    """

    split: str
    examples: Mapping[tuple[str, str], Row]


@dataclass(frozen=True)
class Format:
    """How to read one format.

    Attributes:
        rows: the rows of a file or folder, in order.
        split: a row's own split; empty where the format or the row names none.
        problem: the problem of a row.
    """

    rows: Callable[[Path], Iterator[Row]]
    split: Callable[[Row], str]
    problem: Callable[[Row, RowContext], Problem]


def no_split(_: Row) -> str:
    """The split of a format whose rows name none."""
    return ""


def split_field(row: Row) -> str:
    """The split of a format whose rows may name theirs in a field ``split``."""
    return row.string("split", "")
