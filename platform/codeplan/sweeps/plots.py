"""A sweep's figures for the page, as data and layout of plotly.js; `codeplan.sweeps.page` puts them into HTML.

Plain dicts: plotly's Python classes would only turn them into these. Labels are set as ticks on positions, because
plotly.js reads a label such as ``1:1:0`` on an axis of its own as a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from codeplan.sweeps import figure_data
from codeplan.sweeps.figure_data import HeatMap, Lines, TradeOff
from codeplan.sweeps.importance import Importance
from codeplan.sweeps.objective import Objective
from codeplan.sweeps.parallel import Dimension
from codeplan.sweeps.plot_marks import COLORS, Plot, key_traces, mark_traces, safe
from codeplan.sweeps.summary import COST, SEQUENCES, PointSummary
from codeplan.sweeps.titles import axis_title, number, scale, short, title, unit

_MOST_CELLS = 150
"""Cells of a heat map that have their number written inside; in more it cannot be read."""

COSTS = {SEQUENCES: "sequences generated per answer", COST: "teacher's answers, US dollars"}

SHADES = ("#f7fbff", "#9ecae1", "#4292c6")
"""Of a heat map, the better the darker; black numbers can be read on all of them."""
_LINES = ([0, "#c6dbef"], [0.5, "#4292c6"], [1, "#08306b"])


def heat_map(found: HeatMap, objective: Objective) -> Plot:
    """Two axes against each other; the better a cell, the darker it is."""
    times = scale(objective)
    cells = len(found.x.labels) * len(found.y.labels)
    written = [["" if mean is None else short(objective, mean) for mean in row] for row in found.means]
    hover = [
        [f"{number(objective, mean)}<br>{count} point{'s' * (count != 1)}" for mean, count in zip(*rows, strict=True)]
        for rows in zip(found.means, found.counts, strict=True)
    ]
    trace = {
        "type": "heatmap",
        "z": [[None if mean is None else times * mean for mean in row] for row in found.means],
        "text": written,
        "texttemplate": "%{text}" if cells <= _MOST_CELLS else "",
        "textfont": {"color": "#111111"},
        "customdata": hover,
        "hovertemplate": "%{customdata}<extra></extra>",
        "colorscale": [[place / 2, color] for place, color in enumerate(SHADES)],
        "reversescale": objective.direction == "minimize",
        "colorbar": {"title": {"text": unit(objective)}},
        "xgap": 2,
        "ygap": 2,
    }
    return _plot(
        [trace],
        xaxis=_axis(found.x.axis.title, enumerate(found.x.labels), grid=False),
        yaxis=_axis(found.y.axis.title, enumerate(found.y.labels), grid=False),
        title=found.which,
        height=max(380, 130 + 34 * len(found.y.labels)),
    )


def lines(found: Lines, objective: Objective) -> Plot:
    """The objective along one axis, with both uncertainties of each point."""
    traces: list[Plot] = []
    every = [mark.x for marks in found.series.values() for mark in marks]
    log = found.axis.log and bool(found.axis.numbers)
    for index, (name, marks) in enumerate(found.series.items()):
        shift = figure_data.shifts(every, index, len(found.series), log=log)
        traces += mark_traces(marks, objective, name or title(objective), index, joined=found.joined, shift=shift)
    if found.means:
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": [x for x, _ in found.means],
                "y": [scale(objective) * mean for _, mean in found.means],
                "line": {"color": "#000000", "dash": "dash"},
                "name": "mean over the points",
                "hoverinfo": "skip",
            }
        )
    axis = _axis(found.axis.title, found.ticks, log=log)
    return _plot(
        [*traces, *key_traces(found.series.values())],
        xaxis=axis,
        yaxis=_axis(axis_title(objective)),
        height=500,
        title=found.which,
    )


def coordinates(
    dimensions: Sequence[Dimension], points: Sequence[PointSummary], objectives: Sequence[Objective]
) -> Plot:
    """One line per point over the axes and the objectives; dragging on an axis selects points."""
    first = objectives[0]

    def values(objective: Objective) -> list[float]:
        return [scale(objective) * point.objectives[objective.name].mean for point in points]

    shown: list[Plot] = [
        {
            "label": safe(dimension.title),
            "values": list(dimension.values),
            "tickvals": [position for position, _ in dimension.ticks],
            "ticktext": [safe(label) for _, label in dimension.ticks],
        }
        for dimension in dimensions
    ]
    shown += [
        {"label": safe(axis_title(objective, objective.name)), "values": values(objective)} for objective in objectives
    ]
    trace = {
        "type": "parcoords",
        "dimensions": shown,
        "labelangle": -12,
        "labelside": "top",
        "line": {
            "color": values(first),
            "colorscale": _LINES,
            "reversescale": first.direction == "minimize",
            "showscale": True,
            "colorbar": {"title": {"text": unit(first)}},
        },
    }
    plot = _plot([trace], height=480)
    plot["layout"]["margin"] |= {"l": 110, "t": 120, "b": 30}
    return plot


def importances(found: Importance, names: dict[str, str]) -> Plot:
    """A bar per axis, the most important one on top."""
    items = list(found.fractions.items())[::-1]
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": [100 * fraction for _, fraction in items],
        "y": list(range(len(items))),
        "text": [f"{100 * fraction:.1f} %" for _, fraction in items],
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {"color": COLORS[0]},
        "hoverinfo": "skip",
    }
    labels = [(index, names[key]) for index, (key, _) in enumerate(items)]
    axis = _axis("variance explained by the axis alone (%)") | {"range": [0, 105]}
    return _plot([trace], xaxis=axis, yaxis=_axis("", labels, grid=False), height=150 + 34 * len(items))


def trade_off(found: TradeOff, x_title: str, objective: Objective, *, log: bool, times: float = 1.0) -> Plot:
    """The objective against a cost or another objective, with the points that no other beats in both.

    Args:
        found: the points.
        x_title: of the horizontal axis.
        objective: on the vertical axis.
        log: whether the horizontal axis is logarithmic.
        times: what horizontal values are multiplied by.
    """
    traces = mark_traces(
        found.marks, objective, "points", 0, joined=False, shift=lambda x: times * x, barred=found.front
    )
    traces.append(
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": [times * mark.x for mark in found.front],
            "y": [scale(objective) * mark.y for mark in found.front],
            "line": {"color": COLORS[5], "width": 2, "dash": "dot", "shape": "vh" if found.more else "hv"},
            "marker": {"size": 14, "symbol": "circle-open", "color": COLORS[5], "line": {"width": 2}},
            "name": "Pareto front: no point is better in both",
            "hoverinfo": "skip",
        }
    )
    return _plot(
        [*traces, *key_traces([found.marks])],
        xaxis=_axis(x_title, figure_data.log_ticks([mark.x for mark in found.marks]) if log else (), log=log),
        yaxis=_axis(axis_title(objective)),
        height=500,
    )


def _axis(name: str, ticks: Iterable[tuple[float, str]] = (), *, log: bool = False, grid: bool = True) -> Plot:
    axis: Plot = {"title": {"text": safe(name)}, "automargin": True, "zeroline": False, "showgrid": grid}
    axis |= {"gridcolor": "#dddddd", "type": "log" if log else "linear"}
    if placed := list(ticks):
        axis |= {"tickvals": [position for position, _ in placed], "ticktext": [safe(label) for _, label in placed]}
    return axis


def _plot(traces: Sequence[Plot], *, height: int, title: str = "", **axes: Plot) -> Plot:
    layout = {
        "height": height,
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": "#222222"},
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "margin": {"l": 80, "r": 30, "t": 40, "b": 70},
        "hovermode": "closest",
        "title": {"text": safe(title), "font": {"size": 14}, "x": 0, "xref": "paper"},
        "legend": {"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0},
        **axes,
    }
    return {"data": list(traces), "layout": layout}
