"""Packages outside the standard library that the code of tests may import; programs never find them.

HumanEval+ and MBPP+ compare with numpy. Which packages tests may use is a short list, so that no verdict depends on
what else is installed: a test that imports another one is ``unseparable``.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from codeplan_sandbox.suites import Suite

TEST_PACKAGES = ("numpy",)
"""What tests may import, where it is installed beside the sandbox."""

PRELOADED = {
    "numpy": "numpy numpy.fft numpy.lib.stride_tricks numpy.linalg numpy.ma numpy.polynomial numpy.random numpy.testing"
}
"""The modules to import while files can still be read: many of a package's own parts are imported when first used."""

ENVIRONMENT = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "BLIS_NUM_THREADS"), "1"
)
"""For the process that imports them: it is forked, so it must have one thread."""

_IMPORT_LINE = re.compile(r"^\s*(?:import|from)\s+([A-Za-z_]\w*)", re.MULTILINE)
_IMPORT_CALLS = ("__import__", "import_module")


def packages_needed(suite: Suite) -> tuple[str, ...]:
    """The packages outside the standard library that the suite's setup and tests import, by name, sorted.

    Imports that the tests can do without, as their ``except ImportError`` says, do not count.
    """
    return _imported(suite.setup, suite.tests)[0] if suite.kind == "assert" else ()


def allowed(suite: Suite) -> tuple[str, ...]:
    """Those of `TEST_PACKAGES` that the suite's tests use."""
    if suite.kind != "assert" or not any(
        name in text for name in TEST_PACKAGES for text in (suite.setup, *suite.tests)
    ):
        return ()
    needed, optional = _imported(suite.setup, suite.tests)
    return tuple(name for name in TEST_PACKAGES if name in needed or name in optional)


def folder(name: str) -> Path | None:
    """Where a package is installed, None where it is not."""
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    return Path(found.origin).parent.parent if found is not None and found.origin else None


@functools.lru_cache(maxsize=256)
def _imported(setup: str, tests: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the packages that are needed, and of those that are optional."""
    needed: set[str] = set()
    optional: set[str] = set()
    for text in (setup, *tests):
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):  # for this Python, or for its limits
            needed.update(_IMPORT_LINE.findall(text))
            continue
        guarded = {id(node) for found in ast.walk(tree) if isinstance(found, ast.Try) for node in _guarded(found)}
        for node in ast.walk(tree):
            (optional if id(node) in guarded else needed).update(_names(node))
    foreign = needed - sys.stdlib_module_names
    return tuple(sorted(foreign)), tuple(sorted(optional - sys.stdlib_module_names - needed))


def _guarded(attempt: ast.Try) -> Iterator[ast.AST]:
    """What lies in a ``try`` whose handlers take a failing import."""
    taken = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
    for handler in attempt.handlers:
        named = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)} if handler.type else taken
        if named & taken:
            for statement in attempt.body:
                yield from ast.walk(statement)
            return


def _names(node: ast.AST) -> Iterator[str]:
    """The top-level names of the modules that a statement or call imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name.split(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module.split(".")[0]
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if called in _IMPORT_CALLS and isinstance(node.args[0].value, str):
            yield node.args[0].value.split(".")[0]
