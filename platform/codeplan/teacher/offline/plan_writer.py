"""The offline teacher: a plan in plain English from a program's syntax tree. It is not an LLM.

It stands in for one where there is no network and no key, so that the whole pipeline can be run. It does not know why a
step is taken; it says what every statement does, in one short numbered step per statement, indented like the program.
The same program gives the same plan everywhere.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator

from codeplan.teacher.offline.statements import PlanStep, steps_of

MODEL = "offline-syntax-tree"
"""Its name as a model."""

VERSION = "83855830b3ba81cb202b"
"""Changed, to any other text, when it would write another plan for a program: then no plan or answer of before is
reused. A test holds it together with the plans of known programs."""

MAX_STEPS = 40
"""A longer plan omits its deepest steps first, then its last."""

MAX_STEP_CHARACTERS = 200
"""A longer step is truncated after a word."""

_PRINT_STATEMENT = re.compile(r"^(\s*)print\s+(?!\()(?P<what>.+?),?\s*$", re.MULTILINE)
_NAME_OR_NUMBER = re.compile(r"[A-Za-z_]\w*|\d+")
_CLAUSES = {"else": "Otherwise:", "try": "Try:", "finally": "Finally:"}


def write_plan(program: str) -> str:
    """The plan behind a program: numbered lines, two spaces of indentation per level.

    A program that is not valid Python 3 (Python 2, or broken) is explained line by line as far as its lines can be
    parsed. The plan of a program without statements is empty.
    """
    steps = _shortened(list(_read(program)))
    return "\n".join(f"{'  ' * step.depth}{number}. {_cut(step.text)}" for number, step in enumerate(steps, 1))


def _read(program: str) -> Iterable[PlanStep]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about invalid escapes in a solution, which are not our concern
        as_python_3 = _PRINT_STATEMENT.sub(r"\1print(\g<what>)", program)
        for attempt in (program, as_python_3):
            if (steps := _explained(attempt)) is not None:
                return steps
        return list(_by_lines(as_python_3))


def _explained(program: str) -> list[PlanStep] | None:
    try:
        tree = ast.parse(program)
        # Python ends a line at a carriage return too, and counts the columns after a form feed in its own way.
        lines = () if "\r" in program or "\f" in program else program.split("\n")
        return list(steps_of(tree.body, lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last two from expressions nested too deeply
        return None


def _by_lines(program: str) -> Iterator[PlanStep]:
    indents = [0]
    for raw in program.expandtabs(8).splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        indent = len(raw) - len(raw.lstrip())
        while indent < indents[-1]:
            indents.pop()
        if indent > indents[-1]:
            indents.append(indent)
        yield from _one_line(line, len(indents) - 1)


def _one_line(line: str, depth: int) -> Iterator[PlanStep]:
    head = line.rstrip(":").strip()
    if line.endswith(":") and head in _CLAUSES:
        yield PlanStep(depth, _CLAUSES[head])
        return
    otherwise = head.startswith("elif ")
    steps = _explained((head.removeprefix("el") + ": pass") if line.endswith(":") else line)
    if not steps:
        # All that is known about such a line is what it names.
        named = list(dict.fromkeys(_NAME_OR_NUMBER.findall(line)))[:8]
        if named:
            yield PlanStep(depth, f"Work with {', '.join(named)}.")
        return
    for step in steps:
        if step.depth == 0:
            text = f"Otherwise, if {step.text.removeprefix('If ')}" if otherwise else step.text
            yield PlanStep(depth, text)


def _shortened(steps: list[PlanStep]) -> list[PlanStep]:
    while len(steps) > MAX_STEPS and (deepest := max(step.depth for step in steps)):
        steps = [step for step in steps if step.depth < deepest]
    if len(steps) <= MAX_STEPS:
        return steps
    left_out = len(steps) - MAX_STEPS + 1
    return [*steps[: MAX_STEPS - 1], PlanStep(0, f"Go on for {left_out} more steps.")]


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_STEP_CHARACTERS else text[:MAX_STEP_CHARACTERS].rsplit(" ", 1)[0] + " ..."
