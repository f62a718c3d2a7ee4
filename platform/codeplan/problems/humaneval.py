"""HumanEval (Chen et al. 2021) as JSON lines.

Fields: ``task_id``, ``prompt``, ``entry_point``, ``canonical_solution`` and ``test``.
"""

from __future__ import annotations

import ast
import doctest

from codeplan.problems.formats import Context, Format, no_split
from codeplan.problems.rows import Row, json_lines
from codeplan.records import Problem
from codeplan_sandbox import Suite


def _problem(row: Row, context: Context) -> Problem:
    prompt, entry_point = row.text("prompt"), row.text("entry_point")
    body = row.text("canonical_solution", "")
    return Problem(
        problem_id=f"humaneval/{context.split}/{row.name('task_id').removeprefix('HumanEval/')}",
        dataset="humaneval",
        split=context.split,
        level="humaneval",
        question=prompt,
        solutions=(prompt + body,) if body else (),
        example_tests=_examples(prompt, entry_point),
        hidden_tests=Suite(
            kind="assert",
            tests=(f"{row.text('test').strip()}\n\ncheck({entry_point})\n",),
            entry_point=entry_point,
        ),
    )


def _examples(prompt: str, entry_point: str) -> Suite | None:
    """The doctests of the function's docstring as asserts.

    Only calls whose results are literals are taken, and none at all where a doctest is a statement, since later ones
    may need what it did.
    """
    try:
        examples = doctest.DocTestParser().get_examples(_docstring(prompt, entry_point))
    except ValueError:
        return None  # doctest wants blanks and indentation just so; other docstrings have no doctests
    tests = []
    for example in examples:
        source, want = example.source.strip(), example.want.strip()
        try:
            call = ast.parse(source, mode="eval").body
        except SyntaxError:
            return None
        if isinstance(call, ast.Call) and _is_literal(want):
            tests.append(f"assert {source} == {want}")
    return Suite(kind="assert", tests=tuple(tests), entry_point=entry_point) if tests else None


def _docstring(prompt: str, entry_point: str) -> str:
    try:
        body = ast.parse(prompt).body
    except SyntaxError:
        return ""  # a prompt without a body to parse has no docstring
    functions = (node for node in body if isinstance(node, ast.FunctionDef) and node.name == entry_point)
    return next((ast.get_docstring(function) or "" for function in functions), "")


def _is_literal(text: str) -> bool:
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return False
    return True


HUMANEVAL = Format(rows=json_lines, split=no_split, problem=_problem)
