"""Our own plain format: one JSON object per line, with the fields of `codeplan.records.Problem`.

``problem_id`` (``<dataset>/<split>/<id>``), ``dataset``, ``split`` and ``question`` are required; ``level``,
``starter_code``, ``solutions`` (a list of strings), ``example_tests`` and ``hidden_tests`` are optional. Suites
are objects in the form of `codeplan_sandbox.Suite.to_dict`, or the JSON text of one; a suite that names a comparator
keeps it. Any other field is an error.
"""

from __future__ import annotations

from codeplan.problems.formats import Format, RowContext
from codeplan.problems.json_files import json_rows
from codeplan.problems.rows import Row
from codeplan.records import Problem
from codeplan_sandbox import Suite, SuiteError


def _split(row: Row) -> str:
    return row.string("split")


def _problem(row: Row, _: RowContext) -> Problem:
    for field in row.fields:
        if field not in Problem.model_fields:
            raise row.error(field, f"no such field; a problem has {', '.join(Problem.model_fields)}")
    dataset, split, problem_id = row.string("dataset"), row.string("split"), row.string("problem_id")
    if not problem_id.startswith(f"{dataset}/{split}/"):
        raise row.error("problem_id", f"a string that begins with {dataset}/{split}/")
    return Problem(
        problem_id=problem_id,
        dataset=dataset,
        split=split,
        level=row.level("level", dataset),
        question=row.string("question"),
        starter_code=row.string("starter_code", ""),
        solutions=row.strings("solutions"),
        example_tests=_suite(row, "example_tests"),
        hidden_tests=_suite(row, "hidden_tests"),
    )


def _suite(row: Row, field: str) -> Suite | None:
    plain = row.json_value(field)
    if plain is None:
        return None
    for name in ("kind", "comparator"):  # a message about an integer of thousands of digits would itself fail
        if isinstance(plain, dict) and not isinstance(plain.get(name), str | None):
            raise row.error(field, f"a suite of tests ({name} must be a string)")
    try:
        suite = Suite.from_dict(plain)
    except (SuiteError, TypeError) as error:
        raise row.error(field, f"a suite of tests ({error})") from error
    if not len(suite):
        raise row.error(field, "a suite with at least one test, or null where there are none")
    return suite


JSONL = Format(rows=json_rows, split=_split, problem=_problem)
