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
"""MLflow takes at most 1,000 metrics in one request."""
_LOCKED_S = 120.0
"""How long a write is tried again while other runs write to the same SQLite file."""
_PAUSE_S = 60.0
"""After a write that failed, none is tried for so long: each could wait for minutes for a server that is gone."""


class Writer:
    """The client of all runs of a tracker: no failure of MLflow stops the work, and none is forgotten.

    Attributes:
        faults: what could not be written, the first first.
    """

    def __init__(self, client: MlflowClient) -> None:
        self.client = client
        self.faults: list[str] = []
        self._silent_until = 0.0

    def write(self, call: Callable[[MlflowClient], T]) -> T | None:
        """Call the client; None where it failed, or failed a moment ago."""
        if time.monotonic() < self._silent_until:
            self.faults.append("not tried")
            return None
        try:
            return patiently(lambda: call(self.client))
        except Exception as error:  # MLflow's own errors, the database's, the network's, the disk's
            self.faults.append(first_line(error))
            if not _is_refused(error):
                self._silent_until = time.monotonic() + _PAUSE_S
            return None


class Run:
    """One MLflow run, open for writing. Names and values are made valid; see `codeplan.tracking.names`.

    No method raises where MLflow fails: the tracker says so at the end of the experiment.
    """

    def __init__(self, writer: Writer, run_id: str) -> None:
        self._writer = writer
        self.run_id = run_id
        """Empty where the run could not be made."""

    def tag(self, **tags: str) -> None:
        """Set tags, by which a person filters runs."""
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
        """Log numbers at a step, in one request; MLflow shows an infinite one as the largest that it knows."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(names.key(key), float(value), now, step) for key, value in values.items()]
        for start in range(0, len(metrics), BATCH):
            batch = metrics[start : start + BATCH]
            self._write("log_batch", metrics=batch)

    def file(self, path: Path, folder: str = "") -> None:
        """Keep a file with the run, under its own name."""
        place = names.file_name(folder) if folder else None
        self._write("log_artifact", str(path), place)

    def text(self, text: str, name: str) -> None:
        """Keep a text with the run, as a file of that name."""
        self._write("log_text", names.text(text), names.file_name(name))

    def describe(self, markdown: str) -> None:
        """What a person reads first when the run is opened."""
        note = names.text(markdown, names.TAG_LENGTH)
        self._write("set_tag", "mlflow.note.content", note)

    def table(self, rows: Sequence[Mapping[str, Any]], name: str) -> None:
        """Keep a table that MLflow's UI can show and compare between runs."""
        if rows:
            columns = {key: [_cell(row[key]) for row in rows] for key in rows[0]}
            self._write("log_table", columns, names.file_name(name))

    def dataset(self, name: str, fingerprint: str, rows: Sequence[Mapping[str, Any]], context: str) -> None:
        """Say which data the run used: searchable by name, told apart by the fingerprint of the stage that made it."""
        import mlflow.data
        import pandas as pd
        from mlflow.entities import DatasetInput, InputTag

        # Text columns only: MLflow warns of every integer column that it might once miss a value.
        frame = pd.DataFrame([{key: names.text(str(value)) for key, value in row.items()} for row in rows])
        called = names.label(name, names.DATASET_NAME_LENGTH)
        made = mlflow.data.from_pandas(frame, name=called, digest=fingerprint[:32])
        entity = made._to_mlflow_entity()  # the client, unlike the fluent interface, takes only entities
        tags = [InputTag("mlflow.data.context", names.text(context, 500))]
        self._write("log_inputs", [DatasetInput(entity, tags)])

    def end(self, status: str) -> None:
        """Say how the run ended: FINISHED, FAILED or KILLED."""
        self._write("set_terminated", status)

    def _write(self, method: str, *arguments: Any, **options: Any) -> None:
        if self.run_id:
            self._writer.write(lambda client: getattr(client, method)(self.run_id, *arguments, **options))


def patiently(call: Callable[[], T]) -> T:
    """Call, and call again while another process holds the SQLite file; MLflow itself gives up at once at times."""
    until = time.monotonic() + _LOCKED_S
    pause = 0.05
    while True:
        try:
            return call()
        except Exception as error:
            if "database is locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(pause)
            pause = min(2 * pause, 2.0)


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its name where it has none."""
    found = getattr(error.__cause__, "orig", None) or error  # the database's own error, without the query
    return str(found).strip().partition("\n")[0][:500] or type(error).__name__


def quieten() -> None:
    """Leave the terminal to our own messages: what MLflow logs, it also raises."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # a traceback for every locked moment


def _cell(value: Any) -> Any:
    return names.text(value) if isinstance(value, str) else value


def _is_refused(error: Exception) -> bool:
    """True where MLflow answered, and did not take this one request."""
    return getattr(error, "error_code", "") in {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "BAD_REQUEST"}
