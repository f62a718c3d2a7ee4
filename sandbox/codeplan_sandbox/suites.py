"""What a program is judged by: a suite of tests, and the limits it runs under.

Three kinds of suite exist, one for each way in which benchmarks test programs:

* ``stdin``: the program reads standard input and writes standard output (APPS, CodeContests).
* ``call``: a function, or a method of a class named ``Solution``, is called with JSON arguments (APPS, LeetCode). The
  program finds the names that LeetCode defines, as ``List``, unless it defines them itself.
* ``assert``: Python statements use what the program defines (MBPP, HumanEval, ``check(candidate)``). They may create
  objects of its classes, as ``Solution().f``, and import the standard library and the packages of
  `codeplan_sandbox.packages.TEST_PACKAGES`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from codeplan_sandbox import long_integers

SuiteKind = Literal["stdin", "call", "assert"]
Comparator = Literal["tokens", "exact", "apps"]

SUITE_KINDS: tuple[SuiteKind, ...] = ("stdin", "call", "assert")
COMPARATORS: tuple[Comparator, ...] = ("tokens", "exact", "apps")


class SuiteError(ValueError):
    """A suite that cannot be used: the message names the field and what it should hold."""


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
        kind: how the program is driven; see the module's docstring.
        cases: the tests of a ``stdin`` or ``call`` suite.
        tests: the tests of an ``assert`` suite, each a piece of Python source that raises when the program is wrong.
        setup: Python source that an ``assert`` suite runs before its tests.
        entry_point: the function's name, or an expression as ``Solution().f``: required for ``call``; for ``assert``
            it is what ``check(candidate)`` gets.
        comparator: how outputs are compared: ``tokens`` (blanks between tokens do not count, lines and integers do;
            floats within 1e-6), ``exact`` (only trailing blanks are forgiven), ``apps`` (APPS' own lenient rules; a
            call's argument that is a dict whose keys are all whole numbers in text gets them as integers).
    """

    kind: SuiteKind
    cases: tuple[Case, ...] = ()
    tests: tuple[str, ...] = ()
    setup: str = ""
    entry_point: str = ""
    comparator: Comparator = "tokens"

    def __post_init__(self) -> None:
        if self.kind not in SUITE_KINDS:
            raise SuiteError(f"kind is {self.kind!r}; it must be one of {', '.join(SUITE_KINDS)}")
        if self.comparator not in COMPARATORS:
            raise SuiteError(f"comparator is {self.comparator!r}; it must be one of {', '.join(COMPARATORS)}")
        if self.kind == "call" and not self.entry_point:
            raise SuiteError("a call suite needs entry_point, the name of the function to call")
        if self.kind == "assert" and self.cases:
            raise SuiteError("an assert suite has tests, not cases")
        if self.kind != "assert" and self.tests:
            raise SuiteError(f"a {self.kind} suite has cases, not tests")

    def __len__(self) -> int:
        """The number of tests."""
        return len(self.tests) if self.kind == "assert" else len(self.cases)

    def to_json(self) -> str:
        """The suite as one line of JSON; `from_json` reads it back unchanged."""
        return long_integers.dumps(self.to_dict(), ensure_ascii=False, separators=(",", ":"))

    def to_dict(self) -> dict[str, Any]:
        """The suite as plain data, without the fields that its kind does not use."""
        plain: dict[str, Any] = {"kind": self.kind}
        if self.kind == "stdin":
            plain["cases"] = [{"input": case.input, "output": case.output} for case in self.cases]
        elif self.kind == "call":
            plain["entry_point"] = self.entry_point
            plain["cases"] = [{"args": list(case.args), "expected": case.expected} for case in self.cases]
        else:
            plain.update(tests=list(self.tests), setup=self.setup, entry_point=self.entry_point)
        if self.comparator != "tokens":
            plain["comparator"] = self.comparator
        return plain

    @classmethod
    def from_json(cls, text: str) -> Suite:
        """Read a suite from JSON text.

        Raises:
            SuiteError: the text is no JSON, or a field is missing, unknown or of the wrong type.
        """
        try:
            plain = long_integers.loads(text)
        except ValueError as error:
            raise SuiteError(f"a suite must be JSON: {error}") from error
        return cls.from_dict(plain)

    @classmethod
    def from_dict(cls, plain: Any) -> Suite:
        """Read a suite from plain data; raises SuiteError as `from_json` does."""
        if not isinstance(plain, dict):
            raise SuiteError(f"a suite must be an object, not {type(plain).__name__}")
        known = {each.name for each in dataclasses.fields(cls)}
        if unknown := sorted(set(plain) - known):
            raise SuiteError(f"unknown field {unknown[0]!r}; a suite has {', '.join(sorted(known))}")
        if "kind" not in plain:
            raise SuiteError(f"a suite needs kind, one of {', '.join(SUITE_KINDS)}")
        for name in ("setup", "entry_point"):
            if not isinstance(plain.get(name, ""), str):
                raise SuiteError(f"{name} must be text")
        fields = dict(plain)
        fields["cases"] = tuple(_case(fields["kind"], index, case) for index, case in _listed(plain, "cases"))
        fields["tests"] = tuple(_text(f"tests[{index}]", test) for index, test in _listed(plain, "tests"))
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may use; a program that wants more ends with the verdict that names the limit.

    Attributes:
        time_s: processor seconds for one test.
        wall_factor: wall seconds for one test are this many times ``time_s``: a guard against programs that sleep. One
            that was merely kept waiting for a processor gets more.
        total_s: wall seconds for all tests of a program together.
        memory_bytes: address space of a program's process, beyond what the interpreter takes, and beyond the stack of
            one thread for which it asked (256 MiB at most).
        output_bytes: bytes of standard output for one test.
        processes: how many threads a program may have at once; it can start no processes. Only where its user id is its
            own: elsewhere the memory of their stacks is what limits threads.
    """

    time_s: float = 2.0
    wall_factor: float = 3.0
    total_s: float = 60.0
    memory_bytes: int = 256 * 1024 * 1024
    output_bytes: int = 1024 * 1024
    processes: int = 16

    def __post_init__(self) -> None:
        for each in dataclasses.fields(self):
            if not getattr(self, each.name) > 0:
                raise ValueError(f"limit {each.name} is {getattr(self, each.name)!r}; it must be greater than 0")


def _listed(plain: dict[str, Any], name: str) -> list[tuple[int, Any]]:
    value = plain.get(name, [])
    if not isinstance(value, (list, tuple)):
        raise SuiteError(f"{name} must be a list, not {type(value).__name__}")
    return list(enumerate(value))


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str):
        raise SuiteError(f"{where} must be text, not {type(value).__name__}")
    return value


def _case(kind: str, index: int, plain: Any) -> Case:
    wanted = ("input", "output") if kind == "stdin" else ("args", "expected")
    if not isinstance(plain, dict) or set(plain) != set(wanted):
        raise SuiteError(f"cases[{index}] of a {kind} suite must have exactly {wanted[0]} and {wanted[1]}")
    if kind == "stdin":
        return Case(
            input=_text(f"cases[{index}].input", plain["input"]),
            output=_text(f"cases[{index}].output", plain["output"]),
        )
    if not isinstance(plain["args"], (list, tuple)):
        raise SuiteError(f"cases[{index}].args must be a list, not {type(plain['args']).__name__}")
    return Case(args=tuple(plain["args"]), expected=plain["expected"])
