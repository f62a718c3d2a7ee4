"""What a trial does: run the pipeline of its point, keep its record, and pass validation losses to the scheduler."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

from rich.console import Console

from codeplan import pipeline
from codeplan.config import Config, SweepConfig
from codeplan.errors import StopRequested, UserError, explain, one_line
from codeplan.stage import Stage, StageResult
from codeplan.stages import Observer
from codeplan.stages.roles import is_first
from codeplan.sweeps.objective import objectives
from codeplan.sweeps.points import Point
from codeplan.sweeps.trials import OVER, Trial, TrialFolder, TrialStage, TrialState
from codeplan.tracking import Tracker

STOP = "stop_requested"
"""File in the sweep's folder that asks all of its trials to stop."""

STEP = "step"
COMPARED = "compared"
"""Name under which a scheduler sees the validation loss that it compares."""

_SECONDS_BETWEEN_RECORDS = 2.0


class TrialFailedError(UserError):
    """A trial failed; its record says why."""


class Monitor(Protocol):
    """A trial's line to the scheduler; see `codeplan.on_ray.tune.Monitor`."""

    def report(self, metrics: Mapping[str, float]) -> None:
        """Pass on intermediate numbers, ``step`` among them."""

    def stop_requested(self) -> bool:
        """Whether the scheduler asks the trial to stop."""


@dataclass(frozen=True)
class TrialRequest:
    """A point, and which of its repeats to run, as plain data for Tune."""

    point: Point
    repeats: tuple[int, ...]

    @property
    def plain(self) -> dict[str, str]:
        """Strings, which neither Tune nor Optuna takes apart."""
        return {"point": json.dumps(dict(self.point.values)), "repeats": json.dumps(self.repeats)}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> TrialRequest:
        """Read what `plain` gave."""
        return cls(Point(json.loads(plain["point"])), tuple(json.loads(plain["repeats"])))


@dataclass(frozen=True)
class PipelineWork:
    """Runs trials of one sweep; it is pickled to their processes.

    Attributes:
        base: the configuration without its sweep, as plain data.
        sweep: what varies.
        folder: the sweep's folder.
        goal: name of the last stage to run.
        parent_run: id of the sweep's MLflow run.
        experiment: id of its MLflow experiment.
    """

    base: Mapping[str, Any]
    sweep: SweepConfig
    folder: Path
    goal: str
    parent_run: str = ""
    experiment: str = ""

    @property
    def trials(self) -> TrialFolder:
        """The sweep's trials."""
        return TrialFolder(self.folder / "trials")

    def __call__(self, trial: Mapping[str, Any], monitor: Monitor) -> dict[str, float]:
        """Run one repeat of a point, or several one after another.

        Args:
            trial: what `TrialRequest.plain` gives.
            monitor: the trial's line to the scheduler.

        Returns:
            ``objective_0``, ``objective_1``, ...: the objectives, as means over the repeats; and what a scheduler
            compares.

        Raises:
            StopRequested: the trial was asked to stop.
            TrialFailedError: it failed, or lacks an objective.
        """
        request = TrialRequest.of(trial)
        found = [self.run_repeat(request.point, repeat, monitor) for repeat in request.repeats]
        means = {}
        for index, objective in enumerate(objectives(self.sweep)):
            values = [value for metrics in found if (value := objective.value(metrics)) is not None]
            if not values:
                raise TrialFailedError(f"trial {request.point.label(self.sweep)} has no value of {objective.name}")
            means[f"objective_{index}"] = fmean(values)
        if self.sweep.scheduler != "none":  # also of a training that was reused, and never reported
            means |= {name: fmean(metrics[key] for metrics in found) for name, key in self._compared.items()}
        return means

    @property
    def _compared(self) -> dict[str, str]:
        return {STEP: STEP, COMPARED: self.sweep.stop_by}

    def run_repeat(self, point: Point, repeat: int, monitor: Monitor) -> Mapping[str, float]:
        """Run one repeat, or return the metrics of one that is over."""
        trial = Trial(dict(point.values), repeat, point.label(self.sweep), state="running")
        before = self.trials.get(trial.trial_id)
        if before is not None and before.state in OVER:
            return before.metrics
        recorder = Recorder(self.trials, trial, monitor, self.folder / STOP, self.sweep.stop_by)
        with recorder.recorded():
            config = self.config(point, repeat)
            with self.console(trial.trial_id) as console:
                pipeline.run(
                    config, self.goal, self.tracker(config), console, trial=self.place(trial), observer=recorder
                )
        return recorder.trial.metrics

    def config(self, point: Point, repeat: int) -> Config:
        """The configuration of a trial; a scheduler's trials are validated as often as it compares them."""
        config = point.config(self.base, repeat)
        if self.sweep.scheduler == "none":
            return config
        every = min(config.execution.checkpoint_every, self.sweep.grace_steps)
        return config.model_copy(update={"execution": config.execution.model_copy(update={"checkpoint_every": every})})

    def tracker(self, config: Config) -> Tracker:
        """MLflow, where the sweep found it."""
        return Tracker(config.tracking, Path(config.execution.home), self.experiment)

    def place(self, trial: Trial, more: str = "") -> pipeline.Trial:
        """Where a trial's pipeline is shown in MLflow; ``more`` ends its name."""
        return pipeline.Trial(
            name=trial.label + (f" seed+{trial.repeat}" if self.sweep.repeats > 1 else "") + more,
            parent=self.parent_run,
            sweep=self.folder.name,
            tags={"point": trial.point.point_id, "repeat": str(trial.repeat)},
            axes={**trial.point.numbers(self.sweep), "repeat": float(trial.repeat)},
        )

    @contextmanager
    def console(self, trial_id: str) -> Iterator[Console]:
        """A trial's console: its log file."""
        log = self.folder / "logs" / f"{trial_id}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as file:
            yield Console(file=file, width=120)


class Recorder(Observer):
    """Keeps a trial's record while its pipeline runs."""

    def __init__(self, trials: TrialFolder, trial: Trial, monitor: Monitor, stop_file: Path, compared: str) -> None:
        """Start the record.

        Args:
            trials: where it is kept.
            trial: what runs.
            monitor: the scheduler's.
            stop_file: exists once the whole sweep should stop.
            compared: the metric that the scheduler compares.
        """
        self.trial = trial
        self._trials, self._monitor = trials, monitor
        self._stop_file, self._compared = stop_file, compared
        self._started = self._written = time.monotonic()

    @contextmanager
    def recorded(self, final: TrialState = "done") -> Iterator[None]:
        """Keep how the trial ends.

        Args:
            final: its state where the block ends well.

        Raises:
            StopRequested: the trial was asked to stop.
            TrialFailedError: instead of what else the block raised.
        """
        self._keep()
        try:
            yield
        except StopRequested:
            self._keep(state="interrupted" if self._stop_file.exists() else "stopped", now="", waits="")
            raise
        except Exception as error:
            message = explain(error) or f"{type(error).__name__}: {error}"
            self._keep(state="failed", error=one_line(message, 2000), now="", waits="")
            raise TrialFailedError(f"trial {self.trial.label}: {one_line(message)}") from error
        self._keep(state=final, now="", waits="")

    def run_started(self, run_id: str) -> None:
        """The trial's MLflow run."""
        self._keep(mlflow_run=run_id)

    def stage_started(self, title: str) -> None:
        """Say which stage it works on."""
        self._keep(now=title, waits="")

    def waits_for_room(self, text: str) -> None:
        """Say what it waits for: the trial's own console is a file."""
        self._keep(waits=text)

    def stage_finished(self, stage: Stage, result: StageResult, seconds: float, *, computed: bool) -> None:
        """Keep the stage's numbers; those of plans for test problems do not hide those for training, nor those of other
        students the first one's.
        """
        done = TrialStage(stage.name, stage.fingerprint, computed, seconds)
        hidden = stage.role in {"oracle", "forward"} or not is_first(stage.role)
        metrics = self.trial.metrics if hidden else {**self.trial.metrics, **result.metrics}
        report = stage.folder.relative_to(stage.home).as_posix() if stage.name == "report" else self.trial.report
        self._keep(stages={**self.trial.stages, stage.role: done}, metrics=metrics, report=report)

    def report(self, metrics: Mapping[str, float]) -> None:
        """Keep the training's last numbers, and pass those on that the scheduler compares."""
        self.trial = self.trial.with_(metrics={**self.trial.metrics, **metrics})
        if time.monotonic() - self._written > _SECONDS_BETWEEN_RECORDS or self._compared in metrics:
            self._keep()
        if self._compared in metrics:
            self._monitor.report({STEP: metrics[STEP], COMPARED: metrics[self._compared]})

    def stop_requested(self) -> bool:
        """Whether the scheduler or the whole sweep asks to stop."""
        return self._monitor.stop_requested() or self._stop_file.exists()

    def _keep(self, **changes: Any) -> None:
        self.trial = self.trial.with_(**changes, seconds=time.monotonic() - self._started)
        self._written = time.monotonic()
        self._trials.put(self.trial)
