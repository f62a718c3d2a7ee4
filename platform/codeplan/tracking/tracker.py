"""Writes one experiment's runs.

Runs are addressed by their ids through one client, never through MLflow's process-wide active run. A run that was
killed cannot say so itself; the next run on the same home does it for it (see `Tracker._close_orphaned_runs`).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from codeplan.config import Config, TrackingConfig
from codeplan.environment import user_name
from codeplan.tracking import names
from codeplan.tracking.database import TrackingError, make_database, redacted, sqlite_path, uri
from codeplan.tracking.runs import Run, Writer, first_line, patiently, quieten

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

PARENT = "mlflow.parentRunId"
_EXPERIMENT_TAGS = {
    "mlflow.experimentKind": "custom_model_development"
}  # opens the UI on runs and charts, not on chats


class Tracker:
    """Writes one experiment's runs."""

    def __init__(self, tracking: TrackingConfig, home: Path) -> None:
        """Connect to MLflow, making the database and the experiment where they are missing.

        Raises:
            TrackingError: the server or database cannot be used.
        """
        # Without these a server that is not there would be waited for through minutes of growing pauses.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
        import mlflow

        quieten()
        self._home = home
        try:
            home.mkdir(parents=True, exist_ok=True)
            (home / "open_runs").mkdir(exist_ok=True)
        except OSError as error:
            raise TrackingError(
                f"execution.home {str(home)!r} cannot be used: {error.strerror}; it must be a folder that can be "
                "written to"
            ) from error
        self.uri = uri(tracking, home)
        try:
            database = sqlite_path(self.uri)
            if database is not None:
                make_database(database)
            # Its client asks the process-wide address for the artifact store, whatever address it was made with.
            mlflow.set_tracking_uri(self.uri)
            client = mlflow.MlflowClient(self.uri)
            self._experiment = patiently(lambda: self._find_experiment(client, tracking))
        except TrackingError:
            raise
        except Exception as error:  # MLflow's own errors, the database's, the network's
            raise TrackingError(
                f"MLflow at {redacted(self.uri)} cannot be used: {self._hidden(first_line(error))}; see tracking.uri"
            ) from error
        self._client = client
        self._writer = Writer(client)
        self._close_orphaned_runs()

    def _find_experiment(self, client: MlflowClient, tracking: TrackingConfig) -> str:
        name = names.label(tracking.experiment, names.EXPERIMENT_NAME_LENGTH)
        found = client.get_experiment_by_name(name)
        if found is None:
            # A server says itself where artifacts go; a database alone would put them into the working folder.
            served = self.uri.startswith("http")
            artifacts = None if served else (self._home / "artifacts").resolve().as_uri()
            try:
                return str(client.create_experiment(name, artifact_location=artifacts, tags=_EXPERIMENT_TAGS))
            except Exception:
                found = client.get_experiment_by_name(name)  # made by another run in this moment
                if found is None:
                    raise
        if found.lifecycle_stage != "active":
            raise TrackingError(
                f"the experiment {name!r} was deleted in MLflow at {redacted(self.uri)}; restore it (mlflow "
                f"experiments restore --experiment-id {found.experiment_id}) or name another in tracking.experiment"
            )
        return str(found.experiment_id)

    @contextmanager
    def experiment(self, config: Config, tags: Mapping[str, str]) -> Iterator[Run]:
        """The parent run of an experiment; failed with the error in it when the block raises.

        Raises:
            TrackingError: after the block, if MLflow failed within it; at the start, if no run can be made.
        """
        self._writer.faults.clear()
        with self._run(config.name, tags) as run:
            if not run.run_id:
                raise TrackingError(f"MLflow at {redacted(self.uri)} cannot be written to: {self._first_fault()}")
            with self._alive(run.run_id):
                plain = config.model_dump(mode="json")
                plain["tracking"]["uri"] = redacted(config.tracking.uri)
                run.params(plain)
                run.text(yaml.safe_dump(plain, sort_keys=False), "config.yaml")
                yield run
        if self._writer.faults:
            more = len(self._writer.faults) - 1
            raise TrackingError(
                f"the work is done and its files are written, but MLflow at {redacted(self.uri)} lacks some of it: "
                f"{self._first_fault()}"
                + (f" (and {more:,} more)" if more else "")
                + "; when MLflow can be written to, "
                "run the same command again: finished stages are reused"
            )

    @contextmanager
    def stage(self, parent: Run, role: str, tags: Mapping[str, str]) -> Iterator[Run]:
        """The child run of one stage."""
        with self._run(role, {PARENT: parent.run_id, **tags}) as run:
            yield run

    @contextmanager
    def _run(self, name: str, tags: Mapping[str, str]) -> Iterator[Run]:
        named = {key if "." in key else f"codeplan.{key}": value for key, value in tags.items()}
        named |= {"mlflow.user": user_name(), "mlflow.source.name": "codeplan", "mlflow.source.type": "LOCAL"}
        valid = {names.key(key): names.text(value, names.TAG_LENGTH) for key, value in named.items()}
        called = names.label(name, names.RUN_NAME_LENGTH)
        created = self._writer.write(lambda client: client.create_run(self._experiment, run_name=called, tags=valid))
        run = Run(self._writer, created.info.run_id if created is not None else "")
        try:
            yield run
        except BaseException as error:
            stopped = isinstance(error, KeyboardInterrupt | SystemExit)
            run.tag(error=f"{type(error).__name__}: {error}")
            run.end("KILLED" if stopped else "FAILED")
            raise
        run.end("FINISHED")

    def _first_fault(self) -> str:
        return self._hidden(self._writer.faults[0])

    def _hidden(self, message: str) -> str:
        """The message without the password that the address may hold."""
        return message.replace(self.uri, redacted(self.uri))

    @contextmanager
    def _alive(self, run_id: str) -> Iterator[None]:
        """Hold a locked file for as long as this process lives and works on the run."""
        marker = self._home / "open_runs" / run_id
        unlocked = self._home / f".open_run.{run_id}"
        with unlocked.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            unlocked.rename(marker)  # never seen without its lock, which would mean that this process is dead
            try:
                yield
            finally:
                marker.unlink(missing_ok=True)

    def _close_orphaned_runs(self) -> None:
        """Mark runs as failed whose process died without a word: their marker is there, but nobody locks it."""
        for marker in sorted((self._home / "open_runs").glob("*")):
            # Another run may be closing it in this moment, or a marker may be another user's.
            with suppress(OSError), marker.open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for run_id in (marker.name, *self._children(marker.name)):
                    with suppress(Exception):  # a run that a person deleted since
                        if self._client.get_run(run_id).info.status == "RUNNING":
                            run = Run(self._writer, run_id)
                            run.tag(error="the process was killed")
                            run.end("FAILED")
                marker.unlink(missing_ok=True)

    def _children(self, run_id: str) -> list[str]:
        query = f"tags.`{PARENT}` = '{run_id}'"
        found = patiently(lambda: self._client.search_runs([self._experiment], query))
        return [child.info.run_id for child in found]
