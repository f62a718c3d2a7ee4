"""JSON Schemas (draft 2020-12) of what the command reads and writes."""

from __future__ import annotations

import dataclasses
from typing import Any

from codeplan_sandbox.batch_lines import MAX_FLOAT_LIMIT, MAX_ID, MAX_INTEGER_LIMIT
from codeplan_sandbox.suites import COMPARATORS, DEFAULT_COMPARATOR, SUITE_KINDS, Limits
from codeplan_sandbox.tiers import TIERS
from codeplan_sandbox.verdicts import Outcome

_TEXT: dict[str, Any] = {"type": "string"}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
_SECONDS: dict[str, Any] = {"type": "number", "minimum": 0}
_OUTCOME: dict[str, Any] = {"enum": [outcome.value for outcome in Outcome]}
_EMPTY: dict[str, Any] = {"maxItems": 0}


def _closed(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    """An object with exactly these properties, of which some may be missing."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _cases(first: str, first_type: dict[str, Any], second: str, second_type: dict[str, Any]) -> dict[str, Any]:
    return {"items": _closed({first: first_type, second: second_type})}


_OF_KIND: dict[str, dict[str, Any]] = {
    "stdin": {"cases": _cases("input", _TEXT, "output", _TEXT), "tests": _EMPTY},
    "call": {
        "cases": _cases("args", {"type": "array"}, "expected", {}),
        "tests": _EMPTY,
        "entry_point": {"minLength": 1},
    },
    "assert": {"cases": _EMPTY},
}


_FLOATS = {"properties": {"comparator": {"const": "floats"}}, "required": ["comparator"]}
_TOLERANCE = {"properties": {"tolerance": {"type": "number"}}, "required": ["tolerance"]}
_CHECKER = {"properties": {"checker": {"minLength": 1}}, "required": ["checker"]}
_HOW_OUTPUTS_ARE_JUDGED: list[dict[str, Any]] = [
    {"if": _FLOATS, "then": _TOLERANCE},
    {"if": _TOLERANCE, "then": _FLOATS},
    {
        "if": _CHECKER,
        "then": {"properties": {"kind": {"enum": ["stdin", "call"]}, "comparator": {"type": "null"}}},
    },
]


def _suite() -> dict[str, Any]:
    fields: dict[str, Any] = {
        "kind": {"enum": list(SUITE_KINDS)},
        "cases": {"type": "array"},
        "tests": {"type": "array", "items": _TEXT, "description": "Python source that raises if the program is wrong"},
        "setup": {**_TEXT, "description": "Python source that runs before the tests"},
        "entry_point": {**_TEXT, "description": "the function to call; for assert suites the argument of check()"},
        "comparator": {"enum": [None, *COMPARATORS], "description": f"{DEFAULT_COMPARATOR} if null or not given"},
        "tolerance": {"type": ["number", "null"], "minimum": 0, "description": "of the comparator floats"},
        "checker": {**_TEXT, "description": "Python source that decides in place of a comparator; see the docs"},
    }
    by_kind = []
    for kind, properties in _OF_KIND.items():
        then: dict[str, Any] = {"properties": properties}
        if "entry_point" in properties:
            then["required"] = ["entry_point"]
        by_kind.append({"if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": then})
    rules = [*by_kind, *_HOW_OUTPUTS_ARE_JUDGED]
    return {**_closed(fields, *(name for name in fields if name != "kind")), "allOf": rules}


def _limits() -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for field in dataclasses.fields(Limits):
        whole = isinstance(field.default, int)
        kind, largest = ("integer", MAX_INTEGER_LIMIT) if whole else ("number", MAX_FLOAT_LIMIT)
        properties[field.name] = {
            "type": kind,
            "exclusiveMinimum": 0,
            "maximum": largest,
            "description": f"default {field.default}",
        }
    return _closed(properties, *properties)


_CASE_RESULT = _closed(
    {"outcome": _OUTCOME, "time_s": _SECONDS, "memory_bytes": _COUNT, "output": _TEXT, "message": _TEXT}
)
_VERDICT_FIELDS: dict[str, Any] = {
    "outcome": {**_OUTCOME, "description": "passed, or the outcome of the first test that did not pass"},
    "passed_tests": {**_COUNT, "description": "tests that passed, of those that ran"},
    "total_tests": {"type": "integer", "minimum": 1, "description": "tests in the suite"},
    "time_s": {**_SECONDS, "description": "CPU seconds over all tests"},
    "memory_bytes": {**_COUNT, "description": "peak resident memory over all tests"},
    "message": {**_TEXT, "description": "why it did not pass; empty if it did"},
    "tier": {"enum": list(TIERS), "description": "the isolation tier in which the program ran"},
    "cases": {"type": "array", "items": {"$ref": "#/$defs/case_result"}},
}


_ID: dict[str, Any] = {"type": ["string", "integer"], "minimum": -MAX_ID, "maximum": MAX_ID}


def _batch_line() -> dict[str, Any]:
    with_tests = {name: {"properties": {name: {"minItems": 1}}, "required": [name]} for name in ("cases", "tests")}
    fields = {
        "id": {**_ID, "description": "unique in the batch; default: the line's number, from 1"},
        "program": {**_TEXT, "description": "Python source"},
        "program_path": {**_TEXT, "description": "a file with it; relative paths refer to the folder of the batch"},
        "suite": {"$ref": "#/$defs/suite", "anyOf": list(with_tests.values())},
        "suite_path": {**_TEXT, "description": "a JSON file with it"},
        "limits": {"$ref": "#/$defs/limits"},
    }
    one_of_each = [{"oneOf": [{"required": [name]}, {"required": [f"{name}_path"]}]} for name in ("program", "suite")]
    return {**_closed(fields, *fields), "allOf": one_of_each}


def _result_line() -> dict[str, Any]:
    digest = {**_TEXT, "description": "of program, suite and limits: another digest is judged again"}
    failure = {
        "id": {"anyOf": [_ID, {"type": "null"}], "description": "null where the line has none of its own"},
        "line": {"type": "integer", "minimum": 1},
        "error": {**_TEXT, "description": "why it was not judged"},
        "error_kind": {"enum": ["line", "sandbox"], "description": "the line is not valid, or the sandbox failed"},
    }
    return {"oneOf": [_closed({"id": _ID, **_VERDICT_FIELDS, "digest": digest}, "cases"), _closed(failure)]}


_DEFINITIONS: dict[str, dict[str, Any]] = {
    "suite": _suite(),
    "limits": _limits(),
    "case_result": _CASE_RESULT,
    "verdict": _closed(_VERDICT_FIELDS),
    "batch_line": _batch_line(),
    "result_line": _result_line(),
}
NAMES = ("suite", "verdict", "batch_line", "result_line")
"""The documents that the command reads and writes."""


def schema(name: str = "") -> dict[str, Any]:
    """The schemas of all documents, in ``$defs``; with a name (of `NAMES`), the schema of that document."""
    document: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": _DEFINITIONS}
    return {**document, "$ref": f"#/$defs/{name}"} if name else document
