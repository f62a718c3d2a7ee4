"""Resolve which of a program's definitions the tests call."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

# The functions below use these built-in names, whatever a program assigns in `builtins`.
__builtins__ = vars(builtins).copy()  # type: ignore[assignment]


def for_call(namespace: dict[str, Any], entry_point: str) -> Any:
    """The function that a ``call`` suite calls.

    In this order: a method of the class ``Solution``, as on LeetCode and in APPS' harness; a definition of the module;
    a method of the only other class that has it; a name that the module imports.

    Args:
        namespace: what the program defines.
        entry_point: a name, or an expression such as ``Solution().f``.

    Raises:
        NameError: the program does not define it.
    """
    return _first_of([_method_of_solution, _defined, _method_of_a_class, _global], namespace, entry_point)


def for_name(namespace: dict[str, Any], name: str) -> Any:
    """What a name in an ``assert`` test refers to: as `for_call`, but names of the module come first."""
    return _first_of([_global, _method_of_solution, _method_of_a_class], namespace, name)


_MISSING = object()


def _first_of(lookups: list[Callable[[dict[str, Any], str], Any]], namespace: dict[str, Any], entry_point: str) -> Any:
    if not entry_point.isidentifier():
        return eval(entry_point, namespace)  # noqa: S307 - in the program's own process
    for lookup in lookups:
        found = lookup(namespace, entry_point)
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
    """A method that exactly one class of the program defines."""
    classes = {id(found): found for found in namespace.values() if isinstance(found, type) and name in vars(found)}
    own = [found for found in classes.values() if found.__module__ == "__main__"]
    return getattr(own[0](), name) if len(own) == 1 else _MISSING
