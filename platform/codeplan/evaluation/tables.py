"""The report as tables: for the terminal, as CSV and as Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from rich import box
from rich.table import Table
from rich.text import Text

from codeplan.evaluation.arms import TITLES, compared_title
from codeplan.evaluation.conclusions import points
from codeplan.evaluation.estimators import Estimate
from codeplan.evaluation.results import ALL, ArmRow, Comparison, Report, level_title

OUTCOME_TITLES: dict[str, str] = {
    "passed": "passed",
    "wrong_answer": "wrong answer",
    "runtime_error": "runtime error",
    "syntax_error": "syntax error",
    "time_limit": "time limit",
    "memory_limit": "memory limit",
    "output_limit": "output limit",
    "process_limit": "process limit",
    "forbidden": "forbidden operation",
    "exited_early": "exited early",
    "unseparable": "tests not separable",
    "checker_failed": "checker failed",
    "not_judged": "not judged",
}
"""The names of outcomes in tables and figures, in the order shown."""

SAMPLED_TITLES = {"sampled": "without plans", "codeplan": "CodePLAN, from the chosen plan"}
"""The names of the pools of pass@k."""

QUALITY_TITLES: dict[str, str] = {
    "own_plan": "trial programs that pass, mean over the student's plans",
    "best_plan": "trial programs that pass, best plan per problem, chosen by the same programs (biased upward)",
    "cross_fitted_best_plan": "trial programs that pass, best plan per problem, chosen by others (cross-fitted)",
    "any_trial": "problems that at least one trial program solves",
    "any_sampled": "problems that at least one of as many programs sampled without plans solves",
    "oracle_plan": "programs from the oracle plan that pass",
    "distinct": "distinct plan texts among the student's plans",
    "distance": "mean Jaccard distance of words between two plans for a problem",
    "leakage": "solution lines that appear verbatim in a training plan",
    "oracle_leakage": "solution lines that appear verbatim in an oracle plan",
    "example_precision": "trial programs passing the hidden tests, of those passing all example tests",
    "score_correlation": "correlation within problems of the fraction of example tests passed and hidden success",
}
"""The names of the measures of `PlanQuality`; all but the correlation are shown in percent."""


def cell(found: Estimate | None) -> str:
    """A fraction with its interval, in percent."""
    if found is None:
        return "-"
    return f"{100 * found.mean:.1f} % [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def row_cell(row: ArmRow | None, between: str = "; ") -> str:
    """pass@1 with its interval over problems and, where there are several seeds, that over seeds, in percent."""
    if row is None or row.over_seeds is None:
        return cell(row.solved if row is not None else None)
    low, high = row.over_seeds
    return f"{cell(row.solved)}{between}seeds [{100 * low:.1f}, {100 * high:.1f}]"


def table(report: Report) -> Table:
    """pass@1 by arm and level, for a terminal of 100 columns."""
    sampling = f"plans per problem: {report.plans}, trials per plan: {report.trials}" + _seeds(report)
    title = f"Problems solved of {report.problems:,} (pass@1, 95 % interval; {sampling})"
    return _arms_table(report, title, report.rows)


def split_table(report: Report) -> Table | None:
    """pass@1 by arm and split, for a terminal; None where the problems are of one split."""
    return _arms_table(report, "By split (pass@1, 95 % interval)", report.by_split) if report.by_split else None


def _arms_table(report: Report, title: str, rows: Sequence[ArmRow]) -> Table:
    made = Table(title=title, box=box.SIMPLE, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    made.add_column("arm", max_width=14)
    columns = list(dict.fromkeys(row.level for row in rows))
    for name in columns:
        # A Text, because a level may contain Rich markup.
        made.add_column(Text(f"{level_title(name)}\n{_denominator(rows, name)}"), justify="right", min_width=12)
    cells = {(row.arm, row.level): row for row in rows}
    for arm in report.arms:
        found = report.row(arm)
        denominator = f"\n(of {found.n:,})" if found is not None and found.n < report.problems else ""
        made.add_row(TITLES[arm] + denominator, *(row_cell(cells.get((arm, name)), "\n") for name in columns))
    return made


def as_csv(report: Report) -> str:
    """All estimates, one per line: pass@1 by level and by split, pass@k, the curve, regrets, differences between arms.

    The ends of an interval that cannot be estimated are empty.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["kind", "arm", "level", "plans", "problems", "mean", "low", "high"])
    named: list[tuple[str, str, str, int | str, Estimate]] = [
        *(("pass@1", row.arm, row.level, report.plans, row.solved) for row in report.rows),
        *(("pass@1 by split", row.arm, row.level, report.plans, row.solved) for row in report.by_split),
        *(
            ("pass@1 over seeds", row.arm, row.level, report.plans, replace(row.solved, low=spread[0], high=spread[1]))
            for row in report.rows
            if (spread := row.over_seeds)
        ),
        *((f"pass@{row.k}", row.arm, row.level, "", row.solved) for row in report.pass_at_k),
        *(("curve", point.arm, ALL, point.plans, point.solved) for point in report.curve),
        *(("regret", row.arm, row.level, report.plans, row.regret) for row in report.regrets),
        *(
            (kind, f"{pair.left} - {pair.right}", ALL, pair.plans, found)
            for pair in report.comparisons
            for kind, found in _intervals(pair).items()
        ),
    ]
    for kind, arm, level, plans, found in named:
        ends = ("", "") if found.degenerate else (f"{found.low:.6f}", f"{found.high:.6f}")
        writer.writerow([kind, arm, level, plans, found.n, f"{found.mean:.6f}", *ends])
    return text.getvalue()


def points_range(found: Estimate) -> str:
    """The interval of a difference in percentage points."""
    return "all equal" if found.degenerate else f"{points(found.low)} to {points(found.high)}"


def as_markdown(report: Report, figures: Mapping[str, str]) -> str:
    """The whole report in Markdown.

    Args:
        report: the report.
        figures: file names by caption, relative to the report.
    """
    parts = [
        as_summary(report),
        *(f"![{caption}]({name})" for caption, name in figures.items()),
        *(("## By split", _arms(report, report.by_split)) if report.by_split else ()),
        "## By number of plans",
        _by_plans(report),
        "## Differences between arms, paired by problem",
        _differences(report),
        "## Regret of selection",
        _regrets(report),
        "## Sampled programs",
        _pass_at_k(report),
        "## Outcomes of the answers",
        _outcomes(report),
        "## Plan quality",
        _quality(report),
        "## Notes",
        "\n".join(f"- {note}" for note in report.notes),
    ]
    return "\n\n".join(parts) + "\n"


def as_summary(report: Report) -> str:
    """The start of the report in Markdown: conclusions and problems solved by level."""
    sampling = f"plans per problem: {report.plans}, trial programs per plan: {report.trials}{_seeds(report)}"
    teachers = ", ".join(report.teachers) or "none"
    parts = [
        "# Evaluation report",
        f"Problems: {report.problems:,}, {sampling}, sequences per answer: {report.sequences:,}. Teacher: {teachers}.",
        "\n".join(f"- {sentence}" for sentence in report.conclusions),
        "## Problems solved (pass@1, 95 % interval)",
        _arms(report, report.rows),
    ]
    return "\n\n".join(parts)


def _arms(report: Report, rows: Sequence[ArmRow]) -> str:
    columns = list(dict.fromkeys(row.level for row in rows))
    cells = {(row.arm, row.level): row for row in rows}
    head = ["arm", *(f"{level_title(name)} ({_denominator(rows, name)})" for name in columns)]
    lines = [
        [TITLES[arm], *(row_cell(cells.get((arm, name))) for name in columns), f"{found.n:,}"]
        for arm in report.arms
        if (found := report.row(arm)) is not None
    ]
    return _markdown_table([*head, "problems"], lines)


def _by_plans(report: Report) -> str:
    cells = {(point.arm, point.plans): cell(point.solved) for point in report.curve}
    sequences = {(point.arm, point.plans): f"{round(point.sequences, 1):,g}" for point in report.curve}
    columns = {TITLES[arm]: (cells, arm) for arm in dict.fromkeys(point.arm for point in report.curve)}
    if TITLES["plan_after_trial"] in columns:
        columns["its sequences, mean"] = (sequences, "plan_after_trial")
    counts = list(dict.fromkeys(point.plans for point in report.curve))
    rows = [
        [str(plans), sequences["codeplan", plans], *(of_arm[arm, plans] for of_arm, arm in columns.values())]
        for plans in counts
    ]
    head = ["plans", "sequences", *columns]
    return _markdown_table(head, rows)


def _differences(report: Report) -> str:
    rows = []
    for pair in report.comparisons:
        found = pair.difference
        sides = f"{compared_title(pair.left)} - {compared_title(pair.right)}"
        p = "-" if pair.corrected is None else "<0.001" if pair.corrected < 0.001 else f"{pair.corrected:.3f}"
        ends = points_range(found)
        parts = [points_range(part) for part in (*_intervals(pair).values(),)[1:]]
        rows.append([sides, str(pair.plans), f"{points(found.mean)} points", ends, *parts, p, f"{found.n:,}"])
    spreads = ["over problems", f"over {report.seeds} seeds"] if report.seeds > 1 else []
    interval = "widest 95 % interval" if spreads else "95 % interval"
    return _markdown_table(["difference", "plans", "mean", interval, *spreads, "p (Holm)", "problems"], rows)


def _intervals(pair: Comparison) -> dict[str, Estimate]:
    """A difference with the interval to conclude from and, where there are several seeds, with those that it spans."""
    found = {"difference": pair.difference}
    if pair.over_seeds is not None and pair.over_seeds.over_seeds is not None:
        low, high = pair.over_seeds.over_seeds
        found["difference over problems"] = pair.over_seeds.over_problems
        found["difference over seeds"] = replace(pair.difference, low=low, high=high)
    return found


def _regrets(report: Report) -> str:
    cells = {(row.arm, row.level): f"{cell(row.regret)} of {100 * row.available.mean:.1f} %" for row in report.regrets}
    sizes = {row.arm: row.programs for row in report.regrets}
    rows = [[TITLES[arm], f"{size:,}", *(cells[arm, level] for level in report.levels)] for arm, size in sizes.items()]
    about = (
        "Problems that some program of the pool solves but the selected one does not, and after *of* all that some "
        "program solves: what the example tests leave to a better choice."
    )
    return f"{about}\n\n{_markdown_table(['choice', 'programs', *map(level_title, report.levels)], rows)}"


def _pass_at_k(report: Report) -> str:
    cells = {(row.arm, row.k, row.level): cell(row.solved) for row in report.pass_at_k}
    rows = [
        [f"pass@{k}, {SAMPLED_TITLES[arm]}", *(cells[arm, k, level] for level in report.levels)]
        for arm, k in dict.fromkeys((arm, k) for arm, k, _ in cells)
    ]
    return _markdown_table(["", *map(level_title, report.levels)], rows)


def _outcomes(report: Report) -> str:
    present = [name for name in OUTCOME_TITLES if any(fractions.get(name) for fractions in report.outcomes.values())]
    rows = [
        [TITLES[arm], *(f"{100 * fractions.get(name, 0.0):.1f} %" for name in present)]
        for arm, fractions in report.outcomes.items()
    ]
    return _markdown_table(["arm", *(OUTCOME_TITLES[name] for name in present)], rows)


def _quality(report: Report) -> str:
    rows = []
    for name, title in QUALITY_TITLES.items():
        value = getattr(report.quality, name)
        shown = "-" if value is None else f"{value:.2f}" if name == "score_correlation" else f"{100 * value:.1f} %"
        rows.append([title, shown])
    sizes = f"Trial programs per problem: {report.plans * report.trials:,}, {report.trials:,} for each plan."
    return f"{sizes}\n\n{_markdown_table(['measure', 'value'], rows)}"


def _seeds(report: Report) -> str:
    return f", mean of {report.seeds} training seeds" if report.seeds > 1 else ""


def _denominator(rows: Sequence[ArmRow], name: str) -> str:
    count = max((row.solved.n for row in rows if row.level == name), default=0)
    return f"n = {count:,}"


def _markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [list(head), ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
