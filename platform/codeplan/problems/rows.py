"""Rows of data sets: read lazily, so that a broken one can be named, and skipped, without losing the others."""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from codeplan.errors import UserError, escape_unprintable
from codeplan.problems.json_values import as_integer, parse, short_repr, unsupported
from codeplan_sandbox import Case, Suite, long_integers

_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_MAX_MESSAGE, _MESSAGE_HEAD, _MESSAGE_TAIL = 1000, 700, 250


class ProblemError(UserError, ValueError):
    """Problems that cannot be read: one line names the file, the row and the field, and what is expected there."""

    def __init__(self, message: str) -> None:
        # The end says what to do, so a long message loses its middle.
        if len(message) > _MAX_MESSAGE:
            message = f"{message[:_MESSAGE_HEAD]} ... {message[-_MESSAGE_TAIL:]}"
        super().__init__(escape_unprintable(message))


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
        """The row's fields; raises ProblemError where the row is not an object."""
        try:
            fields = self.load()
        except (ValueError, OSError) as error:
            raise ProblemError(f"{self.where}: cannot be read: {error}; expected one JSON object") from error
        if not isinstance(fields, dict):
            raise ProblemError(f"{self.where}: a row must be a JSON object, not {type(fields).__name__}")
        return fields

    def error(self, name: str, expected: str) -> ProblemError:
        """An error that shows what the field holds."""
        found = short_repr(self.fields[name]) if name in self.fields else "missing"
        return ProblemError(f"{self.where}, field {name:.80}: {found}; expected {expected}")

    def has_value(self, name: str) -> bool:
        """Whether a field is present and holds anything but null or whitespace."""
        value = self.fields.get(name)
        return bool(value.strip()) if isinstance(value, str) else value is not None

    def first_present(self, *names: str) -> str:
        """The name of the first field that has a value; the first name where none has."""
        return next((name for name in names if self.has_value(name)), names[0])

    def string(self, name: str, default: str | None = None) -> str:
        """A string field; ``default`` where it is missing or null, and an error where there is no default."""
        value = self.fields.get(name)
        if value is None:
            value = default
        if not isinstance(value, str):
            raise self.error(name, "a string")
        return self._checked(name, value)  # type: ignore[no-any-return]

    def strings(self, name: str) -> tuple[str, ...]:
        """A list of strings, as data or as JSON text; empty where the field is missing or empty."""
        value = self.json_value(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error(name, "a list of strings")
        return tuple(value)

    def json_value(self, name: str) -> Any:
        """A field that may be data or JSON text; None where it is missing or empty."""
        if name not in self._parsed:
            self._parsed[name] = self._parse(name)
        return self._parsed[name]

    def _parse(self, name: str) -> Any:
        value = self.fields.get(name)
        if isinstance(value, str):
            if not value.strip():
                return None
            try:
                value = parse(self._checked(name, value))
            except ProblemError:
                raise
            except ValueError as error:
                raise self.error(name, f"data, or JSON text ({error})") from error
        return self._checked(name, value)

    def _checked(self, name: str, value: Any) -> Any:
        if found := unsupported(value):
            raise ProblemError(
                f"{self.where}, field {name:.80}: contains {found}, which no program or file can hold; fix the row, or "
                "skip such rows with --skip-bad"
            )
        return value

    def identifier(self, *names: str) -> str:
        """A non-empty string or an integer, from the first of the fields that holds one."""
        for name in names:
            value = self.fields.get(name)
            if (number := as_integer(value)) is not None:
                return long_integers.decimal(number)
            if isinstance(value, str) and value:
                return self.string(name)
        raise self.error(names[0], "a string or an integer")

    def level(self, name: str, dataset: str) -> str:
        """A difficulty, a string or a number, in lower-case ASCII letters; the data set's name where there is none."""
        value = self.fields.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            number = as_integer(value)
            return long_integers.decimal(number) if number is not None else str(value)
        # Only ASCII: other alphabets have letters that change into several, or back into others.
        return " ".join(self.string(name, "").translate(_ASCII_LOWER).split()) or dataset

    def pairs(self, name: str, inputs: str, outputs: str) -> list[tuple[Any, Any]]:
        """Inputs and outputs of tests; empty where there are none.

        They are in an object with two lists of equal length, or in a list of objects with one input and output each.
        """
        tests = self.json_value(name)
        if tests is None or tests in ([], {}):
            return []
        expected = f"an object with two lists of equal length, {inputs} and {outputs}, or a list of objects with both"
        if isinstance(tests, list):
            if not all(isinstance(test, dict) and inputs in test and outputs in test for test in tests):
                raise self.error(name, expected)
            return [(test[inputs], test[outputs]) for test in tests]
        if not isinstance(tests, dict):
            raise self.error(name, expected)
        left, right = tests.get(inputs), tests.get(outputs)
        if left is None and right is None:
            return []
        if not isinstance(left, list) or not isinstance(right, list) or len(left) != len(right):
            raise self.error(name, expected)
        return list(zip(left, right, strict=True))

    def string_pairs(self, name: str, inputs: str, outputs: str) -> list[tuple[str, str]]:
        """The same for stdin tests: as strings, made from strings, single numbers or lists of lines."""
        return [
            (self._lines(name, input_), self._lines(name, output))
            for input_, output in self.pairs(name, inputs, outputs)
        ]

    def _lines(self, name: str, value: Any) -> str:
        lines = value if isinstance(value, list) else [value]
        if not all(map(_is_line, lines)):
            raise self.error(name, f"inputs and outputs that are strings or lists of lines, not {short_repr(value)}")
        return "\n".join(map(_line, lines))


def stdin_suite(pairs: list[tuple[str, str]]) -> Suite | None:
    """A suite of inputs and outputs; None where there are none, or where no output is expected anywhere.

    The empty program passes tests that expect nothing. APPS has such problems (test 2404), left over where its authors
    could not keep an output.
    """
    if not any(output.strip() for _, output in pairs):
        return None
    return Suite(kind="stdin", cases=tuple(Case(input=input_, output=output) for input_, output in pairs))


def _is_line(value: Any) -> bool:
    # A number too large for a float was read as infinity: its digits are lost.
    return isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value))


def _line(value: str | float) -> str:
    return long_integers.decimal(value) if isinstance(value, int) and not isinstance(value, bool) else str(value)
