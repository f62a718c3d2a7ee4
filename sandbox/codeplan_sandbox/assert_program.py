"""The program's process of an assert test: it answers the calls of the tests, which run in another process.

See `assert_tests` for the other side.
"""

from __future__ import annotations

import os
import types
from typing import Any

from codeplan_sandbox import channel, drivers, entry_points, main_module, plain
from codeplan_sandbox.verdicts import Outcome


def program_test(code: types.CodeType) -> bool:
    """Load the program once, then answer the calls of the tests until they close the socket."""
    namespace = main_module.start()
    exec(code, namespace)  # noqa: S102 - this process exists for it
    drivers.report(Outcome.PASSED)
    program = _LoadedProgram(namespace)
    try:
        while (request := channel.receive()) is not None:
            channel.send(program.answer(request))
    finally:  # also after a SystemExit in a call: the tests see the socket close
        os._exit(0)


class _LoadedProgram:
    """What tests can access: the program's names, and the objects that the tests created."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._named: dict[str, Any] = {}
        self._objects: list[Any] = []

    def answer(self, request: str) -> str:
        operation, target, *rest = plain.decode(request)
        try:
            if operation == "entry":
                return self._store(entry_points.for_name(self._namespace, target))
            value = self._objects[target] if isinstance(target, int) else self._global(target)
            if operation == "call":
                return self._call(value, *rest)
            return self._value(value if operation == "get" else getattr(value, *rest), keep=operation != "get")
        except plain.NotPlainError as error:
            return plain.encode(["unseparable", str(error)])
        except Exception as error:  # raised again in the test
            name, text = type.__dict__["__name__"].__get__(type(error)), drivers.text_of(error)
            return plain.encode(["raise", name, text, drivers.describe(error)])

    def _global(self, name: str) -> Any:
        if name not in self._named:
            self._named[name] = entry_points.for_name(self._namespace, name)
        return self._named[name]

    def _call(self, function: Any, arguments: list[Any], keywords: dict[str, Any]) -> str:
        result = function(*arguments, **keywords)
        try:
            return plain.encode(["value", result, arguments, keywords])
        except plain.NotPlainError:
            if not isinstance(function, type):
                raise
            return self._store(result)

    def _value(self, value: Any, *, keep: bool) -> str:
        try:
            return plain.encode(["value", value])
        except plain.NotPlainError:
            if not keep:
                raise
            return self._store(value)

    def _store(self, value: Any) -> str:
        self._objects.append(value)
        return plain.encode(["object", len(self._objects) - 1])
