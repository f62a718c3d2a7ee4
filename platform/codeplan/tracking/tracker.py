"""Writes one experiment's runs.

Runs are addressed by their ids through one client, never through MLflow's process-wide active run. The run of a killed
process is marked as failed by the next run on the same home (see `Tracker._close_orphaned_runs`).
"""

from __future__ import annotations

import fcntl
import logging
import os
import shlex
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from codeplan.config import Config, TrackingConfig
from codeplan.environment import ray_job, user_name
from codeplan.errors import StopRequested
from codeplan.tracking import names
from codeplan.tracking.database import TrackingError, hidden, make_database, redacted, sqlite_path, uri
from codeplan.tracking.mlflow_errors import first_line, retry_while_locked, silence_logs
from codeplan.tracking.outbox import handed_out_id, rejected_path
from codeplan.tracking.resumed import running_again
from codeplan.tracking.runs import Run
from codeplan.tracking.termination import CODE, terminated_as_exit, was_terminated
from codeplan.tracking.writer import Writer

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

PARENT = "mlflow.parentRunId"
Kind = Literal["pipeline", "trial"]
# Opens the UI on runs and charts instead of chats.
_FLUSH_S = 20.0
"""How long the end of an experiment waits for MLflow."""
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}


class Tracker:
    """Writes one experiment's runs."""

    def __init__(self, tracking: TrackingConfig, home: Path, experiment: str = "") -> None:
        """Connect to MLflow, creating the database and the experiment if they are missing.

        Args:
            tracking: where MLflow is.
            home: the runs' home.
            experiment: its id, where another process has connected before, as a sweep does for its trials: then MLflow
                may be away now.

        Raises:
            TrackingError: the server or database is unusable.
        """
        # By default MLflow retries an unreachable server for minutes; the writer retries what must not be lost.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
        import mlflow

        silence_logs()
        self._home = home
        try:
            home.mkdir(parents=True, exist_ok=True)
            (home / "open_runs").mkdir(exist_ok=True)
        except OSError as error:
            raise TrackingError(
                f"execution.home {str(home)!r} is unusable: {error.strerror}; it must be a writable folder"
            ) from error
        self.uri = uri(tracking, home)
        try:
            database = sqlite_path(self.uri)
            if database is not None:
                make_database(database)
            # The client takes the artifact store from the process-wide URI, whatever URI it was created with.
            mlflow.set_tracking_uri(self.uri)
            client = mlflow.MlflowClient(self.uri)
            self.experiment_id = experiment or retry_while_locked(lambda: self._find_experiment(client, tracking))
        except TrackingError:
            raise
        except Exception as error:  # MLflow's own errors, the database's, the network's
            raise TrackingError(
                f"MLflow at {redacted(self.uri)} is unusable: {self._hidden(first_line(error))}; see tracking.uri"
            ) from error
        self._client = client
        self._writer = Writer(client, home, redacted(tracking.uri))
        self._open_experiments = 0
        self._open_lock = threading.Lock()
        self._writer.send_left_behind()
        if not experiment:
            self._close_orphaned_runs()

    def _find_experiment(self, client: MlflowClient, tracking: TrackingConfig) -> str:
        name = names.label(tracking.experiment, names.EXPERIMENT_NAME_LENGTH)
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            # A server decides where artifacts go; a database alone would put them into the working directory.
            served = self.uri.startswith("http")
            artifacts = None if served else (self._home / "artifacts").resolve().as_uri()
            try:
                return str(client.create_experiment(name, artifact_location=artifacts, tags=_EXPERIMENT_TAGS))
            except Exception:
                experiment = client.get_experiment_by_name(name)  # created by a concurrent run
                if experiment is None:
                    raise
        if experiment.lifecycle_stage != "active":
            raise TrackingError(
                f"the experiment {name!r} was deleted in MLflow at {redacted(self.uri)}; set tracking.experiment to "
                f"another name, or restore it: mlflow experiments restore --experiment-id {experiment.experiment_id}"
            )
        return str(experiment.experiment_id)

    @contextmanager
    def experiment(
        self,
        config: Config,
        tags: Mapping[str, str],
        *,
        name: str = "",
        differs: Mapping[str, Any] | None = None,
        parent: str = "",
        kind: Kind = "pipeline",
    ) -> Iterator[Run]:
        """The run of a pipeline, or of a sweep's trial; marked as failed, with the error in a tag, if the block raises.

        Args:
            config: what runs; logged as parameters and as ``config.yaml``.
            tags: by which the run is filtered.
            name: shown in the list of runs, see `run_name`; empty takes the configuration's name.
            differs: the settings that differ from the base configuration; numbers among them become ``axis/`` metrics.
            parent: id of the run that it is nested under.
            kind: ``pipeline`` or ``trial``.

        Raises:
            TrackingError: after the block, if MLflow does not have all of it; at the start, if no run can be created.
        """
        # Within another experiment, such as a sweep, an MLflow that is away must not stop this one.
        nested = {PARENT: parent} if parent else {}
        with self._open(name or config.name, {"kind": kind, **nested, **tags}) as run:
            settings = config.model_dump(mode="json")
            settings["tracking"]["uri"] = redacted(config.tracking.uri)
            # Where a run is logged is no setting to compare runs by.
            run.params({section: keys for section, keys in settings.items() if section != "tracking"})
            run.axes(differs or {})
            run.text(yaml.safe_dump(settings, sort_keys=False), "config.yaml")
            yield run

    @contextmanager
    def sweep(
        self, name: str, tags: Mapping[str, str], settings: Mapping[str, Any], resumed: str = ""
    ) -> Iterator[Run]:
        """The run of a sweep, under which its trials are nested; raises as `experiment` does.

        The run with the id ``resumed`` is continued, if MLflow has it, with the parameters that it began with.
        """
        with self._open(name, {"kind": "sweep", "sweep": name, **tags}, resumed) as run:
            if run.run_id != resumed:
                run.params(settings)
            yield run

    @contextmanager
    def _open(self, name: str, tags: Mapping[str, str], resumed: str = "") -> Iterator[Run]:
        """A run of this process, which is closed if the process is killed or terminated.

        Within another one, also of another process, an MLflow that is away must not stop it.
        """
        within = self._open_experiments > 0 or PARENT in tags
        with (
            terminated_as_exit(),
            self._delivered(within=within),
            self._run(name, tags, at_once=not within, resumed=resumed) as run,
            self._alive(run.run_id),
        ):
            yield run

    @contextmanager
    def stage(self, parent: Run, role: str, tags: Mapping[str, str]) -> Iterator[Run]:
        """The child run of one stage."""
        with self._run(role, {"kind": "stage", PARENT: parent.run_id, **tags}) as run:
            yield run

    @contextmanager
    def _run(self, name: str, tags: Mapping[str, str], *, at_once: bool = False, resumed: str = "") -> Iterator[Run]:
        named = {key if "." in key else f"codeplan.{key}": value for key, value in tags.items()}
        named |= {
            "mlflow.user": ray_job().get("user") or user_name(),
            "mlflow.source.name": "codeplan",
            "mlflow.source.type": "LOCAL",
        }
        valid = {names.key(key): names.text(value, names.TAG_LENGTH) for key, value in named.items()}
        label = names.label(name, names.RUN_NAME_LENGTH)
        run_id = running_again(self._client, self._writer, self.experiment_id, resumed, valid) or (
            self._create_at_once(label, valid) if at_once else self._writer.create(self.experiment_id, label, valid)
        )
        run = Run(self._writer, run_id, self.experiment_id)
        try:
            yield run
        except BaseException as error:
            reason = SystemExit(CODE) if was_terminated() else error
            interrupted = isinstance(reason, KeyboardInterrupt | SystemExit | StopRequested)
            run.fail("KILLED" if interrupted else "FAILED", f"{type(reason).__name__}: {reason}".removesuffix(": "))
            raise
        run.end("FINISHED")

    def _create_at_once(self, name: str, tags: Mapping[str, str]) -> str:
        try:
            run = retry_while_locked(
                lambda: self._client.create_run(self.experiment_id, run_name=name, tags=dict(tags))
            )
        except Exception as error:  # MLflow's own errors, the database's, the network's
            raise TrackingError(
                f"MLflow at {redacted(self.uri)} is not writable: {self._hidden(first_line(error))}"
            ) from error
        return str(run.info.run_id)

    @contextmanager
    def _delivered(self, *, within: bool) -> Iterator[None]:
        """Wait a limited time until MLflow has what was written in the block, and report what it does not have; the
        last of several experiments that are open does so for all, and one within another process's reports nothing.
        """
        self._count_open(1)
        try:
            yield
        except BaseException:
            # The block's own error matters more.
            if self._count_open(-1) == 0 and (missing := self._missing()):
                logging.getLogger(__name__).warning("%s", missing)
            raise
        if self._count_open(-1) == 0 and (missing := self._missing()):
            if within:
                logging.getLogger(__name__).warning("%s", missing)
            else:
                raise TrackingError(f"the run has finished and its files are written, but {missing}")

    def _count_open(self, change: int) -> int:
        with self._open_lock:
            self._open_experiments += change
            return self._open_experiments

    def _missing(self) -> str:
        found = self._writer.flush(_FLUSH_S)
        said = []
        if found.left:
            said.append(
                f"{found.left:,} writes have not reached MLflow at {redacted(self.uri)} yet "
                f"({self._hidden(found.why) or 'it is slow'}); they are kept, and once it is back the next run sends "
                f"them, or: codeplan track --push --home {shlex.quote(str(self._home))}"
            )
        if found.rejected:
            more = f" (and {len(found.rejected) - 1:,} more)" if len(found.rejected) > 1 else ""
            said.append(
                f"MLflow at {redacted(self.uri)} rejected a write: {self._hidden(found.rejected[0])}{more}; what it "
                f"rejected is kept in {rejected_path(self._home)}"
            )
        return "; and ".join(said)

    def _hidden(self, message: str) -> str:
        return hidden(message, self.uri)

    @contextmanager
    def _alive(self, run_id: str) -> Iterator[None]:
        """Hold the lock of the run's marker file while this process works on the run."""
        marker = self._home / "open_runs" / run_id
        unlocked = self._home / f".open_run.{run_id}"
        with unlocked.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            unlocked.rename(marker)  # never visible without its lock: an unlocked marker means a dead process
            try:
                yield
            finally:
                marker.unlink(missing_ok=True)

    def _close_orphaned_runs(self) -> None:
        """Mark the runs of killed processes as failed: their marker file exists, but is not locked."""
        closed = False
        for marker in sorted((self._home / "open_runs").glob("*")):
            # A concurrent run may be closing it, or the marker may belong to another user.
            with suppress(OSError), marker.open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                parent = handed_out_id(self._home, marker.name) or marker.name
                for run_id in (parent, *self._below(parent)):
                    with suppress(Exception):  # the run may have been deleted
                        if self._client.get_run(run_id).info.status == "RUNNING":
                            Run(self._writer, run_id).fail("FAILED", "the process was killed")
                            closed = True
                marker.unlink(missing_ok=True)
        if closed:
            self._writer.flush(_FLUSH_S)

    def _below(self, run_id: str) -> Iterator[str]:
        """All runs under a run, but those that have a process, and so a marker, of their own."""
        query = f"tags.`{PARENT}` = '{run_id}'"
        for child in retry_while_locked(lambda: self._client.search_runs([self.experiment_id], query)):
            if not (self._home / "open_runs" / child.info.run_id).exists():
                yield child.info.run_id
                yield from self._below(child.info.run_id)
