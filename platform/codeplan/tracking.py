"""The only door to MLflow: one parent run for an experiment, one child run for each stage.

Runs are addressed by their ids through one client, never through MLflow's process-wide active run. A run that was
killed cannot say so itself; the next run on the same home does it for it (see `Tracker._bury_the_dead`).
"""

from __future__ import annotations

import fcntl
import getpass
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from codeplan.config import Config, TrackingConfig
from codeplan.errors import UserError

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

PARENT = "mlflow.parentRunId"
_EXPERIMENT_TAGS = {
    "mlflow.experimentKind": "custom_model_development"
}  # opens the UI on runs and charts, not on chats
_LONGEST_NOTE = 5000
BATCH = 900  # MLflow takes at most 1,000 metrics in one request


class TrackingError(UserError):
    """MLflow cannot be reached or written to."""


def uri(tracking: TrackingConfig, home: Path) -> str:
    """The tracking address: the configured one, or the SQLite file in the run's home."""
    return tracking.uri or f"sqlite:///{(home / 'mlflow.db').resolve()}"


class Run:
    """One MLflow run, open for writing."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client = client
        self.run_id = run_id

    def tag(self, **tags: str) -> None:
        """Set tags, by which a person filters runs."""
        for key, value in tags.items():
            self._client.set_tag(self.run_id, f"codeplan.{key}", value)

    def params(self, plain: Mapping[str, Any]) -> None:
        """Log settings, nested sections flattened to ``section.key``."""
        from mlflow.entities import Param

        params = [Param(key, str(value)) for key, value in flatten(plain).items()]
        for start in range(0, len(params), 100):
            self._client.log_batch(self.run_id, params=params[start : start + 100])

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log numbers at a step, in one request."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(key, float(value), now, step) for key, value in values.items()]
        for start in range(0, len(metrics), BATCH):
            self._client.log_batch(self.run_id, metrics=metrics[start : start + BATCH])

    def file(self, path: Path, folder: str = "") -> None:
        """Keep a file with the run."""
        self._client.log_artifact(self.run_id, str(path), folder or None)

    def text(self, text: str, name: str) -> None:
        """Keep a text with the run, as a file of that name."""
        self._client.log_text(self.run_id, text, name)

    def describe(self, markdown: str) -> None:
        """What a person reads first when the run is opened."""
        self._client.set_tag(self.run_id, "mlflow.note.content", markdown[:_LONGEST_NOTE])

    def table(self, rows: Sequence[Mapping[str, Any]], name: str) -> None:
        """Keep a table that MLflow's UI can show and compare between runs."""
        if rows:
            columns = {key: [row[key] for row in rows] for key in rows[0]}
            self._client.log_table(self.run_id, columns, name)

    def dataset(self, name: str, fingerprint: str, rows: Sequence[Mapping[str, Any]], context: str) -> None:
        """Say which data the run used: searchable by name, told apart by the fingerprint of the stage that made it."""
        import mlflow.data
        import pandas as pd
        from mlflow.entities import DatasetInput, InputTag

        # Text columns only: MLflow warns of every integer column that it might once miss a value.
        frame = pd.DataFrame([{key: str(value) for key, value in row.items()} for row in rows])
        made = mlflow.data.from_pandas(frame, name=name, digest=fingerprint[:32])
        entity = made._to_mlflow_entity()  # the client, unlike the fluent interface, takes only entities
        self._client.log_inputs(self.run_id, [DatasetInput(entity, [InputTag("mlflow.data.context", context)])])


class Tracker:
    """Writes one experiment's runs."""

    def __init__(self, tracking: TrackingConfig, home: Path) -> None:
        """Connect to MLflow, making the experiment where it is missing.

        Raises:
            TrackingError: the server or database cannot be used.
        """
        import mlflow

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        # Without these a server that is not there would be waited for through minutes of growing pauses.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
        self._home = home
        self.uri = uri(tracking, home)
        home.mkdir(parents=True, exist_ok=True)
        # Its client asks the process-wide address for the artifact store, whatever address it was made with.
        mlflow.set_tracking_uri(self.uri)
        try:
            self._client = mlflow.MlflowClient(self.uri)
            self._experiment = self._find_experiment(tracking)
        except Exception as error:  # MLflow's own errors, the database's, the network's
            first_line = str(error).strip().partition("\n")[0]
            raise TrackingError(f"MLflow at {self.uri} cannot be used: {first_line}; see tracking.uri") from error
        self._bury_the_dead()

    def _find_experiment(self, tracking: TrackingConfig) -> str:
        found = self._client.get_experiment_by_name(tracking.experiment)
        if found is not None:
            return str(found.experiment_id)
        # A server says itself where artifacts go; a database alone would put them into the working folder.
        artifacts = None if self.uri.startswith("http") else (self._home / "artifacts").resolve().as_uri()
        made = self._client.create_experiment(tracking.experiment, artifact_location=artifacts, tags=_EXPERIMENT_TAGS)
        return str(made)

    @contextmanager
    def experiment(self, config: Config, tags: Mapping[str, str]) -> Iterator[Run]:
        """The parent run of an experiment; failed with the error in it when the block raises."""
        with self._run(config.name, tags) as run, self._alive(run.run_id):
            plain = config.model_dump(mode="json")
            run.params(plain)
            run.text(yaml.safe_dump(plain, sort_keys=False), "config.yaml")
            yield run

    @contextmanager
    def stage(self, parent: Run, role: str, tags: Mapping[str, str]) -> Iterator[Run]:
        """The child run of one stage."""
        with self._run(role, {PARENT: parent.run_id, **tags}) as run:
            yield run

    @contextmanager
    def _run(self, name: str, tags: Mapping[str, str]) -> Iterator[Run]:
        named = {key if "." in key else f"codeplan.{key}": value for key, value in tags.items()}
        named |= {"mlflow.user": getpass.getuser(), "mlflow.source.name": "codeplan", "mlflow.source.type": "LOCAL"}
        created = self._client.create_run(self._experiment, run_name=name, tags=named)
        run = Run(self._client, created.info.run_id)
        try:
            yield run
        except BaseException as error:
            stopped = isinstance(error, KeyboardInterrupt | SystemExit)
            with suppress(Exception):  # the error that ended the work must not be hidden by one of MLflow's
                run.tag(error=f"{type(error).__name__}: {error}"[:5000])
                self._client.set_terminated(run.run_id, "KILLED" if stopped else "FAILED")
            raise
        self._client.set_terminated(run.run_id, "FINISHED")

    @contextmanager
    def _alive(self, run_id: str) -> Iterator[None]:
        """Hold a locked file for as long as this process lives and works on the run."""
        marker = self._home / "open_runs" / run_id
        marker.parent.mkdir(parents=True, exist_ok=True)
        with marker.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                yield
            finally:
                marker.unlink(missing_ok=True)

    def _bury_the_dead(self) -> None:
        """Mark runs as failed whose process died without a word: their marker is there, but nobody locks it."""
        for marker in sorted((self._home / "open_runs").glob("*")):
            with marker.open("r+") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                for run_id in (marker.name, *self._children(marker.name)):
                    with suppress(Exception):  # a run that a person deleted since
                        if self._client.get_run(run_id).info.status == "RUNNING":
                            self._client.set_tag(run_id, "codeplan.error", "the process was killed")
                            self._client.set_terminated(run_id, "FAILED")
                marker.unlink(missing_ok=True)

    def _children(self, run_id: str) -> list[str]:
        found = self._client.search_runs([self._experiment], f"tags.`{PARENT}` = '{run_id}'")
        return [each.info.run_id for each in found]


def flatten(plain: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested sections as one level: ``{"a": {"b": 1}}`` becomes ``{"a.b": 1}``."""
    flat: dict[str, Any] = {}
    for key, value in plain.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{above}{key}."))
        else:
            flat[f"{above}{key}"] = value
    return flat
