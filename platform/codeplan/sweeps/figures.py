"""A sweep's main figures as PNG files for MLflow and Markdown, in the style of the report's."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from codeplan.evaluation.figures import canvas, legend_below, save
from codeplan.sweeps import claims_map, figure_data, parallel
from codeplan.sweeps.figure_data import Mark
from codeplan.sweeps.importance import Importance
from codeplan.sweeps.objective import Objective
from codeplan.sweeps.plot_marks import COLORS, PROBLEMS, SEEDS
from codeplan.sweeps.plots import COSTS, SHADES
from codeplan.sweeps.summary import SEQUENCES, PointSummary, Summary, badness
from codeplan.sweeps.titles import axis_title, better, scale, short, title, unit

_MARKERS = ("o", "s", "^", "D", "X", "v", "*", "P")
_LONGEST = 22
_MOST_CELLS = 150

Draw = Callable[[Path], None]


def figures(summary: Summary, found: Importance) -> dict[str, tuple[str, Draw]]:
    """Caption and drawing function of each figure that this sweep has, by name; all of the first objective."""
    objective = summary.objective
    drawn: dict[str, tuple[str, Draw]] = {}
    if claims := claims_map.claims_map(summary):
        drawn["claims"] = claims_map.caption(claims), lambda path: claims_map.draw(claims, path)
    if maps := figure_data.heat_maps(summary, objective):
        first = maps[0]
        caption = f"{title(objective)} by {first.x.axis.name} and {first.y.axis.name} ({first.which})"
        drawn["heat_map"] = caption, lambda path: _heat_map(first, objective, caption, path)
    if along := figure_data.lines(summary, objective):
        lines = along[0]
        named = f"{title(objective)} by {lines.axis.name} ({lines.which})"
        drawn["lines"] = named, lambda path: _lines(lines, objective, named, path)
    points = parallel.shown(summary)
    dimensions = parallel.coordinates(summary, points)
    if len(points) > 1 and dimensions:
        every = f"All axes and objectives, one line per point; the better {title(objective)}, the darker"
        drawn["parallel_coordinates"] = every, lambda path: _coordinates(dimensions, points, summary, every, path)
    if found.fractions:
        names = {axis.key: axis.name for axis in summary.axes}
        words = f"Importance of the axes for {title(objective)} (fANOVA, {found.points:,} points)"
        drawn["importance"] = words, lambda path: _importance(found, names, words, path)
    for name, metric in (("budget", SEQUENCES), ("cost", next(name for name in COSTS if name != SEQUENCES))):
        spent = figure_data.budget(summary, objective, metric)
        if len({mark.x for mark in spent.marks}) > 1:
            against = f"{title(objective)} against {COSTS[metric]}"
            drawn[name] = against, _trade_off_of(spent, COSTS[metric], objective, against, log=True)
    for x, y in figure_data.pairs(summary.objectives)[:1]:
        both = figure_data.between(summary, x, y)
        if both.marks:
            against = f"{title(y)} against {title(x)}"
            drawn["objectives"] = (
                against,
                _trade_off_of(both, axis_title(x), y, against, log=False, times=scale(x)),
            )
    return drawn


def _heat_map(found: figure_data.HeatMap, objective: Objective, caption: str, path: Path) -> None:
    rows, columns = len(found.y.labels), len(found.x.labels)
    figure, axes = canvas(max(6.0, 0.9 * columns + 3), max(3.2, 0.5 * rows + 1.6))
    times = scale(objective)
    values = [[float("nan") if mean is None else times * mean for mean in row] for row in found.means]
    shades = SHADES[::-1] if objective.direction == "minimize" else SHADES
    colors = LinearSegmentedColormap.from_list("better", list(shades))
    image = axes.pcolormesh(values, cmap=colors, edgecolors="white", linewidth=1.5)
    for row, means in enumerate(found.means if rows * columns <= _MOST_CELLS else ()):
        for column, mean in enumerate(means):
            if mean is not None:
                axes.text(column + 0.5, row + 0.5, short(objective, mean), ha="center", va="center")
    _ticks(
        axes.set_xticks,
        [(column + 0.5, label) for column, label in enumerate(found.x.labels)],
        rotate=sum(map(len, found.x.labels)) > 60,
    )
    _ticks(axes.set_yticks, [(row + 0.5, label) for row, label in enumerate(found.y.labels)])
    axes.grid(visible=False)
    axes.set_xlabel(_plain(found.x.axis.title))
    axes.set_ylabel(_plain(found.y.axis.title))
    figure.colorbar(image, ax=axes, label=" ".join(filter(None, (unit(objective), f"({better(objective)})"))))
    _finish(figure, axes, caption, path)


def _lines(found: figure_data.Lines, objective: Objective, caption: str, path: Path) -> None:
    figure, axes = canvas(8.0, 4.8)
    every = [mark.x for marks in found.series.values() for mark in marks]
    log = found.axis.log and bool(found.axis.numbers)
    for index, (name, marks) in enumerate(found.series.items()):
        shift = figure_data.shifts(every, index, len(found.series), log=log)
        _marks(axes, marks, objective, index, name or title(objective), joined=found.joined, shift=shift)
    if found.means:
        x, y = zip(*found.means, strict=True)
        axes.plot(x, [scale(objective) * mean for mean in y], "k--", label="mean over the points")
    if log:
        axes.set_xscale("log")
    if found.ticks:
        _ticks(axes.set_xticks, found.ticks, rotate=len(found.ticks) > 8)
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(_plain(found.axis.title))
    axes.set_ylabel(axis_title(objective))
    _keys(axes, found.series.values())
    legend_below(figure, axes, columns=3)
    _finish(figure, axes, caption, path)


def _coordinates(
    dimensions: Sequence[parallel.Dimension],
    points: Sequence[PointSummary],
    summary: Summary,
    caption: str,
    path: Path,
) -> None:
    values = {
        objective.name: [point.objectives[objective.name].mean for point in points] for objective in summary.objectives
    }
    last = [
        parallel.Dimension(
            axis_title(objective, objective.name),
            tuple(values[objective.name]),
            tuple((end(values[objective.name]), short(objective, end(values[objective.name]))) for end in (min, max)),
        )
        for objective in summary.objectives
    ]
    columns = [*dimensions, *last]
    figure, axes = canvas(max(7.0, 1.9 * len(columns)), 4.8)
    heights = [_heights(column) for column in columns]
    ranks = [badness(point, summary.objective) for point in points]
    worst, best = max(ranks), min(ranks)
    colors = LinearSegmentedColormap.from_list("lines", ["#c6dbef", "#4292c6", "#08306b"])
    for index in sorted(range(len(points)), key=lambda index: -ranks[index]):
        shade = (worst - ranks[index]) / (worst - best) if worst > best else 1.0
        line = [place(columns[at].values[index]) for at, place in enumerate(heights)]
        axes.plot(range(len(columns)), line, color=colors(shade), linewidth=1)
    for at, (column, place) in enumerate(zip(columns, heights, strict=True)):
        axes.axvline(at, color="#555555", linewidth=0.8)
        for position, label in column.ticks:
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1}
            axes.text(at + 0.02, place(position), _plain(label, _LONGEST), fontsize=8, va="center", bbox=box)
    _ticks(axes.set_xticks, [(float(at), column.title) for at, column in enumerate(columns)], rotate=len(columns) > 5)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    _finish(figure, axes, caption, path)


def _heights(column: parallel.Dimension) -> Callable[[float], float]:
    """Where a dimension's values are drawn, from 0 to 1."""
    every = [*column.values, *(position for position, _ in column.ticks)]
    low, high = min(every), max(every)
    return lambda value: (value - low) / (high - low) if high > low else 0.5


def _importance(found: Importance, names: dict[str, str], caption: str, path: Path) -> None:
    figure, axes = canvas(8.0, 0.45 * len(found.fractions) + 1.6)
    values = [100 * fraction for fraction in found.fractions.values()]
    bars = axes.barh(range(len(values)), values, color=COLORS[0])
    axes.bar_label(bars, [f"{value:.1f} %" for value in values], padding=3)
    _ticks(axes.set_yticks, [(float(index), names[key]) for index, key in enumerate(found.fractions)])
    axes.invert_yaxis()
    axes.set_xlim(0, 108)
    axes.grid(visible=False)
    axes.set_xlabel("variance explained by the axis alone (%)")
    _finish(figure, axes, caption, path)


def _trade_off_of(
    found: figure_data.TradeOff, x_title: str, objective: Objective, caption: str, *, log: bool, times: float = 1.0
) -> Draw:
    def draw(path: Path) -> None:
        figure, axes = canvas(8.0, 4.8)
        _marks(axes, found.marks, objective, 0, "points", joined=False, shift=lambda x: times * x, barred=found.front)
        axes.plot(
            [times * mark.x for mark in found.front],
            [scale(objective) * mark.y for mark in found.front],
            ":o",
            drawstyle="steps-pre" if found.more else "steps-post",
            color=COLORS[5],
            markerfacecolor="none",
            markersize=11,
            label="Pareto front: no point is better in both",
        )
        if log:
            axes.set_xscale("log")
            _ticks(axes.set_xticks, figure_data.log_ticks([mark.x for mark in found.marks]))
            axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel(x_title)
        axes.set_ylabel(axis_title(objective))
        _keys(axes, [found.marks])
        legend_below(figure, axes, columns=3)
        _finish(figure, axes, caption, path)

    return draw


def _marks(
    axes: Axes,
    marks: Sequence[Mark],
    objective: Objective,
    index: int,
    name: str,
    *,
    joined: bool,
    shift: Callable[[float], float],
    barred: Sequence[Mark] | None = None,
) -> None:
    """The marks of one series with their bars, or only those of some of them; where they are crowded, faint bars."""
    color, times = COLORS[index % len(COLORS)], scale(objective)
    barred = marks if barred is None else barred
    faint = len(barred) > figure_data.CROWDED
    _bars(axes, [(shift(mark.x), mark.seeds) for mark in barred], times, color, thick=True, faint=faint)
    _bars(axes, [(shift(mark.x), mark.problems) for mark in barred], times, color, thick=False, faint=faint)
    if joined:
        axes.plot([shift(mark.x) for mark in marks], [times * mark.y for mark in marks], color=color, linewidth=1.5)
    for complete in (True, False):
        of_kind = [mark for mark in marks if mark.complete is complete]
        axes.scatter(
            [shift(mark.x) for mark in of_kind],
            [times * mark.y for mark in of_kind],
            facecolor=color if complete else "white",
            edgecolor=color,
            marker=_MARKERS[index % len(_MARKERS)],
            s=42,
            zorder=3,
            label=_plain(name) if complete else None,
        )


def _bars(
    axes: Axes,
    ends: Sequence[tuple[float, tuple[float, float] | None]],
    times: float,
    color: str,
    *,
    thick: bool,
    faint: bool,
) -> None:
    known = [(x, times * low, times * high) for x, end in ends if end for low, high in [end]]
    if not known:
        return
    x, low, high = zip(*known, strict=True)
    if thick:
        axes.vlines(x, low, high, color=color, alpha=0.35, linewidth=3 if faint else 6)
    else:
        axes.vlines(x, low, high, color=color, alpha=0.35 if faint else 1.0, linewidth=1)
        if not faint:
            axes.scatter([*x, *x], [*low, *high], color=color, marker="_", s=30, linewidth=1)


def _keys(axes: Axes, series: Iterable[Sequence[Mark]]) -> None:
    marks = [mark for marks in series for mark in marks]
    if any(mark.seeds for mark in marks):
        axes.plot([], [], color="#999999", linewidth=6, label=SEEDS)
    if any(mark.problems for mark in marks):
        axes.plot([], [], color="#444444", linewidth=1, label=PROBLEMS)
    if not all(mark.complete for mark in marks):
        axes.scatter([], [], facecolor="white", edgecolor="#444444", label="hollow: seeds are missing")


def _ticks(place: Any, ticks: Sequence[tuple[float, str]], *, rotate: bool = False) -> None:
    angle = {"rotation": 45, "ha": "right"} if rotate else {}
    labels = [_plain(label) for _, label in ticks]
    place([position for position, _ in ticks], labels, **angle)


def _finish(figure: Figure, axes: Axes, caption: str, path: Path) -> None:
    axes.set_title("\n".join(textwrap.wrap(_plain(caption, 270), 90)), fontsize=11)
    save(figure, path)


def _plain(text: str, longest: int = _LONGEST * 2) -> str:
    """A text that fits, in which a dollar sign does not start a formula."""
    fitting = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return fitting.replace("$", r"\$")
