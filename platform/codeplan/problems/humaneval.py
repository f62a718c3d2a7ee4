"""HumanEval (Chen et al. 2021) as JSON lines, and data sets with its fields: HumanEval+, HumanEvalPack, LeetCode.

Fields: ``task_id``, ``prompt``, ``entry_point`` (a function, or a method like ``Solution().name``), ``test``, which
defines ``check(candidate)``, and ``canonical_solution`` or ``completion``: the continuation of the prompt, or a whole
program. Optional fields: ``test_setup``, ``difficulty``, ``starter_code``, and the problem's statement, in one of
``problem_description``, ``question_content``, ``content`` and ``query``, for prompts that do not define the function.
Fields may also be in an object ``meta``.
"""

from __future__ import annotations

import ast
import doctest
import re

from codeplan.problems import syntax
from codeplan.problems.apps_examples import call_examples
from codeplan.problems.formats import Format, RowContext, no_split
from codeplan.problems.json_files import json_rows
from codeplan.problems.rows import Row
from codeplan.records import Problem
from codeplan_sandbox import Suite

_STATEMENTS = ("problem_description", "question_content", "content", "query")
_ENTRY_POINT = re.compile(r"[^\W\d]\w*(\(\))?(\.[^\W\d]\w*(\(\))?)*")
_FIRST_DEFINITION = re.compile(r"^(@|class\b|def\b|async\b)", re.MULTILINE)
_CALLS_CHECK = re.compile(r"^check\(", re.MULTILINE)


def _problem(row: Row, context: RowContext) -> Problem:
    row = _with_meta(row)
    prompt, entry_point = row.string("prompt"), row.string("entry_point")
    if not _ENTRY_POINT.fullmatch(entry_point):
        raise row.error("entry_point", "the name of a function, or Solution().name")
    statement = row.string(row.first_present(*_STATEMENTS), "")
    defined = re.search(rf"\bdef\s+{re.escape(entry_point.rpartition('.')[2])}\b", prompt)
    solution = _solution(prompt, row.string(row.first_present("canonical_solution", "completion"), ""))
    return Problem(
        problem_id=f"humaneval/{context.split}/{row.identifier('task_id').removeprefix('HumanEval/')}",
        dataset="humaneval",
        split=context.split,
        level=row.level("difficulty", "humaneval"),
        question=statement if statement.strip() and not defined else prompt,
        starter_code=row.string("starter_code", ""),
        solutions=(solution,) if solution else (),
        example_tests=_doctests(prompt, entry_point) or _statement_examples(row, statement, entry_point),
        hidden_tests=_hidden(row, entry_point),
    )


def _with_meta(row: Row) -> Row:
    meta = row.fields.get("meta")
    if not isinstance(meta, dict):
        return row
    return Row(row.where, lambda: {**meta, **row.fields})


def _hidden(row: Row, entry_point: str) -> Suite:
    test = row.string("test").strip()
    if not test:
        raise row.error(
            "test", "source that defines check(candidate) (EvalPlus's own files hold data: use the ones on the Hub)"
        )
    if not _CALLS_CHECK.search(test):
        test = f"{test}\n\ncheck({entry_point})"
    return Suite(kind="assert", tests=(f"{test}\n",), setup=row.string("test_setup", ""), entry_point=entry_point)


def _solution(prompt: str, body: str) -> str:
    """The program of a prompt and its continuation: a body, or a program that may need the prompt's imports."""
    if not body.strip():
        return ""
    first = _FIRST_DEFINITION.search(prompt)
    imports = prompt[: first.start()] if first else prompt
    programs = (prompt + body, f"{imports}\n{body}", body)
    return next((program for program in programs if syntax.module(program) is not None), programs[0])


def _doctests(prompt: str, entry_point: str) -> Suite | None:
    """The doctests of the function's docstring as asserts.

    Only calls whose results are literals are taken, and none at all where a doctest is a statement, since later
    doctests may depend on its effect.
    """
    try:
        examples = doctest.DocTestParser().get_examples(_docstring(prompt, entry_point))
    except ValueError:
        return None  # not in doctest's exact form of whitespace and indentation: no doctests
    tests = []
    for example in examples:
        source, want = example.source.strip(), example.want.strip()
        call = syntax.expression(source)
        if call is None:
            return None
        if isinstance(call, ast.Call) and ast.unparse(call.func) != "print" and _is_literal(want):
            # A comment would hide the expected value.
            tests.append(f"assert {ast.unparse(call) if '#' in source else source} == {want}")
    return Suite(kind="assert", tests=tuple(tests), entry_point=entry_point) if tests else None


def _statement_examples(row: Row, statement: str, entry_point: str) -> Suite | None:
    """The examples of a statement (``Input: nums = [2, 7], target = 9``, ``Output: [0, 1]``) as asserts."""
    examples = call_examples(statement, row.string("starter_code", ""), [])
    tests = tuple(
        f"assert {entry_point}({', '.join(map(repr, arguments))}) == {result!r}" for arguments, result in examples
    )
    return Suite(kind="assert", tests=tests, entry_point=entry_point) if tests else None


def _docstring(prompt: str, entry_point: str) -> str:
    tree = syntax.module(prompt)
    # A prompt that does not parse has no docstring.
    functions = (
        node for node in (tree.body if tree else []) if isinstance(node, ast.FunctionDef) and node.name == entry_point
    )
    return next((ast.get_docstring(function) or "" for function in functions), "")


def _is_literal(text: str) -> bool:
    node = syntax.expression(text)
    return node is not None and syntax.is_literal(node)


HUMANEVAL = Format(rows=json_rows, split=no_split, problem=_problem)
