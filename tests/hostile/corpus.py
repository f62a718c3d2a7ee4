"""Reads a hostile program and its header, which says how to judge it and which outcomes are accepted.

The header is the lines ``# key: value`` at the top of the file:

* ``mode``: ``stdin`` (with ``stdin`` and ``out``, Python literals), ``call`` (with ``args`` and ``expected``) or
  ``assert`` (with ``tests``, a list of statements about ``f``). ``cases``, a list of pairs, replaces the single pair.
* ``checker``: a checker for ``stdin`` and ``call``, as a Python literal; it may be what is hostile.
* ``repeat``: how many times the tests are repeated in the suite.
* ``expect``: the accepted outcomes separated by ``|``: values of `Outcome`, ``failed`` for every outcome except
  ``passed``, or an abbreviation of online judges (``OK``, ``WA``, ``RE``, ...).
* ``source``: a Python literal that replaces the file's text, for sources that editors would change.
* ``checks``, ``name``, ``note``: comments. All checks are always made.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codeplan_sandbox import Case, Outcome, Suite

_GROUPS = {"failed": frozenset(Outcome) - {Outcome.PASSED}}
_RUNTIME_ERRORS = frozenset({Outcome.RUNTIME_ERROR, Outcome.FORBIDDEN, Outcome.EXITED_EARLY, Outcome.PROCESS_LIMIT})
# The abbreviations of online judges, in corpora that were not written for this sandbox.
_ABBREVIATIONS: dict[str, frozenset[Outcome]] = {
    "OK": frozenset({Outcome.PASSED}),
    "WA": frozenset({Outcome.WRONG_ANSWER}),
    "RE": _RUNTIME_ERRORS,
    "SIG": frozenset({Outcome.RUNTIME_ERROR}),
    "TLE": frozenset({Outcome.TIME_LIMIT}),
    "MLE": frozenset({Outcome.MEMORY_LIMIT}),
    "OLE": frozenset({Outcome.OUTPUT_LIMIT}),
    "CE": frozenset({Outcome.SYNTAX_ERROR}),
    "DIED": _GROUPS["failed"],
    "UNSPLIT": _GROUPS["failed"],
    "FAIL": _GROUPS["failed"],
}
_HEADER = re.compile(r"# (\w+): (.*)")


@dataclass(frozen=True)
class Hostile:
    """A program, its tests, and the accepted outcomes."""

    source: str
    suite: Suite
    expected: frozenset[Outcome]


def read(path: Path) -> Hostile:
    """Read the program in a file; raises ValueError for an unknown outcome in its header."""
    lines = path.read_bytes().decode("utf-8").split("\n")
    header: dict[str, str] = {}
    while lines and (match := _HEADER.fullmatch(lines[0])):
        header[match[1]] = match[2]
        lines.pop(0)
    literals: dict[str, Any] = {
        key: ast.literal_eval(header[key])
        for key in ("stdin", "out", "args", "expected", "tests", "cases", "repeat", "source", "checker")
        if key in header
    }
    expected = frozenset[Outcome]().union(*map(_outcomes, header["expect"].split("|")))
    return Hostile(literals.get("source", "\n".join(lines)), _suite(header["mode"], literals), expected)


def _outcomes(name: str) -> frozenset[Outcome]:
    return _GROUPS.get(name) or _ABBREVIATIONS.get(name) or frozenset({Outcome(name)})


def _suite(mode: str, header: dict[str, Any]) -> Suite:
    times, checker = header.get("repeat", 1), header.get("checker", "")
    if mode == "assert":
        return Suite("assert", tests=tuple(header["tests"]) * times)
    if mode == "call":
        pairs = header.get("cases") or [(header["args"], header["expected"])]
        cases = tuple(Case(args=tuple(args), expected=expected) for args, expected in pairs)
        return Suite("call", cases=cases * times, entry_point="f", checker=checker)
    pairs = header.get("cases") or [(header["stdin"], header["out"])]
    return Suite("stdin", cases=tuple(Case(input=text, output=out) for text, out in pairs) * times, checker=checker)
