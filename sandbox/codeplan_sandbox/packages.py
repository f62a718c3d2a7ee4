"""Packages outside the standard library: which ones tests may import, and which ones programs may.

The tests of HumanEval+ and MBPP+ use numpy. Their list is short and fixed, so that no verdict depends on what else is
installed: a test that imports another package is ``unseparable``. Programs can import no package, unless the judge is
given a list of those that they may; these must be installed. All are imported once, in the fork server.
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
"""Packages that tests may import if they are installed in the sandbox's environment."""

PRELOADED = {
    "numpy": "numpy numpy.fft numpy.lib.stride_tricks numpy.linalg numpy.ma numpy.polynomial numpy.random numpy.testing"
}
"""Modules to import before files become unreadable: packages import many of their submodules on first use. Of other
packages those that importing them imports."""

ENVIRONMENT = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "BLIS_NUM_THREADS"), "1"
)
"""For the process that imports them: it forks, so it must be single-threaded."""

_IMPORT_LINE = re.compile(r"^\s*(?:import|from)\s+([A-Za-z_]\w*)", re.MULTILINE)
_IMPORT_CALLS = ("__import__", "import_module")


def packages_needed(suite: Suite) -> tuple[str, ...]:
    """The packages outside the standard library that the suite's setup and tests need, sorted by name.

    Optional imports, guarded by ``except ImportError``, do not count.
    """
    return _imported(suite.setup, suite.tests)[0] if suite.kind == "assert" else ()


def packages_used(suite: Suite) -> tuple[str, ...]:
    """The packages of `TEST_PACKAGES` that the suite's tests import."""
    if suite.kind != "assert" or not any(
        name in text for name in TEST_PACKAGES for text in (suite.setup, *suite.tests)
    ):
        return ()
    needed, optional = _imported(suite.setup, suite.tests)
    return tuple(name for name in TEST_PACKAGES if name in needed or name in optional)


def folder(name: str) -> Path | None:
    """The folder in which a package is installed, None if it is not installed."""
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if found is None or not found.origin:
        return None
    file = Path(found.origin)
    return file.parent.parent if found.submodule_search_locations else file.parent


@functools.lru_cache(maxsize=256)
def _imported(setup: str, tests: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the packages that are needed, and of those that are optional."""
    needed: set[str] = set()
    optional: set[str] = set()
    for text in (setup, *tests):
        try:
            tree = ast.parse(text)
        except (
            SyntaxError,
            ValueError,
            RecursionError,
            MemoryError,
        ):  # not valid in this Python, or too large for its parser
            needed.update(_IMPORT_LINE.findall(text))
            continue
        guarded = {
            id(node) for statement in ast.walk(tree) if isinstance(statement, ast.Try) for node in _guarded(statement)
        }
        for node in ast.walk(tree):
            (optional if id(node) in guarded else needed).update(_imported_names(node))
    third_party = needed - sys.stdlib_module_names
    return tuple(sorted(third_party)), tuple(sorted(optional - sys.stdlib_module_names - needed))


def _guarded(attempt: ast.Try) -> Iterator[ast.AST]:
    """The nodes in a ``try`` block whose handlers catch a failed import."""
    catching = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
    for handler in attempt.handlers:
        named = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)} if handler.type else catching
        if named & catching:
            for statement in attempt.body:
                yield from ast.walk(statement)
            return


def _imported_names(node: ast.AST) -> Iterator[str]:
    """The top-level names of the modules that a statement or call imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name.split(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module.split(".")[0]
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if called in _IMPORT_CALLS and isinstance(node.args[0].value, str):
            yield node.args[0].value.split(".")[0]
