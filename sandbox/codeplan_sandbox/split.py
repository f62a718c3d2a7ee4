"""Assert tests in two processes: one holds the untrusted program, the other runs the tests and sees only stand-ins.

A stand-in sends a call's arguments as plain data and gets plain data back, so that the program can reach neither the
expected values nor the statement that compares them. What a program can change, it can change in its own process only.
An object that a test creates (``Solution()``) stays in the program's process; the test calls its methods. Tests that
need more than that (objects as arguments or results of functions, callbacks) are unseparable: never passed. So are
tests that import what tests cannot use. Two arguments that are one object arrive as two.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import json
import os
import symtable
import sys
from typing import Any, NoReturn

from codeplan_sandbox import channel, drivers, packages, plain
from codeplan_sandbox.stand_ins import Function, Instance, Target, name_of, target_of
from codeplan_sandbox.verdicts import Outcome
from codeplan_sandbox.wire import STARTED

TESTS = drivers.PROGRAM
"""Where the test process finds the suite; the program's process never has this descriptor."""

_TEST_NAME = "test"


class UnseparableError(BaseException):
    """The test needs something that is no plain data; no ``except Exception`` of a test may swallow it."""


class EndedError(BaseException):
    """The program's process is gone."""


def serve_tests() -> NoReturn:
    """In the test's process: run the tests that the server asks for by number, until it hangs up."""
    os.write(drivers.CONTROL, STARTED)
    suite = json.loads(os.pread(TESTS, os.fstat(TESTS).st_size, 0))
    while number := os.read(drivers.CONTROL, 8):
        judge = _TestJudge(suite["setup"], suite["tests"][int.from_bytes(number, "little")], suite["entry_point"])
        drivers.report(judge.outcome())
    os._exit(0)


class _TestJudge:
    """One run of one test."""

    def __init__(self, setup: str, test: str, entry_point: str) -> None:
        self.setup, self.test, self.entry_point = setup, test, entry_point
        self.final: BaseException | None = None
        """An end that stands even where the test swallowed it."""
        self.program_error: BaseException | None = None
        self.description = ""

    def outcome(self) -> Outcome:
        """Run the test and say how it ended."""
        try:
            self._run()
        except BaseException as error:  # a failing test raises anything
            return self._failed(self.final or error)
        return self._failed(self.final) if self.final else Outcome.PASSED

    def _run(self) -> None:
        try:
            trees = [ast.parse(self.setup, "setup"), ast.parse(self.test, _TEST_NAME)]
            names = _names_of_the_program([self.setup, self.test], bool(self.entry_point))
        except (SyntaxError, ValueError) as error:
            self.end(UnseparableError(f"the test is no Python: {error}"))
        namespace: dict[str, Any] = {"__name__": "tests", "__builtins__": builtins}
        for name in sorted(names):
            namespace[name] = self._stand_in(name)
        for tree in trees:
            exec(compile(tree, "setup" if tree is trees[0] else _TEST_NAME, "exec"), namespace)  # noqa: S102
        if self.entry_point and "check" in namespace and not _calls_check(trees[1]):
            namespace["check"](self._candidate())

    def _stand_in(self, name: str) -> Any:
        """What a name of the program means in the test: plain data itself, a standard module, or a function."""
        reply = self._ask("get", name)
        if reply[0] == "value":
            return reply[1]
        if reply[0] == "raise" and hasattr(builtins, name):
            return getattr(builtins, name)  # the program does not define it
        if reply == ["unseparable", "module"] and name in sys.stdlib_module_names:
            return importlib.import_module(name)  # our own, whatever the program calls by this name
        return Function(self, name, name)

    def _candidate(self) -> Function:
        """What ``check`` gets; an object that the entry point creates is a new one for each test."""
        if self.entry_point.isidentifier():
            return Function(self, self.entry_point, self.entry_point)
        reply = self._ask("entry", self.entry_point)
        return Function(self, self.entry_point, self._object(self.entry_point, reply))

    def call(self, function: Function, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        name = name_of(function)
        reply = self._ask("call", target_of(function), list(arguments), keywords, name=name)
        if reply[0] != "value":
            return Instance(self, f"{name}()", self._object(name, reply))
        _, result, new_arguments, new_keywords = reply
        for old, new in zip((*arguments, *keywords.values()), (*new_arguments, *new_keywords.values()), strict=True):
            _update(old, new)
        return result

    def attribute(self, instance: Instance, name: str) -> Any:
        whole_name = f"{name_of(instance)}.{name}"
        reply = self._ask("attribute", target_of(instance), name)
        return reply[1] if reply[0] == "value" else Instance(self, whole_name, self._object(whole_name, reply))

    def _object(self, name: str, reply: list[Any]) -> int:
        """The number of an object that the program's process keeps; other replies end the test or are raised."""
        if reply[0] == "raise":
            # A loop in the test would take it for its own end, and pass without a look at any value.
            kind = "RuntimeError" if reply[1] == "StopIteration" and reply[1] not in self.test else reply[1]
            self.program_error, self.description = _raised(kind, reply[2]), reply[3]
            raise self.program_error
        if reply[0] == "unseparable":
            self.end(UnseparableError(f"{name} returns a {reply[1]}, which is no plain data"))
        if reply[0] != "object" or type(reply[1]) is not int:
            self.end(EndedError("the program sent no proper reply"))
        return reply[1]

    def refuse(self, name: str) -> NoReturn:
        self.end(UnseparableError(f"the test does more with {name} than to call it"))

    def _ask(self, operation: str, target: Target, *rest: Any, name: str = "") -> list[Any]:
        try:
            request = plain.encode([operation, target, *rest])
        except plain.NotPlainError as error:
            self.end(UnseparableError(f"{name} is called with a {error}, which is no plain data"))
        try:
            channel.send(request)
            reply = channel.receive()
            if reply is None:
                self.end(EndedError("the program ended while it was called"))
            answer: list[Any] = plain.decode(reply)
            wanted = 4 if operation == "call" and answer[0] == "value" else _REPLY_LENGTHS[answer[0]]
            if len(answer) != wanted:
                raise ValueError(f"a reply of {len(answer)} parts")
        except OSError as error:
            self.end(EndedError(f"the program ended while it was called: {error}"))
        except (ValueError, KeyError, IndexError, TypeError) as error:
            self.end(EndedError(f"the program sent no proper reply: {error}"))
        return answer

    def end(self, error: BaseException) -> NoReturn:
        self.final = self.final or error
        raise self.final

    def _failed(self, error: BaseException) -> Outcome:
        if isinstance(error, UnseparableError):
            drivers.explain(str(error))
            return Outcome.UNSEPARABLE
        if isinstance(error, (EndedError, SystemExit)):
            drivers.explain(str(error))
            return Outcome.EXITED_EARLY
        if error is self.program_error:
            drivers.explain(self.description)
            return drivers.classify(error)
        if isinstance(error, ImportError):
            drivers.explain(_unusable(error))
            return Outcome.UNSEPARABLE
        drivers.explain(f"{self._failing_line(error)}{drivers.describe(error)}")
        return Outcome.WRONG_ANSWER if isinstance(error, AssertionError) else drivers.classify(error)

    def _failing_line(self, error: BaseException) -> str:
        line = drivers.line_in(error, _TEST_NAME)
        return f"{self.test.splitlines()[line - 1].strip()}: " if line else ""


_REPLY_LENGTHS = {"value": 2, "raise": 4, "unseparable": 2, "object": 2}


def _unusable(error: ImportError) -> str:
    """Why a test's own import failed, which is not the program's fault."""
    package = (error.name or "").split(".")[0]
    if package in packages.TEST_PACKAGES and package not in sys.modules:
        return f"the test imports {package}, which is not there: install it beside the sandbox, and import it by name"
    if package and package not in sys.stdlib_module_names and package not in packages.TEST_PACKAGES:
        usable = ", ".join(packages.TEST_PACKAGES)
        return f"the test imports {package}; tests may import the standard library and {usable} only"
    return f"the test imports what tests cannot use here: {drivers.describe(error)}"


def _raised(name: str, text: str) -> Exception:
    """The program's exception as one of the built-in types, by its name."""
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            return kind(text)
        except TypeError:  # a few, as UnicodeDecodeError, want more than a text
            return RuntimeError(text)
    return RuntimeError(text)


def _update(old: Any, new: Any) -> None:
    """Bring what the program did to an argument in place back to the test's own object."""
    if type(old) is not type(new) or old is new:
        return
    if isinstance(old, list):
        old[:] = new
    elif isinstance(old, (dict, set)):
        old.clear()
        old.update(new)


def _names_of_the_program(sources: list[str], named: bool) -> set[str]:
    """The names that the tests use and do not define at the top level: the program must.

    Built-in names stay built in, so that no program's own ``abs`` decides a test, but for a test that uses nothing else
    and whose function is not named: then the one it uses is the function it is about.
    """
    used: set[str] = set()
    defined: set[str] = set()
    for source in sources:
        tables = [symtable.symtable(source, _TEST_NAME, "exec")]
        while tables:
            table = tables.pop()
            tables += table.get_children()
            for symbol in table.get_symbols():
                # A parameter that has the function's name hides it in its own scope, not from the other statements.
                if table.get_type() != "module" and not symbol.is_global():
                    continue
                if symbol.is_assigned() or symbol.is_imported():
                    defined.add(symbol.get_name())
                if symbol.is_referenced():
                    used.add(symbol.get_name())
    wanted = used - defined
    missing = wanted - set(dir(builtins))
    return missing if missing or named or len(wanted) > 1 else wanted


def _calls_check(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "check"
        for node in tree.body
    )
