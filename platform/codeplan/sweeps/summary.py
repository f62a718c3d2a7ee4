"""What a sweep shows, finished or not: per point the numbers of its seeds, the best point, and the Pareto front."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codeplan.config import ReportConfig, SweepConfig
from codeplan.sweeps.axes import Axis, axes
from codeplan.sweeps.objective import Objective, objectives
from codeplan.sweeps.over_problems import Reports, conclusion, over_problems, over_seeds_and_problems
from codeplan.sweeps.pareto import front
from codeplan.sweeps.points import Point
from codeplan.sweeps.spread import Spread
from codeplan.sweeps.trials import Trial

SEQUENCES = "sequences"
COST = "teacher.cost_usd"

_DIGITS = 12
"""Decimals by which means are compared: equal rates that were added up in another order are ties."""


@dataclass(frozen=True)
class PointSummary:
    """One point over its seeds.

    Only trials that are done count: a trial that was stopped early has the numbers of a shorter training.

    Attributes:
        point: its values.
        label: the same in a few characters.
        trials: by repeat.
        repeats: seeds that the sweep asks for.
        objectives: by name.
        metrics: all other numbers of its trials, by name.
        conclusions: a sentence for each objective that is a difference between arms and that several seeds have.
    """

    point: Point
    label: str
    trials: tuple[Trial, ...]
    repeats: int
    objectives: Mapping[str, Spread]
    metrics: Mapping[str, Spread]
    conclusions: tuple[str, ...]

    @property
    def planned(self) -> int:
        """Seeds that are asked for or have started."""
        return max(self.repeats, len(self.trials))

    @property
    def states(self) -> Mapping[str, int]:
        """Number of its trials by state, those that have not started included as waiting."""
        counts = Counter(trial.state for trial in self.trials)
        counts["waiting"] += self.planned - len(self.trials)
        return {state: counts[state] for state in sorted(counts) if counts[state]}

    @property
    def done(self) -> int:
        """Seeds that are done."""
        return sum(trial.state == "done" for trial in self.trials)

    @property
    def seeds(self) -> str:
        """Denominator of its numbers, for example ``2 of 3, 1 failed``."""
        others = [f"{count} {state}" for state, count in self.states.items() if state != "done"]
        return ", ".join([f"{self.done} of {self.planned}", *others])

    def complete(self, objective: Objective) -> bool:
        """Whether every seed that is asked for has the objective."""
        return self.objectives[objective.name].n >= self.repeats

    def mean(self, metric: str) -> float | None:
        """Mean of a metric over seeds; None where it has none."""
        spread = self.metrics.get(metric)
        return spread.mean if spread and spread.n else None


@dataclass(frozen=True)
class Summary:
    """What a sweep shows.

    Attributes:
        name: of the sweep.
        sweep: its space and search.
        base: the configuration without the sweep, as plain data.
        home: what trials' report folders are relative to.
        objectives: the first one names the best point.
        axes: over the points that there are.
        points: in the order of the axes' values.
        best: the best point by the first objective; None where no seed has it.
        front: the points that no other is at least as good as in every objective, and better in one; empty for a
            single objective.
        notes: what a reader must know to judge the numbers.
    """

    name: str
    sweep: SweepConfig
    base: Mapping[str, Any]
    home: Path
    objectives: tuple[Objective, ...]
    axes: tuple[Axis, ...]
    points: tuple[PointSummary, ...]
    best: PointSummary | None
    front: tuple[PointSummary, ...]
    notes: tuple[str, ...]

    @property
    def objective(self) -> Objective:
        """The objective that names the best point."""
        return self.objectives[0]

    @property
    def trials(self) -> list[Trial]:
        """All trials, point by point."""
        return [trial for point in self.points for trial in point.trials]

    def having(self, objective: Objective) -> list[PointSummary]:
        """The points of which at least one seed has the objective."""
        return [point for point in self.points if point.objectives[objective.name].n]

    def ranked(self) -> list[PointSummary]:
        """The points, best first; those with missing seeds after the complete ones, those without a number last."""
        return sorted(self.points, key=lambda point: _rank(point, self.objective))


def summarize(
    trials: Iterable[Trial], sweep: SweepConfig, base: Mapping[str, Any], *, name: str, home: Path
) -> Summary:
    """What these trials show together, whichever order they come in.

    Args:
        trials: those that have started.
        sweep: their space; its objectives and repeats count.
        base: the configuration without its sweep, as plain data.
        name: of the sweep.
        home: what the trials' report folders are relative to.

    Raises:
        SweepError: an objective is none.
    """
    from codeplan.sweeps.notes import notes

    wanted = objectives(sweep)
    by_point: dict[str, list[Trial]] = {}
    for trial in sorted(trials, key=lambda trial: trial.trial_id):
        # Members of a population are apart even where they arrived at equal values.
        by_point.setdefault(trial.member or trial.point.point_id, []).append(trial)
    all_axes = axes(sweep, [group[0].point for group in by_point.values()])
    reports = Reports(home, by_problem=any(len(objective.metrics) > 1 for objective in wanted))
    bootstrap = ReportConfig.model_validate(base.get("report") or {})
    points = [_point(group, sweep, wanted, reports, bootstrap) for group in by_point.values()]
    points.sort(key=lambda point: (_place(point.point, all_axes), point.trials[0].trial_id))
    ranked = [point for point in points if point.objectives[wanted[0].name].n]
    best = min(ranked, key=lambda point: _rank(point, wanted[0]), default=None)
    return Summary(
        name=name,
        sweep=sweep,
        base=base,
        home=home,
        objectives=wanted,
        axes=all_axes,
        points=tuple(points),
        best=best,
        front=_front(points, wanted),
        notes=notes(points, best, sweep, wanted),
    )


def _point(
    trials: Sequence[Trial], sweep: SweepConfig, wanted: Sequence[Objective], reports: Reports, bootstrap: ReportConfig
) -> PointSummary:
    done = {trial.repeat: trial for trial in trials if trial.state == "done"}
    found = {repeat: report for repeat, trial in done.items() if (report := reports.of(trial))}

    def spread(metrics: Sequence[str], values: Mapping[int, float | None]) -> Spread:
        finite = {
            repeat: float(value) for repeat, value in values.items() if value is not None and math.isfinite(value)
        }
        both = over_seeds_and_problems(metrics, finite, found, bootstrap)
        return Spread(finite, over_problems(metrics, finite, found, bootstrap), both)

    names = sorted({name for trial in done.values() for name in trial.metrics})
    of_objectives = {
        objective.name: spread(
            objective.metrics, {repeat: objective.value(trial.metrics) for repeat, trial in done.items()}
        )
        for objective in wanted
    }
    said = [conclusion(objective.metrics, of_objectives[objective.name], found) for objective in wanted]
    return PointSummary(
        point=trials[0].point,
        label=trials[0].label or trials[0].point.label(sweep),
        trials=tuple(trials),
        repeats=sweep.repeats,
        objectives=of_objectives,
        metrics={
            name: spread((name,), {repeat: trial.metrics.get(name) for repeat, trial in done.items()}) for name in names
        },
        conclusions=tuple(filter(None, said)),
    )


def _place(point: Point, all_axes: Sequence[Axis]) -> tuple[int, ...]:
    """Where a point stands among others: by its axes' values, in the order of the configuration."""
    return tuple(-1 if (level := axis.level(point)) is None else level for axis in all_axes)


def badness(point: PointSummary, objective: Objective) -> float:
    """The mean of an objective, turned so that less is better; infinite where no seed has it."""
    spread = point.objectives[objective.name]
    if not spread.n:
        return math.inf
    mean = round(spread.mean, _DIGITS)
    return -mean if objective.direction == "maximize" else mean


def _rank(point: PointSummary, objective: Objective) -> tuple[bool, bool, float, float]:
    sequences = point.mean(SEQUENCES)
    return (
        not point.objectives[objective.name].n,
        not point.complete(objective),
        badness(point, objective),
        math.inf if sequences is None else sequences,
    )


def _front(points: Sequence[PointSummary], wanted: Sequence[Objective]) -> tuple[PointSummary, ...]:
    if len(wanted) < 2:
        return ()
    known = [point for point in points if all(point.objectives[objective.name].n for objective in wanted)]
    complete = [point for point in known if all(map(point.complete, wanted))]
    candidates = complete or known
    return tuple(
        candidates[index]
        for index in front([[badness(point, objective) for objective in wanted] for point in candidates])
    )
