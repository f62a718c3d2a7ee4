"""APPS (Hendrycks et al. 2021): the published folder tree, or JSON lines with the same fields.

A problem's folder ``<split>/<id>/`` holds ``question.txt`` and, where there are any, ``starter_code.py``,
``solutions.json``, ``input_output.json`` (``inputs``, ``outputs``, ``fn_name``) and ``metadata.json``
(``difficulty``). JSON lines have the same as fields, as data or as JSON text; rows with ``public_tests`` and
``private_tests`` (``input``, ``output``) are read too.

Tests are stored as APPS has them: a string argument that contains its own quotes, like ``'"abba"'``, keeps them, since
the expected values were computed with them, and so does an expected value the list that may be around it
(`codeplan.problems.apps_wrapping`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from codeplan.problems.apps_examples import call_examples, stdin_examples
from codeplan.problems.apps_wrapping import unwrapped
from codeplan.problems.formats import Format, RowContext, split_field
from codeplan.problems.json_files import error_reason, json_rows, require_regular_file
from codeplan.problems.json_values import parse
from codeplan.problems.rows import ProblemError, Row, stdin_suite
from codeplan.records import Problem
from codeplan_sandbox import Case, Suite

_FILES = {"starter_code": "starter_code.py", "solutions": "solutions.json", "input_output": "input_output.json"}
_EXAMPLES = "example_input_output"
_Pairs = list[tuple[Any, Any]]


def _rows(path: Path) -> Iterator[Row]:
    require_regular_file(path, "expected the tree of APPS, or JSON lines (.jsonl or .jsonl.gz)", folder=True)
    if not path.is_dir():
        yield from json_rows(path)
        return
    try:
        yield from _folders(path)
    except OSError as error:
        raise ProblemError(f"{error.filename or path}: cannot be read: {error_reason(error)}") from error


def _folders(root: Path) -> Iterator[Row]:
    """The problems of a tree whose root holds splits, or of one split's folder."""
    is_split = any((folder / "question.txt").exists() for folder in root.iterdir())
    splits = [root] if is_split else sorted(folder for folder in root.iterdir() if folder.is_dir())
    for split in splits:
        for folder in sorted(entry for entry in split.iterdir() if entry.is_dir()):
            yield Row(str(folder), partial(_load_folder, folder))


def _load_folder(folder: Path) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "problem_id": folder.name,
        "split": folder.parent.name,
        "question": _read_text(folder / "question.txt"),
    }
    for field, name in _FILES.items():
        if (folder / name).exists():
            fields[field] = _read_text(folder / name)
    if (folder / "metadata.json").exists():
        try:
            metadata = parse(_read_text(folder / "metadata.json"))
        except ValueError as error:
            raise ValueError(f"metadata.json: {error}") from error
        if not isinstance(metadata, dict):
            raise ValueError("metadata.json must contain an object")
        fields["difficulty"] = metadata.get("difficulty")
    return fields


def _read_text(file: Path) -> str:
    if file.exists() and not file.is_file():
        raise ValueError(f"{file.name} is not a regular file")
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file.name}: byte {error.start + 1} is not UTF-8 ({error.reason})") from error
    except OSError as error:
        raise ValueError(f"{file.name}: {error_reason(error)}") from error


def _problem(row: Row, context: RowContext) -> Problem:
    name = _id(row)
    function = _function(row)
    hidden = [
        *_tests(row, "input_output", "inputs", "outputs", function),
        *_tests(row, "private_tests", "input", "output", function),
    ]
    return Problem(
        problem_id=f"apps/{context.split}/{name}",
        dataset="apps",
        split=context.split,
        level=row.level("difficulty", "apps"),
        question=row.string("question"),
        starter_code=row.string("starter_code", ""),
        solutions=row.strings("solutions"),
        example_tests=_suite(function, _examples(row, context, hidden)),
        hidden_tests=_suite(function, hidden),
    )


def _id(row: Row) -> str:
    # The tree zero-pads its numbers, the rows of the same problems do not.
    name = row.identifier("problem_id", "id", "task_id", "question_id")
    return name.lstrip("0") or "0" if name.isdecimal() else name


def _function(row: Row) -> str:
    """The name of the tested function; empty for programs that read stdin and write stdout."""
    tests = row.json_value("input_output")
    if not isinstance(tests, dict) or tests.get("fn_name") is None:
        return ""
    if not isinstance(tests["fn_name"], str):
        raise row.error("input_output", "fn_name to be a string")
    return tests["fn_name"]


def _examples(row: Row, context: RowContext, hidden: _Pairs) -> _Pairs:
    """The example tests, from ``examples_path``, the row itself or the question's text; empty where unknown."""
    key = (context.split, _id(row))
    if key in context.examples:
        listed = context.examples[key]
        return _tests(listed, _EXAMPLES, "inputs", "outputs", _function(row))
    if row.fields.get("public_tests") is not None:
        return _tests(row, "public_tests", "input", "output", _function(row))
    if _function(row):
        starter_code = row.string("starter_code", "")
        values = unwrapped([expected for _, expected in hidden], starter_code)
        bare = [(arguments, value) for (arguments, _), value in zip(hidden, values, strict=True)]
        return call_examples(row.string("question"), starter_code, bare)
    return list(stdin_examples(row.string("question")))


def _tests(row: Row, field: str, inputs: str, outputs: str, function: str) -> _Pairs:
    """The tests of a field: strings for programs, arguments and results for functions."""
    if not function:
        return list(row.string_pairs(field, inputs, outputs))
    pairs = row.pairs(field, inputs, outputs)
    if not all(isinstance(arguments, list) for arguments, _ in pairs):
        raise row.error(field, f"a list of arguments per test of the function {function:.80}")
    return pairs


def _suite(function: str, pairs: _Pairs) -> Suite | None:
    if not function:
        return stdin_suite(pairs)
    if not pairs:
        return None
    cases = tuple(Case(args=tuple(arguments), expected=expected) for arguments, expected in pairs)
    return Suite(kind="call", cases=cases, entry_point=function)


def examples_by_problem(path: Path) -> Mapping[tuple[str, str], Row]:
    """The rows of an examples file (``problem_id``, ``split``, ``example_input_output``) by split and id.

    Raises:
        ProblemError: the file cannot be read, or a row lacks its id.
    """
    examples: dict[tuple[str, str], Row] = {}
    for row in json_rows(path):
        key = (split_field(row) or "test", _id(row))
        if key in examples:
            raise ProblemError(f"{row.where}: duplicate examples of {'/'.join(key)}, first at {examples[key].where}")
        examples[key] = row
    if not examples:
        raise ProblemError(f"{path}: no examples; expected rows with problem_id, split and {_EXAMPLES}")
    return examples


APPS = Format(rows=_rows, split=split_field, problem=_problem)
