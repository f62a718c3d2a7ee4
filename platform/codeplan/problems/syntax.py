"""Python source of data sets, which may be any text, as a syntax tree."""

from __future__ import annotations

import ast
import warnings
from typing import Any

_PARSE_ERRORS = (SyntaxError, ValueError, TypeError, RecursionError, MemoryError)
"""What `ast` raises for texts that are not Python, or too large or too deeply nested."""


def module(source: str) -> ast.Module | None:
    """The tree of a program; None where it is not valid Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except _PARSE_ERRORS:
        return None


def expression(source: str) -> ast.expr | None:
    """The tree of an expression; None where the source is not one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source, mode="eval").body
    except _PARSE_ERRORS:
        return None


def literal(node: ast.expr) -> Any:
    """The value of a literal; raises ValueError where the node is not one."""
    try:
        return ast.literal_eval(node)
    except _PARSE_ERRORS as error:
        raise ValueError("not a literal") from error


def is_literal(node: ast.expr) -> bool:
    """Whether `literal` has a value for it."""
    try:
        literal(node)
    except ValueError:
        return False
    return True
