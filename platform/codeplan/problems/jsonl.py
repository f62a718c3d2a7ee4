"""Our own plain format: one JSON object a line, with the fields of `codeplan.records.Problem`.

``problem_id`` (``<dataset>/<split>/<id>``), ``dataset``, ``split`` and ``question`` are required; ``level``,
``starter_code``, ``solutions`` (a list of texts), ``example_tests`` and ``hidden_tests`` are not. Suites are objects in
the form of `codeplan_sandbox.Suite.to_dict`, or the JSON text of one. Any other field is an error.
"""

from __future__ import annotations

from codeplan.problems.formats import Context, Format
from codeplan.problems.json_files import json_rows
from codeplan.problems.rows import Row
from codeplan.records import Problem
from codeplan_sandbox import Suite, SuiteError


def _split(row: Row) -> str:
    return row.text("split")


def _problem(row: Row, context: Context) -> Problem:
    for field in row.fields:
        if field not in Problem.model_fields:
            raise row.wrong(field, f"no such field; a problem has {', '.join(Problem.model_fields)}")
    dataset, split, problem_id = row.text("dataset"), row.text("split"), row.text("problem_id")
    if not problem_id.startswith(f"{dataset}/{split}/"):
        raise row.wrong("problem_id", f"text that begins with {dataset}/{split}/")
    return Problem(
        problem_id=problem_id,
        dataset=dataset,
        split=split,
        level=row.level("level", dataset),
        question=row.text("question"),
        starter_code=row.text("starter_code", ""),
        solutions=row.texts("solutions"),
        example_tests=_suite(row, "example_tests", context),
        hidden_tests=_suite(row, "hidden_tests", context),
    )


def _suite(row: Row, field: str, context: Context) -> Suite | None:
    plain = row.data(field)
    if plain is None:
        return None
    if isinstance(plain, dict):
        # A suite's own comparator is part of its meaning; the configured one is for suites that say nothing.
        plain = {"comparator": context.comparator, **plain}
    try:
        suite = Suite.from_dict(plain)
    except (SuiteError, TypeError) as error:
        raise row.wrong(field, f"a suite of tests ({error})") from error
    if not len(suite):
        raise row.wrong(field, "a suite with at least one test, or null where there are none")
    return suite


JSONL = Format(rows=json_rows, split=_split, problem=_problem)
