"""CodeContests (Li et al. 2022) as JSON lines, with the field names of the published data set.

Tests and solutions are objects of lists, as on the hub, or lists of objects, as its protocol buffers are written.
Its numbers stand for names: solutions in language 3 are Python 3; see ``contest_problem.proto`` of that data set.
"""

from __future__ import annotations

from codeplan.problems.formats import Context, Format
from codeplan.problems.json_files import json_rows
from codeplan.problems.json_values import whole
from codeplan.problems.rows import Row, stdin_suite
from codeplan.records import Problem

_PYTHON3 = 3
_NAMED = ("unknown", "easy", "medium", "hard", "harder", "hardest", "external")
_DIFFICULTIES = (*_NAMED, *(chr(letter) for letter in range(ord("a"), ord("v") + 1)))
_HIDDEN = ("private_tests", "generated_tests")


def _split(row: Row) -> str:
    return row.text("split", "")


def _problem(row: Row, context: Context) -> Problem:
    name = row.name("name")
    hidden = [pair for field in _HIDDEN for pair in row.text_pairs(field, "input", "output")]
    example = row.text_pairs("public_tests", "input", "output")
    return Problem(
        problem_id=f"codecontests/{context.split}/{name}",
        dataset="codecontests",
        split=context.split,
        level=_level(row),
        question=row.text("description"),
        solutions=_solutions(row),
        example_tests=stdin_suite(example, context.comparator),
        hidden_tests=stdin_suite(hidden, context.comparator),
    )


def _level(row: Row) -> str:
    difficulty = whole(row.fields.get("difficulty"))
    if difficulty is None:
        return row.level("difficulty", "codecontests")
    if not 0 <= difficulty < len(_DIFFICULTIES):
        raise row.wrong("difficulty", f"a name, or a number from 0 to {len(_DIFFICULTIES) - 1}")
    return _DIFFICULTIES[difficulty]


def _solutions(row: Row) -> tuple[str, ...]:
    pairs = row.pairs("solutions", "language", "solution")
    if not all(isinstance(solution, str) for _, solution in pairs):
        raise row.wrong("solutions", "texts in solution")
    return tuple(solution for language, solution in pairs if language in (_PYTHON3, "PYTHON3", "python3"))


CODECONTESTS = Format(rows=json_rows, split=_split, problem=_problem)
