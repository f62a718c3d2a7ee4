"""The numbers that a sweep's figures show, whatever draws them: heat map, lines, trade-offs, parallel coordinates.

Values are those of the objective, unscaled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from codeplan.sweeps.axes import Axis, Bands, bands, varying
from codeplan.sweeps.objective import Objective
from codeplan.sweeps.pareto import front
from codeplan.sweeps.summary import PointSummary, Summary, badness

MAX_SERIES = 8
"""With more lines in one figure none can be followed."""
MAX_MAPS = 24
CROWDED = 40
"""With more marks in one series, the bars of each of them hide the marks."""
_MAX_LEVELS = 12
_FEW = 7
_NARROW = 5.0


@dataclass(frozen=True)
class HeatMap:
    """Means over the points of each cell.

    Attributes:
        x: the axis with most values.
        y: the one with second most.
        which: what all of its points have in common, or that they are averaged.
        means: by row of y and column of x; None where there is no point.
        counts: points by row and column.
    """

    x: Bands
    y: Bands
    which: str
    means: tuple[tuple[float | None, ...], ...]
    counts: tuple[tuple[int, ...], ...]


def heat_maps(summary: Summary, objective: Objective) -> list[HeatMap]:
    """Two axes against each other: first the mean over all others, then each combination of the others' values.

    Empty where fewer than two axes vary. Of more than `MAX_MAPS` combinations only the mean is given.
    """
    found = varying(summary.axes)
    if len(found) < 2:
        return []
    chosen = sorted(found, key=lambda axis: -len(axis.levels))[:2]
    x, y = (bands(axis) for axis in chosen)
    others = [bands(axis) for axis in found if axis not in chosen]
    points = summary.having(objective)
    averaged = f"mean over {', '.join(other.axis.name for other in others)}" if others else "one point per cell"
    if not others and (x.binned or y.binned):
        averaged = "mean over the points of a cell"
    maps = [_heat_map(x, y, averaged, points, objective)]
    groups: dict[str, list[PointSummary]] = {}
    for point in points if others else ():
        groups.setdefault(combination(others, point), []).append(point)
    if 1 < len(groups) <= MAX_MAPS:
        maps += [_heat_map(x, y, which, group, objective) for which, group in groups.items()]
    return maps


def _heat_map(x: Bands, y: Bands, which: str, points: Sequence[PointSummary], objective: Objective) -> HeatMap:
    cells: dict[tuple[int, int], list[float]] = {}
    for point in points:
        mean = point.objectives[objective.name].mean
        cells.setdefault((y.of(point.point), x.of(point.point)), []).append(mean)
    rows, columns = range(len(y.labels)), range(len(x.labels))
    inside = [[cells.get((row, column), []) for column in columns] for row in rows]
    return HeatMap(
        x,
        y,
        which,
        tuple(tuple(math.fsum(cell) / len(cell) if cell else None for cell in row) for row in inside),
        tuple(tuple(map(len, row)) for row in inside),
    )


def combination(others: Sequence[Bands], point: PointSummary) -> str:
    """A point's values on some axes, in a few characters."""
    return ", ".join(f"{other.axis.name} {other.labels[other.of(point.point)]}" for other in others)


@dataclass(frozen=True)
class Mark:
    """A point in a figure.

    Attributes:
        x: position.
        y: mean over seeds.
        seeds: range over seeds; None for one seed.
        problems: 95 % interval over problems; None where it is not known.
        complete: whether all of its seeds are there.
        point: what it is.
    """

    x: float
    y: float
    seeds: tuple[float, float] | None
    problems: tuple[float, float] | None
    complete: bool
    point: PointSummary


def mark(point: PointSummary, objective: Objective, x: float) -> Mark:
    """A point's objective with both of its uncertainties, at a position."""
    spread = point.objectives[objective.name]
    found = spread.problems
    return Mark(
        x=x,
        y=spread.mean,
        seeds=(spread.low, spread.high) if spread.n > 1 else None,
        problems=(found.low, found.high) if found else None,
        complete=point.complete(objective),
        point=point,
    )


@dataclass(frozen=True)
class Lines:
    """An objective along one axis.

    Attributes:
        axis: the axis; without numbers its positions are 0, 1, ...
        ticks: positions and labels of the axis; empty for numbers that need none of their own.
        series: marks by what they have in common, ascending; one series of all points where there are too many.
        joined: whether the marks of a series are points of one line.
        means: where the series are not lines, the mean over all other axes by position, or by interval of positions
            where there are many; else empty.
        which: what the series are.
    """

    axis: Axis
    ticks: tuple[tuple[float, str], ...]
    series: dict[str, list[Mark]]
    joined: bool
    means: tuple[tuple[float, float], ...]
    which: str


def lines(summary: Summary, objective: Objective) -> list[Lines]:
    """The objective along each numeric axis that varies, the one with most values first; without one, along the others.

    A point in which the axis is inactive is left out.
    """
    found = varying(summary.axes)
    numeric = [axis for axis in found if len(axis.numbers) > 1]
    chosen = sorted(numeric or [axis for axis in found if len(axis.levels) > 1], key=lambda axis: -len(axis.levels))
    return [_lines(summary, objective, axis) for axis in chosen]


def _lines(summary: Summary, objective: Objective, axis: Axis) -> Lines:
    others = [bands(other) for other in varying(summary.axes) if other is not axis]
    series: dict[str, list[Mark]] = {}
    for point in summary.having(objective):
        if (level := axis.level(point.point)) is not None:
            x = axis.numbers[level] if axis.numbers else float(level)
            series.setdefault(combination(others, point), []).append(mark(point, objective, x))
    own = all(len({mark.x for mark in marks}) == len(marks) for marks in series.values())
    joined = own and len(series) <= MAX_SERIES and not any(other.binned for other in others)
    names = ", ".join(other.axis.name for other in others)
    means: list[tuple[float, float]] = []
    which = f"one line for each {names}" if others else "mean over seeds"
    if not joined:
        whole = sorted((mark for marks in series.values() for mark in marks), key=lambda mark: mark.x)
        series = {"points": whole}
        means = _means(whole, bands(axis))
        which = f"all points, which differ in {names}; the dashed line is the mean over them"
    for marks in series.values():
        marks.sort(key=lambda mark: mark.x)
    ticks: list[tuple[float, str]] = []
    if not axis.numbers:
        ticks = [(float(index), label) for index, label in enumerate(axis.labels)]
    elif axis.log:
        ticks = log_ticks(axis.numbers)
    elif len(axis.numbers) <= _MAX_LEVELS:
        ticks = list(zip(axis.numbers, axis.labels, strict=True))
    return Lines(axis, tuple(ticks), series, joined and bool(axis.numbers), tuple(means), which)


def _means(marks: Sequence[Mark], groups: Bands) -> list[tuple[float, float]]:
    """The mean position and value of the marks of each group."""
    grouped: dict[int, list[Mark]] = {}
    for found in marks:
        grouped.setdefault(groups.of(found.point.point), []).append(found)
    return [
        (math.fsum(found.x for found in group) / len(group), math.fsum(found.y for found in group) / len(group))
        for _, group in sorted(grouped.items())
    ]


def log_ticks(values: Sequence[float]) -> list[tuple[float, str]]:
    """Ticks of a logarithmic axis over these positive values: the values themselves where there are few, else 1, 2, 5.

    Libraries' own ticks are powers of ten, of which a narrow axis may have none.
    """
    distinct = sorted(set(values))
    if len(distinct) <= _FEW or distinct[-1] / distinct[0] < _NARROW:
        chosen = distinct if len(distinct) <= _FEW else distinct[:: len(distinct) // _FEW + 1]
        return [(value, f"{value:.6g}") for value in chosen]
    low, high = math.floor(math.log10(distinct[0])), math.ceil(math.log10(distinct[-1]))
    steps = (1, 2, 5) if high - low <= 3 else (1,)
    ticks = [step * 10.0**power for power in range(low, high + 1) for step in steps]
    return [(tick, f"{tick:g}") for tick in ticks if distinct[0] / 1.5 <= tick <= 1.5 * distinct[-1]]


@dataclass(frozen=True)
class TradeOff:
    """An objective against what it costs, or against another objective.

    Attributes:
        marks: all points that have both.
        front: the points that no other beats in both, ascending.
        more: whether more of the horizontal axis is better.
    """

    marks: tuple[Mark, ...]
    front: tuple[Mark, ...]
    more: bool = False


def budget(summary: Summary, objective: Objective, metric: str) -> TradeOff:
    """The objective against a cost of a point, such as ``sequences``; empty where no point has it or none costs."""
    marks = [
        mark(point, objective, cost)
        for point in summary.having(objective)
        if metric not in objective.metrics and (cost := point.mean(metric)) is not None and cost > 0
    ]
    return _trade_off(marks, [mark.x for mark in marks], objective)


def between(summary: Summary, x: Objective, y: Objective) -> TradeOff:
    """One objective against another."""
    points = [point for point in summary.having(x) if point.objectives[y.name].n]
    marks = [mark(point, y, point.objectives[x.name].mean) for point in points]
    return replace(_trade_off(marks, [badness(point, x) for point in points], y), more=x.direction == "maximize")


def _trade_off(marks: Sequence[Mark], costs: Sequence[float], objective: Objective) -> TradeOff:
    chosen = [index for index, found in enumerate(marks) if found.complete] or list(range(len(marks)))
    rows = [(costs[index], badness(marks[index].point, objective)) for index in chosen]
    best = sorted((marks[chosen[index]] for index in front(rows)), key=lambda found: (found.x, found.y))
    return TradeOff(tuple(marks), tuple(best))


def pairs(objectives: Sequence[Objective]) -> list[tuple[Objective, Objective]]:
    """All pairs of objectives."""
    return list(combinations(objectives, 2))


def shifts(every: Sequence[float], index: int, count: int, *, log: bool) -> Callable[[float], float]:
    """Moves the marks of one of several series a little aside, so that bars at one position can be told apart."""
    part = 0.012 * (index - (count - 1) / 2)
    if log:
        factor = (max(every) / min(every)) ** part if every else 1.0
        return lambda x: x * factor
    width = max(every) - min(every) if every else 0.0
    return lambda x: x + part * width
