"""One page of two runs, problem by problem: the same page as one run's, with both runs in every row and problem.

It is made from the two runs' own pages: their details are copied as they are, so that no record is read again, and a
run whose home is elsewhere needs only its page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from codeplan.evaluation.arms import TITLES, ArmName
from codeplan.evaluation.problem_page import PageIndex, ProblemPageError, read_chunks, read_index, write_page


@dataclass(frozen=True)
class RunPage:
    """A run's problem page.

    Attributes:
        path: of the page.
        label: what names the run.
        name: its name, or its folder.
    """

    path: Path
    label: str
    name: str


def write(path: Path, reference: RunPage, other: RunPage) -> int:
    """Write the page of two runs, and return how many problems they share; only these are in its index.

    Rates are those of the two pages: of the first training seed, each at its run's own largest plan count.

    Raises:
        ProblemPageError: a run's page cannot be read, or they share no problem.
    """
    found = [read_index(page.path) for page in (reference, other)]
    there = {row["id"]: row for row in found[1].rows}
    pairs = [(row, there[row["id"]]) for row in found[0].rows if row["id"] in there]
    if not pairs:
        raise ProblemPageError(f"{reference.path} and {other.path} have no problem in common")
    arms: list[ArmName] = [arm for arm in TITLES if any(arm in index.arms for index in found)]
    rows = [
        {
            **pair[0],
            "runs": [_with_arms(row["runs"][0], index.arms, arms) for row, index in zip(pair, found, strict=True)],
        }
        for pair in pairs
    ]
    runs = [
        replace(index.runs[0], label=page.label, name=page.name)
        for index, page in zip(found, (reference, other), strict=True)
    ]
    chunks = chain.from_iterable(read_chunks(page.path, run) for run, page in enumerate((reference, other)))
    write_page(path, PageIndex(runs, arms, rows), chunks)
    return len(rows)


def _with_arms(run: dict[str, Any], own: Sequence[ArmName], arms: Sequence[ArmName]) -> dict[str, Any]:
    """A row's run with a rate and an outcome for each of these arms; None for those that it does not have."""
    at = {arm: number for number, arm in enumerate(own)}
    return run | {name: [run[name][at[arm]] if arm in at else None for arm in arms] for name in ("rates", "outcomes")}
