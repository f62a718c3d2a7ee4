"""Population-based training of a sweep: what a segment trains, and how a member's values change.

After Jaderberg et al. 2017, "Population Based Training of Neural Networks". A segment is a training stage that
continues the checkpoint of the one before, so equal segments are trained once, and the best member's configuration
lists its segments and can be run again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codeplan import pipeline
from codeplan.config import SweepConfig
from codeplan.config.sweep import AxisConfig
from codeplan.randomness import StableRandom
from codeplan.sweeps.objective import SweepError
from codeplan.sweeps.points import Point
from codeplan.sweeps.trial_run import COMPARED, STOP, PipelineWork, Recorder
from codeplan.sweeps.trials import OVER, Trial
from codeplan.tracking import Tracker

_RESAMPLE = 0.25
"""Probability that a value is drawn anew instead of changed."""

_FACTORS = (0.8, 1.2)
"""By which a number of a range is multiplied."""


@dataclass(frozen=True)
class PopulationWork:
    """Trains segments of a population's members; it is pickled to their processes.

    Attributes:
        work: the sweep's.
        steps: optimizer steps of a whole training.
    """

    work: PipelineWork
    steps: int

    def __call__(self, member: Mapping[str, Any], state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Train the next segment of a member; after the last one, run the rest of the pipeline.

        Args:
            member: its ``name`` and, as JSON, its ``point``.
            state: its ``segments`` so far.

        Raises:
            StopRequested: the sweep was asked to stop.
            TrialFailedError: it failed.
        """
        values, segments = json.loads(member["point"]), list(state.get("segments", ()))
        until = min((len(segments) + 1) * self.work.sweep.grace_steps, self.steps)
        segment = {"until": until, **{key.removeprefix("training."): value for key, value in values.items()}}
        last = until == self.steps
        whole = {**values, "training.steps": until, "training.earlier": segments}
        trial = Trial(whole, 0, Point(values).label(self.work.sweep), state="running", member=member["name"])
        before = self.work.trials.get(trial.trial_id)
        if last and before is not None and before.state in OVER and before.values == whole:
            metrics = dict(before.metrics)
        else:
            metrics = self._run(trial, self.work.goal if last else "finetune", over=last)
        compared = {COMPARED: metrics[self.work.sweep.stop_by]}
        return {"segments": [*segments, segment]}, {**compared, "done": last}

    def _run(self, trial: Trial, goal: str, *, over: bool) -> dict[str, float]:
        work = self.work
        recorder = Recorder(work.trials, trial, _NoMonitor(), work.folder / STOP, work.sweep.stop_by)
        with recorder.recorded("done" if over else "running"):
            config = trial.point.config(work.base)
            with work.console(trial.trial_id) as console:
                tracker = Tracker(config.tracking, Path(config.execution.home))
                placement = work.placement(trial, f" until step {config.training.steps}")
                pipeline.run(config, goal, tracker, console, recorder, placement)
        return dict(recorder.trial.metrics)


class _NoMonitor:
    """A segment is compared when it is over, and not stopped before."""

    def report(self, metrics: Mapping[str, float]) -> None:
        """Nothing."""

    def stop_requested(self) -> bool:
        """Never."""
        return False


@dataclass(frozen=True)
class Mutate:
    """Changes the values of a member that another one continues."""

    sweep: SweepConfig

    def __call__(self, member: Mapping[str, Any], draw: int) -> dict[str, Any]:
        """The member with changed values; the same draw gives the same change."""
        values = json.loads(member["point"])
        for key, axis in self.sweep.axes.items():
            if key in values:
                values[key] = _changed(values[key], axis, StableRandom(f"population/{self.sweep.seed}/{draw}/{key}"))
        return {**member, "point": json.dumps(values)}


def members(sweep: SweepConfig, points: list[Point], steps: int) -> list[dict[str, str]]:
    """What a population begins with.

    Raises:
        SweepError: the steps are no multiple of a segment's, or the space has too few points.
    """
    if steps % sweep.grace_steps or steps == sweep.grace_steps:
        raise SweepError(
            f"training.steps = {steps} must be a multiple of sweep.grace_steps = {sweep.grace_steps}, the steps "
            "between two exchanges of a population"
        )
    if len(points) < sweep.points:
        raise SweepError(
            f"sweep.axes have {len(points)} points, fewer than the population of sweep.points = {sweep.points}"
        )
    return [
        {"name": f"member-{index:03d}", "point": json.dumps(dict(point.values))}
        for index, point in enumerate(points[: sweep.points])
    ]


def _changed(value: Any, axis: AxisConfig, random: StableRandom) -> Any:
    if axis.values:
        if random.chance(_RESAMPLE):
            return random.choice(axis.values)
        position = axis.values.index(value) + random.choice((-1, 1))
        return axis.values[min(max(position, 0), len(axis.values) - 1)]
    low, high = axis.bounds or (0.0, 0.0)
    if random.chance(_RESAMPLE):
        return random.uniform(low, high)
    return min(max(value * random.choice(_FACTORS), low), high)
