"""APPS (Hendrycks et al. 2021): the published folder tree, or JSON lines with the same fields.

A problem's folder ``<split>/<id>/`` holds ``question.txt`` and, where there are any, ``starter_code.py``,
``solutions.json``, ``input_output.json`` (``inputs``, ``outputs``, ``fn_name``) and ``metadata.json``
(``difficulty``). JSON lines have these as fields, as data or as JSON text; rows with ``public_tests`` and
``private_tests`` (``input``, ``output``) are read too.

Arguments reach a function as APPS gives them: a text such as ``"abba"`` that holds its own quotes keeps them, since
the expected values were computed with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from codeplan.problems.apps_examples import call_examples, stdin_examples
from codeplan.problems.formats import Context, Format
from codeplan.problems.json_files import json_rows, reason, require_regular
from codeplan.problems.json_values import parse
from codeplan.problems.rows import ProblemError, Row, stdin_suite
from codeplan.records import Problem
from codeplan_sandbox import Case, Suite

_FILES = {"starter_code": "starter_code.py", "solutions": "solutions.json", "input_output": "input_output.json"}
_EXAMPLES = "example_input_output"
_Pairs = list[tuple[Any, Any]]


def _rows(path: Path) -> Iterator[Row]:
    require_regular(path, "expected the tree of APPS, or JSON lines (.jsonl or .jsonl.gz)", folder=True)
    if not path.is_dir():
        yield from json_rows(path)
        return
    try:
        yield from _folders(path)
    except OSError as error:
        raise ProblemError(f"{error.filename or path}: cannot be read: {reason(error)}") from error


def _folders(root: Path) -> Iterator[Row]:
    """The problems of a tree whose root holds splits, or of one split's folder."""
    is_split = any((folder / "question.txt").exists() for folder in root.iterdir())
    splits = [root] if is_split else sorted(folder for folder in root.iterdir() if folder.is_dir())
    for split in splits:
        for folder in sorted(each for each in split.iterdir() if each.is_dir()):
            yield Row(str(folder), partial(_load, folder))


def _load(folder: Path) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "problem_id": folder.name,
        "split": folder.parent.name,
        "question": _content(folder / "question.txt"),
    }
    for field, name in _FILES.items():
        if (folder / name).exists():
            fields[field] = _content(folder / name)
    if (folder / "metadata.json").exists():
        try:
            metadata = parse(_content(folder / "metadata.json"))
        except ValueError as error:
            raise ValueError(f"metadata.json: {error}") from error
        if not isinstance(metadata, dict):
            raise ValueError("metadata.json must hold an object")
        fields["difficulty"] = metadata.get("difficulty")
    return fields


def _content(file: Path) -> str:
    if file.exists() and not file.is_file():
        raise ValueError(f"{file.name} is not a regular file")
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file.name}: byte {error.start + 1} is no UTF-8 ({error.reason})") from error
    except OSError as error:
        raise ValueError(f"{file.name}: {reason(error)}") from error


def _split(row: Row) -> str:
    return row.text("split", "")


def _problem(row: Row, context: Context) -> Problem:
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
        question=row.text("question"),
        starter_code=row.text("starter_code", ""),
        solutions=row.texts("solutions"),
        example_tests=_suite(function, _examples(row, context, hidden), context),
        hidden_tests=_suite(function, _unwrapped(row, hidden, context) if function else hidden, context),
    )


def _id(row: Row) -> str:
    # The tree pads its numbers, the rows of the same problems do not.
    name = row.name("problem_id", "id", "task_id", "question_id")
    return name.lstrip("0") or "0" if name.isdecimal() else name


def _function(row: Row) -> str:
    """The name of the function that is called; empty for programs from stdin to stdout."""
    tests = row.data("input_output")
    if not isinstance(tests, dict) or tests.get("fn_name") is None:
        return ""
    if not isinstance(tests["fn_name"], str):
        raise row.wrong("input_output", "fn_name to be text")
    return tests["fn_name"]


def _examples(row: Row, context: Context, hidden: _Pairs) -> _Pairs:
    """The example tests: of ``examples_path``, of the row itself, or read off the question; empty where unknown."""
    key = (context.split, _id(row))
    if key in context.examples:
        listed: Row = context.examples[key]
        return _tests(listed, _EXAMPLES, "inputs", "outputs", _function(row))
    if row.fields.get("public_tests") is not None:
        return _tests(row, "public_tests", "input", "output", _function(row))
    if _function(row):
        return call_examples(row.text("question"), row.text("starter_code", ""), _unwrapped(row, hidden, context))
    return list(stdin_examples(row.text("question")))


def _tests(row: Row, field: str, inputs: str, outputs: str, function: str) -> _Pairs:
    """The tests of a field: texts for programs, arguments and results for functions."""
    if not function:
        return list(row.text_pairs(field, inputs, outputs))
    pairs = row.pairs(field, inputs, outputs)
    if not all(isinstance(given, list) for given, _ in pairs):
        raise row.wrong(field, f"for each test of the function {function:.80}, a list of its arguments")
    return pairs


def _suite(function: str, pairs: _Pairs, context: Context) -> Suite | None:
    if not function:
        return stdin_suite(pairs, context.comparator)
    if not pairs:
        return None
    cases = tuple(Case(args=tuple(given), expected=wanted) for given, wanted in pairs)
    return Suite(kind="call", cases=cases, entry_point=function, comparator=context.comparator)


def _unwrapped(row: Row, pairs: _Pairs, context: Context) -> _Pairs:
    """The tests of a function without the list that many APPS problems put around the expected value.

    The comparator ``apps`` accepts both, as APPS does. The others compare exactly, so the list goes where every
    expected value is a list of one, unless the signature says that the function returns a list of single values.
    """
    if context.comparator == "apps" or not all(isinstance(wanted, list) and len(wanted) == 1 for _, wanted in pairs):
        return pairs
    returns_list = re.search(r"->\s*(List|list)\b", row.text("starter_code", ""))
    if returns_list and not all(isinstance(wanted[0], list) for _, wanted in pairs):
        return pairs
    return [(given, wanted[0]) for given, wanted in pairs]


def examples_by_problem(path: Path) -> Mapping[tuple[str, str], Row]:
    """The rows of an examples file (``problem_id``, ``split``, ``example_input_output``) by split and id.

    Raises:
        ProblemError: the file cannot be read, or a row lacks its id.
    """
    examples: dict[tuple[str, str], Row] = {}
    for row in json_rows(path):
        key = (_split(row) or "test", _id(row))
        if key in examples:
            raise ProblemError(f"{row.where}: examples of {'/'.join(key)} stand twice, first at {examples[key].where}")
        examples[key] = row
    if not examples:
        raise ProblemError(f"{path}: no examples; expected rows with problem_id, split and {_EXAMPLES}")
    return examples


APPS = Format(rows=_rows, split=_split, problem=_problem)
