"""One MLflow run, open for writing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from codeplan.tracking import names
from codeplan.tracking.writer import Writer
from codeplan.tracking.writes import BATCH


class Run:
    """One MLflow run, open for writing. Names and values are sanitized; see `codeplan.tracking.names`.

    No method waits for MLflow or raises if it fails: writes go to the outbox, and the tracker reports at the end of the
    experiment what MLflow does not have.
    """

    def __init__(self, writer: Writer, run_id: str) -> None:
        self._writer = writer
        self._run = run_id

    @property
    def run_id(self) -> str:
        """MLflow's id of the run; while MLflow is away, a local one for a run that it has not created yet."""
        return self._writer.run_id(self._run)

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
        self._writer.write(self._run, method, *arguments, **options)


def _cell(value: Any) -> Any:
    return names.text(value) if isinstance(value, str) else value
