"""From a source to problems, with an account of every row."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from codeplan.config import FileSource, MiniAppsSource, Source
from codeplan.problems import miniapps
from codeplan.problems.apps import APPS, examples_by_problem
from codeplan.problems.codecontests import CODECONTESTS
from codeplan.problems.formats import Context, Format
from codeplan.problems.humaneval import HUMANEVAL
from codeplan.problems.json_files import reason, require_regular
from codeplan.problems.jsonl import JSONL
from codeplan.problems.mbpp import MBPP
from codeplan.problems.rows import ProblemError, Row
from codeplan.records import Problem
from codeplan.stages import Account, digest
from codeplan_sandbox.suites import Comparator

VERSION = 3
"""Raised when a reader makes other problems of the same files."""

FORMATS: Mapping[str, Format] = {
    "apps": APPS,
    "mbpp": MBPP,
    "humaneval": HUMANEVAL,
    "codecontests": CODECONTESTS,
    "jsonl": JSONL,
}

_NO_OWN_SPLIT = "test"


@dataclass(frozen=True)
class Reading:
    """What was read.

    Attributes:
        problems: in the order of the source.
        account: rows taken by split, offset and limit, and the ``broken`` ones among them that were left out.
    """

    problems: list[Problem]
    account: Account


def read(source: Source, comparator: Comparator = "tokens") -> Reading:
    """Read a source's problems.

    Args:
        source: where they are, and which of them are wanted. Rows that name no split of their own belong to the one
            that is asked for.
        comparator: how the outputs of stdin and call suites are compared.

    Raises:
        ProblemError: a file is missing, a row is broken (unless ``skip_bad``), an id stands twice, or nothing is there.
    """
    if isinstance(source, MiniAppsSource):
        problems = [_with_comparator(problem, comparator) for problem in _generate(source)]
        return Reading(problems, Account(rows_in=len(problems), rows_out=len(problems)))
    return _read_files(source, comparator)


def identity(source: Source) -> dict[str, Any]:
    """What a fingerprint must cover: the content and the choice of rows, never the path.

    Raises:
        ProblemError: a file is missing.
    """
    if isinstance(source, MiniAppsSource):
        return {**source.model_dump(), "version": miniapps.VERSION}
    plain = source.model_dump(exclude={"path", "examples_path"})
    return {
        **plain,
        "content": _content(source.path),
        "examples": _content(source.examples_path) if source.examples_path else "",
        "version": VERSION,
    }


def _generate(source: MiniAppsSource) -> Iterator[Problem]:
    return miniapps.generate(source.split, source.count, source.seed, source.inversion)


def _content(path: str) -> str:
    require_regular(Path(path), "check the source's path", folder=True)
    try:
        return digest(Path(path))
    except OSError as error:
        raise ProblemError(f"{error.filename or path}: cannot be read: {reason(error)}") from error


def _with_comparator(problem: Problem, comparator: Comparator) -> Problem:
    if comparator == "tokens":
        return problem
    suites = {name: getattr(problem, name) for name in ("example_tests", "hidden_tests")}
    return problem.model_copy(
        update={name: dataclasses.replace(suite, comparator=comparator) for name, suite in suites.items() if suite}
    )


def _read_files(source: FileSource, comparator: Comparator) -> Reading:
    if source.examples_path and source.reader != "apps":
        raise ProblemError(f"examples_path is for reader apps only; {source.reader} has its examples in its rows")
    format_ = FORMATS[source.reader]
    examples = examples_by_problem(Path(source.examples_path)) if source.examples_path else {}
    problems: list[Problem] = []
    first_seen: dict[str, str] = {}
    broken: list[ProblemError] = []
    for row in _chosen(source, format_):
        try:
            own = format_.split(row) or source.split or _NO_OWN_SPLIT
            problem = format_.problem(row, Context(own, comparator, examples))
            if problem.problem_id in first_seen:
                raise ProblemError(
                    f"{row.where}: problem {problem.problem_id} stands twice, first at {first_seen[problem.problem_id]}"
                )
        except ProblemError as error:
            if not source.skip_bad:
                raise
            broken.append(error)
            continue
        first_seen[problem.problem_id] = row.where
        problems.append(problem)
    if not problems:
        raise ProblemError(_nothing(source, broken))
    losses = {"broken": len(broken)} if broken else {}
    return Reading(problems, Account(rows_in=len(problems) + len(broken), rows_out=len(problems), losses=losses))


def _chosen(source: FileSource, format_: Format) -> Iterator[Row]:
    rows = (row for row in format_.rows(Path(source.path)) if _belongs(source, format_, row))
    stop = None if source.limit is None else source.offset + source.limit
    return islice(rows, source.offset, stop)


def _belongs(source: FileSource, format_: Format, row: Row) -> bool:
    """Whether a row is of the split that is asked for; a row too broken to tell is, so that it is not lost silently."""
    if not source.split:
        return True
    try:
        return format_.split(row) in ("", source.split)
    except ProblemError:
        return True


def _nothing(source: FileSource, broken: list[ProblemError]) -> str:
    chosen = f" of split {source.split!r}" if source.split else ""
    after = f" after the first {source.offset}" if source.offset else ""
    return (
        f"{source.path}: no {source.reader} problem{chosen}{after}, and {len(broken)} broken rows; "
        f"check the path, split, offset and limit{f'; the first broken row: {broken[0]}' if broken else ''}"
    )
