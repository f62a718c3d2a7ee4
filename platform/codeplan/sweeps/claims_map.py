"""A map of claims: where a difference between two arms is above zero, where below, and where that cannot be told."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from codeplan.evaluation.conclusions import direction
from codeplan.evaluation.figures import save
from codeplan.sweeps.axes import bands, varying
from codeplan.sweeps.figure_data import combination
from codeplan.sweeps.objective import Objective
from codeplan.sweeps.spread import Spread
from codeplan.sweeps.summary import Summary
from codeplan.sweeps.titles import interval, short, title

Claim = Literal["above", "below", "open"]

COLORS: Mapping[Claim, str] = {"above": "#9ecae1", "below": "#fdae6b", "open": "#e6e6e6"}
_CLAIMS: Mapping[int, Claim] = {1: "above", -1: "below", 0: "open"}
_MEANINGS: Mapping[Claim, str] = {"above": "more", "below": "less", "open": "cannot be told"}
_MOST_ROWS, _MOST_COLUMNS, _MOST_PANELS = 24, 8, 4
_CELL_WIDTH, _CELL_HEIGHT = 1.15, 0.62
_WRAPPED = 30


@dataclass(frozen=True)
class Cell:
    """A point's difference: its mean over seeds, the interval that is concluded from, and what that claims."""

    mean: float
    ends: tuple[float, float]
    claim: Claim


@dataclass(frozen=True)
class ClaimsMap:
    """The differences of a sweep, by one axis and the combinations of all others.

    Attributes:
        columns: labels of the values of the axis with most of them.
        x: that axis's title.
        rows: labels of the combinations of the others' values.
        panels: by objective, the cells by row and column; None where no seed has the difference.
        over: what the intervals are over, in words.
    """

    columns: tuple[str, ...]
    x: str
    rows: tuple[str, ...]
    panels: Mapping[Objective, tuple[tuple[Cell | None, ...], ...]]
    over: str


def cell(spread: Spread) -> Cell | None:
    """What a difference claims, by the rules of a report's sentences, but for the p-value.

    A direction only where its interval, over seeds and problems if known, excludes 0, and there are enough problems;
    on how many of them the arms differ is known for several seeds.
    """
    found = spread.both.widest if spread.both else spread.problems
    if not spread.n or found is None:
        return None
    claimed = direction(found, spread.both.differing if spread.both else found.n)
    return Cell(spread.mean, (found.low, found.high), _CLAIMS[claimed])


def claims_map(summary: Summary) -> ClaimsMap | None:
    """The map of the first few objectives that are differences of arms; None where there is none, or it is too large.

    Every cell must be one point: axes with so many values that they are put into bins have no map.
    """
    wanted = [objective for objective in summary.objectives if objective.is_rate and len(objective.metrics) > 1]
    found = varying(summary.axes)
    if not wanted or not found:
        return None
    chosen = max(found, key=lambda axis: len(axis.levels))
    x, others = bands(chosen), [bands(axis) for axis in found if axis is not chosen]
    rows = list(dict.fromkeys(combination(others, point) for point in summary.points))
    too_many = len(rows) > _MOST_ROWS or len(x.labels) > _MOST_COLUMNS
    if too_many or x.binned or any(other.binned for other in others):
        return None
    panels: dict[Objective, tuple[tuple[Cell | None, ...], ...]] = {}
    for objective in wanted[:_MOST_PANELS]:
        cells: list[list[Cell | None]] = [[None] * len(x.labels) for _ in rows]
        for point in summary.points:
            place = rows.index(combination(others, point))
            cells[place][x.of(point.point)] = cell(point.objectives[objective.name])
        panels[objective] = tuple(map(tuple, cells))
    return ClaimsMap(x.labels, chosen.title, tuple(rows), panels, _over(summary, panels))


def _over(summary: Summary, shown: Collection[Objective]) -> str:
    spreads = [point.objectives[objective.name] for objective in shown for point in summary.points]
    seeds = {spread.both is not None for spread in spreads if spread.n}
    if seeds == {True, False}:
        return "seeds and problems, or over problems where a point has one seed"
    return "seeds and problems" if seeds == {True} else "problems, for one seed"


def caption(found: ClaimsMap) -> str:
    """What the map shows, in one sentence."""
    names = "; ".join(title(objective) for objective in found.panels)
    return f"{names}: points with 95 % intervals over {found.over}, not corrected for the number of points"


def draw(found: ClaimsMap, path: Path) -> None:
    """Draw one panel per difference, side by side."""
    rows, columns, panels = len(found.rows), len(found.columns), len(found.panels)
    width = 2.4 + panels * (columns * _CELL_WIDTH + 0.2)
    figure = Figure(figsize=(width, rows * _CELL_HEIGHT + 1.6), dpi=150, layout="constrained")
    for index, (objective, cells) in enumerate(found.panels.items()):
        axes = figure.add_subplot(1, panels, index + 1)
        _panel(axes, objective, cells)
        axes.set_xticks([column + 0.5 for column in range(columns)], [_plain(label) for label in found.columns])
        labels = [textwrap.fill(_plain(label), _WRAPPED) for label in found.rows] if index == 0 else []
        axes.set_yticks([row + 0.5 for row in range(len(labels))], labels)
        axes.set_xlabel(_plain(found.x))
        axes.set_title(textwrap.fill(_plain(title(objective).removeprefix("pass@1, ")), 14 * columns), fontsize=10)
    handles = [Patch(facecolor=COLORS[claim], label=meaning) for claim, meaning in _MEANINGS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    save(figure, path)


def _panel(axes: Axes, objective: Objective, cells: Sequence[Sequence[Cell | None]]) -> None:
    for row, of_row in enumerate(cells):
        for column, found in enumerate(of_row):
            if found is None:
                continue
            axes.fill_between([column + 0.02, column + 0.98], row + 0.03, row + 0.97, color=COLORS[found.claim], lw=0)
            text = f"{short(objective, found.mean)}\n{interval(objective, found.ends)}"
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=7)
    axes.set_xlim(0, max(map(len, cells), default=1))
    axes.set_ylim(len(cells), 0)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _plain(text: str) -> str:
    # matplotlib takes text between dollar signs for mathematics
    return text.replace("$", r"\$")
