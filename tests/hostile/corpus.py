"""Reads a hostile program and its header, which says how to judge it and which outcomes are accepted.

The header is the lines ``# key: value`` at the top of the file:

* ``mechanism``: how the attack works, in one line.
* ``stopped by``: what stops it: names of `RULES`, and details after a colon (``seccomp filter, user id: why; driver``).
  Programs of this repository need both keys; those of other corpora may have neither.
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
_HEADER = re.compile(r"# (\w+|stopped by): (.*)")
OWN_PROGRAMS = Path(__file__).resolve().parent / "programs"
"""Programs of this folder must name their mechanism, and what stops it."""
RULES = {
    "namespaces": "no other files, processes or network are visible, and what is visible is mounted read-only",
    "Landlock": "nothing is writable, only files of the system and the interpreter are readable",
    "seccomp filter": "only listed system calls: no connections, processes, or signals to other processes",
    "user id": "if the caller is root, programs run under a user id that owns nothing",
    "resource limits": "the kernel limits address space, size of files, open files and threads of a process",
    "time limits": "the fork server measures CPU time and wall-clock time from outside, and kills",
    "a process per program": "what crashes, stops or stays behind is only the process, whose end the fork server sees",
    "fresh process": "no test runs where modules were changed; failures in a used process are repeated in a new one",
    "files of the server": "input and output are files that the fork server resets for each test and copies itself",
    "validation of messages": "reports, replies and results are data that may be forged: invalid ones fail the test",
    "driver": "what runs the program has its own built-in names; whatever the program raises is its failure",
    "comparison outside the sandbox": "programs never get the expected outputs; that one claims to pass does not count",
    "assert tests in another process": "the statements run where the program does not, and only plain data crosses",
    "checker in another process": "a checker runs confined, apart from the program, and gets outputs as data",
    "semantics of CPython": "nothing is stopped: programs are compiled, started and ended as by the interpreter",
}
"""What can stop an attack: layers of the confinement, and rules of judging."""


@dataclass(frozen=True)
class Hostile:
    """A program, its tests, and the accepted outcomes; how its attack works, and the names of what stops it."""

    source: str
    suite: Suite
    expected: frozenset[Outcome]
    mechanism: str = ""
    stopped_by: tuple[str, ...] = ()


def read(path: Path) -> Hostile:
    """Read the program in a file.

    Raises:
        ValueError: its header names an unknown outcome or rule, or lacks a key that it needs.
    """
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
    source, suite = literals.get("source", "\n".join(lines)), _suite(header["mode"], literals)
    return Hostile(source, suite, expected, header.get("mechanism", "").strip(), _rules(path, header))


def _rules(path: Path, header: dict[str, str]) -> tuple[str, ...]:
    """The names of what stops the attack."""
    for key in ("mechanism", "stopped by"):
        if path.resolve().parent == OWN_PROGRAMS and not header.get(key, "").strip():
            raise ValueError(f"{path}: its header does not say `# {key}: ...`")
    parts = header.get("stopped by", "").split("; ")
    names = [name for part in parts for name in part.partition(": ")[0].split(", ") if name]
    if unknown := [name for name in names if name not in RULES]:
        raise ValueError(f"{path}: stopped by {unknown[0]!r}, which is not one of: {', '.join(RULES)}")
    return tuple(names)


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
