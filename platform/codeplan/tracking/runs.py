"""One MLflow run, open for writing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from codeplan.tracking import names
from codeplan.tracking.models import StudentModel
from codeplan.tracking.traces import TeacherCall
from codeplan.tracking.writer import Writer
from codeplan.tracking.writes import BATCH


class Run:
    """One MLflow run, open for writing. Names and values are sanitized; see `codeplan.tracking.names`.

    No method waits for MLflow or raises if it fails: writes go to the outbox, and the tracker reports at the end of the
    experiment what MLflow does not have.
    """

    def __init__(self, writer: Writer, run_id: str, experiment_id: str = "") -> None:
        self._writer = writer
        self._run = run_id
        self.experiment_id = experiment_id
        self._description = ""

    @property
    def run_id(self) -> str:
        """MLflow's id of the run; while MLflow is away, a local one for a run that it has not created yet."""
        return self._writer.run_id(self._run)

    @property
    def link(self) -> str:
        """The address of the run's page within MLflow's UI, for Markdown."""
        return self.page(self.experiment_id, self.run_id)

    @staticmethod
    def page(experiment_id: str, run_id: str) -> str:
        """The address of a run's page within MLflow's UI."""
        return f"#/experiments/{experiment_id}/runs/{run_id}"

    def tag(self, **tags: str) -> None:
        """Set tags, by which runs are filtered."""
        for name, value in tags.items():
            key, valid = names.key(f"codeplan.{name}"), names.text(value, names.TAG_LENGTH)
            self._write("set_tag", key, valid)

    def params(self, plain: Mapping[str, Any]) -> None:
        """Log settings, nested sections flattened to ``section.key``, anything but text as JSON."""
        from mlflow.entities import Param

        flat = names.flatten(plain)
        params = [
            Param(names.key(key), names.text(names.plain(value), names.PARAM_LENGTH)) for key, value in flat.items()
        ]
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

    def axes(self, differs: Mapping[str, Any]) -> None:
        """Log the numbers among settings as metrics ``axis/KEY`` too: parameters cannot be compared as numbers."""
        flat = names.flatten(differs)
        numbers = {f"axis/{key}": value for key, value in flat.items() if isinstance(value, int | float)}
        self.metrics(numbers)

    def curve(self, points: Sequence[tuple[str, int, float]]) -> None:
        """Log metrics whose step is a count, as (name, count, value): curves of several runs overlay in one chart."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(names.key(name), float(value), now, count) for name, count, value in points]
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
        self._description = markdown
        note = names.text(markdown, names.TAG_LENGTH)
        self._write("set_tag", "mlflow.note.content", note)

    def table(self, rows: Sequence[Mapping[str, Any]], name: str) -> None:
        """Store a table that MLflow's UI can show and compare across runs."""
        if rows:
            columns = {key: [_cell(row[key]) for row in rows] for key in rows[0]}
            self._write("log_table", columns, names.file_name(name))

    def dataset(
        self, name: str, fingerprint: str, context: str, source: Mapping[str, Any], profile: Mapping[str, float]
    ) -> None:
        """Record a data set that the run made or used; see `codeplan.tracking.datasets.dataset_input`."""
        from codeplan.tracking.datasets import dataset_input

        self._write("log_inputs", [dataset_input(name, fingerprint, context, source, profile)])

    def student(self, student: StudentModel) -> None:
        """Log a trained student as a model that this run trained, or reused."""
        self._write("log_student", student.plain())

    def uses_student(self, identity: str) -> None:
        """Show which logged student the run samples from."""
        self._write("use_student", self.experiment_id, identity)

    def register(self, identity: str, name: str, alias: str) -> None:
        """Make a logged student the version of a registered model that has the alias."""
        self._write("register_student", self.experiment_id, identity, name=name, alias=alias)

    def scores(self, metrics: Mapping[str, float], identity: str, dataset: tuple[str, str]) -> None:
        """Log metrics of the run that are also scores of a logged student on a data set, given by name and digest."""
        scores = {"experiment_id": self.experiment_id, "identity": identity, "dataset": dataset}
        now = int(time.time() * 1000)
        values = {key: float(value) for key, value in metrics.items()}
        self._write("score_student", {**scores, "metrics": values, "timestamp": now})

    def traces(self, calls: Sequence[TeacherCall]) -> None:
        """Keep requests to the teacher as traces."""
        for call in calls:  # a write each: MLflow may reject one of them
            self._write("log_trace", self.experiment_id, call.plain())

    def fail(self, status: str, error: str) -> None:
        """End a run as FAILED or KILLED, with the error in a tag and at the top of its page."""
        self.tag(error=error)
        self.describe(f"**{status.capitalize()}**: {error}\n\n{self._description}".rstrip())
        self.end(status)

    def end(self, status: str) -> None:
        """Set how the run ended: FINISHED, FAILED or KILLED."""
        self._write("set_terminated", status)

    def _write(self, method: str, *arguments: Any, **options: Any) -> None:
        self._writer.write(self._run, method, *arguments, **options)


def _cell(value: Any) -> Any:
    return names.text(value) if isinstance(value, str) else value
