"""CodeContests (Li et al. 2022) as JSON lines, with the field names of the published data set.

Tests and solutions are objects of lists, as on the hub, or lists of objects, as its protocol buffers are
converted to JSON. Numbers are the enums of ``contest_problem.proto`` in that data set: language 3 is Python 3.
"""

from __future__ import annotations

from codeplan.problems.formats import Format, RowContext, split_field
from codeplan.problems.json_files import json_rows
from codeplan.problems.json_values import as_integer
from codeplan.problems.rows import Row, stdin_suite
from codeplan.records import Problem

_PYTHON3 = 3
_NAMES = ("unknown", "easy", "medium", "hard", "harder", "hardest", "external")
_DIFFICULTIES = (*_NAMES, *(chr(letter) for letter in range(ord("a"), ord("v") + 1)))
_HIDDEN = ("private_tests", "generated_tests")


def _problem(row: Row, context: RowContext) -> Problem:
    name = row.identifier("name")
    hidden = [pair for field in _HIDDEN for pair in row.string_pairs(field, "input", "output")]
    example = row.string_pairs("public_tests", "input", "output")
    return Problem(
        problem_id=f"codecontests/{context.split}/{name}",
        dataset="codecontests",
        split=context.split,
        level=_level(row),
        question=row.string("description"),
        solutions=_solutions(row),
        example_tests=stdin_suite(example),
        hidden_tests=stdin_suite(hidden),
    )


def _level(row: Row) -> str:
    difficulty = as_integer(row.fields.get("difficulty"))
    if difficulty is None:
        return row.level("difficulty", "codecontests")
    if not 0 <= difficulty < len(_DIFFICULTIES):
        raise row.error("difficulty", f"a name, or a number from 0 to {len(_DIFFICULTIES) - 1}")
    return _DIFFICULTIES[difficulty]


def _solutions(row: Row) -> tuple[str, ...]:
    pairs = row.pairs("solutions", "language", "solution")
    if not all(isinstance(solution, str) for _, solution in pairs):
        raise row.error("solutions", "strings in solution")
    return tuple(solution for language, solution in pairs if language in (_PYTHON3, "PYTHON3", "python3"))


CODECONTESTS = Format(rows=json_rows, split=split_field, problem=_problem)
