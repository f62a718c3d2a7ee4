"""Parallel coordinates of a sweep, whatever draws them: one vertical axis per axis and objective."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from codeplan.sweeps.axes import INACTIVE, Axis, varying
from codeplan.sweeps.objective import Objective
from codeplan.sweeps.summary import PointSummary, Summary
from codeplan.sweeps.titles import axis_title, short

_MOST_TICKS = 12


@dataclass(frozen=True)
class Dimension:
    """One vertical axis of parallel coordinates.

    Attributes:
        title: of the axis.
        values: one per point.
        ticks: positions and labels; empty where the values are a number of their own.
    """

    title: str
    values: tuple[float, ...]
    ticks: tuple[tuple[float, str], ...]


def shown(summary: Summary) -> list[PointSummary]:
    """The points that have every objective: those that a line can be drawn for."""
    return [point for point in summary.points if all(spread.n for spread in point.objectives.values())]


def coordinates(summary: Summary, points: Sequence[PointSummary]) -> list[Dimension]:
    """The axes that vary, for these points; an inactive axis has a position of its own below the others."""
    return [_dimension(axis, points) for axis in varying(summary.axes)]


def of_objective(objective: Objective, points: Sequence[PointSummary]) -> Dimension:
    """An objective of points that all have it, with ticks at its ends."""
    means = tuple(point.objectives[objective.name].mean for point in points)
    ends = dict.fromkeys((min(means), max(means)))
    return Dimension(axis_title(objective, objective.name), means, tuple((end, short(objective, end)) for end in ends))


def _dimension(axis: Axis, points: Sequence[PointSummary]) -> Dimension:
    places = [float(level) for level in range(len(axis.levels))]
    if axis.numbers:
        places = [math.log10(number) if axis.log else number for number in axis.numbers]
    width = (places[-1] - places[0]) or 1.0 if places else 1.0
    below = (places[0] if places else 0.0) - (0.15 * width if axis.numbers else 1.0)
    values = [below if (level := axis.level(point.point)) is None else places[level] for point in points]
    shown = [*zip(places, axis.labels, strict=True)]
    if len(shown) > _MOST_TICKS and axis.numbers:
        low, high = places[0], places[-1]
        spots = [low + (high - low) * step / 5 for step in range(6)]
        shown = [(spot, f"{10**spot if axis.log else spot:.3g}") for spot in spots]
    return Dimension(axis.title, tuple(values), tuple([(below, INACTIVE), *shown] if axis.optional else shown))
