"""Population-based training of a sweep: members train segment by segment, and poor ones continue from good ones.

After Jaderberg et al. 2017, "Population Based Training of Neural Networks", with all members at the same step when they
are compared, so that the same seed gives the same members. A segment is a training stage that continues the checkpoint
of the one before: equal segments are trained once, and the best member's configuration, which lists its segments, can
be run again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from codeplan import pipeline
from codeplan.config import SweepConfig
from codeplan.config.sweep import AxisConfig
from codeplan.randomness import StableRandom
from codeplan.sweeps import space
from codeplan.sweeps.objective import Objective, SweepError
from codeplan.sweeps.points import Point
from codeplan.sweeps.trial_run import STOP, Monitor, PipelineWork, Recorder
from codeplan.sweeps.trials import OVER, Trial

_QUANTILE = 0.25
"""Part of the population that is replaced, and part that it is replaced from."""

_RESAMPLE = 0.25
"""Probability that a value is drawn anew instead of changed."""

_FACTORS = (0.8, 1.2)
"""By which a number of a range is multiplied."""


@dataclass(frozen=True)
class Member:
    """A member of a population.

    Attributes:
        name: for example ``member-003``.
        values: by axis, what it trains with now.
        segments: what it was trained with before, as ``training.earlier`` lists it.
    """

    name: str
    values: Mapping[str, Any]
    segments: tuple[Mapping[str, Any], ...] = ()

    @property
    def plain(self) -> dict[str, str]:
        """The member as JSON, for Tune."""
        return {"name": self.name, "values": json.dumps(self.values), "segments": json.dumps(self.segments)}

    @classmethod
    def of(cls, plain: Mapping[str, str]) -> Member:
        """Read what `plain` gave."""
        return cls(plain["name"], json.loads(plain["values"]), tuple(json.loads(plain["segments"])))

    def trained(self, until: int) -> Member:
        """The member after a segment that ended at a step."""
        segment = {"until": until, **{key.removeprefix("training."): value for key, value in self.values.items()}}
        return replace(self, segments=(*self.segments, segment))

    def point(self, until: int) -> Point:
        """The point of its next segment: a training up to a step, which continues its earlier segments."""
        return Point({**self.values, "training.steps": until, "training.earlier": list(self.segments)})


@dataclass(frozen=True)
class SegmentWork:
    """Trains the next segment of a member; it is pickled to the trials' processes.

    Attributes:
        work: the sweep's.
        steps: optimizer steps of a whole training.
    """

    work: PipelineWork
    steps: int

    def __call__(self, trial: Mapping[str, str], monitor: Monitor) -> dict[str, float]:
        """Train the segment, and after the last one run the rest of the pipeline.

        Raises:
            StopRequested: the sweep was asked to stop.
            TrialFailedError: it failed.
        """
        member, work = Member.of(trial), self.work
        until = min((len(member.segments) + 1) * work.sweep.grace_steps, self.steps)
        over = until == self.steps
        point = member.point(until)
        record = Trial(dict(point.values), 0, point.label(work.sweep), state="running", member=member.name)
        before = work.trials.get(record.trial_id)
        if before is not None and before.state in OVER and before.values == record.values:
            return {}
        recorder = Recorder(work.trials, record, monitor, work.folder / STOP, work.sweep.stop_by)
        with recorder.recorded("done" if over else "waiting"), work.console(record.trial_id) as console:
            config = point.config(work.base)
            place = work.place(record, "" if over else f" until step {until}")
            goal = work.goal if over else "finetune"
            pipeline.run(config, goal, work.tracker(config), console, trial=place, observer=recorder)
        return {}


def train_population(
    work: PipelineWork,
    points: Sequence[Point],
    steps: int,
    compared: Objective,
    run: Callable[[SegmentWork, list[dict[str, str]]], bool],
) -> None:
    """Train all members to the end, exchanging after each segment but the last.

    Args:
        work: the sweep's.
        points: what the members begin with.
        steps: optimizer steps of a whole training.
        compared: the validation loss that they are compared by.
        run: trains a segment of some members; returns whether the sweep was asked to stop.

    Raises:
        SweepError: every member failed.
    """
    segment_work = SegmentWork(work, steps)
    members = [Member(f"member-{index:03d}", dict(point.values)) for index, point in enumerate(points)]
    for generation in range(math.ceil(steps / work.sweep.grace_steps)):
        until = (generation + 1) * work.sweep.grace_steps
        if run(segment_work, [member.plain for member in members]):
            return
        losses = [_loss(work, member, until, compared) for member in members]
        if all(math.isinf(loss) for loss in losses):
            raise SweepError(f"every member of the population failed by step {until}; see {work.folder / 'logs'}")
        if until < steps:
            trained = [member.trained(until) for member in members]
            members = exchange(trained, losses, work.sweep, generation)


def exchange(members: Sequence[Member], losses: Sequence[float], sweep: SweepConfig, generation: int) -> list[Member]:
    """The members after an exchange: the worst quarter continues from members of the best one, with changed values."""
    ranked = sorted(range(len(members)), key=lambda index: (losses[index], index))
    count = max(1, int(len(members) * _QUANTILE))
    best, worst = ranked[:count], ranked[-count:]
    after = list(members)
    for index in worst:
        stream = f"population/{sweep.seed}/{generation}/{index}"
        donor = members[StableRandom(stream).choice(best)]
        values = {
            key: _changed(value, sweep.axes[key], StableRandom(f"{stream}/{key}"))
            for key, value in donor.values.items()
        }
        after[index] = Member(members[index].name, values, donor.segments)
    return after


def require_population(sweep: SweepConfig, points: Sequence[Point], base: Mapping[str, Any], steps: int) -> None:
    """Check that a population can be made, and continue its own trainings.

    Raises:
        SweepError: the steps are no multiple of a segment's, or the space has too few points.
        ConfigError: a member's first or second segment is no valid configuration.
    """
    if steps % sweep.grace_steps or steps == sweep.grace_steps:
        raise SweepError(
            f"training.steps = {steps} must be a multiple of sweep.grace_steps = {sweep.grace_steps}, the steps "
            "between two exchanges of a population"
        )
    if len(points) < sweep.points:
        raise SweepError(f"sweep.axes have {len(points)} points, fewer than the population of {sweep.points}")
    for point in points:
        Member("", point.values).point(sweep.grace_steps).config(base)
    Member("", points[0].values).trained(sweep.grace_steps).point(2 * sweep.grace_steps).config(base)


def _loss(work: PipelineWork, member: Member, until: int, compared: Objective) -> float:
    """What it is compared by, smaller is better; infinite where it failed."""
    trial = work.trials.get(member.name)
    if trial is None or trial.state == "failed" or trial.values != member.point(until).values:
        return math.inf
    value = compared.value(trial.metrics)
    return math.inf if value is None else value if compared.direction == "minimize" else -value


def _changed(value: Any, axis: AxisConfig, random: StableRandom) -> Any:
    if axis.values:
        if random.chance(_RESAMPLE):
            return random.choice(axis.values)
        position = axis.values.index(value) + random.choice((-1, 1))
        return axis.values[min(max(position, 0), len(axis.values) - 1)]
    low, high = axis.bounds or (0.0, 0.0)
    if random.chance(_RESAMPLE):
        return space.draw(axis, random)
    return min(max(value * random.choice(_FACTORS), low), high)
