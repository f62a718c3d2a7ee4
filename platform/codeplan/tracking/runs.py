"""One MLflow run, open for writing."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from codeplan.tracking import names

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

T = TypeVar("T")

BATCH = 900
"""MLflow accepts at most 1,000 metrics per request."""
_LOCKED_S = 120.0
"""How long a write is retried while other runs write to the same SQLite file."""
_PAUSE_S = 60.0
"""How long writing pauses after a failure: each attempt can take minutes if the server is down."""


class Writer:
    """The client of all runs of a tracker: a failure of MLflow never stops the run, and is always reported.

    Attributes:
        faults: the failed writes, oldest first.
    """

    def __init__(self, client: MlflowClient) -> None:
        self.client = client
        self.faults: list[str] = []
        self._paused_until = 0.0

    def write(self, call: Callable[[MlflowClient], T]) -> T | None:
        """Call the client; None if the call failed, or if writing is paused after a failure."""
        if time.monotonic() < self._paused_until:
            self.faults.append("skipped")
            return None
        try:
            return retry_while_locked(lambda: call(self.client))
        except Exception as error:  # MLflow's own errors, the database's, the network's, the disk's
            self.faults.append(first_line(error))
            if not _is_rejected(error):
                self._paused_until = time.monotonic() + _PAUSE_S
            return None


class Run:
    """One MLflow run, open for writing. Names and values are sanitized; see `codeplan.tracking.names`.

    No method raises if MLflow fails: the tracker reports it at the end of the experiment.
    """

    def __init__(self, writer: Writer, run_id: str) -> None:
        self._writer = writer
        self.run_id = run_id
        """Empty if the run could not be created."""

    def tag(self, **tags: str) -> None:
        """Set tags, by which runs are filtered."""
        for name, value in tags.items():
            key, valid = names.key(f"codeplan.{name}"), names.text(value, names.TAG_LENGTH)
            self._write("set_tag", key, valid)

    def params(self, plain: Mapping[str, Any]) -> None:
        """Log settings, nested sections flattened to ``section.key``."""
        from mlflow.entities import Param

        flat = names.flatten(plain)
        params = [Param(names.key(key), names.text(str(value), names.PARAM_LENGTH)) for key, value in flat.items()]
        for start in range(0, len(params), 100):
            batch = params[start : start + 100]
            self._write("log_batch", params=batch)

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log numbers at a step, in one request; MLflow stores an infinite one as the largest finite one."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(names.key(key), float(value), now, step) for key, value in values.items()]
        for start in range(0, len(metrics), BATCH):
            batch = metrics[start : start + BATCH]
            self._write("log_batch", metrics=batch)

    def file(self, path: Path, folder: str = "") -> None:
        """Upload a file as an artifact, under its own name."""
        target = names.file_name(folder) if folder else None
        self._write("log_artifact", str(path), target)

    def text(self, text: str, name: str) -> None:
        """Store a text as an artifact of that name."""
        self._write("log_text", names.text(text), names.file_name(name))

    def describe(self, markdown: str) -> None:
        """Set the description at the top of the run's page."""
        note = names.text(markdown, names.TAG_LENGTH)
        self._write("set_tag", "mlflow.note.content", note)

    def table(self, rows: Sequence[Mapping[str, Any]], name: str) -> None:
        """Store a table that MLflow's UI can show and compare across runs."""
        if rows:
            columns = {key: [_cell(row[key]) for row in rows] for key in rows[0]}
            self._write("log_table", columns, names.file_name(name))

    def dataset(self, name: str, fingerprint: str, rows: Sequence[Mapping[str, Any]], context: str) -> None:
        """Record a data set that the run used, with the fingerprint of the stage that wrote it as its digest."""
        import mlflow.data
        import pandas as pd
        from mlflow.entities import DatasetInput, InputTag

        # Strings only: MLflow warns that an integer column could one day have missing values.
        frame = pd.DataFrame([{key: names.text(str(value)) for key, value in row.items()} for row in rows])
        label = names.label(name, names.DATASET_NAME_LENGTH)
        dataset = mlflow.data.from_pandas(frame, name=label, digest=fingerprint[:32])
        entity = dataset._to_mlflow_entity()  # the client, unlike the fluent API, takes only entities
        tags = [InputTag("mlflow.data.context", names.text(context, 500))]
        self._write("log_inputs", [DatasetInput(entity, tags)])

    def end(self, status: str) -> None:
        """Set how the run ended: FINISHED, FAILED or KILLED."""
        self._write("set_terminated", status)

    def _write(self, method: str, *arguments: Any, **options: Any) -> None:
        if self.run_id:
            self._writer.write(lambda client: getattr(client, method)(self.run_id, *arguments, **options))


def retry_while_locked(call: Callable[[], T]) -> T:
    """Call, and retry while another process has locked the SQLite file; MLflow sometimes gives up at once."""
    deadline = time.monotonic() + _LOCKED_S
    pause = 0.05
    while True:
        try:
            return call()
        except Exception as error:
            if "database is locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(pause)
            pause = min(2 * pause, 2.0)


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its class name if the text is empty."""
    original = getattr(error.__cause__, "orig", None) or error  # the database's own error, without the query
    return str(original).strip().partition("\n")[0][:500] or type(error).__name__


def silence_logs() -> None:
    """Keep MLflow's log lines off the terminal: what it logs as an error, it also raises."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(
        logging.CRITICAL
    )  # logs a traceback whenever the database is locked


def _cell(value: Any) -> Any:
    return names.text(value) if isinstance(value, str) else value


def _is_rejected(error: Exception) -> bool:
    """True if MLflow responded and rejected this one request."""
    return getattr(error, "error_code", "") in {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "BAD_REQUEST"}
