"""`codeplan compare`: what differs between runs, in their settings and in what they solve."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from codeplan.cli.runs import SHORT, AsJson, Home, Uri
from codeplan.cli.terminal import console, fail, plain_errors

if TYPE_CHECKING:
    from codeplan.evaluation.lineage import Lineage
    from codeplan.evaluation.rates import Rates
    from codeplan.tracking.history import History


@dataclass(frozen=True)
class ComparedRun:
    """One of the runs that are compared.

    Attributes:
        source: its id, or its folder.
        label: what names it in tables: the start of its id, or the name of its folder.
        name: its name, or its folder.
        rates: its solve rates.
        lineage: its stages.
        folder: where the report's files are.
        state: of the run, as `codeplan runs` shows it.
    """

    source: str
    label: str
    name: str
    rates: Rates
    lineage: Lineage
    folder: Path
    state: str = "finished"


Tokens = Annotated[
    list[str],
    typer.Argument(metavar="RUN RUN...", help="Ids or starts of ids, as codeplan runs shows them, or report folders."),
]


Page = Annotated[
    Path | None, typer.Option("--page", help="Write an HTML page of two runs, problem by problem, to this file.")
]


def compare(
    tokens: Tokens, home: Home = Path("runs"), uri: Uri = "", as_json: AsJson = False, page: Page = None
) -> None:
    """Compare runs with the first: settings, shared stages, and every arm's paired difference with its p-value."""
    with plain_errors(), tempfile.TemporaryDirectory() as scratch:
        from codeplan.cli import comparison_text as text
        from codeplan.evaluation.problem_page import FILE
        from codeplan.evaluation.run_comparison import compare_runs

        if page is not None:
            _require_two(tokens, page)
        found = _find(tokens, home, uri, Path(scratch), () if page is None else (FILE,))
        results = compare_runs(found[0].rates, [run.rates for run in found[1:]])
        if as_json:
            print(text.to_json(found, results))
        else:
            text.show(console(), found, results)
        refused = [
            f"{run.label} cannot be compared with {found[0].label}: {result.refused}"
            for run, result in zip(found[1:], results, strict=True)
            if result.refused
        ]
        if refused:
            fail("\n          ".join(refused))
        if page is not None:
            _write_page(page, found, quiet=as_json)


def _require_two(tokens: list[str], page: Path) -> None:
    from codeplan.errors import UserError

    if len(tokens) != 2:
        raise UserError(f"--page shows two runs side by side, not {len(tokens)}; name two")
    if page.is_dir() or not page.absolute().parent.is_dir():
        raise UserError(f"--page {page}: name a file in a folder that exists")


def _write_page(path: Path, runs: list[ComparedRun], *, quiet: bool) -> None:
    from codeplan.evaluation.comparison_page import RunPage, write
    from codeplan.evaluation.problem_page import FILE

    shared = write(path, *(RunPage(run.folder / FILE, run.label, run.name) for run in runs))
    if not quiet:
        line = f"page  {path} ({shared:,} problems)"
        console().print(line, highlight=False, markup=False, soft_wrap=True)


def _find(tokens: list[str], home: Path, uri: str, scratch: Path, files: Sequence[str]) -> list[ComparedRun]:
    """The runs that are named, with these files of their reports beside those that are always read.

    Raises:
        UserError: naming every token that is no run, or more than one.
    """
    from codeplan.errors import UserError, one_line
    from codeplan.past_runs.find import history

    if len(tokens) < 2:
        raise UserError("name at least two runs, the reference first; codeplan runs lists them")
    known = None if all(Path(token).is_dir() for token in tokens) else history(home, uri)
    found: list[ComparedRun] = []
    missing: list[str] = []
    faults: list[str] = []
    for number, token in enumerate(tokens):
        try:
            run = _resolve(token, known, scratch / str(number), files)
        except UserError as error:
            faults.append(str(error))
            continue
        if run is None:
            missing.append(repr(one_line(token, 60)))
        elif any(run.source == other.source for other in found):
            faults.append(f"{token!r} names a run that is named before")
        else:
            same = sum(run.label == other.label for other in found)
            found.append(replace(run, label=f"{run.label}#{same + 1}") if same else run)
    if missing:
        faults.insert(
            0,
            f"no run's id starts with {' or '.join(missing)}, and there is no such folder; codeplan runs lists the ids",
        )
    if faults:
        raise UserError("; ".join(faults))
    return found


def _resolve(token: str, history: History | None, target: Path, files: Sequence[str] = ()) -> ComparedRun | None:
    """The run of an id or a folder; None where there is none."""
    if Path(token).is_dir():
        return _from_folder(Path(token))
    assert history is not None
    return _from_mlflow(token, history, target, files)


def _from_folder(folder: Path) -> ComparedRun:
    from codeplan.evaluation import lineage, rates

    source = folder.resolve()
    made = (rates.read(folder), lineage.read(folder), folder)
    return ComparedRun(str(source), source.name[:SHORT], str(folder), *made)


def _from_mlflow(token: str, history: History, target: Path, files: Sequence[str]) -> ComparedRun | None:
    from codeplan.errors import one_line
    from codeplan.evaluation import lineage, rates
    from codeplan.past_runs.find import report_of

    found = report_of(token, history, (rates.FILE, lineage.FILE, *files), target)
    if found is None:
        return None
    run, folder = found
    name = one_line(run.name, 80)
    made = (rates.read(folder), lineage.read(folder), folder)
    return ComparedRun(run.run_id, run.run_id[:SHORT], name, *made, run.state)
