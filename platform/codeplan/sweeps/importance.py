"""Which axes move the objective: fANOVA over the finished points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codeplan.sweeps.axes import Axis, bands, varying
from codeplan.sweeps.objective import Objective
from codeplan.sweeps.summary import PointSummary, Summary
from codeplan.sweeps.titles import scale

MIN_POINTS = 8
"""With fewer points a forest of trees fits noise."""

DEFINITION = (
    "fANOVA (Hutter, Hoos and Leyton-Brown 2014): a random forest is fitted to the points' means over seeds, and an "
    "axis' importance is the fraction of the forest's variance over the whole space that the axis explains by itself. "
    "What is missing to 100 % belongs to interactions of axes. Noise is shared out too: an importance says that the "
    "forest used an axis, not that the axis matters."
)


@dataclass(frozen=True)
class Importance:
    """How much of an objective's variance each axis explains.

    Attributes:
        objective: its name.
        fractions: by axis' key, largest first; empty where there is a reason.
        points: number of points that it is computed from.
        reason: why there is none; else empty.
    """

    objective: str
    fractions: Mapping[str, float]
    points: int
    reason: str = ""


def importance(summary: Summary, objective: Objective) -> Importance:
    """The importance of every axis that varies, deterministic for the same points.

    Points with missing seeds are left out. An axis that is inactive in some points counts as categorical, with being
    inactive as one of its values and, where it is numeric, few intervals of numbers as the others.
    """
    points = [point for point in summary.having(objective) if point.complete(objective)]
    found = varying(summary.axes)
    if len(found) < 2:
        return Importance(objective.name, {}, len(points), "fewer than two axes vary, so there is nothing to compare")
    needed = max(MIN_POINTS, 2 * len(found))
    if len(points) < needed:
        reason = f"{len(points)} points with all seeds are too few to tell {len(found)} axes apart; {needed} are needed"
        return Importance(objective.name, {}, len(points), reason)
    means = [scale(objective) * point.objectives[objective.name].mean for point in points]
    if math.isclose(max(means), min(means), rel_tol=1e-9, abs_tol=1e-12):
        return Importance(objective.name, {}, len(points), "all points have the same value")
    fractions = _fanova(found, points, means)
    ordered = sorted(fractions.items(), key=lambda item: (-item[1], item[0]))
    return Importance(objective.name, dict(ordered), len(points))


def _fanova(found: Sequence[Axis], points: Sequence[PointSummary], means: Sequence[float]) -> dict[str, float]:
    import optuna
    from optuna.importance import FanovaImportanceEvaluator

    columns = {axis.key: _column(axis, points) for axis in found}
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would log the making of a study
    try:
        study = optuna.create_study()
        study.add_trials(
            [
                optuna.trial.create_trial(
                    params={key: values[index] for key, (_, values) in columns.items()},
                    distributions={key: distribution for key, (distribution, _) in columns.items()},
                    value=mean,
                )
                for index, mean in enumerate(means)
            ]
        )
        fractions = FanovaImportanceEvaluator(seed=0).evaluate(study)
    finally:
        optuna.logging.set_verbosity(verbosity)
    return {key: round(min(1.0, max(0.0, float(value))), 6) for key, value in fractions.items()}


def _column(axis: Axis, points: Sequence[PointSummary]) -> tuple[Any, list[Any]]:
    """An axis as one of Optuna's distributions, and the points' values in it."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if axis.numbers and not axis.optional:
        places = [math.log(number) if axis.log else number for number in axis.numbers]
        values = [places[level] for point in points if (level := axis.level(point.point)) is not None]
        return FloatDistribution(places[0], places[-1]), values
    grouped = bands(axis)
    return CategoricalDistribution(range(len(grouped.labels))), [grouped.of(point.point) for point in points]
