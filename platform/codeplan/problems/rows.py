"""Rows of data sets: read lazily, so that a broken one can be named, and left out, without losing the others."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from codeplan.errors import UserError
from codeplan_sandbox import Case, Suite
from codeplan_sandbox.suites import Comparator


class ProblemError(UserError, ValueError):
    """Problems that cannot be read: the message names the file, the row and the field, and what is expected there."""


@dataclass(frozen=True)
class Row:
    """One row of a data set, not yet parsed.

    Attributes:
        where: the file and line, or the folder.
        load: returns the row's fields by name; raises ValueError or OSError where they cannot be read.
    """

    where: str
    load: Callable[[], Any]

    @cached_property
    def fields(self) -> Mapping[str, Any]:
        """The row's fields; raises ProblemError where the row is no object."""
        try:
            fields = self.load()
        except (ValueError, OSError, RecursionError) as error:
            raise ProblemError(f"{self.where}: cannot be read: {error}") from error
        if not isinstance(fields, dict):
            raise ProblemError(f"{self.where}: a row must be a JSON object, not {type(fields).__name__}")
        return fields

    def wrong(self, field: str, expected: str) -> ProblemError:
        """An error that shows what the field holds."""
        found = f"{self.fields[field]!r:.80}" if field in self.fields else "missing"
        return ProblemError(f"{self.where}, field {field}: {found}; expected {expected}")

    def text(self, field: str, default: str | None = None) -> str:
        """A text field; ``default`` where it is missing or null, and an error where there is no default."""
        value = self.fields.get(field)
        if value is None:
            value = default
        if not isinstance(value, str):
            raise self.wrong(field, "text")
        return value

    def texts(self, field: str) -> tuple[str, ...]:
        """A list of texts, as data or as JSON; empty where the field is missing or empty."""
        value = self.data(field) or []
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.wrong(field, "a list of texts")
        return tuple(value)

    def data(self, field: str) -> Any:
        """A field that may be data or JSON text; None where it is missing or empty."""
        value = self.fields.get(field)
        if not isinstance(value, str):
            return value
        if not value.strip():
            return None
        try:
            return json.loads(value)
        except (ValueError, RecursionError) as error:
            raise self.wrong(field, f"data, or JSON text ({error})") from error

    def name(self, *fields: str) -> str:
        """An identifier, text or a whole number, from the first of the fields that is there."""
        for field in fields:
            value = self.fields.get(field)
            if isinstance(value, int) and not isinstance(value, bool):
                return str(value)
            if isinstance(value, str) and value:
                return value
        raise self.wrong(fields[0], "text or a whole number")

    def level(self, field: str, dataset: str) -> str:
        """A difficulty in lower case; the data set's name where there is none."""
        return self.text(field, "").strip().lower() or dataset

    def pairs(self, field: str, inputs: str, outputs: str) -> list[tuple[Any, Any]]:
        """Inputs and outputs of tests, from an object with two lists of one length; empty where there are none."""
        tests = self.data(field)
        if not tests:
            return []
        expected = f"an object with two lists of one length, {inputs} and {outputs}"
        if not isinstance(tests, dict):
            raise self.wrong(field, expected)
        left, right = tests.get(inputs), tests.get(outputs)
        if left is None and right is None:
            return []
        if not isinstance(left, list) or not isinstance(right, list) or len(left) != len(right):
            raise self.wrong(field, expected)
        return list(zip(left, right, strict=True))


def json_lines(path: Path) -> Iterator[Row]:
    """The rows of a ``.jsonl`` or ``.jsonl.gz`` file, one for each line that is not blank.

    Raises:
        ProblemError: the file is missing, cannot be decompressed, or is no UTF-8.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield Row(f"{path}, line {number}", partial(json.loads, line))
    except FileNotFoundError as error:
        raise ProblemError(f"{path}: there is no such file; expected JSON lines (.jsonl or .jsonl.gz)") from error
    except (OSError, EOFError, zlib.error) as error:
        raise ProblemError(f"{path}: cannot be read: {error}; expected JSON lines (.jsonl or .jsonl.gz)") from error


def stdin_suite(row: Row, field: str, pairs: list[tuple[Any, Any]], comparator: Comparator) -> Suite | None:
    """A suite of programs' inputs and outputs; None where there are none, or where no output is expected anywhere.

    Tests that expect nothing pass the empty program. APPS has such problems (test 2404), left over where its authors
    could not keep an output.
    """
    cases = tuple(Case(input=_lines(row, field, given), output=_lines(row, field, wanted)) for given, wanted in pairs)
    if not any(case.output.strip() for case in cases):
        return None
    return Suite(kind="stdin", cases=cases, comparator=comparator)


def _lines(row: Row, field: str, value: Any) -> str:
    """The text of a standard input or output: text, a single number, or a list of lines."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and not any(isinstance(line, (list, dict)) for line in value):
        return "\n".join(str(line) for line in value)
    if isinstance(value, (int, float)):
        return str(value)
    raise row.wrong(field, f"inputs and outputs that are text or lists of lines, not {value!r:.40}")
