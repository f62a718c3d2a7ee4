"""A sweep as tables: for the terminal, as CSV and as Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from codeplan.errors import one_line
from codeplan.evaluation.arms import TITLES
from codeplan.sweeps.axes import shown_value
from codeplan.sweeps.objective import Objective
from codeplan.sweeps.spread import Spread
from codeplan.sweeps.summary import COST, SEQUENCES, PointSummary, Summary
from codeplan.sweeps.titles import axis_title, interval, number, short, title, unit

_MOST_IN_MARKDOWN = 200

UNCERTAINTIES = ("95 % over problems", "range over seeds", "95 % t over seeds", "95 % over both")
"""The columns beside a number."""


def as_table(summary: Summary, shown: int = 10) -> Table:
    """The best points, for a terminal; what is not shown is counted."""
    objective = summary.objective
    ranked = summary.ranked()
    having = summary.having(objective)
    many = "the point" if len(ranked) == 1 else f"the best {shown} of {len(ranked):,} points"
    many = many if len(ranked) > shown or len(ranked) == 1 else f"{len(ranked)} points, best first"
    columns = [axis for axis in summary.axes if axis.varies] or list(summary.axes)
    table = Table(
        title=Text(f"Sweep {one_line(summary.name)}: {title(objective)}, {many}"),
        caption=Text(f"The best of {len(having):,} points is biased by the choice.") if len(having) > 1 else None,
        box=box.SIMPLE,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    for axis in columns:
        right = bool(axis.numbers)
        table.add_column(
            Text(axis.name.replace("_", "_\n")),
            overflow="ellipsis",
            no_wrap=right,
            justify="right" if right else "left",
            max_width=16,
        )
    head = ["mean", "95 % over\nproblems", "range over\nseeds", "seeds", "sequences"]
    if unit(objective):
        head[0] += f"\n({unit(objective)})"
    for name in head:
        table.add_column(name, justify="right", no_wrap=True)
    for other in summary.objectives[1:]:
        table.add_column(Text(axis_title(other, other.name)), justify="right", min_width=6)
    for point in ranked[:shown]:
        spread = point.objectives[objective.name]
        style = "bold" if point is summary.best else ""
        table.add_row(
            *(Text(axis.label(point.point) if axis.level(point.point) is not None else "-") for axis in columns),
            short(objective, spread.mean) if spread.n else "-",
            over_problems(objective, spread),
            over_seeds(objective, spread),
            f"{point.done}/{point.planned}",
            sequences(point),
            *(short(o, s.mean) if (s := point.objectives[o.name]).n else "-" for o in summary.objectives[1:]),
            style=style,
        )
    return table


def over_problems(objective: Objective, spread: Spread) -> str:
    """The interval over problems, without units; none where the number is the same on every problem."""
    found = spread.problems
    if found and found.degenerate:
        return "all equal"
    return interval(objective, (found.low, found.high) if found else None)


def over_seeds(objective: Objective, spread: Spread) -> str:
    """The range over seeds, without units; one seed has none."""
    return interval(objective, (spread.low, spread.high) if spread.n > 1 else None)


def over_both(objective: Objective, spread: Spread) -> str:
    """The interval over seeds and problems together, without units; only a difference between arms has one."""
    return interval(objective, spread.widest)


def t_over_seeds(objective: Objective, spread: Spread) -> str:
    """The t interval of the mean over seeds, without units."""
    return interval(objective, spread.interval if spread.n else None)


def sequences(point: PointSummary) -> str:
    """Sequences per answer of a point; a dash where it is not known."""
    found = point.mean(SEQUENCES)
    return "-" if found is None else f"{found:,.0f}"


def cost(point: PointSummary) -> str:
    """What the teacher's answers behind a point cost, in US dollars."""
    found = point.mean(COST)
    return "-" if found is None else f"{found:,.2f}"


def arm_metrics(summary: Summary) -> dict[str, str]:
    """Title by name of the arms' pass@1 over all levels that some point has, and that are no objective."""
    names = {f"pass_at_1.{arm}.all": f"pass@1, {arm_title}" for arm, arm_title in TITLES.items()}
    known = {name for point in summary.points for name in point.metrics}
    own = {objective.metrics for objective in summary.objectives}
    return {name: words for name, words in names.items() if name in known and (name,) not in own}


def as_csv(summary: Summary) -> str:
    """One line per point: its values, and every number with both of its uncertainties.

    Fractions are between 0 and 1. ``seeds_low`` and ``seeds_high`` are the ends of the t interval over seeds, ``low``
    and ``high`` those of the interval over problems, ``both_low`` and ``both_high`` those over seeds and problems.
    """
    arms = list(arm_metrics(summary))
    others = sorted({name for point in summary.points for name in point.metrics} - set(arms))
    own = [objective.name for objective in summary.objectives]
    parts = (
        "n",
        "mean",
        "deviation",
        "min",
        "max",
        "seeds_low",
        "seeds_high",
        "problems",
        "low",
        "high",
        "both_low",
        "both_high",
    )
    head = ["point", "best", *(axis.key for axis in summary.axes), "seeds", *_states(summary)]
    head += [f"{name}.{part}" for name in (*own, *arms) for part in parts]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*head, *others])
    for point in summary.points:
        spreads = [point.objectives[name] for name in own] + [point.metrics.get(name, Spread()) for name in arms]
        values = [shown_value(point.point.values[a.key]) if a.key in point.point.values else "" for a in summary.axes]
        row: list[object] = [point.point.point_id, int(point is summary.best), *values, point.planned]
        row += [point.states.get(state, 0) for state in _states(summary)]
        row += [cell for spread in spreads for cell in _csv_cells(spread)]
        writer.writerow([*row, *(_csv_number(point.mean(name)) for name in others)])
    return text.getvalue()


def _csv_cells(spread: Spread) -> list[str]:
    if not spread.n:
        return ["0"] + [""] * 11
    found, over = spread.problems, spread.interval or (None, None)
    numbers = [spread.mean, spread.deviation, spread.low, spread.high, *over]
    ends = (found.low, found.high) if found and not found.degenerate else (None, None)
    both = spread.widest or (None, None)
    return [str(spread.n), *map(_csv_number, numbers), str(found.n) if found else "", *map(_csv_number, ends + both)]


def _csv_number(value: float | None) -> str:
    return "" if value is None else f"{value:.9g}"


def _states(summary: Summary) -> list[str]:
    return sorted({"done", "failed", *(state for point in summary.points for state in point.states)})


def as_markdown(summary: Summary, figures: Mapping[str, str], importance: str) -> str:
    """The sweep in Markdown.

    Args:
        summary: the sweep.
        figures: file names by caption, relative to the file.
        importance: a sentence about the importance of the axes.
    """
    parts = [
        f"# Sweep {_escaped(one_line(summary.name))}",
        best_sentence(summary, escape=_escaped),
        "\n".join(f"- {_escaped(note)}" for note in (*summary.notes, importance)),
        *(f"![{_escaped(caption)}]({name})" for caption, name in figures.items()),
        "## Points, best first",
        points_table(summary),
    ]
    if said := differences(summary):
        about = "Each sentence is right in 95 % of experiments by itself; of many, some are wrong."
        parts += ["## Differences over seeds and problems", about, "\n".join(f"- {_escaped(one)}" for one in said)]
    if summary.front:
        labels = "\n".join(f"- {_escaped(one_line(point.label))}" for point in summary.front)
        parts += ["## Pareto front", "No other point is as good in every objective and better in one:", labels]
    if failed := [trial for trial in summary.trials if trial.error]:
        rows = [[trial.label, str(trial.repeat), one_line(trial.error, 300)] for trial in failed[:_MOST_IN_MARKDOWN]]
        parts += ["## Failed trials", _markdown(["point", "repeat", "error"], rows)]
    return "\n\n".join(parts) + "\n"


def best_sentence(summary: Summary, escape: Callable[[str], str] = str) -> str:
    """The best point with its number and both uncertainties."""
    best, objective = summary.best, summary.objective
    if best is None:
        return "There is no best point yet."
    spread = best.objectives[objective.name]
    said = f"Best: {escape(one_line(best.label))}: {title(objective)} {number(objective, spread.mean)}"
    if spread.problems:
        said += f", 95 % interval over {spread.problems.n:,} problems {over_problems(objective, spread)}"
    if spread.n > 1:
        said += f", range over {spread.n} seeds {over_seeds(objective, spread)}"
    if spread.both:
        said += f", 95 % interval over seeds and problems {over_both(objective, spread)}"
    return f"{said}; seeds done: {best.seeds}."


def differences(summary: Summary) -> list[str]:
    """A sentence for each point and each objective that is a difference, where several seeds have it."""
    return [
        f"{one_line(point.label)}: {sentence}"
        for point in summary.points[:_MOST_IN_MARKDOWN]
        for sentence in point.conclusions
    ]


def points_table(summary: Summary) -> str:
    """All points as a Markdown table, best first."""
    head = [*(axis.title for axis in summary.axes)]
    for objective in summary.objectives:
        head += [title(objective), *UNCERTAINTIES]
    arms = arm_metrics(summary)
    head += [*arms.values(), "seeds done", "sequences", "cost ($)"]
    ranked = summary.ranked()
    rows = [
        [
            *(axis.label(point.point) for axis in summary.axes),
            *(cell for objective in summary.objectives for cell in _cells(objective, point)),
            *("-" if (mean := point.mean(name)) is None else f"{100 * mean:.1f} %" for name in arms),
            point.seeds,
            sequences(point),
            cost(point),
        ]
        for point in ranked[:_MOST_IN_MARKDOWN]
    ]
    left = len(ranked) - len(rows)
    return _markdown(head, rows) + (f"\n\n{left:,} more points are in table.csv." if left else "")


def _cells(objective: Objective, point: PointSummary) -> Iterable[str]:
    spread = point.objectives[objective.name]
    return (
        number(objective, _mean(spread)),
        over_problems(objective, spread),
        over_seeds(objective, spread),
        t_over_seeds(objective, spread),
        over_both(objective, spread),
    )


def _mean(spread: Spread) -> float | None:
    return spread.mean if spread.n else None


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [list(head), ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(cell if line is lines[1] else _escaped(cell) for cell in line)} |" for line in lines
    )


def _escaped(text: str) -> str:
    for character in "\\`*_[]|":
        text = text.replace(character, f"\\{character}")
    return one_line(text.replace("&", "&amp;").replace("<", "&lt;"), 1000)
