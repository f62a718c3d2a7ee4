"""Suites of tests, and the limits that programs run under.

There are three kinds of suite, one for each way in which benchmarks test programs:

* ``stdin``: the program reads standard input and writes standard output (APPS, CodeContests).
* ``call``: a function, or a method of a class named ``Solution``, is called with JSON arguments (APPS, LeetCode). The
  names that LeetCode predefines, such as ``List``, are available to the program.
* ``assert``: Python statements use what the program defines (MBPP, HumanEval, ``check(candidate)``). They may create
  objects of its classes, as in ``Solution().f``, and import the standard library and the packages of
  `codeplan_sandbox.packages.TEST_PACKAGES`.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

from codeplan_sandbox import long_integers

SuiteKind = Literal["stdin", "call", "assert"]
PlainComparator = Literal["tokens", "exact", "apps", "unordered"]
"""The comparators that need nothing but the expected output."""
Comparator = PlainComparator | Literal["floats"]

SUITE_KINDS: tuple[SuiteKind, ...] = ("stdin", "call", "assert")
PLAIN_COMPARATORS: tuple[PlainComparator, ...] = ("tokens", "exact", "apps", "unordered")
COMPARATORS: tuple[Comparator, ...] = (*PLAIN_COMPARATORS, "floats")
DEFAULT_COMPARATOR: PlainComparator = "tokens"
"""Judges suites that do not name a comparator."""
_MAX_LIMIT = 1 << 62  # what the kernel takes


class SuiteError(ValueError):
    """An invalid suite; the message names the field and what it must contain."""


@dataclass(frozen=True, slots=True)
class Case:
    """One test of a ``stdin`` or ``call`` suite.

    ``stdin`` suites use ``input`` and ``output`` (text); ``call`` suites use ``args`` (a list of JSON values) and
    ``expected`` (a JSON value).
    """

    input: str = ""
    output: str = ""
    args: tuple[Any, ...] = ()
    expected: Any = None


@dataclass(frozen=True, slots=True)
class Suite:
    """The tests of one problem, all of one kind.

    Attributes:
        kind: how the tests run the program; see the module's docstring.
        cases: the tests of a ``stdin`` or ``call`` suite.
        tests: the tests of an ``assert`` suite: Python source that raises if the program is wrong.
        setup: Python source that an ``assert`` suite runs before its tests.
        entry_point: the function's name, or an expression such as ``Solution().f``. Required for ``call``; for
            ``assert`` it is the argument of ``check(candidate)``.
        comparator: how outputs are compared, see `codeplan_sandbox.comparators`: ``tokens`` (line by line and token by
            token, floats within 1e-6), ``exact`` (as text, ignoring trailing whitespace), ``unordered`` (lines, or the
            items of a list, in any order), ``floats`` (all numbers within ``tolerance``), or ``apps`` (the lenient
            rules of APPS' own harness, which also turns the keys of a dict argument into integers if all of them are
            decimal integers). None if the suite does not name one; it is then judged as `DEFAULT_COMPARATOR`.
        tolerance: of ``floats``: the largest difference, absolute, or relative for numbers above 1; else None.
        checker: Python source that decides in place of a comparator, see `codeplan_sandbox.checkers`; empty for none.
    """

    kind: SuiteKind
    cases: tuple[Case, ...] = ()
    tests: tuple[str, ...] = ()
    setup: str = ""
    entry_point: str = ""
    comparator: Comparator | None = None
    tolerance: float | None = None
    checker: str = ""

    def __post_init__(self) -> None:
        if self.kind not in SUITE_KINDS:
            raise SuiteError(f"kind is {self.kind!r}; it must be one of {', '.join(SUITE_KINDS)}")
        if self.comparator is not None and self.comparator not in COMPARATORS:
            raise SuiteError(f"comparator is {self.comparator!r}; it must be one of {', '.join(COMPARATORS)}")
        if self.kind == "call" and not self.entry_point:
            raise SuiteError("a call suite needs entry_point, the name of the function to call")
        if self.kind == "assert" and self.cases:
            raise SuiteError("an assert suite has tests, not cases")
        if self.kind != "assert" and self.tests:
            raise SuiteError(f"a {self.kind} suite has cases, not tests")
        self._check_how_outputs_are_judged()

    def _check_how_outputs_are_judged(self) -> None:
        if (self.comparator == "floats") != (self.tolerance is not None):
            raise SuiteError("the comparator floats needs a tolerance, such as 1e-4, and no other comparator has one")
        if self.tolerance is not None and not (isinstance(self.tolerance, float) and 0 <= self.tolerance < math.inf):
            raise SuiteError(f"tolerance is {self.tolerance!r}; it must be a number of at least 0")
        if self.checker and (self.kind == "assert" or self.comparator is not None):
            raise SuiteError("a checker decides in stdin and call suites, and in place of a comparator")

    def __len__(self) -> int:
        """The number of tests."""
        return len(self.tests) if self.kind == "assert" else len(self.cases)

    def to_json(self) -> str:
        """The suite as one line of JSON, for `from_json`."""
        return long_integers.dumps(self.to_dict(), ensure_ascii=False, separators=(",", ":"))

    def to_dict(self) -> dict[str, Any]:
        """The suite as JSON values, without the fields that its kind does not use and without an unnamed comparator."""
        plain: dict[str, Any] = {"kind": self.kind}
        if self.kind == "stdin":
            plain["cases"] = [{"input": case.input, "output": case.output} for case in self.cases]
        elif self.kind == "call":
            plain["entry_point"] = self.entry_point
            plain["cases"] = [{"args": list(case.args), "expected": case.expected} for case in self.cases]
        else:
            plain.update(tests=list(self.tests), setup=self.setup, entry_point=self.entry_point)
        if self.comparator is not None:
            plain["comparator"] = self.comparator
        if self.tolerance is not None:
            plain["tolerance"] = self.tolerance
        if self.checker:
            plain["checker"] = self.checker
        return plain

    @classmethod
    def from_json(cls, text: str) -> Suite:
        """Read a suite from JSON text.

        Raises:
            SuiteError: the text is not JSON, or a field is missing, unknown or of the wrong type.
        """
        try:
            plain = long_integers.loads(text)
        except (ValueError, RecursionError) as error:
            raise SuiteError(f"the suite is not valid JSON: {error}") from error
        return cls.from_dict(plain)

    @classmethod
    def from_dict(cls, plain: Any) -> Suite:
        """Read a suite from JSON values; raises SuiteError as `from_json` does."""
        if not isinstance(plain, dict):
            raise SuiteError(f"a suite must be an object, not {type(plain).__name__}")
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(plain) - known):
            raise SuiteError(f"unknown field {unknown[0]!r}; the fields of a suite are {', '.join(sorted(known))}")
        if "kind" not in plain:
            raise SuiteError(f"a suite needs the field kind, one of {', '.join(SUITE_KINDS)}")
        for name in ("setup", "entry_point", "checker"):
            if not isinstance(plain.get(name, ""), str):
                raise SuiteError(f"{name} must be text")
        fields = dict(plain)
        if type(fields.get("tolerance")) is int:
            fields["tolerance"] = _as_float(fields["tolerance"])
        fields["cases"] = tuple(_case(fields["kind"], index, case) for index, case in _list_items(plain, "cases"))
        fields["tests"] = tuple(_text(f"tests[{index}]", test) for index, test in _list_items(plain, "tests"))
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may use; a program that exceeds a limit ends with the outcome that names it.

    Attributes:
        time_s: CPU seconds per test.
        wall_factor: wall-clock limit per test, as a multiple of ``time_s``: it ends programs that sleep. A program that
            only waits for a busy CPU gets more.
        total_s: wall-clock seconds for all tests of a program together.
        memory_bytes: address space of a program's process in addition to that of the interpreter and to the stack of
            one thread with an explicit ``stack_size`` (at most 256 MiB).
        output_bytes: bytes of standard output per test.
        processes: the number of threads that a program may have at once; it cannot start processes. Enforced only in
            tiers that give the program a user id of its own; elsewhere the memory of their stacks limits threads.
    """

    time_s: float = 2.0
    wall_factor: float = 3.0
    total_s: float = 60.0
    memory_bytes: int = 256 * 1024 * 1024
    output_bytes: int = 1024 * 1024
    processes: int = 16

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if type(value) not in (int, float) or not 0 < value < _MAX_LIMIT:
                raise ValueError(f"limit {field.name} is {value!r}; it must be a number greater than 0, below 2**62")
            if field.type == "int" and type(value) is not int:
                raise ValueError(f"limit {field.name} is {value!r}; it must be an integer")


def _as_float(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf  # which no tolerance may be


def _list_items(plain: dict[str, Any], name: str) -> list[tuple[int, Any]]:
    value = plain.get(name, [])
    if not isinstance(value, (list, tuple)):
        raise SuiteError(f"{name} must be a list, not {type(value).__name__}")
    return list(enumerate(value))


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str):
        raise SuiteError(f"{where} must be text, not {type(value).__name__}")
    return value


def _case(kind: str, index: int, plain: Any) -> Case:
    required = ("input", "output") if kind == "stdin" else ("args", "expected")
    if not isinstance(plain, dict) or set(plain) != set(required):
        raise SuiteError(f"cases[{index}] of a {kind} suite must have exactly {required[0]} and {required[1]}")
    if kind == "stdin":
        return Case(
            input=_text(f"cases[{index}].input", plain["input"]),
            output=_text(f"cases[{index}].output", plain["output"]),
        )
    if not isinstance(plain["args"], (list, tuple)):
        raise SuiteError(f"cases[{index}].args must be a list, not {type(plain['args']).__name__}")
    return Case(args=tuple(plain["args"]), expected=plain["expected"])
