"""Assert tests in two processes: one runs the untrusted program, the other runs the tests and sees only proxies.

A proxy sends the arguments of a call as plain data and receives plain data, so the program can access neither the
expected values nor the statement that compares them; it can only change its own process. An object that a test creates
(``Solution()``) stays in the program's process, and the test calls its methods. Tests that need more than that (objects
as arguments or results of functions, callbacks) are unseparable and never pass. So are tests that import packages that
tests cannot use. An object that is passed as two arguments arrives as two objects.
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
from codeplan_sandbox.proxies import FunctionProxy, ObjectProxy, Target, name_of, target_of
from codeplan_sandbox.verdicts import Outcome
from codeplan_sandbox.wire import STARTED

TESTS = drivers.PROGRAM
"""The descriptor of the suite in the test process; the program's process does not have it."""

_TEST_NAME = "test"


class UnseparableError(BaseException):
    """The test needs something that is not plain data. A BaseException, so that tests do not swallow it."""


class ProgramEndedError(BaseException):
    """The program's process has ended."""


def serve_tests() -> NoReturn:
    """Run the tests that the server orders by number, until it closes the control socket."""
    os.write(drivers.CONTROL, STARTED)
    try:
        suite = json.loads(os.pread(TESTS, os.fstat(TESTS).st_size, 0))
    except MemoryError:
        suite = None
    while number := os.read(drivers.CONTROL, 8):
        if suite is None:
            drivers.write_reason("the tests do not fit into the memory limit")
            drivers.report(Outcome.UNSEPARABLE)
            continue
        test = _AssertTest(suite["setup"], suite["tests"][int.from_bytes(number, "little")], suite["entry_point"])
        drivers.report(test.outcome())
    os._exit(0)


class _AssertTest:
    """One run of one test."""

    def __init__(self, setup: str, test: str, entry_point: str) -> None:
        self.setup, self.test, self.entry_point = setup, test, entry_point
        self.final: BaseException | None = None
        """The error that decides the outcome even if the test swallowed it."""
        self.program_error: BaseException | None = None
        self.description = ""

    def outcome(self) -> Outcome:
        """Run the test and return how it ended."""
        try:
            self._run()
        except BaseException as error:  # a failing test raises anything
            return self._failed(self.final or error)
        return self._failed(self.final) if self.final else Outcome.PASSED

    def _run(self) -> None:
        try:
            tree = ast.parse(self.test, _TEST_NAME)
            codes = [compile(self.setup, "setup", "exec", dont_inherit=True), compile(tree, _TEST_NAME, "exec")]
            names = _program_names([self.setup, self.test], bool(self.entry_point))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            self.end(UnseparableError(f"the test is not valid Python: {drivers.describe(error)}"))
        namespace: dict[str, Any] = {"__name__": "tests", "__builtins__": builtins}
        for name in sorted(names):
            namespace[name] = self._resolve(name)
        for code in codes:
            exec(code, namespace)  # noqa: S102
        if self.entry_point and "check" in namespace and not _calls_check(tree):
            namespace["check"](self._candidate())

    def _resolve(self, name: str) -> Any:
        """The value of a program's name in the test: plain data, a standard library module, or a proxy."""
        reply = self._query("get", name)
        if reply[0] == "value":
            return reply[1]
        if reply[0] == "raise" and hasattr(builtins, name):
            return getattr(builtins, name)  # the program does not define it
        if reply == ["unseparable", "module"] and name in sys.stdlib_module_names:
            return importlib.import_module(name)  # the real module, whatever the program assigned to this name
        return FunctionProxy(self, name, name)

    def _candidate(self) -> FunctionProxy:
        """The argument of ``check``; an object that the entry point creates is new for each test."""
        if self.entry_point.isidentifier():
            return FunctionProxy(self, self.entry_point, self.entry_point)
        reply = self._query("entry", self.entry_point)
        return FunctionProxy(self, self.entry_point, self._object(self.entry_point, reply))

    def call(self, function: FunctionProxy, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        name = name_of(function)
        reply = self._query("call", target_of(function), list(arguments), keywords, name=name)
        if reply[0] != "value":
            return ObjectProxy(self, f"{name}()", self._object(name, reply))
        _, result, new_arguments, new_keywords = reply
        for old, new in zip((*arguments, *keywords.values()), (*new_arguments, *new_keywords.values()), strict=True):
            _update(old, new)
        return result

    def attribute(self, instance: ObjectProxy, name: str) -> Any:
        whole_name = f"{name_of(instance)}.{name}"
        reply = self._query("attribute", target_of(instance), name)
        return reply[1] if reply[0] == "value" else ObjectProxy(self, whole_name, self._object(whole_name, reply))

    def _object(self, name: str, reply: list[Any]) -> int:
        """The number of an object in the program's process; other replies raise an exception or end the test."""
        if reply[0] == "raise":
            # StopIteration would end a loop of the test, which would then pass without comparing a value.
            kind = "RuntimeError" if reply[1] == "StopIteration" and reply[1] not in self.test else reply[1]
            self.program_error, self.description = _raised(kind, reply[2]), reply[3]
            raise self.program_error
        if reply[0] == "unseparable":
            self.end(UnseparableError(f"{name} returns a {reply[1]}, which is not plain data"))
        if reply[0] != "object" or type(reply[1]) is not int:
            self.end(ProgramEndedError("the program sent an invalid reply"))
        return reply[1]

    def refuse(self, name: str) -> NoReturn:
        self.end(UnseparableError(f"the test does more with {name} than call it"))

    def _query(self, operation: str, target: Target, *rest: Any, name: str = "") -> list[Any]:
        try:
            request = plain.encode([operation, target, *rest])
        except plain.NotPlainError as error:
            self.end(UnseparableError(f"{name} is called with a {error}, which is not plain data"))
        try:
            channel.send(request)
            reply = channel.receive()
            if reply is None:
                self.end(ProgramEndedError("the program ended during a call"))
            answer: list[Any] = plain.decode(reply)
            length = 4 if operation == "call" and answer[0] == "value" else _REPLY_LENGTHS[answer[0]]
            if len(answer) != length:
                raise ValueError(f"a reply of {len(answer)} parts")
        except OSError as error:
            self.end(ProgramEndedError(f"the program ended during a call: {error}"))
        except (ValueError, KeyError, IndexError, TypeError) as error:
            self.end(ProgramEndedError(f"the program sent an invalid reply: {error}"))
        return answer

    def end(self, error: BaseException) -> NoReturn:
        self.final = self.final or error
        raise self.final

    def _failed(self, error: BaseException) -> Outcome:
        if isinstance(error, UnseparableError):
            drivers.write_reason(str(error))
            return Outcome.UNSEPARABLE
        if isinstance(error, (ProgramEndedError, SystemExit)):
            drivers.write_reason(str(error))
            return Outcome.EXITED_EARLY
        if error is self.program_error:
            drivers.write_reason(self.description)
            return drivers.classify(error)
        if isinstance(error, ImportError):
            drivers.write_reason(_unusable(error))
            return Outcome.UNSEPARABLE
        drivers.write_reason(f"{self._failing_line(error)}{drivers.describe(error)}")
        return Outcome.WRONG_ANSWER if isinstance(error, AssertionError) else drivers.classify(error)

    def _failing_line(self, error: BaseException) -> str:
        line = drivers.line_in(error, _TEST_NAME)
        return f"{self.test.splitlines()[line - 1].strip()}: " if line else ""


_REPLY_LENGTHS = {"value": 2, "raise": 4, "unseparable": 2, "object": 2}


def _unusable(error: ImportError) -> str:
    """Why an import of the test failed, which is not the program's fault."""
    package = (error.name or "").split(".")[0]
    if package in packages.TEST_PACKAGES and package not in sys.modules:
        return f"the test imports {package}, which is not installed: install it in the sandbox's environment"
    if package and package not in sys.stdlib_module_names and package not in packages.TEST_PACKAGES:
        usable = ", ".join(packages.TEST_PACKAGES)
        return f"the test imports {package}; tests may import the standard library and {usable} only"
    return f"the test has an import that fails in the sandbox: {drivers.describe(error)}"


def _raised(name: str, text: str) -> Exception:
    """The program's exception as the built-in type of that name."""
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            return kind(text)
        except TypeError:  # a few, such as UnicodeDecodeError, take more arguments
            return RuntimeError(text)
    return RuntimeError(text)


def _update(old: Any, new: Any) -> None:
    """Apply a change that the program made to an argument to the test's own object."""
    if type(old) is not type(new) or old is new:
        return
    if isinstance(old, list):
        old[:] = new
    elif isinstance(old, (dict, set)):
        old.clear()
        old.update(new)


def _program_names(sources: list[str], has_entry_point: bool) -> set[str]:
    """The names that the tests use but do not define at the top level, so that the program must.

    Built-in names refer to the built-in functions, so that a program's own ``abs`` cannot decide a test. The exception
    is a test without an entry point that uses a single built-in name and nothing else: it tests that function.
    """
    used: set[str] = set()
    defined: set[str] = set()
    for source in sources:
        tables = [symtable.symtable(source, _TEST_NAME, "exec")]
        while tables:
            table = tables.pop()
            tables += table.get_children()
            for symbol in table.get_symbols():
                # A parameter shadows a name only in its own scope.
                if table.get_type() != "module" and not symbol.is_global():
                    continue
                if symbol.is_assigned() or symbol.is_imported():
                    defined.add(symbol.get_name())
                if symbol.is_referenced():
                    used.add(symbol.get_name())
    undefined = used - defined
    not_builtin = undefined - set(dir(builtins))
    return not_builtin if not_builtin or has_entry_point or len(undefined) > 1 else undefined


def _calls_check(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "check"
        for node in tree.body
    )
