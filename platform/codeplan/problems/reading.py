"""From a source to problems, with an account of every row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from codeplan.config import FileSource, MiniAppsSource, Source
from codeplan.problems import miniapps
from codeplan.problems.apps import APPS, examples_by_problem
from codeplan.problems.codecontests import CODECONTESTS
from codeplan.problems.formats import Format, RowContext
from codeplan.problems.humaneval import HUMANEVAL
from codeplan.problems.jsonl import JSONL
from codeplan.problems.mbpp import MBPP
from codeplan.problems.miniapps.dials import Dials
from codeplan.problems.rows import ProblemError, Row
from codeplan.records import Problem
from codeplan.stage import Account

VERSION = 4
"""Raised when a reader makes other problems from the same files."""

FORMATS: Mapping[str, Format] = {
    "apps": APPS,
    "mbpp": MBPP,
    "humaneval": HUMANEVAL,
    "codecontests": CODECONTESTS,
    "jsonl": JSONL,
}

BROKEN = "broken"
"""Why rows are dropped, in the account."""
_DEFAULT_SPLIT = "test"


@dataclass(frozen=True)
class ReadProblems:
    """The problems of a source.

    Attributes:
        problems: in the order of the source.
        account: rows selected by split, offset and limit, and the ``broken`` ones among them that were skipped.
    """

    problems: list[Problem]
    account: Account


def read(source: Source) -> ReadProblems:
    """Read a source's problems.

    Suites name no comparator unless their row does; `with_comparator` adds the configured one.

    Args:
        source: where the problems are, and which of them to take. Rows that name no split belong to the requested one.

    Raises:
        ProblemError: a file is missing, a row is broken (unless ``skip_bad``), an id is duplicated, or no row is
            selected.
    """
    if isinstance(source, MiniAppsSource):
        dials = dials_of(source)
        problems = list(miniapps.generate(source.split, source.count, source.seed, source.inversion, dials))
        return ReadProblems(problems, Account(rows_in=len(problems), rows_out=len(problems)))
    return _read_files(source)


def dials_of(source: MiniAppsSource) -> Dials:
    """The dials of generated problems."""
    return Dials(source.vague, source.goal, source.show_examples, source.held_out)


def _read_files(source: FileSource) -> ReadProblems:
    examples = examples_by_problem(Path(source.examples_path)) if source.examples_path else {}
    problems: dict[str, Problem] = {}
    first_row: dict[str, str] = {}
    broken: list[ProblemError] = []
    for row in _selected(source):
        try:
            problem = _problem(source, row, examples)
            if earlier := first_row.get(problem.problem_id):
                raise ProblemError(f"{row.where}: duplicate problem {problem.problem_id}, first at {earlier}")
        except ProblemError as error:
            if not source.skip_bad:
                raise
            broken.append(error)
            continue
        first_row[problem.problem_id] = row.where
        problems[problem.problem_id] = problem
    if not problems:
        raise ProblemError(_none_found(source, broken))
    account = Account(
        rows_in=len(problems) + len(broken),
        rows_out=len(problems),
        dropped={BROKEN: len(broken)} if broken else {},
    )
    return ReadProblems(list(problems.values()), account)


def _problem(source: FileSource, row: Row, examples: Mapping[tuple[str, str], Row]) -> Problem:
    reader = FORMATS[source.reader]
    split = reader.split(row) or source.split or _DEFAULT_SPLIT
    return reader.problem(row, RowContext(split, examples))


def _selected(source: FileSource) -> Iterator[Row]:
    rows = (row for row in FORMATS[source.reader].rows(Path(source.path)) if _is_in_split(source, row))
    stop = None if source.limit is None else source.offset + source.limit
    return islice(rows, source.offset, stop)


def _is_in_split(source: FileSource, row: Row) -> bool:
    """Whether a row is in the requested split; a row too broken to tell counts as in it, so that it is reported."""
    if not source.split:
        return True
    try:
        return FORMATS[source.reader].split(row) in ("", source.split)
    except ProblemError:
        return True


def _none_found(source: FileSource, broken: list[ProblemError]) -> str:
    split = f" of split {source.split!r}" if source.split else ""
    offset = f" after the first {source.offset}" if source.offset else ""
    rows = f"; {len(broken):,} broken row{'s' * (len(broken) != 1)}" if broken else ""
    return (
        f"{source.path}: no valid {source.reader} problem{split}{offset}{rows}; "
        f"check the path, split, offset and limit{f'; the first broken row: {broken[0]}' if broken else ''}"
    )
