"""Put the tables and the map of a sweep into docs/findings.md.

    python docs/findings_tables.py jobs/configs/where_plans_pay.yaml runs

Nothing of these is copied by hand: every number is read from the reports of the sweep's trials.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from codeplan.config.loading import load
from codeplan.evaluation.arms import TITLES, ArmName
from codeplan.evaluation.over_seeds import difference_over_seeds, ratio_over_seeds
from codeplan.evaluation.rates import Rates, read
from codeplan.sweeps.claims_map import claims_map, draw
from codeplan.sweeps.summary import Summary, summarize
from codeplan.sweeps.sweep import Sweep

DOCS = Path(__file__).resolve().parent
ARMS: tuple[ArmName, ...] = (
    *("direct", "control", "codeplan", "fresh", "best_trial", "plan_after_trial"),
    *("oracle", "foreign"),
)
DIFFERENCES: tuple[tuple[ArmName, ArmName], ...] = (
    ("codeplan", "direct"),
    ("codeplan", "control"),
    ("plan_after_trial", "control"),
    ("oracle", "direct"),
    ("foreign", "direct"),
)
RESAMPLES = 2000


def values(rates: Rates, arm: ArmName, plans: int) -> list[float]:
    """One value per problem; all problems of MiniAPPS have a solution, and so an oracle plan."""
    return [float(value) for value in rates.of(arm, plans) if value is not None]


def mean(values: Sequence[Sequence[float]]) -> float:
    """Over seeds and problems."""
    return sum(map(sum, values)) / sum(map(len, values))


def rows(summary: Summary) -> list[tuple[str, int, list[Rates]]]:
    """The cells with the largest plan count: name of the benchmark, steps, and rates by seed."""
    benchmark = next(axis for axis in summary.axes if axis.key == "problems")
    most = max(point.point.values["sampling.plans"] for point in summary.points)
    return [
        (
            benchmark.label(point.point),
            point.point.values["training.steps"],
            [read(summary.home / trial.report) for trial in point.trials if trial.state == "done"],
        )
        for point in summary.points
        if point.point.values["sampling.plans"] == most
    ]


def tables(summary: Summary) -> str:
    """Problems solved by every arm, and the differences between them, in Markdown."""
    cells = rows(summary)
    plans = cells[0][2][0].plan_counts[-1]
    named = [TITLES[arm] for arm in ARMS]
    lines = [f"| steps named | training steps | {' | '.join(named)} |", f"|---|---|{'---|' * len(ARMS)}"]
    for label, steps, seeds in cells:
        shown = [f"{100 * mean([values(rates, arm, plans) for rates in seeds]):.1f} %" for arm in ARMS]
        lines.append(f"| {label} | {steps:,} | {' | '.join(shown)} |")
    titles = [f"{TITLES[a]} - {TITLES[b]}" for a, b in DIFFERENCES]
    lines += ["", f"| steps named | training steps | {' | '.join(titles)} | CodePLAN / direct |"]
    lines += [f"|---|---|{'---|' * (len(DIFFERENCES) + 1)}"]
    for label, steps, seeds in cells:
        shown = []
        for arms in DIFFERENCES:
            a, b = ([values(rates, arm, plans) for rates in seeds] for arm in arms)
            found = difference_over_seeds(a, b, RESAMPLES, 0).widest
            shown.append(f"{100 * found.mean:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]")
        a, b = ([values(rates, arm, plans) for rates in seeds] for arm in ("codeplan", "direct"))
        try:
            ratio = ratio_over_seeds(a, b, RESAMPLES, 0)
            shown.append(f"{ratio.mean:.2f} x [{ratio.low:.2f}, {ratio.high:.2f}]")
        except ValueError:
            shown.append("a seed solves none")
        lines.append(f"| {label} | {steps:,} | {' | '.join(shown)} |")
    return "\n".join(lines)


def main() -> None:
    """Replace what stands between the page's markers, and the map."""
    config = load(Path(sys.argv[1]), [f"execution.home={sys.argv[2]}"])
    sweep = Sweep.of(config)
    summary = summarize(sweep.trials.all(), sweep.settings, sweep.base, name=sweep.name, home=sweep.home)
    found = claims_map(summary)
    assert found is not None
    page = DOCS / "findings.md"
    block = re.compile(r"(<!-- tables -->\n).*?(<!-- end of tables -->)", re.DOTALL)
    made = tables(summary)
    text, count = block.subn(lambda marked: f"{marked[1]}{made}\n{marked[2]}", page.read_text(encoding="utf-8"))
    if count != 1:
        sys.exit(f"{page} has no block between its two markers")
    page.write_text(text, encoding="utf-8")
    draw(found, DOCS / "pictures" / "findings_map.png")


if __name__ == "__main__":
    main()
