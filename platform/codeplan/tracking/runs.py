"""One MLflow run, open for writing."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from codeplan.tracking import names, operations
from codeplan.tracking.models import StudentModel
from codeplan.tracking.traces import TeacherCall

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

    def __init__(self, writer: Writer, run_id: str, experiment_id: str = "") -> None:
        self._writer = writer
        self.run_id = run_id
        """Empty if the run could not be created."""
        self.experiment_id = experiment_id
        self._description = ""

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
        if calls:
            self._write("log_traces", self.experiment_id, [call.plain() for call in calls])

    def fail(self, status: str, error: str) -> None:
        """End a run as FAILED or KILLED, with the error in a tag and at the top of its page."""
        self.tag(error=error)
        self.describe(f"**{status.capitalize()}**: {error}\n\n{self._description}".rstrip())
        self.end(status)

    def end(self, status: str) -> None:
        """Set how the run ended: FINISHED, FAILED or KILLED."""
        self._write("set_terminated", status)

    def _write(self, method: str, *arguments: Any, **options: Any) -> None:
        if self.run_id:
            self._writer.write(lambda client: operations.call(client, method, self.run_id, *arguments, **options))


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
