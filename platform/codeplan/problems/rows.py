"""Rows of data sets: read lazily, so that a broken one can be named, and left out, without losing the others."""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from codeplan.errors import UserError
from codeplan.problems.json_values import fault, parse, printable, shown, whole
from codeplan_sandbox import Case, Suite, long_integers
from codeplan_sandbox.suites import Comparator

_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class ProblemError(UserError, ValueError):
    """Problems that cannot be read: one line names the file, the row and the field, and what is expected there."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


@dataclass(frozen=True)
class Row:
    """One row of a data set, not yet parsed.

    Attributes:
        where: the file and line, or the folder.
        load: returns the row's fields by name; raises ValueError or OSError where they cannot be read.
    """

    where: str
    load: Callable[[], Any]
    _parsed: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def fields(self) -> Mapping[str, Any]:
        """The row's fields; raises ProblemError where the row is no object."""
        try:
            fields = self.load()
        except (ValueError, OSError) as error:
            raise ProblemError(f"{self.where}: cannot be read: {error}; expected one JSON object") from error
        if not isinstance(fields, dict):
            raise ProblemError(f"{self.where}: a row must be a JSON object, not {type(fields).__name__}")
        return fields

    def wrong(self, name: str, expected: str) -> ProblemError:
        """An error that shows what the field holds."""
        found = shown(self.fields[name]) if name in self.fields else "missing"
        return ProblemError(f"{self.where}, field {name:.80}: {found}; expected {expected}")

    def has(self, name: str) -> bool:
        """Whether a field is there and holds something else than null or blanks."""
        value = self.fields.get(name)
        return bool(value.strip()) if isinstance(value, str) else value is not None

    def first(self, *names: str) -> str:
        """The first of the fields that holds something; the first of all where none does."""
        return next((name for name in names if self.has(name)), names[0])

    def text(self, name: str, default: str | None = None) -> str:
        """A text field; ``default`` where it is missing or null, and an error where there is no default."""
        value = self.fields.get(name)
        if value is None:
            value = default
        if not isinstance(value, str):
            raise self.wrong(name, "text")
        return self._checked(name, value)  # type: ignore[no-any-return]

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts, as data or as JSON; empty where the field is missing or empty."""
        value = self.data(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(name, "a list of texts")
        return tuple(value)

    def data(self, name: str) -> Any:
        """A field that may be data or JSON text; None where it is missing or empty."""
        if name not in self._parsed:
            self._parsed[name] = self._data(name)
        return self._parsed[name]

    def _data(self, name: str) -> Any:
        value = self.fields.get(name)
        if isinstance(value, str):
            if not value.strip():
                return None
            try:
                value = parse(self._checked(name, value))
            except ProblemError:
                raise
            except ValueError as error:
                raise self.wrong(name, f"data, or JSON text ({error})") from error
        return self._checked(name, value)

    def _checked(self, name: str, value: Any) -> Any:
        if found := fault(value):
            raise ProblemError(
                f"{self.where}, field {name:.80}: holds {found}, which no program or file can hold; mend the row, or "
                "leave such rows out with --skip-bad"
            )
        return value

    def name(self, *names: str) -> str:
        """An identifier, text or a whole number, from the first of the fields that is there."""
        for name in names:
            value = self.fields.get(name)
            if (number := whole(value)) is not None:
                return long_integers.decimal(number)
            if isinstance(value, str) and value:
                return self.text(name)
        raise self.wrong(names[0], "text or a whole number")

    def level(self, name: str, dataset: str) -> str:
        """A difficulty, text or a number, its ASCII letters in lower case; the data set's name where there is none."""
        value = self.fields.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            number = whole(value)
            return long_integers.decimal(number) if number is not None else str(value)
        # Only ASCII: other alphabets have letters that change into several, or back into others.
        return " ".join(self.text(name, "").translate(_ASCII_LOWER).split()) or dataset

    def pairs(self, name: str, inputs: str, outputs: str) -> list[tuple[Any, Any]]:
        """Inputs and outputs of tests; empty where there are none.

        They stand in an object with two lists of one length, or in a list of objects with an input and an output each.
        """
        tests = self.data(name)
        if tests is None or tests in ([], {}):
            return []
        expected = f"an object with two lists of one length, {inputs} and {outputs}, or a list of objects with both"
        if isinstance(tests, list):
            if not all(isinstance(test, dict) and inputs in test and outputs in test for test in tests):
                raise self.wrong(name, expected)
            return [(test[inputs], test[outputs]) for test in tests]
        if not isinstance(tests, dict):
            raise self.wrong(name, expected)
        left, right = tests.get(inputs), tests.get(outputs)
        if left is None and right is None:
            return []
        if not isinstance(left, list) or not isinstance(right, list) or len(left) != len(right):
            raise self.wrong(name, expected)
        return list(zip(left, right, strict=True))

    def text_pairs(self, name: str, inputs: str, outputs: str) -> list[tuple[str, str]]:
        """The same for programs: texts, from texts, single numbers or lists of lines."""
        return [
            (self._lines(name, given), self._lines(name, wanted)) for given, wanted in self.pairs(name, inputs, outputs)
        ]

    def _lines(self, name: str, value: Any) -> str:
        parts = value if isinstance(value, list) else [value]
        if not all(map(_is_line, parts)):
            raise self.wrong(name, f"inputs and outputs that are text or lists of lines, not {shown(value)}")
        return "\n".join(map(_line, parts))


def stdin_suite(pairs: list[tuple[str, str]], comparator: Comparator) -> Suite | None:
    """A suite of programs' inputs and outputs; None where there are none, or where no output is expected anywhere.

    Tests that expect nothing pass the empty program. APPS has such problems (test 2404), left over where its authors
    could not keep an output.
    """
    if not any(wanted.strip() for _, wanted in pairs):
        return None
    cases = tuple(Case(input=given, output=wanted) for given, wanted in pairs)
    return Suite(kind="stdin", cases=cases, comparator=comparator)


def _is_line(value: Any) -> bool:
    # What is too large for a float was read as infinity: its text is lost.
    return isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value))


def _line(value: str | float) -> str:
    return long_integers.decimal(value) if isinstance(value, int) and not isinstance(value, bool) else str(value)
