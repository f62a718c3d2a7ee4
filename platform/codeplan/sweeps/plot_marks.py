"""Points with both of their uncertainties as traces of plotly.js: bars over seeds and problems, hover texts, legend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from codeplan.sweeps import figure_data
from codeplan.sweeps.figure_data import Mark
from codeplan.sweeps.objective import Objective
from codeplan.sweeps.summary import PointSummary
from codeplan.sweeps.titles import interval, number, scale, title

COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7f7f7f", "#000000")
"""Okabe and Ito's, which the color-blind can tell apart."""
_SYMBOLS = ("circle", "square", "triangle-up", "diamond", "x", "triangle-down", "star", "cross")

SEEDS = "thick bar: range over seeds"
PROBLEMS = "thin bar: 95 % interval over problems"

Plot = dict[str, Any]


def safe(text: str) -> str:
    """A text without tags: plotly.js renders some of HTML's in every label."""
    return text.replace("<", "\u2039").replace(">", "\u203a")


def hover(point: PointSummary, objective: Objective) -> str:
    """A point's number in words."""
    spread = point.objectives[objective.name]
    found = spread.problems
    said = [f"<b>{safe(point.label)}</b>", f"{safe(title(objective))}: {number(objective, spread.mean)}"]
    if spread.n > 1:
        said.append(f"{spread.n} seeds: {interval(objective, (spread.low, spread.high))[1:-1].replace(',', ' to')}")
        said.append(f"95 % t interval over seeds: {interval(objective, spread.interval)}")
    if found and not found.degenerate:
        said.append(f"95 % interval over {found.n:,} problems: {interval(objective, (found.low, found.high))}")
    if spread.both:
        said.append(f"95 % interval over seeds and problems: {interval(objective, spread.widest)}")
    return "<br>".join([*said, f"seeds done: {point.seeds}"])


def mark_traces(
    marks: Sequence[Mark],
    objective: Objective,
    name: str,
    index: int,
    *,
    joined: bool,
    shift: Callable[[float], float],
    barred: Sequence[Mark] | None = None,
) -> list[Plot]:
    """The marks of one series with their bars, or only those of some of them; where they are crowded, faint bars."""
    color = COLORS[index % len(COLORS)]
    group = {"type": "scatter", "legendgroup": str(index)}
    bars = [
        group | _bars(marks if barred is None else barred, scale(objective), color, shift, thick=thick)
        for thick in (False, True)
    ]
    means = {
        "x": [shift(mark.x) for mark in marks],
        "y": [scale(objective) * mark.y for mark in marks],
        "mode": "lines+markers" if joined else "markers",
        "name": safe(name),
        "line": {"color": color},
        "marker": {
            "color": [color if mark.complete else "#ffffff" for mark in marks],
            "line": {"color": color, "width": 1.5},
            "symbol": _SYMBOLS[index % len(_SYMBOLS)],
            "size": 9,
        },
        "customdata": [hover(mark.point, objective) for mark in marks],
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    return [*bars, group | means]


def _bars(marks: Sequence[Mark], times: float, color: str, shift: Callable[[float], float], *, thick: bool) -> Plot:
    known = [(mark, ends) for mark in marks if (ends := mark.seeds if thick else mark.problems)]
    faint = len(marks) > figure_data.CROWDED
    return {
        "x": [shift(mark.x) for mark, _ in known],
        "y": [times * mark.y for mark, _ in known],
        "mode": "markers",
        "marker": {"opacity": 0, "color": color},
        "showlegend": False,
        "hoverinfo": "skip",
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [times * (high - mark.y) for mark, (_, high) in known],
            "arrayminus": [times * (mark.y - low) for mark, (low, _) in known],
            "thickness": (3 if faint else 6) if thick else 1.2,
            "width": 0 if thick or faint else 4,
            "color": _faint(color) if thick or faint else color,
        },
    }


def key_traces(series: Iterable[Sequence[Mark]]) -> list[Plot]:
    """Entries of the legend that say what the bars and the hollow markers are; plotly.js makes none for error bars."""
    marks = [mark for marks in series for mark in marks]
    empty = {"type": "scatter", "x": [None], "y": [None], "hoverinfo": "skip"}
    keys = []
    if any(mark.seeds for mark in marks):
        keys.append(empty | {"mode": "lines", "line": {"color": "#999999", "width": 6}, "name": SEEDS})
    if any(mark.problems for mark in marks):
        keys.append(empty | {"mode": "lines", "line": {"color": "#444444", "width": 1.2}, "name": PROBLEMS})
    if not all(mark.complete for mark in marks):
        hollow = {"color": "#ffffff", "line": {"color": "#444444", "width": 1.5}, "size": 9}
        keys.append(empty | {"mode": "markers", "marker": hollow, "name": "hollow: seeds are missing"})
    return keys


def _faint(color: str) -> str:
    red, green, blue = (int(color[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.35)"
