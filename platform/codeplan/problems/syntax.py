"""Python source of data sets, which may be anything, as a syntax tree."""

from __future__ import annotations

import ast
import warnings
from typing import Any

_FAILURES = (SyntaxError, ValueError, TypeError, RecursionError, MemoryError)
"""What `ast` raises for texts that are no Python, or too much of it."""


def module(source: str) -> ast.Module | None:
    """The tree of a program; None where it is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except _FAILURES:
        return None


def expression(source: str) -> ast.expr | None:
    """The tree of an expression; None where it is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source, mode="eval").body
    except _FAILURES:
        return None


def literal(node: ast.expr) -> Any:
    """The value of a literal; raises ValueError where it is none."""
    try:
        return ast.literal_eval(node)
    except _FAILURES as error:
        raise ValueError("not a literal") from error


def is_literal(node: ast.expr) -> bool:
    """Whether `literal` has a value for it."""
    try:
        literal(node)
    except ValueError:
        return False
    return True
