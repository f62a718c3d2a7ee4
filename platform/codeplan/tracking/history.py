"""Reads the runs of a home or a server: lists pipelines and sweeps, finds them by their ids, and gets their files."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeplan.config import TrackingConfig
from codeplan.tracking.database import TrackingError, make_database, redacted, sqlite_path, uri
from codeplan.tracking.mlflow_errors import first_line, retry_while_locked, silence_logs

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

KIND = "codeplan.kind"
_NOT_A_STAGE = f"tags.`{KIND}` != 'stage'"
"""Also excludes runs without the tag: those that are not ours."""
_NOT_A_TRIAL = f"tags.`{KIND}` != 'trial'"
_PARENT = "mlflow.parentRunId"
_COST = "teacher.cost_usd"
_PAGE = 1000
_STATES = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "interrupted", "RUNNING": "running"}
_RATE = re.compile(r"pass_at_1\.(\w+)\.all")


@dataclass(frozen=True)
class PastRun:
    """A pipeline or a sweep, as MLflow has it.

    Attributes:
        run_id: MLflow's id, 32 hexadecimal digits.
        name: the run's name.
        kind: ``pipeline``, ``sweep`` or ``trial``.
        goal: the last stage that it was to run; ``report`` for the whole pipeline.
        state: ``finished``, ``failed``, ``interrupted``, ``running``, or ``died`` where its process is gone and no run
            has closed it yet.
        started: milliseconds since 1970.
        ended: the same; None where it has not ended.
        problems: test problems of its report; None before there is one.
        rates: pass@1 over all levels, by arm.
        paid_usd: what the teacher was paid in this run, nothing for a stage that was reused; None where unknown.
        error: what ended it.
        report: fingerprint of its report stage; empty where the pipeline has none.
    """

    run_id: str
    name: str
    kind: str
    goal: str
    state: str
    started: int
    ended: int | None
    problems: int | None = None
    rates: dict[str, float] = field(default_factory=dict)
    paid_usd: float | None = None
    error: str = ""
    report: str = ""


class History:
    """The runs of a home, or of an MLflow server. Nothing is written."""

    def __init__(self, tracking: TrackingConfig, home: Path) -> None:
        """Connect to MLflow.

        Raises:
            TrackingError: there are no runs, or the server or database is unusable.
        """
        # By default MLflow retries an unreachable server for minutes, with exponential backoff.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        self._home = home
        self.uri = uri(tracking, home)
        database = sqlite_path(self.uri)
        if database is not None:
            if not database.exists():
                raise TrackingError(f"no runs in {home}: {database} does not exist; name another home with --home")
            make_database(database)
        import mlflow

        silence_logs()
        with self._plain_errors():
            # The client takes the artifact store from the process-wide URI, whatever URI it was created with.
            mlflow.set_tracking_uri(self.uri)
            self._client: MlflowClient = mlflow.MlflowClient(self.uri)
            self._experiments = [experiment.experiment_id for experiment in self._pages("search_experiments")]

    def latest(self, limit: int, *, trials: bool = False) -> list[PastRun]:
        """The newest pipelines and sweeps, newest first; with ``trials`` also the pipelines of sweeps.

        Two queries, however many runs there are: one for them, one for what their stages paid.
        """
        query = _NOT_A_STAGE if trials else f"{_NOT_A_STAGE} AND {_NOT_A_TRIAL}"
        with self._plain_errors():
            found = list(self._search(query, limit))
            paid = self._paid(min(run.info.start_time for run in found)) if found else {}
        return [self._past_run(run, paid.get(run.info.run_id)) for run in found]

    def starting_with(self, prefix: str) -> list[PastRun]:
        """The pipelines, trials and sweeps whose id starts with these hexadecimal digits, newest first, at most ten."""
        if not re.fullmatch("[0-9a-f]{1,32}", prefix):
            return []
        with self._plain_errors():
            found = self._search(f"{_NOT_A_STAGE} AND attributes.run_id LIKE '{prefix}%'", 10)
            return [self._past_run(run, None) for run in found]

    def named(self, name: str) -> list[PastRun]:
        """The pipelines, trials and sweeps of that name, newest first, at most ten."""
        quote = '"' if "'" in name else "'"
        if quote in name:  # a filter of MLflow has no way to write it
            return []
        with self._plain_errors():
            found = self._search(f"{_NOT_A_STAGE} AND attributes.run_name = {quote}{name}{quote}", 10)
            return [self._past_run(run, None) for run in found]

    def report_folder(self, run: PastRun, names: Sequence[str], target: Path) -> Path | None:
        """A folder with these files of a run's report; None where it has none of them.

        They are read from the home where its stage is there, else downloaded.

        Args:
            run: the run.
            names: names of files.
            target: a folder to download to.
        """
        here = self._home / "stages" / "report" / run.report[:16]
        if run.report and all((here / name).is_file() for name in (*names, "done.json")):
            return here
        with self._plain_errors():
            there = {Path(file.path).name for file in self._client.list_artifacts(run.run_id, "report")}
            if not there.issuperset(names):
                return None
            for name in names:
                with tempfile.TemporaryDirectory() as scratch:
                    shutil.copy(self._client.download_artifacts(run.run_id, f"report/{name}", scratch), target)
        return target

    def _search(self, query: str, limit: int | None = None) -> Iterator[Any]:
        order = ["attributes.start_time DESC"]
        options = {"experiment_ids": self._experiments, "filter_string": query, "order_by": order}
        for number, run in enumerate(self._pages("search_runs", min(limit or _PAGE, _PAGE), **options), start=1):
            yield run
            if number == limit:
                return

    def _pages(self, method: str, size: int = _PAGE, **options: Any) -> Iterator[Any]:
        token = None
        while True:
            page = retry_while_locked(
                lambda: getattr(self._client, method)(max_results=size, page_token=token, **options)  # noqa: B023
            )
            yield from page
            token = page.token
            if not token:
                return

    def _paid(self, since: int) -> dict[str, float]:
        """What the stages of runs that started since then paid, by their pipeline's id."""
        paid: dict[str, float] = {}
        for stage in self._search(f"tags.`codeplan.stage` = 'distill' AND attributes.start_time >= {since}"):
            parent = stage.data.tags.get(_PARENT, "")
            reused = "codeplan.reused_from" in stage.data.tags
            paid[parent] = paid.get(parent, 0.0) + (0.0 if reused else stage.data.metrics.get(_COST, 0.0))
        return paid

    def _past_run(self, run: Any, paid: float | None) -> PastRun:
        info, tags, metrics = run.info, run.data.tags, run.data.metrics
        kind = tags[KIND] if tags[KIND] in {"sweep", "trial"} else "pipeline"
        state = _STATES.get(info.status, info.status.lower())
        return PastRun(
            run_id=info.run_id,
            name=info.run_name or "",
            kind=kind,
            goal=tags.get("codeplan.goal", "report"),
            state="died" if state == "running" and self._has_died(info.run_id) else state,
            started=info.start_time,
            ended=info.end_time or None,
            problems=int(metrics["problems"]) if "problems" in metrics else None,
            rates={found[1]: value for name, value in metrics.items() if (found := _RATE.fullmatch(name))},
            paid_usd=metrics.get(_COST, paid),
            error=tags.get("codeplan.error", ""),
            report=tags.get("codeplan.identity.report", ""),
        )

    def _has_died(self, run_id: str) -> bool:
        """Whether the home has the marker of a run that no process holds; see `Tracker`."""
        try:
            with (self._home / "open_runs" / run_id).open() as marker:
                fcntl.flock(marker, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:  # not a run of this home, or alive
            return False
        return True

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except TrackingError:
            raise
        except Exception as error:  # MLflow's own errors, the database's, the network's
            reason = first_line(error).replace(self.uri, redacted(self.uri))
            raise TrackingError(f"MLflow at {redacted(self.uri)} cannot be read: {reason}") from error
