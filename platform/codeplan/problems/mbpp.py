"""MBPP as JSON lines: the full and the sanitized edition, and MBPP+ (EvalPlus) as published on the Hub.

Fields: ``task_id`` (also as ``Mbpp/2``), ``text`` or ``prompt``, ``code``, ``test_list``, and optionally
``test_setup_code``, ``test_imports`` (statements) and ``test`` (MBPP+: a program, the hidden test instead of the list).
``challenge_test_list`` is not used, as in the paper. The first test of the list is shown in the question and, as in
published results, also a hidden test; ``judging.hidden_without_examples`` judges without it.

Splits go by task_id, as in the paper (Austin et al. 2021): 1-10 prompt, 11-510 test, 511-600 validation, 601-974 train;
a row's own ``split`` takes precedence.
"""

from __future__ import annotations

import re

from codeplan.problems.formats import Format, RowContext
from codeplan.problems.json_files import json_rows
from codeplan.problems.json_values import as_integer
from codeplan.problems.rows import Row
from codeplan.records import Problem
from codeplan_sandbox import Suite

_LAST_TASK = {"prompt": 10, "test": 510, "validation": 600, "train": 974}
_TASKS = max(_LAST_TASK.values())
_TEXT_ID = re.compile(r"(?:mbpp/)?0*(\d{1,3})", re.IGNORECASE | re.ASCII)


def _number(row: Row) -> int | None:
    """The task's number in the paper; None where it has another name."""
    task_id = row.fields.get("task_id")
    number = as_integer(task_id)
    if isinstance(task_id, str) and (named := _TEXT_ID.fullmatch(task_id)):
        number = int(named.group(1))
    return number if number is not None and 1 <= number <= _TASKS else None


def _split(row: Row) -> str:
    if row.has_value("split"):
        return row.string("split")
    number = _number(row)
    if number is None:
        raise row.error("task_id", f"an integer from 1 to {_TASKS}, which decides the split, or a field split")
    return next(split for split, last in _LAST_TASK.items() if number <= last)


def _problem(row: Row, context: RowContext) -> Problem:
    number = _number(row)
    listed = tuple(_with_unix_newlines(test) for test in row.strings("test_list"))
    test_program = _with_unix_newlines(row.string("test", ""))
    if not listed:
        raise row.error(
            "test_list", "at least one assert (EvalPlus's own files hold data, not tests: use the ones on the Hub)"
        )
    setup = "\n".join(
        [*map(_with_unix_newlines, row.strings("test_imports")), _with_unix_newlines(row.string("test_setup_code", ""))]
    )
    code = _with_unix_newlines(row.string(row.first_present("code", "canonical_solution"), ""))
    question = row.string(row.first_present("text", "prompt"))
    if listed[0] not in question:
        # Only the assert tells the name and signature of the function.
        question = f"{question}\nYour code should pass this test:\n{listed[0]}"
    return Problem(
        problem_id=f"mbpp/{context.split}/{row.identifier('task_id') if number is None else number}",
        dataset="mbpp",
        split=context.split,
        level=row.level("difficulty", "mbpp"),
        question=question,
        solutions=(code,) if code.strip() else (),
        example_tests=Suite(kind="assert", tests=listed[:1], setup=setup.strip("\n")),
        hidden_tests=Suite(
            kind="assert", tests=(test_program,) if test_program.strip() else listed, setup=setup.strip("\n")
        ),
    )


def _with_unix_newlines(code: str) -> str:
    return code.replace("\r\n", "\n").replace("\r", "\n")


MBPP = Format(rows=json_rows, split=_split, problem=_problem)
