"""Python idioms in plain English: patterns written as Python, in which single capitals stand for any expression."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

Bound = dict[str, ast.expr]
"""What each capital of a pattern stands for."""

_FREE = frozenset("ET")
"""Capitals of whole clauses: their expressions may name the loop variable V, and need no parentheses."""


class Idioms:
    """A table of patterns and their phrases; the first pattern that matches counts.

    Attributes:
        phrases: the table, by pattern.
    """

    def __init__(self, phrases: Mapping[str, str]) -> None:
        self.phrases = phrases
        self._patterns: dict[type[ast.expr], list[tuple[ast.expr, str]]] = {}
        for source, phrase in phrases.items():
            pattern = ast.parse(source, mode="eval").body
            self._patterns.setdefault(type(pattern), []).append((pattern, phrase))

    def find(self, node: ast.expr) -> tuple[str, Bound] | None:
        """The phrase of the first pattern that the expression matches, and what its capitals stand for."""
        for pattern, phrase in self._patterns.get(type(node), ()):
            bound: Bound = {}
            if _matches(pattern, node, bound) and _closed(bound):
                return phrase, bound
        return None


# Tests of the loop variable V in a comprehension over X, and what they leave of X.
_SELECTIONS = {
    "V % 2 == 0": "the even {Xs}",
    "V % 2 == 1": "the odd {Xs}",
    "V % 2 != 0": "the odd {Xs}",
    "V % K == 0": "the {Xs} divisible by {K}",
    "V % K != 0": "the {Xs} not divisible by {K}",
    "V > K": "the {Xs} above {K}",
    "V < K": "the {Xs} below {K}",
    "V >= K": "the {Xs} from {K} on",
    "V <= K": "the {Xs} up to {K}",
    "V == K": "the {Xs} equal to {K}",
    "V != K": "the {Xs} other than {K}",
    "len(V) > K": "the {Xs} longer than {K}",
    "len(V) < K": "the {Xs} shorter than {K}",
    "len(V) == K": "the {Xs} of length {K}",
    "K in V": "the {Xs} with {K}",
    "K not in V": "the {Xs} without {K}",
    "V in K": "the {Xs} in {K}",
    "V not in K": "the {Xs} not in {K}",
    "V.startswith(K)": "the {Xs} starting with {K}",
    "V.endswith(K)": "the {Xs} ending with {K}",
    "V == V[::-1]": "the {Xs} that read the same backwards",
}

PARTS = Idioms(
    {
        **{f"[V for V in X if {test}]": phrase for test, phrase in _SELECTIONS.items()},
        "X[:-K]": "all but the last {K} {Xs}",
        "X[-K:]": "the last {K} {Xs}",
        "X[:K]": "the first {K} {Xs}",
        "X[K:]": "all but the first {K} {Xs}",
        "X[::K]": "the {Xs} in steps of {K}",
        "list(dict.fromkeys(X))": "the distinct {Xs} in order",
    }
)
"""Parts of X; as a new value of X they are what is kept."""

EXPRESSIONS = Idioms(
    {
        **{f"(V for V in X if {test})": phrase for test, phrase in _SELECTIONS.items()},
        "X[::-1]": "the reverse of {X}",
        **PARTS.phrases,
        "X % 2 == 0": "{X} is even",
        "X % 2 == 1": "{X} is odd",
        "X % 2 != 0": "{X} is odd",
        "X % K == 0": "{X} is divisible by {K}",
        "X % K != 0": "{X} is not divisible by {K}",
        "X == X[::-1]": "{X} reads the same backwards",
        "X * X": "the square of {X}",
        "sum(map(int, str(X)))": "the digit sum of {X}",
        "' '.join(map(str, X))": "the texts of {X} joined by ' '",
        "K.join(map(str, X))": "the texts of {X} joined by {K}",
        "[sum(X[:I + 1]) for I in range(len(X))]": "the running sums of {X}",
        "list(accumulate(X))": "the running sums of {X}",
        "[B - A for A, B in zip(X, X[1:])]": "the differences of neighbours in {X}",
        "sum(1 for V in X if T)": "the count of each {V} of {X} where {T}",
        "sum(V in K for V in X)": "the count of each {V} of {X} where {V} is in {K}",
        "sum(V == K for V in X)": "the count of each {V} of {X} where {V} equals {K}",
        "sorted(X, key=len)": "the order by length of {X}",
        "range(len(X))": "the positions of {X}",
    }
)
"""Expressions in any position."""

CHANGES = Idioms(
    {
        "X[::-1]": "Reverse {X}.",
        "list(reversed(X))": "Reverse {X}.",
        "sorted(X)": "Sort {X} from low to high.",
        "sorted(X, reverse=True)": "Sort {X} from high to low.",
        "sorted(X, key=len)": "Sort {X} by length.",
        "list(dict.fromkeys(X))": "Drop repeated {Xs}.",
        "[V * V for V in X]": "Square each {X1}.",
        "[V + K for V in X]": "Add {K} to each {X1}.",
        "[V - K for V in X]": "Subtract {K} from each {X1}.",
        "[V * K for V in X]": "Multiply each {X1} by {K}.",
        "[V // K for V in X]": "Divide each {X1} down by {K}.",
        "[V % K for V in X]": "Reduce each {X1} modulo {K}.",
        "[V[::-1] for V in X]": "Reverse each {X1}.",
        "[V[:K] for V in X]": "Cut each {X1} to its first {K}.",
        "[sum(map(int, str(V))) for V in X]": "Replace each {X1} by its digit sum.",
        "[sum(X[:I + 1]) for I in range(len(X))]": "Replace {X} by their running sums.",
        "[B - A for A, B in zip(X, X[1:])]": "Replace {X} by the differences of neighbours.",
        "[E for V in X]": "Replace each {X1} {V} by {E}.",
        "X * X": "Square {X}.",
        "X * K": "Multiply {X} by {K}.",
        "sum(map(int, str(X)))": "Replace {X} by its digit sum.",
    }
)
"""New values of X made from its old one."""

READS = Idioms(
    {
        "list(map(int, input().split()))": "a list of integers",
        "[int(V) for V in input().split()]": "a list of integers",
        "list(map(float, input().split()))": "a list of numbers",
        "input().split()": "a list of words",
        "list(input().split())": "a list of words",
        "map(int, input().split())": "integers",
        "int(input())": "one integer",
        "float(input())": "one number",
        "input()": "a line",
        "input().strip()": "a line",
    }
)
"""What is read from one line of the input."""


def fill(phrase: str, bound: Bound, say: Callable[[ast.expr], str], operand: Callable[[ast.expr], str]) -> str:
    """The phrase with its fields filled in: ``{X}`` as it is said, ``{Xs}`` its items, ``{X1}`` one of them."""
    fields = {}
    for capital, node in bound.items():
        fields[capital] = said = say(node) if capital in _FREE else operand(node)
        fields[f"{capital}s"] = said if _is_plural(node) else f"items of {said}"
        fields[f"{capital}1"] = said[:-1] if _is_plural(node) else f"item of {said}"
    return phrase.format(**fields)


def _is_plural(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and len(node.id) > 1 and node.id.endswith("s") and not node.id.endswith("ss")


def _matches(pattern: ast.AST, node: ast.AST, bound: Bound) -> bool:
    if isinstance(pattern, ast.Name) and len(pattern.id) == 1 and pattern.id.isupper() and isinstance(node, ast.expr):
        known = bound.setdefault(pattern.id, node)
        return known is node or ast.unparse(known) == ast.unparse(node)
    if type(pattern) is not type(node):
        return False
    return all(_same(getattr(pattern, name), getattr(node, name, None), bound) for name in pattern._fields)


def _same(pattern: object, value: object, bound: Bound) -> bool:
    if isinstance(pattern, list) and isinstance(value, list):
        return len(pattern) == len(value) and all(_same(*pair, bound) for pair in zip(pattern, value, strict=True))
    if isinstance(pattern, ast.expr_context):
        return True
    if isinstance(pattern, ast.AST):
        return isinstance(value, ast.AST) and _matches(pattern, value, bound)
    return pattern == value


def _closed(bound: Bound) -> bool:
    # In ``[V + K for V in X]`` the K must be the same for all V, and V a name.
    loops = {capital: node for capital, node in bound.items() if capital in "ABIV"}
    if not all(isinstance(node, ast.Name) for node in loops.values()):
        return False
    inner = {ast.unparse(node) for node in loops.values()}
    outer = (node for capital, node in bound.items() if capital in "KX")
    return not any(isinstance(part, ast.Name) and part.id in inner for node in outer for part in ast.walk(node))
