"""The program's side of assert tests: it answers the calls of the tests, which run in another process; see `split`."""

from __future__ import annotations

import os
import types
from typing import Any

from codeplan_sandbox import channel, drivers, entry_points, main_module, plain
from codeplan_sandbox.verdicts import Outcome


def program_test(code: types.CodeType) -> bool:
    """In the program's process: load the program once, then answer the tests' calls until they hang up."""
    namespace = main_module.start()
    exec(code, namespace)  # noqa: S102 - this process exists for it
    drivers.report(Outcome.PASSED)
    program = _Program(namespace)
    try:
        while (request := channel.receive()) is not None:
            channel.send(program.answer(request))
    finally:  # also where a call left by SystemExit: the tests see that nobody is there any more
        os._exit(0)


class _Program:
    """What the tests reach of the program: its names, and the objects that they created."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._named: dict[str, Any] = {}
        self._objects: list[Any] = []

    def answer(self, request: str) -> str:
        operation, target, *rest = plain.decode(request)
        try:
            if operation == "entry":
                return self._kept(entry_points.used(self._namespace, target))
            found = self._objects[target] if isinstance(target, int) else self._global(target)
            if operation == "call":
                return self._call(found, *rest)
            return self._value(found if operation == "get" else getattr(found, *rest), keep=operation != "get")
        except plain.NotPlainError as error:
            return plain.encode(["unseparable", str(error)])
        except Exception as error:  # it is raised again in the test
            name, text = type.__dict__["__name__"].__get__(type(error)), drivers.text_of(error)
            return plain.encode(["raise", name, text, drivers.describe(error)])

    def _global(self, name: str) -> Any:
        if name not in self._named:
            self._named[name] = entry_points.used(self._namespace, name)
        return self._named[name]

    def _call(self, function: Any, arguments: list[Any], keywords: dict[str, Any]) -> str:
        result = function(*arguments, **keywords)
        try:
            return plain.encode(["value", result, arguments, keywords])
        except plain.NotPlainError:
            if not isinstance(function, type):
                raise
            return self._kept(result)

    def _value(self, value: Any, *, keep: bool) -> str:
        try:
            return plain.encode(["value", value])
        except plain.NotPlainError:
            if not keep:
                raise
            return self._kept(value)

    def _kept(self, value: Any) -> str:
        self._objects.append(value)
        return plain.encode(["object", len(self._objects) - 1])
