"""Which of a program's definitions the tests call."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

# The functions below find the built-in names here, whatever a program makes of them in `builtins`.
__builtins__ = vars(builtins).copy()  # type: ignore[assignment]


def called(namespace: dict[str, Any], entry_point: str) -> Any:
    """The function that a ``call`` suite means.

    A method of the class ``Solution`` comes first, as on LeetCode and in APPS' harness, then what the module defines,
    then a method of the one other class that has it, and what the module only imports comes last.

    Args:
        namespace: what the program defines, and nothing else.
        entry_point: a name, or an expression as ``Solution().f``.

    Raises:
        NameError: the program does not define it.
    """
    return _first_of([_method_of_solution, _defined, _method_of_a_class, _global], namespace, entry_point)


def used(namespace: dict[str, Any], name: str) -> Any:
    """What a name in the statements of an ``assert`` suite means: as `called`, but a name of the module comes first."""
    return _first_of([_global, _method_of_solution, _method_of_a_class], namespace, name)


_MISSING = object()


def _first_of(places: list[Callable[[dict[str, Any], str], Any]], namespace: dict[str, Any], entry_point: str) -> Any:
    if not entry_point.isidentifier():
        return eval(entry_point, namespace)  # noqa: S307 - in the program's own process
    for place in places:
        found = place(namespace, entry_point)
        if found is not _MISSING:
            return found
    raise NameError(f"the program does not define {entry_point}")


def _global(namespace: dict[str, Any], name: str) -> Any:
    return namespace.get(name, _MISSING)


def _defined(namespace: dict[str, Any], name: str) -> Any:
    found = namespace.get(name, _MISSING)
    return found if getattr(found, "__module__", "__main__") == "__main__" else _MISSING


def _method_of_solution(namespace: dict[str, Any], name: str) -> Any:
    solution = namespace.get("Solution")
    if solution is None or not hasattr(solution, name):
        return _MISSING
    return getattr(solution() if isinstance(solution, type) else solution, name)


def _method_of_a_class(namespace: dict[str, Any], name: str) -> Any:
    """A method that exactly one of the program's classes defines."""
    classes = {id(found): found for found in namespace.values() if isinstance(found, type) and name in vars(found)}
    own = [found for found in classes.values() if found.__module__ == "__main__"]
    return getattr(own[0](), name) if len(own) == 1 else _MISSING
