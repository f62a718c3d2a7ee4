"""Hidden suites that are one program, and how to remove those of its tests that the question shows.

Two forms are known: a function ``check(candidate)`` of asserts (HumanEval, LeetCode), and EvalPlus's loop over a list
``inputs`` and, mostly, a list ``results``: ``for i, (inp, exp) in enumerate(zip(inputs, results)): assertion(f(*inp),
exp, 0)``, also inside ``check``; where ``results`` is missing, a reference solution in the program computes them.

Tests are the same where their arguments are equal literals. Tuples count as lists, since EvalPlus writes them so.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from codeplan.problems import syntax

_CANDIDATE = "candidate"
_LISTS = ("inputs", "results")


def without_shown(program: str, shown: Sequence[str], entry_point: str = "") -> tuple[str, int]:
    """A test program without the tests that asserts show.

    Args:
        program: the test program; returned unchanged where no test of it is shown.
        shown: asserts, for example ``assert set(f((1, 2), [3])) == {3}``.
        entry_point: the name by which the asserts call the function, where the program calls it ``candidate``.

    Returns:
        The program, empty where no test is left, and how many tests were removed.
    """
    tree = syntax.module(program)
    check = next((node for node in tree.body if _is_check(node)), None) if tree else None
    lists = _lists(tree) if tree else {}
    if tree is None or (check is None and not lists):
        return program, 0
    functions = {_CANDIDATE, entry_point, *(_name(call) for call in _calls(tree) if _is_spread(call))}
    known = {key for test in shown for key in _shown_arguments(test, functions)}
    removed = _remove_inputs(lists, known)
    if isinstance(check, ast.FunctionDef):
        kept = [statement for statement in check.body if not _is_shown(statement, functions, known)]
        removed += len(check.body) - len(kept)
        check.body = kept
    if not removed:
        return program, 0
    if lists:
        is_empty = not lists["inputs"].elts
    else:  # statements that do not call the function are not tests: HumanEval has `assert True`
        is_empty = not any(_name(call) in functions for statement in kept for call in _calls(statement))
    return ("" if is_empty else f"{ast.unparse(tree)}\n"), removed


def _remove_inputs(lists: dict[str, ast.List], known: set[str]) -> int:
    if not lists:
        return 0
    inputs = lists["inputs"].elts
    kept = [position for position, node in enumerate(inputs) if _key(node) not in known]
    removed = len(inputs) - len(kept)
    for node in lists.values():
        node.elts = [node.elts[position] for position in kept]
    return removed


def _is_shown(statement: ast.stmt, functions: set[str], known: set[str]) -> bool:
    if not isinstance(statement, ast.Assert):
        return False
    calls = [call for call in _calls(statement) if _name(call) in functions]
    return len(calls) == 1 and _call_key(calls[0]) in known


def _shown_arguments(test: str, functions: set[str]) -> Iterator[str]:
    """Keys of the functions' literal arguments in an assert."""
    tree = syntax.module(test)
    for call in _calls(tree) if tree else ():
        if _name(call) in functions and (key := _call_key(call)) is not None:
            yield key


def _lists(tree: ast.Module) -> dict[str, ast.List]:
    """EvalPlus's lists by name; empty where ``inputs`` is missing or their lengths differ."""
    lists = {
        node.targets[0].id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id in _LISTS
        and isinstance(node.value, ast.List)
    }
    lengths = {len(node.elts) for node in lists.values()}
    return lists if "inputs" in lists and len(lengths) == 1 else {}


def _is_check(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "check"


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _name(call: ast.Call) -> str:
    return ast.unparse(call.func)


def _is_spread(call: ast.Call) -> bool:
    return any(isinstance(argument, ast.Starred) for argument in call.args)


def _call_key(call: ast.Call) -> str | None:
    # LeetCode's checks name the parameters, in the order of the signature.
    return _key(ast.List([*call.args, *(keyword.value for keyword in call.keywords)]))


def _key(arguments: ast.expr) -> str | None:
    """What is equal for equal lists of arguments; None where they are not literals."""
    try:
        return repr(_with_lists(syntax.literal(arguments)))
    except ValueError:
        return None


def _with_lists(value: Any) -> Any:
    return [_with_lists(item) for item in value] if isinstance(value, (list, tuple)) else value
