"""The lines of a batch: JSON objects, each a program with its suite."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from codeplan_sandbox import long_integers
from codeplan_sandbox.suites import Limits, Suite, SuiteError

LineId = str | int
KEYS = ("id", "program", "program_path", "suite", "suite_path", "limits")
MAX_FLOAT_LIMIT = 1e9
MAX_INTEGER_LIMIT = 1 << 50
"""Above these the limits do not fit the system calls that set them."""
MAX_ID = (1 << 53) - 1
"""Larger numbers do not keep their value in every reader of JSON."""
_DIGEST_DIGITS = 32


@dataclass(frozen=True, slots=True)
class BatchLine:
    """A program to be judged.

    Attributes:
        number: of the line, from 1.
        id: the line's own, or its number.
        program: Python source.
        suite: its tests, at least one.
        limits: those of the command line, and what the line overrides.
    """

    number: int
    id: LineId
    program: str
    suite: Suite
    limits: Limits

    def digest(self, *, stop_at_failure: bool, packages: Sequence[str] = ()) -> str:
        """Identifies all that the verdict depends on: equal lines need not be judged again."""
        judged = [self.program, self.suite.to_dict(), dataclasses.asdict(self.limits), stop_at_failure, *packages]
        return hashlib.sha256(long_integers.dumps(judged).encode()).hexdigest()[:_DIGEST_DIGITS]


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be judged: its number, its id (None where there is none to be read), and what is wrong."""

    number: int
    id: LineId | None
    message: str


class LineError(ValueError):
    """A line is not valid; the message says what is wrong."""


class BatchReader:
    """Reads a batch line by line; it holds one line, and one suite that several lines may share, at a time.

    Args:
        source: where the lines come from.
        folder: what relative paths in them refer to.
        limits: for lines that do not override them.
    """

    def __init__(self, source: BinaryIO, folder: Path, limits: Limits) -> None:
        self._source, self._folder, self._limits = source, folder, limits
        self._suite: tuple[str, Suite] | None = None
        self.position = 0
        """How many bytes have been read."""

    def __iter__(self) -> Iterator[BatchLine | BadLine]:
        for number, text in enumerate(self._source, 1):
            self.position += len(text)
            if text.strip():
                yield self._line(number, text)

    def _line(self, number: int, text: bytes) -> BatchLine | BadLine:
        line_id: LineId | None = None
        try:
            plain = _object(text)
            line_id = _id(plain.get("id", number))
            if unknown := sorted(set(plain) - set(KEYS)):
                raise LineError(f"unknown key {unknown[0]!r}; the keys of a line are {', '.join(KEYS)}")
            program, suite = self._program(plain), self._suite_of(plain)
            if not len(suite):
                raise LineError("the suite has no tests")
            limits = limits_from(plain.get("limits", {}), self._limits)
            return BatchLine(number, line_id, program, suite, limits)
        except (LineError, SuiteError, OSError, UnicodeDecodeError) as error:
            return BadLine(number, line_id, str(error))

    def _program(self, plain: dict[str, Any]) -> str:
        if _one_of(plain, "program", "program_path") == "program":
            if not isinstance(plain["program"], str):
                raise LineError("program must be text")
            return plain["program"]
        return self._path(plain, "program_path").read_text(encoding="utf-8")

    def _suite_of(self, plain: dict[str, Any]) -> Suite:
        if _one_of(plain, "suite", "suite_path") == "suite":
            return Suite.from_dict(plain["suite"])
        path = self._path(plain, "suite_path")
        if self._suite is None or self._suite[0] != str(path):
            try:
                self._suite = str(path), Suite.from_json(path.read_text(encoding="utf-8"))
            except (SuiteError, RecursionError) as error:
                raise LineError(f"{path}: {error}") from error
        return self._suite[1]

    def _path(self, plain: dict[str, Any], key: str) -> Path:
        path = plain[key]
        if not isinstance(path, str) or "\0" in path:
            raise LineError(f"{key} must be the path of a file")
        return self._folder / path


def limits_from(plain: Any, base: Limits) -> Limits:
    """Limits from JSON values; fields that are not given are those of ``base``.

    Raises:
        LineError: a name is unknown, or a value is not a number in its range.
    """
    if not isinstance(plain, dict):
        raise LineError(f"limits must be an object, not {type(plain).__name__}")
    defaults = dataclasses.asdict(base)
    if unknown := sorted(set(plain) - set(defaults)):
        raise LineError(f"unknown limit {unknown[0]!r}; the limits are {', '.join(defaults)}")
    return Limits(**{**defaults, **{name: _limit(name, value, defaults[name]) for name, value in plain.items()}})


def _limit(name: str, value: Any, default: float) -> float:
    whole = isinstance(default, int)
    largest = MAX_INTEGER_LIMIT if whole else MAX_FLOAT_LIMIT
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not number or not 0 < value <= largest or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        raise LineError(f"limit {name} is {value!r}; it must be {kind} greater than 0 and at most {largest:g}")
    return int(value) if whole else value


def _object(text: bytes) -> dict[str, Any]:
    try:
        plain = long_integers.loads(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise LineError(f"not UTF-8: {error}") from error
    except (ValueError, RecursionError) as error:
        raise LineError(f"not JSON: {error}") from error
    if not isinstance(plain, dict):
        raise LineError(f"a line must be an object, not {type(plain).__name__}")
    return plain


def _id(value: Any) -> LineId:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 1.0 is the whole number 1 in JSON
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise LineError("id must be text or a whole number")
    if isinstance(value, int) and abs(value) > MAX_ID:
        raise LineError(f"id must be text or a whole number of at most {MAX_ID}")
    return value


def _one_of(plain: dict[str, Any], *keys: str) -> str:
    given = [key for key in keys if key in plain]
    if len(given) != 1:
        raise LineError(f"a line needs {' or '.join(keys)}, and {'not both' if given else 'has neither'}")
    return given[0]
