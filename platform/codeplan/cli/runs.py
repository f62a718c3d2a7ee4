"""`codeplan runs`: the pipelines and sweeps of a home or an MLflow server, with their best numbers."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codeplan.cli.terminal import console, plain_errors

if TYPE_CHECKING:
    from rich.table import Table

    from codeplan.tracking.history import PastRun

Home = Annotated[Path, typer.Option(help="The runs' home: execution.home of the configuration.")]
Uri = Annotated[str, typer.Option(help="MLflow server: tracking.uri of the configuration. Empty: the home's own.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

SHORT = 8
"""Digits of a run's id that are shown, and that are enough to name it."""

_WIDE = 110
"""Columns from which a run takes one line."""
_ARMS = ("direct", "control", "codeplan", "best_trial", "oracle")
_COLOURS = {"finished": "green", "running": "cyan", "failed": "red", "died": "red", "interrupted": "yellow"}


def runs(
    home: Home = Path("runs"),
    uri: Uri = "",
    limit: Annotated[int, typer.Option(min=1, help="How many to list, newest first.")] = 20,
    trials: Annotated[bool, typer.Option("--trials", help="List the trials of sweeps, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List pipelines and sweeps, newest first: state, time, pass@1 of every arm, and what the teacher was paid."""
    with plain_errors():
        from codeplan.config import TrackingConfig
        from codeplan.environment import prepare
        from codeplan.errors import one_line
        from codeplan.tracking.history import History

        prepare()
        found = History(TrackingConfig(uri=uri), home).latest(limit, trials=trials)
        if as_json:
            print(json.dumps([_plain(run) for run in found], indent=1))
        elif not found:
            print("no runs yet; start with: codeplan run jobs/configs/demo.yaml")
        else:
            terminal = console()
            terminal.print(_wide(found) if terminal.width >= _WIDE else _narrow(found))
            for run in found:
                if run.error:
                    line = f"{run.run_id[:SHORT]} {run.state}: {one_line(run.error, 200)}"
                    terminal.print(line, highlight=False, markup=False)


def _plain(run: PastRun) -> dict[str, Any]:
    times = {name: _iso(moment) for name, moment in (("started", run.started), ("ended", run.ended))}
    return {**asdict(run), **times, "took_s": _took(run)}


def _iso(moment: int | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds")


def _took(run: PastRun) -> float | None:
    """Seconds that a run took, or has taken so far; None where nobody knows when it died."""
    if run.ended is None and run.state != "running":
        return None
    return ((run.ended or time.time() * 1000) - run.started) / 1000


def _wide(found: list[PastRun]) -> Table:
    table = _table("run", "name", "state", "started", "took", "n")
    for arm in ("direct", "control", "CodePLAN", "best\ntrial", "oracle"):
        table.add_column(arm, justify="right")
    table.add_column("paid", justify="right")
    for run in found:
        cells = (_when(run), duration(_took(run)), _problems(run))
        table.add_row(run.run_id[:SHORT], _name(run), _state(run), *cells, *_rates(run), _paid(run))
    return table


def _narrow(found: list[PastRun]) -> Table:
    """Two lines per run, for a terminal of 80 columns."""
    from rich.text import Text

    table = _table("run", "name\nstate, started, took, paid", "n")
    for arm in ("direct", "con-\ntrol", "Code-\nPLAN", "best\ntrial", "oracle"):
        table.add_column(arm, justify="right")
    for run in found:
        parts = (_when(run), duration(_took(run)), _paid(run) if run.paid_usd else "-")
        about = ", ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in parts if part != "-")
        lines = Text("\n").join((_name(run), Text.assemble(_state(run), " ", (about, "dim"))))
        table.add_row(run.run_id[:SHORT], lines, _problems(run), *_rates(run))
    return table


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(
        title="pass@1 in %, over all n test problems",
        box=box.SIMPLE,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        title_justify="left",
    )
    for name in columns:
        right = name in {"took", "n"}
        table.add_column(
            name, justify="right" if right else "left", no_wrap=name in {"run", "state", "started", "took"}
        )
    return table


def _name(run: PastRun) -> Any:
    from rich.text import Text

    from codeplan.errors import one_line

    kind = "" if run.kind == "pipeline" else f" ({run.kind})"
    until = f" (until {run.goal})" if run.goal != "report" and run.kind == "pipeline" else ""
    return Text(one_line(run.name, 60) + kind + until)


def _state(run: PastRun) -> Any:
    from rich.text import Text

    return Text(run.state, style=_COLOURS.get(run.state, ""))


def _when(run: PastRun) -> str:
    """The local time of the start, without the year where it is this one."""
    moment = datetime.fromtimestamp(run.started / 1000).astimezone()
    return moment.strftime("%d %b %H:%M" if moment.year == datetime.now().astimezone().year else "%Y-%m-%d %H:%M")


def duration(seconds: float | None) -> str:
    """Time for a column, for example ``12 min``."""
    if seconds is None:
        return "-"
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _problems(run: PastRun) -> str:
    return "-" if run.problems is None else f"{run.problems:,}"


def _rates(run: PastRun) -> list[str]:
    return [f"{100 * run.rates[arm]:.1f}" if arm in run.rates else "-" for arm in _ARMS]


def _paid(run: PastRun) -> str:
    return "-" if run.paid_usd is None else f"${run.paid_usd:,.2f}"
