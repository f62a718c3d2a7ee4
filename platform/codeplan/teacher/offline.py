"""The offline teacher: a plan in plain English from a program's syntax tree. It is no LLM.

It stands in for one where there is no network and no key, so that the whole road can be travelled. It does not know
why a step is taken; it says what each statement does, one short numbered step a statement, indented as the program is.
The same program gives the same plan everywhere.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator

from codeplan.teacher.steps import Step, steps_of

MODEL = "offline-syntax-tree"
"""Its name as a model."""

MOST_STEPS = 40
"""A longer plan leaves out its deepest steps first, then its last."""

LONGEST_STEP = 200
"""Characters of a step; what is longer is cut at a word."""

_PRINT_STATEMENT = re.compile(r"^(\s*)print\s+(?!\()(?P<what>.+?),?\s*$", re.MULTILINE)
_NAME_OR_NUMBER = re.compile(r"[A-Za-z_]\w*|\d+")
_CLAUSES = {"else": "Otherwise:", "try": "Try:", "finally": "Finally:"}


def write_plan(program: str) -> str:
    """The plan behind a program: numbered lines, two spaces of indentation a level.

    A program that is no valid Python 3 (Python 2, or broken) is explained line by line as far as its lines can be
    read. The plan of a program without statements is empty.
    """
    steps = _shortened(list(_read(program)))
    return "\n".join(f"{'  ' * step.depth}{number}. {_cut(step.text)}" for number, step in enumerate(steps, 1))


def _read(program: str) -> Iterable[Step]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a solution's doubtful escapes are no news of ours
        as_python_3 = _PRINT_STATEMENT.sub(r"\1print(\g<what>)", program)
        for attempt in (program, as_python_3):
            if (steps := _explained(attempt)) is not None:
                return steps
        return list(_by_lines(as_python_3))


def _explained(program: str) -> list[Step] | None:
    try:
        return list(steps_of(ast.parse(program).body))
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last two by expressions nested too deeply
        return None


def _by_lines(program: str) -> Iterator[Step]:
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


def _one_line(line: str, depth: int) -> Iterator[Step]:
    head = line.rstrip(":").strip()
    if line.endswith(":") and head in _CLAUSES:
        yield Step(depth, _CLAUSES[head])
        return
    otherwise = head.startswith("elif ")
    steps = _explained((head.removeprefix("el") + ": pass") if line.endswith(":") else line)
    if not steps:
        # Nothing is known of such a line but what it names.
        named = list(dict.fromkeys(_NAME_OR_NUMBER.findall(line)))[:8]
        if named:
            yield Step(depth, f"Work with {', '.join(named)}.")
        return
    for step in steps:
        if step.depth == 0:
            text = f"Otherwise, if {step.text.removeprefix('If ')}" if otherwise else step.text
            yield Step(depth, text)


def _shortened(steps: list[Step]) -> list[Step]:
    while len(steps) > MOST_STEPS and (deepest := max(step.depth for step in steps)):
        steps = [step for step in steps if step.depth < deepest]
    if len(steps) <= MOST_STEPS:
        return steps
    left_out = len(steps) - MOST_STEPS + 1
    return [*steps[: MOST_STEPS - 1], Step(0, f"Go on for {left_out} more steps.")]


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_STEP else text[:LONGEST_STEP].rsplit(" ", 1)[0] + " ..."
