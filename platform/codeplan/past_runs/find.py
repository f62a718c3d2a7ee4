"""Find the report of a past run: by its folder or fingerprint, and by its id or name in MLflow."""

from __future__ import annotations

import atexit
import glob
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from codeplan.errors import UserError, one_line
from codeplan.stage import DONE
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


def find_report(run: str | Path, home: Path, uri: str, names: Sequence[str]) -> tuple[Path, Path | None, str]:
    """The folder with these files of a run's report, its home, and its id in MLflow where it was found by it.

    The home is None where the files were downloaded: to a temporary folder that stays until the process ends.

    Raises:
        UserError: there is no such run, several are meant, or its report lacks the files.
    """
    token, folder = str(run), Path(run)
    if folder.is_dir():
        return _report_folder(folder, names), folder.resolve().parents[2], ""
    if "/" in token or isinstance(run, Path):
        raise UserError(f"there is no folder {one_line(token, 200)}; name a report's, as in runs/stages/report/...")
    here = sorted((home / "stages" / "report").glob(f"{glob.escape(token.lower()[:16])}*")) if token else []
    if len(here) > 1:
        raise UserError(f"{token!r} starts several reports: {', '.join(found.name for found in here)}")
    if here:
        return _report_folder(here[0], names), home, ""
    runs = history(home, uri)
    target = Path(tempfile.mkdtemp(prefix="codeplan-run-"))
    atexit.register(shutil.rmtree, target, ignore_errors=True)
    found = report_of(token, runs, names, target)
    if found is None and (named := runs.named(token)):
        found = report_of(named[0].run_id, runs, names, target)
    if found is None:
        raise UserError(
            f"no run has the name {one_line(token, 60)!r}, nor an id or a report's fingerprint that starts so, in "
            f"{home}; codeplan runs lists them"
        )
    past, folder = found
    return folder, (None if folder == target else home), past.run_id


def _report_folder(folder: Path, names: Sequence[str]) -> Path:
    missing = [name for name in (*names, DONE) if not (folder / name).is_file()]
    if missing:
        raise UserError(
            f"{folder} is not the folder of a finished report: it has no {' and no '.join(missing)}; name one of "
            "runs/stages/report/..., or a run's id or name"
        )
    return folder


def described(run: PastRun) -> str:
    """A run in a message."""
    return f"{run.run_id[:12]} ({one_line(run.name, 60)})"
