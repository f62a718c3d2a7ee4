"""Find the report of a past run by its id in MLflow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from codeplan.errors import UserError, one_line
from codeplan.tracking.history import History, PastRun

_OLD = "it ran until an earlier stage, or with an earlier version; run its configuration again to make one"


def history(home: Path, uri: str) -> History:
    """The runs of a home, or of an MLflow server where one is named.

    Raises:
        TrackingError: there are no runs, or the server or database is unusable.
    """
    from codeplan.config import TrackingConfig
    from codeplan.environment import prepare

    prepare()
    return History(TrackingConfig(uri=uri), home)


def report_of(token: str, runs: History, names: Sequence[str], target: Path) -> tuple[PastRun, Path] | None:
    """The run whose id starts so, with a folder that has these files of its report; None where there is no such run.

    Args:
        token: the id, or its start.
        runs: where to look.
        names: names of files.
        target: a folder to download to, made where it is needed.

    Raises:
        UserError: several runs' ids start so, it is a sweep, or its report lacks the files.
    """
    matches = runs.starting_with(token.lower())
    if not matches:
        return None
    if len(matches) > 1:
        raise UserError(f"{token!r} starts the ids of several runs: {', '.join(map(described, matches))}")
    (run,) = matches
    if run.kind == "sweep":
        raise UserError(f"{described(run)} is a sweep; name one of its trials, which codeplan runs --trials lists")
    target.mkdir(exist_ok=True)
    folder = runs.report_folder(run, names, target)
    if folder is None:
        raise UserError(
            f"{described(run)} has no report that could be read: "
            + (_OLD if run.state == "finished" else f"its state is {run.state!r}")
        )
    return run, folder


def described(run: PastRun) -> str:
    """A run in a message."""
    return f"{run.run_id[:12]} ({one_line(run.name, 60)})"
