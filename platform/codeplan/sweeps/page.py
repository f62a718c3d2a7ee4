"""A sweep as one HTML file with interactive figures and sortable tables, which opens from a disk without a network.

plotly.js is inside, once. All text of configurations, errors and names is escaped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from codeplan.sweeps import figure_data, parallel, plots, tables
from codeplan.sweeps.axes import INACTIVE
from codeplan.sweeps.importance import DEFINITION, Importance
from codeplan.sweeps.objective import Objective
from codeplan.sweeps.plot_marks import Plot
from codeplan.sweeps.summary import PointSummary, Summary
from codeplan.sweeps.titles import axis_title, better, number, scale, title
from codeplan.sweeps.trials import Trial


@dataclass(frozen=True)
class _Panel:
    """A figure of the page: variants to choose among, or the reason why there is none."""

    name: str
    title: str
    text: str
    variants: Sequence[tuple[str, Plot]]
    reason: str = ""


@dataclass(frozen=True)
class _Cell:
    """A cell of a sortable table: what is shown, and what it is sorted by; text unless a number is given."""

    text: str
    sort: float | None = None
    is_number: bool = False


def render(summary: Summary, importances: Sequence[Importance], folder: Path) -> str:
    """The page's HTML.

    Args:
        summary: the sweep.
        importances: one per objective.
        folder: where the page will be, as links to reports are relative to it.
    """
    from plotly.offline import get_plotlyjs

    panels = [
        _heat_maps(summary),
        _lines(summary),
        _coordinates(summary),
        _importances(summary, importances),
        *_budget(summary),
        *_objectives(summary),
    ]
    specs = {panel.name: [spec for _, spec in panel.variants] for panel in panels}
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("page.html.j2").render(
        summary=summary,
        best=tables.best_sentence(summary),
        panels=panels,
        points_head=_points_head(summary),
        points=[_points_row(summary, point) for point in summary.ranked()],
        trials_head=["point", "seed", "state", *map(title, summary.objectives), "seconds", "cost ($)", "stages"],
        trials=[_trial_row(summary, trial, folder) for trial in summary.trials],
        specs=_script_json(specs),
        plotly=Markup(get_plotlyjs()),  # noqa: S704  # the library itself
    )


def _heat_maps(summary: Summary) -> _Panel:
    variants = [
        (_variant(objective, found.which), plots.heat_map(found, objective))
        for objective in summary.objectives
        for found in figure_data.heat_maps(summary, objective)
    ]
    maps = figure_data.heat_maps(summary, summary.objective)
    text = ""
    if maps:
        x, y = maps[0].x, maps[0].y
        text = f"The two axes with most values, {x.axis.name} and {y.axis.name}; a cell is a mean over seeds."
        if binned := [side.axis.name for side in (x, y) if side.binned]:
            text += f" {' and '.join(binned)}: intervals of equal width, as there are many values."
        if len(maps) > 1:
            text += " The other axes are averaged, or choose their values."
    return _Panel("heat_map", "Two axes", text, variants, "" if maps else "Fewer than two axes vary.")


def _lines(summary: Summary) -> _Panel:
    variants = [
        (_variant(objective, f"by {found.axis.name}"), plots.lines(found, objective))
        for objective in summary.objectives
        for found in figure_data.lines(summary, objective)
    ]
    text = "Marks are means over seeds. Lines are moved a little aside, so that their bars can be told apart."
    text = text if variants else ""
    return _Panel("lines", "Along one axis", text, variants, "" if variants else "No axis varies.")


def _coordinates(summary: Summary) -> _Panel:
    points = parallel.shown(summary)
    dimensions = parallel.coordinates(summary, points)
    text = (
        "One line per point; the better the first objective, the darker. "
        "Drag along an axis to select points; click it to undo."
    )
    if any(axis.optional for axis in summary.axes):
        text += f" {INACTIVE}: the axis' condition does not hold, and the key keeps the configuration's value."
    if left := len(summary.points) - len(points):
        text += f" Points without a number that are left out: {left}."
    if len(points) < 2 or not dimensions:
        return _Panel("coordinates", "All axes", "", (), "There are fewer than two points with a number.")
    plot = plots.coordinates(dimensions, points, summary.objectives)
    return _Panel("coordinates", "All axes", text, [("", plot)])


def _importances(summary: Summary, importances: Sequence[Importance]) -> _Panel:
    names = {axis.key: axis.name for axis in summary.axes}
    titles = {objective.name: title(objective) for objective in summary.objectives}
    variants = [
        (f"{titles[found.objective]}, {found.points:,} points", plots.importances(found, names))
        for found in importances
        if found.fractions
    ]
    reason = "" if variants else f"Not computed: {importances[0].reason}."
    return _Panel("importance", "Importance of the axes", DEFINITION if variants else "", variants, reason)


def _budget(summary: Summary) -> list[_Panel]:
    variants = []
    for metric, words in plots.COSTS.items():
        for objective in summary.objectives:
            found = figure_data.budget(summary, objective, metric)
            if len({mark.x for mark in found.marks}) > 1:
                plot = plots.trade_off(found, words, objective, log=True)
                variants.append((f"{title(objective)} against {words}", plot))
    reason = "" if variants else "All points cost the same number of sequences and the same money, as far as is known."
    text = (
        "What a point costs against what it is worth; the front has the points that nothing cheaper beats, and only "
        "they have bars: the others say theirs on hovering."
    )
    return [_Panel("budget", "Budget", text if variants else "", variants, reason)]


def _objectives(summary: Summary) -> list[_Panel]:
    variants = []
    for x, y in figure_data.pairs(summary.objectives):
        found = figure_data.between(summary, x, y)
        if found.marks:
            plot = plots.trade_off(found, axis_title(x), y, log=False, times=scale(x))
            variants.append((f"{title(y)} against {title(x)}", plot))
    if not variants:
        return []
    directions = "; ".join(f"{title(objective)}: {better(objective)}" for objective in summary.objectives)
    return [_Panel("objectives", "Trade-offs between objectives", f"{directions}.", variants)]


def _variant(objective: Objective, which: str) -> str:
    return f"{title(objective)} ({better(objective)}), {which}"


def _points_head(summary: Summary) -> list[str]:
    head = [axis.title for axis in summary.axes]
    for objective in summary.objectives:
        head += [title(objective), *tables.UNCERTAINTIES]
    return [*head, *tables.arm_metrics(summary).values(), "seeds done", "sequences", "cost ($)"]


def _points_row(summary: Summary, point: PointSummary) -> dict[str, Any]:
    cells = [_Cell(axis.label(point.point), axis.number(point.point), bool(axis.numbers)) for axis in summary.axes]
    for objective in summary.objectives:
        spread = point.objectives[objective.name]
        mean = spread.mean if spread.n else None
        over = [
            (tables.over_problems(objective, spread), spread.problems.low if spread.problems else None),
            (tables.over_seeds(objective, spread), spread.low if spread.n else None),
            (tables.t_over_seeds(objective, spread), spread.deviation if spread.n else None),
            (tables.over_both(objective, spread), spread.widest[0] if spread.widest else None),
        ]
        cells.append(_Cell(number(objective, mean), mean, is_number=True))
        cells += [_Cell(text, key, is_number=True) for text, key in over]
    for name in tables.arm_metrics(summary):
        mean = point.mean(name)
        cells.append(_Cell("-" if mean is None else f"{100 * mean:.1f} %", mean, is_number=True))
    sequences, dollars = (point.mean(name) for name in plots.COSTS)
    cells += [
        _Cell(point.seeds, float(point.done), is_number=True),
        _Cell(tables.sequences(point), sequences, is_number=True),
        _Cell(tables.cost(point), dollars, is_number=True),
    ]
    marks = {"best": point is summary.best, "front": point in summary.front, "incomplete": point.done < point.repeats}
    return {"cells": cells, "marks": " ".join(name for name, holds in marks.items() if holds)}


def _trial_row(summary: Summary, trial: Trial, folder: Path) -> dict[str, Any]:
    values = [objective.value(trial.metrics) for objective in summary.objectives]
    computed = sum(stage.computed for stage in trial.stages.values())
    cells = [
        _Cell(trial.label),
        _Cell(str(trial.repeat), float(trial.repeat), is_number=True),
        _Cell(trial.state),
        *(
            _Cell(number(objective, value), value, is_number=True)
            for objective, value in zip(summary.objectives, values, strict=True)
        ),
        _Cell(f"{trial.seconds:,.0f}", trial.seconds, is_number=True),
        _Cell(f"{trial.cost_usd:,.2f}", trial.cost_usd, is_number=True),
        _Cell(f"{computed} computed, {len(trial.stages) - computed} reused"),
    ]
    return {
        "cells": cells,
        "trial": trial,
        "report": _link(summary.home / trial.report, folder) if trial.report else "",
    }


def _link(path: Path, folder: Path) -> str:
    return quote(Path(os.path.relpath(path, folder)).as_posix())


def _script_json(data: Any) -> Markup:
    """JSON that nothing in it can end the script element of."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))  # ASCII, so that no line separator is left
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704  # escaped above
