"""MBPP: one JSON object a line with ``task_id``, ``text``, ``code``, ``test_setup_code`` and ``test_list``.

Splits go by task_id, as in the paper (Austin et al. 2021): 1-10 prompt, 11-510 test, 511-600 validation, 601-974 train.
"""

from __future__ import annotations

from codeplan.problems.formats import Context, Format
from codeplan.problems.rows import Row, json_lines
from codeplan.records import Problem
from codeplan_sandbox import Suite

_LAST_TASK = {"prompt": 10, "test": 510, "validation": 600, "train": 974}


def _task_id(row: Row) -> int:
    task_id = row.fields.get("task_id")
    if not isinstance(task_id, int) or not 1 <= task_id <= max(_LAST_TASK.values()):
        raise row.wrong("task_id", f"a whole number from 1 to {max(_LAST_TASK.values())}")
    return task_id


def _split(row: Row) -> str:
    task_id = _task_id(row)
    return next(split for split, last in _LAST_TASK.items() if task_id <= last)


def _problem(row: Row, context: Context) -> Problem:
    tests = tuple(_with_line_feeds(test) for test in row.texts("test_list"))
    setup = _with_line_feeds(row.text("test_setup_code", ""))
    if not tests:
        raise row.wrong("test_list", "at least one assert")
    code = row.text("code", "")
    return Problem(
        problem_id=f"mbpp/{context.split}/{_task_id(row)}",
        dataset="mbpp",
        split=context.split,
        level="mbpp",
        # The name and signature of the function stand nowhere but in the assert.
        question=f"{row.text('text')}\nYour code should pass this test:\n{tests[0]}",
        solutions=(_with_line_feeds(code),) if code.strip() else (),
        example_tests=Suite(kind="assert", tests=tests[:1], setup=setup),
        hidden_tests=Suite(kind="assert", tests=tests, setup=setup),
    )


def _with_line_feeds(code: str) -> str:
    return code.replace("\r\n", "\n").replace("\r", "\n")


MBPP = Format(rows=json_lines, split=_split, problem=_problem)
