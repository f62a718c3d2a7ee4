"""The records of an outbox on disk: JSON objects, one a line, in numbered files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Record = dict[str, Any]


@dataclass(frozen=True)
class Waiting:
    """A record, and the segment and byte at which it ends."""

    record: Record
    segment: int
    end: int


def read(folder: Path, start: tuple[int, int]) -> Iterator[Waiting]:
    """The records after a segment and byte, oldest first."""
    first, offset = start
    for segment in sorted(number for number in segments(folder) if number >= first):
        end = offset if segment == first else 0
        try:
            lines = segment_path(folder, segment).open("rb")
        except FileNotFoundError:  # sent and removed meanwhile
            return
        with lines:
            lines.seek(end)
            for line in lines:
                if not line.endswith(b"\n"):  # being written, or cut off by a crash
                    break
                end += len(line)
                yield Waiting(parsed(line), segment, end)


def segments(folder: Path) -> list[int]:
    """The numbers of the files, in no order."""
    return [int(path.stem) for path in folder.glob("[0-9]*.jsonl")]


def segment_path(folder: Path, segment: int) -> Path:
    """A file by its number."""
    return folder / f"{segment:06d}.jsonl"


def position(path: Path) -> tuple[int, int]:
    """A segment and byte that a file names; the beginning if it names none."""
    try:
        segment, offset = path.read_text().split()
        return int(segment), int(offset)
    except (OSError, ValueError):  # none yet; sending a write twice does no harm
        return 0, 0


def parsed(line: bytes) -> Record:
    """The record of a line; one with only the key ``unreadable`` if the line is none."""
    try:
        record: Record = json.loads(line)
    except ValueError:
        return {"unreadable": line.decode("utf-8", "replace")}
    return record if isinstance(record, Mapping) else {"unreadable": line.decode("utf-8", "replace")}
