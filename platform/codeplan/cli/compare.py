"""`codeplan compare`: what differs between runs, in their settings and in what they solve."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from codeplan.cli.runs import SHORT, AsJson, Home, Uri
from codeplan.cli.terminal import console, fail, plain_errors

if TYPE_CHECKING:
    from codeplan.evaluation.lineage import Lineage
    from codeplan.evaluation.rates import Rates
    from codeplan.tracking.history import History, PastRun


@dataclass(frozen=True)
class ComparedRun:
    """One of the runs that are compared.

    Attributes:
        source: its id, or its folder.
        label: what names it in tables: the start of its id, or the name of its folder.
        name: its name, or its folder.
        rates: its solve rates.
        lineage: its stages.
        state: of the run, as `codeplan runs` shows it.
    """

    source: str
    label: str
    name: str
    rates: Rates
    lineage: Lineage
    state: str = "finished"


Tokens = Annotated[
    list[str],
    typer.Argument(metavar="RUN RUN...", help="Ids or starts of ids, as codeplan runs shows them, or report folders."),
]


def compare(tokens: Tokens, home: Home = Path("runs"), uri: Uri = "", as_json: AsJson = False) -> None:
    """Compare runs with the first: settings, shared stages, and every arm's paired difference with its p-value."""
    with plain_errors():
        from codeplan.cli import comparison_text as text
        from codeplan.evaluation.run_comparison import compare_runs

        found = _find(tokens, home, uri)
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


def _find(tokens: list[str], home: Path, uri: str) -> list[ComparedRun]:
    """The runs that are named.

    Raises:
        UserError: naming every token that is no run, or more than one.
    """
    from codeplan.errors import UserError, one_line

    if len(tokens) < 2:
        raise UserError("name at least two runs, the reference first; codeplan runs lists them")
    history = None if all(Path(token).is_dir() for token in tokens) else _history(home, uri)
    found: list[ComparedRun] = []
    missing: list[str] = []
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        for number, token in enumerate(tokens):
            try:
                run = _resolve(token, history, Path(scratch) / str(number))
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


def _resolve(token: str, history: History | None, target: Path) -> ComparedRun | None:
    """The run of an id or a folder; None where there is none."""
    if Path(token).is_dir():
        return _from_folder(Path(token))
    assert history is not None
    return _from_mlflow(token, history, target)


def _history(home: Path, uri: str) -> History:
    from codeplan.config import TrackingConfig
    from codeplan.environment import prepare
    from codeplan.tracking.history import History

    prepare()
    return History(TrackingConfig(uri=uri), home)


def _from_folder(folder: Path) -> ComparedRun:
    from codeplan.evaluation import lineage, rates

    source = folder.resolve()
    return ComparedRun(str(source), source.name[:SHORT], str(folder), rates.read(folder), lineage.read(folder))


def _from_mlflow(token: str, history: History, target: Path) -> ComparedRun | None:
    from codeplan.errors import UserError, one_line
    from codeplan.evaluation import lineage, rates

    matches = history.starting_with(token.lower())
    if not matches:
        return None
    if len(matches) > 1:
        raise UserError(f"{token!r} starts the ids of several runs: {', '.join(map(_described, matches))}")
    (run,) = matches
    if run.kind == "sweep":
        raise UserError(f"{_described(run)} is a sweep; compare its trials, which codeplan runs --trials lists")
    target.mkdir()
    folder = history.report_folder(run, (rates.FILE, lineage.FILE), target)
    if folder is None:
        raise UserError(
            f"{_described(run)} has no report that could be compared: "
            + (_OLD if run.state == "finished" else f"its state is {run.state!r}")
        )
    name = one_line(run.name, 80)
    return ComparedRun(run.run_id, run.run_id[:SHORT], name, rates.read(folder), lineage.read(folder), run.state)


_OLD = "it ran until an earlier stage, or with an earlier version; run its configuration again to make one"


def _described(run: PastRun) -> str:
    from codeplan.errors import one_line

    return f"{run.run_id[:12]} ({one_line(run.name, 60)})"
