"""Reads a hostile program: its header says how to judge it and what may come of that.

Lines ``# key: value`` at the top of the file, up to the first other line:

* ``mode``: ``stdin`` (``stdin`` and ``out``, Python literals), ``call`` (``args`` and ``expected``) or ``assert``
  (``tests``, a list of statements about ``f``); ``cases`` holds a list of pairs instead of a single one, and
  ``repeat`` has them all judged so many times in a row.
* ``expect``: the accepted outcomes, by the names of `MEANINGS`, separated by ``|``.
* ``source``: a Python literal instead of the file's own text, for texts that no editor would keep.
* ``checks``, ``name``, ``note``: for readers. All checks are always made.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codeplan_sandbox import Case, Suite

_FAILED = [
    "wrong_answer",
    "runtime_error",
    "syntax_error",
    "time_limit",
    "memory_limit",
    "output_limit",
    "process_limit",
    "forbidden",
    "exited_early",
    "unseparable",
]
MEANINGS = {
    "OK": ["passed"],
    "WA": ["wrong_answer"],
    "RE": ["runtime_error", "forbidden", "exited_early", "process_limit"],
    "SIG": ["runtime_error"],
    "TLE": ["time_limit"],
    "MLE": ["memory_limit"],
    "OLE": ["output_limit"],
    "CE": ["syntax_error"],
    "DIED": _FAILED,
    "UNSPLIT": _FAILED,
    "FAIL": _FAILED,
}
_HEADER = re.compile(r"# (\w+): (.*)")


@dataclass(frozen=True)
class Hostile:
    """A program, its tests, and the outcomes that are right."""

    source: str
    suite: Suite
    expected: frozenset[str]


def read(path: Path) -> Hostile:
    """The program in a file."""
    lines = path.read_bytes().decode("utf-8").split("\n")
    header: dict[str, str] = {}
    while lines and (found := _HEADER.fullmatch(lines[0])):
        header[found[1]] = found[2]
        lines.pop(0)
    literals: dict[str, Any] = {
        key: ast.literal_eval(header[key])
        for key in ("stdin", "out", "args", "expected", "tests", "cases", "repeat", "source")
        if key in header
    }
    expected = frozenset(outcome for name in header["expect"].split("|") for outcome in MEANINGS[name])
    return Hostile(literals.get("source", "\n".join(lines)), _suite(header["mode"], literals), expected)


def _suite(mode: str, given: dict[str, Any]) -> Suite:
    times = given.get("repeat", 1)
    if mode == "assert":
        return Suite("assert", tests=tuple(given["tests"]) * times)
    if mode == "call":
        pairs = given.get("cases") or [(given["args"], given["expected"])]
        cases = tuple(Case(args=tuple(args), expected=expected) for args, expected in pairs)
        return Suite("call", cases=cases * times, entry_point="f")
    pairs = given.get("cases") or [(given["stdin"], given["out"])]
    return Suite("stdin", cases=tuple(Case(input=text, output=out) for text, out in pairs) * times)
