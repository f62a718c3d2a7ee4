"""A stage at work: where it reads and writes, and where it shows itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from codeplan import records
from codeplan.config import ExecutionConfig, TrackingConfig
from codeplan.progress import Bar
from codeplan.records import Record
from codeplan.stage import Account, Stage, StageResult
from codeplan.tracking import Run
from codeplan.watching import UNWATCHED, Watch
from codeplan.watching.metrics import WAITING
from codeplan.watching.watch import export_to

PROBLEMS = "problems.parquet"
PLANS = "plans.parquet"

TABLE_ROWS = 500
"""Rows of a table in MLflow: enough to read in its UI, few enough to load there."""


class Observer:
    """Follows a run from outside, as a sweep does, and may stop it; this one does neither."""

    def run_started(self, run_id: str) -> None:
        """The pipeline's MLflow run was made."""

    def stage_started(self, title: str) -> None:
        """A stage begins, or is looked up to be reused."""

    def stage_finished(self, stage: Stage, result: StageResult, seconds: float, *, computed: bool) -> None:
        """A stage is done: computed by this run in so many seconds, or reused."""

    def waits_for_room(self, text: str) -> None:
        """The stage waits for resources of the cluster, and for which; an empty text: it waits no longer."""

    def report(self, metrics: Mapping[str, float]) -> None:
        """The training workers of the first student reported; ``step`` is among the metrics.

        Called in a thread of its own.
        """

    def stop_requested(self) -> bool:
        """Whether the run should stop where it can be resumed."""
        return False


@dataclass(frozen=True)
class StageRun:
    """All that a stage's code gets: its own settings, its inputs' records, and how to work, never what.

    Attributes:
        stage: what it is.
        title: its display name.
        execution: where and how fast.
        tracking: the stage's MLflow run.
        tracked: how much goes there.
        console: where progress is shown.
        exit_stack: what is opened for this stage and serves later ones, as a Ray cluster.
        observer: who follows the run.
        watch: where the stage counts, and logs events.
    """

    stage: Stage
    title: str
    execution: ExecutionConfig
    tracking: Run
    tracked: TrackingConfig
    console: Console
    exit_stack: ExitStack
    observer: Observer = field(default_factory=Observer)
    watch: Watch = UNWATCHED

    @property
    def folder(self) -> Path:
        """Where the stage writes."""
        return self.stage.folder

    def read(self, role: str, file: str, kind: type[records.R]) -> list[records.R]:
        """The records of one of the stage's inputs; empty where the pipeline has no such input."""
        stage = self.stage.inputs.get(role)
        return records.read(kind, stage.folder / file) if stage is not None else []

    def connect_ray(self, cpus: float, gpus: float) -> None:
        """Connect to a Ray cluster, or start one, from the first stage that needs one to the pipeline's end.

        Raises:
            UserError: there is none, or it can never give what the stage asks for.
        """
        from codeplan.on_ray.cluster import cluster, require
        from codeplan.on_ray.metrics import export_to_ray

        self.exit_stack.enter_context(cluster(self.execution))
        export_to_ray()
        self.exit_stack.callback(export_to, None)
        require(self.stage.name, self.execution, cpus, gpus)

    @contextmanager
    def bar(self, total: int, unit: str, *, stoppable: bool = True) -> Iterator[Bar]:
        """Show progress while the block runs, and once a minute what it waits for where nothing gets done.

        `Bar.advance` raises StopRequested where the observer asks to stop, unless the stage sees to that itself.
        """
        from codeplan.on_ray.waiting import told_while_waiting

        stop_requested = self.observer.stop_requested if stoppable else lambda: False
        with (
            Bar(self.console, self.title, total, unit, stop_requested).shown() as bar,
            told_while_waiting(lambda: bar.rows, self._tell_waiting_for_room),
        ):
            try:
                yield bar
            finally:
                self.watch.record(WAITING, 0.0)  # also where it waited to its end

    def _tell_waiting_for_room(self, text: str, waits: bool) -> None:
        self.note(text)
        self.observer.waits_for_room(text if waits else "")
        self.watch.record(WAITING, float(waits))
        level = logging.WARNING if waits else logging.INFO
        self.watch.event("waiting_for_resources" if waits else "waits_no_longer", level=level, message=text)

    def tell_waiting(self, what: str) -> Callable[[str], None]:
        """A callback for locks of a pool: who holds what this stage waits for is printed, the first time."""
        told = False

        def tell(holder: str) -> None:
            nonlocal told
            if not told:
                self.note(f"another run is adding to {what} ({holder}); waiting for it")
                self.watch.event("waiting_for_run", message=f"another run is adding to {what}", holder=holder)
            told = True

        return tell

    def tell_waiting_for_stage(self, holder: str) -> None:
        """Print and log that another run, the holder, is working on this stage."""
        line = f"  {self.title}: another run is working on this stage ({holder}); waiting for it"
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)
        self.watch.event("waiting_for_run", message="another run is working on this stage", holder=holder)

    def note(self, text: str) -> None:
        """Print a remark on the result."""
        self.console.print(f"  {self.title}: {text}", highlight=False, markup=False)


def columns(record: Record, *names: str) -> dict[str, Any]:
    """Some of a record's fields, as a row of a table in MLflow."""
    return {name: getattr(record, name) for name in names}


def account(counts: Mapping[str, int], rows: str) -> Account:
    """The account of a kind of row from counts like ``programs`` and ``programs.dropped.REASON``."""
    prefix = f"{rows}.dropped."
    dropped = {name.removeprefix(prefix): count for name, count in counts.items() if name.startswith(prefix)}
    total = counts.get(rows, 0)
    return Account(total, total - sum(dropped.values()), dropped)
