"""The report's figures as PNG files: color-blind safe (Okabe and Ito), deterministic, with denominators.

Drawn without pyplot, which keeps global state and is not thread-safe.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from codeplan.evaluation.arms import TITLES, ArmName
from codeplan.evaluation.results import ALL, CurvePoint, Report, level_title
from codeplan.evaluation.tables import OUTCOME_TITLES

COLORS: dict[ArmName, str] = {
    "direct": "#7f7f7f",
    "control": "#e69f00",
    "codeplan": "#0072b2",
    "fresh": "#56b4e9",
    "best_trial": "#009e73",
    "plan_after_trial": "#d55e00",
    "oracle": "#cc79a7",
    "foreign": "#f0e442",
    "teacher_plan": "#aa4499",
    "code_only_steps": "#999933",
    "code_only_steps_control": "#882255",
    "code_only_examples": "#ddcc77",
    "code_only_examples_control": "#332288",
}
_MOST_LEVELS = 25
"""With more levels the bars are too thin to read, and with hundreds the image is too wide for a PNG file."""
_LONGEST_LEVEL = 28
"""Characters of a level's name; longer names are shortened."""

_MARKERS: dict[ArmName, str] = {
    "control": "s",
    "codeplan": "o",
    "fresh": "v",
    "best_trial": "^",
    "plan_after_trial": "D",
    "code_only_steps_control": "P",
    "code_only_examples_control": "X",
}
_OFFSETS: dict[ArmName, float] = {
    "control": 0.96,
    "codeplan": 0.98,
    "fresh": 1.0,
    "best_trial": 1.02,
    "plan_after_trial": 1.04,
    "code_only_steps_control": 0.94,
    "code_only_examples_control": 1.06,
}

_OUTCOME_COLORS = ("#0072b2", "#e69f00", "#56b4e9", "#d55e00", "#cc79a7", "#f0e442", "#999999")
"""For the outcomes that occur, in the order of the tables; where there are more, the rest share the last color."""


def plans_figure(report: Report, path: Path) -> None:
    """Problems solved by number of plans, with the equal-budget control and one greedy program."""
    figure, axes = canvas(7.5, 4.8)
    counts = sorted({point.plans for point in report.curve})
    for arm in TITLES:
        points = [point for point in report.curve if point.arm == arm]
        if points:
            _curve(axes, arm, points)
    if (direct := report.row("direct")) is not None:
        axes.axhline(direct.mean, color=COLORS["direct"], linestyle="--", label=f"{TITLES['direct']}, one program")
        axes.axhspan(direct.low, direct.high, color=COLORS["direct"], alpha=0.12, linewidth=0)
    sequences = {point.plans: point.sequences for point in report.curve if point.arm == "codeplan"}
    axes.set_xscale("log")
    axes.set_xticks(counts, [f"{count}\n({sequences[count]:,})" for count in counts])
    axes.set_xlim(0.8 * counts[0], 1.25 * counts[-1])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("plans sampled per problem (sequences generated per answer, equal for the control)")
    _fraction_axis(axes)
    axes.set_title(f"Problems solved by number of plans ({_counted(report)}, 95 % intervals)")
    legend_below(figure, axes)
    save(figure, path)


def budget_figure(report: Report, path: Path) -> None:
    """Problems solved by the number of sequences that are generated per problem on average."""
    figure, axes = canvas(7.5, 4.8)
    for arm in TITLES:
        points = [point for point in report.curve if point.arm == arm]
        if points:
            _errorbars(axes, arm, [point.sequences for point in points], points)
    if (direct := report.row("direct")) is not None:
        _errorbars(axes, "direct", [1.0], [CurvePoint("direct", 0, 1, direct)])
    budgets = sorted({1, *(int(point.sequences) for point in report.curve if point.arm == "codeplan")})
    axes.set_xscale("log")
    axes.set_xticks(budgets, [f"{count:,}" for count in budgets])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("sequences generated per problem, mean")
    _fraction_axis(axes)
    axes.set_title(f"Problems solved by budget ({_counted(report)}, 95 % intervals)")
    legend_below(figure, axes)
    save(figure, path)


def arms_figure(report: Report, path: Path) -> None:
    """pass@1 by level and arm, with intervals."""
    counts = {level: max(row.solved.n for row in report.rows if row.level == level) for level in report.levels}
    largest = set(
        sorted(report.levels, key=lambda level: -counts[level])[:_MOST_LEVELS]
    )  # the level "all" is the first
    levels = [level for level in report.levels if level in largest]
    figure, axes = canvas(max(7.5, 1.9 * len(levels)), 4.8)
    width = 0.8 / len(report.arms)
    for position, arm in enumerate(report.arms):
        found = [(index, row.widest) for index, level in enumerate(levels) if (row := report.arm_row(arm, level))]
        means = [row.mean for _, row in found]
        axes.bar(
            [index - 0.4 + width * (position + 0.5) for index, _ in found],
            means,
            width=0.9 * width,
            color=COLORS[arm],
            yerr=[[row.mean - row.low for _, row in found], [row.high - row.mean for _, row in found]],
            error_kw={"elinewidth": 1.2, "capsize": 2.5, "ecolor": "#333333"},
            label=_with_denominator(report, arm),
        )
    labels = [f"{_shortened(level_title(level))}\nn = {counts[level]:,}" for level in levels]
    axes.set_xticks(range(len(labels)), labels, parse_math=False)  # a dollar sign in a level does not start a formula
    axes.axvline(len(labels) - 1.5, color="#bbbbbb", linewidth=0.8)
    _fraction_axis(axes)
    which = "level" if len(levels) == len(report.levels) else f"level, the {len(levels) - 1} largest"
    axes.set_title(f"pass@1 by {which} ({_counted(report)}, plans sampled: {report.plans}, 95 % intervals)")
    legend_below(figure, axes)
    save(figure, path)


def outcomes_figure(report: Report, path: Path) -> None:
    """Outcomes of every arm's answers, as fractions of its problems."""
    figure, axes = canvas(8.5, 0.55 * len(report.outcomes) + 2.4)
    present = [name for name in OUTCOME_TITLES if any(fractions.get(name) for fractions in report.outcomes.values())]
    distinct = len(_OUTCOME_COLORS) - (len(present) > len(_OUTCOME_COLORS))
    groups = [(OUTCOME_TITLES[name], [name]) for name in present[:distinct]]
    if present[distinct:]:
        groups.append(("other", present[distinct:]))
    arms = list(report.outcomes)
    starts = [0.0] * len(arms)
    for (title, names), color in zip(groups, _OUTCOME_COLORS, strict=False):
        widths = [sum(report.outcomes[arm].get(name, 0.0) for name in names) for arm in arms]
        axes.barh(range(len(arms)), widths, left=starts, color=color, edgecolor="white", linewidth=0.8, label=title)
        for row, width in enumerate(widths):
            if width >= 0.045:
                _write_inside(axes, starts[row] + width / 2, row, width, color)
        starts = [start + width for start, width in zip(starts, widths, strict=True)]
    axes.set_yticks(range(len(arms)), [_with_denominator(report, arm) for arm in arms])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(FuncFormatter(_percent))
    axes.set_xlabel("fraction of problems")
    axes.grid(visible=False)
    axes.set_title(f"Outcomes of the answers, hidden tests ({_counted(report)}, plans sampled: {report.plans})")
    legend_below(figure, axes)
    save(figure, path)


FIGURES: dict[str, tuple[str, Callable[[Report, Path], None]]] = {
    "plans": ("Problems solved by number of plans", plans_figure),
    "budget": ("Problems solved by budget", budget_figure),
    "arms": ("pass@1 by level and arm", arms_figure),
    "outcomes": ("Outcomes of the answers", outcomes_figure),
}
"""Caption and drawing function by name."""


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure of this many inches in the style of all figures."""
    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    axes.grid(axis="y", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _curve(axes: Axes, arm: ArmName, points: list[CurvePoint]) -> None:
    # Offset on the logarithmic axis, so that overlapping intervals can be distinguished.
    _errorbars(axes, arm, [point.plans * _OFFSETS[arm] for point in points], points)


def _errorbars(axes: Axes, arm: ArmName, counts: Sequence[float], points: Sequence[CurvePoint]) -> None:
    means, lows, highs = zip(*((p.solved.mean, p.solved.low, p.solved.high) for p in points), strict=True)
    axes.errorbar(
        counts,
        means,
        yerr=[
            [mean - low for mean, low in zip(means, lows, strict=True)],
            [high - mean for mean, high in zip(means, highs, strict=True)],
        ],
        color=COLORS[arm],
        marker=_MARKERS.get(arm, "x"),
        elinewidth=1,
        capsize=3,
        clip_on=False,
        label=TITLES[arm],
    )
    axes.fill_between(counts, lows, highs, color=COLORS[arm], alpha=0.1, linewidth=0)


def _counted(report: Report) -> str:
    """What the numbers are about."""
    return f"{report.problems:,} problems" + (f", mean of {report.seeds} seeds" if report.seeds > 1 else "")


def _fraction_axis(axes: Axes) -> None:
    axes.set_ylim(0.0, min(1.01, axes.get_ylim()[1]))
    axes.yaxis.set_major_formatter(FuncFormatter(_percent))
    axes.set_ylabel("fraction of problems solved")


def _percent(fraction: float, _position: int) -> str:
    return f"{100 * fraction:.3g} %"


def _with_denominator(report: Report, arm: ArmName) -> str:
    found = report.row(arm, ALL)
    return f"{TITLES[arm]} (of {found.n:,})" if found and found.n < report.problems else TITLES[arm]


def _write_inside(axes: Axes, x: float, row: int, width: float, color: str) -> None:
    dark = color in {"#0072b2", "#d55e00"}
    axes.text(x, row, f"{100 * width:.0f} %", ha="center", va="center", fontsize=8, color="white" if dark else "black")


def legend_below(figure: Figure, axes: Axes, columns: int = 4) -> None:
    """The legend below the axes, so that it never covers data."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=min(columns, len(labels)),
        frameon=False,
        fontsize=9,
        columnspacing=1.2,
    )


def _shortened(title: str) -> str:
    return title if len(title) <= _LONGEST_LEVEL else title[: _LONGEST_LEVEL - 1] + "…"


def save(figure: Figure, path: Path) -> None:
    """Write a PNG file; equal figures give equal bytes."""
    # The file names neither the library nor its version.
    with warnings.catch_warnings():
        # matplotlib's own font lacks the glyphs of many scripts: it draws boxes and warns about each.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        figure.savefig(path, format="png", metadata={"Software": None})
