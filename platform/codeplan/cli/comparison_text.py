"""What `codeplan compare` prints: for a terminal, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from codeplan.errors import one_line
from codeplan.evaluation.arms import TITLES
from codeplan.evaluation.conclusions import MIN_DIFFERING, MIN_PROBLEMS, SIGNIFICANT, points
from codeplan.evaluation.estimators import Estimate
from codeplan.evaluation.lineage import SEEDS, differing_keys, shared_roles
from codeplan.evaluation.permutation import RESAMPLES
from codeplan.evaluation.run_comparison import Difference, RunComparison

if TYPE_CHECKING:
    from codeplan.cli.compare import ComparedRun


def show(console: Console, runs: Sequence[ComparedRun], results: Sequence[RunComparison]) -> None:
    """Print the comparison of the first run with the others."""

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False)

    reference, *others = runs
    for run in runs:
        say(f"{'reference' if run is reference else 'compared '}  {run.label}  {run.name}")
    keys = differing_keys([run.lineage for run in runs])
    say("")
    if keys:
        console.print(_settings_table(runs, keys))
    else:
        say("No setting that decides a result differs.")
    say("")
    for run in others:
        say(_stages(reference, run))
    for run, result in zip(others, results, strict=True):
        if not result.refused:
            say("")
            console.print(_differences_table(reference, run, result))
            say(_conclusion(run, result))
    if not all(result.refused for result in results):
        say("")
        for note in _notes(runs, results):
            say(f"- {note}")


def to_json(runs: Sequence[ComparedRun], results: Sequence[RunComparison]) -> str:
    """The comparison as JSON: the runs, the settings that differ by key and run, and a comparison per further run."""
    reference, *others = runs
    settings = {run.label: run.lineage.settings() for run in runs}
    keys = differing_keys([run.lineage for run in runs])
    plain = {
        "reference": reference.label,
        "runs": [
            {"run": run.label, "source": run.source, "name": run.name, "stages": run.lineage.fingerprints}
            for run in runs
        ],
        "settings": {key: {label: one[key] for label, one in settings.items() if key in one} for key in keys},
        "comparisons": [
            {
                "run": run.label,
                "refused": result.refused or None,
                "only_seeds": _only_seeds(reference, run),
                "shared_stages": shared_roles(reference.lineage, run.lineage),
                "problems": result.problems,
                "only_in_reference": result.left_out[0],
                "only_in_run": result.left_out[1],
                "differences": [_plain(difference) for difference in result.differences],
            }
            for run, result in zip(others, results, strict=True)
        ],
    }
    return json.dumps(plain, indent=1)


def _plain(found: Difference) -> dict[str, Any]:
    interval = found.difference
    return {
        "arm": found.arm,
        "plans": found.plans,
        "problems": interval.n,
        "reference": found.reference,
        "compared": found.compared,
        "difference": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "differing": found.p.differing,
        "p": found.p.value,
        "p_exact": found.p.exact,
        "p_holm": found.corrected,
    }


def _settings_table(runs: Sequence[ComparedRun], keys: Sequence[str]) -> Table:
    table = _table("Settings that differ", "key", *(run.label for run in runs))
    settings = [run.lineage.settings() for run in runs]
    for key in keys:
        table.add_row(key, *(_value(one[key]) if key in one else "-" for one in settings))
    return table


def _value(value: Any) -> str:
    return one_line(value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False), 40)


def _stages(reference: ComparedRun, run: ComparedRun) -> str:
    shared = shared_roles(reference.lineage, run.lineage)
    roles = dict.fromkeys((*reference.lineage.stages, *run.lineage.stages))
    own = [role for role in roles if role not in shared]
    parts = [f"shared {', '.join(shared) or 'none'}", f"not shared {', '.join(own) or 'none'}"]
    text = f"Stages of {run.label} and {reference.label}: {'; '.join(parts)}."
    seeds = _only_seeds(reference, run)
    if seeds:
        return f"{text} They differ only by seed ({', '.join(seeds)}): what follows is the spread between seeds."
    return f"{text} They are the same experiment." if not own else text


def _only_seeds(reference: ComparedRun, run: ComparedRun) -> list[str]:
    """The seeds that differ, where nothing else does."""
    keys = differing_keys([reference.lineage, run.lineage])
    return keys if keys and SEEDS.issuperset(keys) else []


def _differences_table(reference: ComparedRun, run: ComparedRun, result: RunComparison) -> Table:
    title = f"pass@1 in %, {run.label} minus {reference.label} (ref.), on {result.problems:,} problems"
    table = _table(title, "arm", "plans")
    table.columns[0].max_width = 12
    for name in ("ref.", "run", "difference\n[95 % interval]", "p", "p\n(Holm)", "differ\non"):
        table.add_column(name, justify="right", no_wrap=True)
    for found in result.differences:
        problems = f"\n(of {found.difference.n:,})" if found.difference.n < result.problems else ""
        table.add_row(
            TITLES[found.arm] + problems,
            _plans(found),
            f"{100 * found.reference:.1f}",
            f"{100 * found.compared:.1f}",
            _with_interval(found.difference),
            _p(found.p.value),
            _p(found.corrected) if found.p.differing else "-",
            f"{found.p.differing:,}",
        )
    return table


def _with_interval(found: Estimate) -> str:
    ends = "all equal" if found.degenerate else f"{points(found.low)}, {points(found.high)}"
    return f"{points(found.mean)} [{ends}]"


def _plans(found: Difference) -> str:
    if found.plans is None:
        return "-"
    before, after = found.plans
    return f"{before:,}" if before == after else f"{before:,} vs {after:,}"


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _conclusion(run: ComparedRun, result: RunComparison) -> str:
    solved = []
    for found in result.differences:
        if found.corrected < SIGNIFICANT and _enough(found):
            amount = points(found.difference.mean)
            plans = "" if found.plans is None else f" with {_plans(found)} plans"
            solved.append(f"{TITLES[found.arm]}{plans} ({amount} points)")
    if not solved:
        return "No arm's difference is significant at 0.05 after correction."
    return f"Significant at 0.05 after correction, for {run.label}: {'; '.join(solved)}."


def _enough(found: Difference) -> bool:
    return found.difference.n >= MIN_PROBLEMS and found.p.differing >= MIN_DIFFERING


def _notes(runs: Sequence[ComparedRun], results: Sequence[RunComparison]) -> Iterator[str]:
    reference, *others = runs
    differences = [found for result in results for found in result.differences]
    tested = sum(found.p.differing > 0 for found in differences)
    yield (
        "Differences are in percentage points, paired by problem. Intervals: bootstrap over problems (BCa), not "
        "corrected for being several, and with few problems too narrow; where an interval and p disagree, go by p."
    )
    exact = all(found.p.exact for found in differences)
    drawn = "" if exact else f", by {RESAMPLES:,} random exchanges where there are too many to count"
    yield (
        f"p: two-sided paired permutation test{drawn}. p (Holm): corrected for the {tested} differences above that are "
        "not zero on every problem."
    )
    if any(found.plans and found.plans[0] != found.plans[1] for found in differences):
        yield "A row with two plan counts compares answers of two budgets, that of the reference and that of the run."
    few = sum(not _enough(found) for found in differences if found.p.differing)
    if few:
        yield (
            f"{few} of the differences are too few to conclude anything: fewer than {MIN_PROBLEMS} problems, or fewer "
            f"than {MIN_DIFFERING} on which the runs differ."
        )
    for run in runs:
        if run.state != "finished":
            yield f"{run.label} is {run.state}; its report is there all the same, or a run with equal settings made it."
    for run, result in zip(others, results, strict=True):
        if any(result.left_out):
            before, after = result.left_out
            yield f"Left out: {before:,} problems that only {reference.label} has, {after:,} that only {run.label} has."
    yield (
        "All this is about these students on other problems. Another seed of training or sampling changes the numbers "
        "too: compare runs of several seeds before you call it an effect of a setting."
    )


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    for name in columns:
        table.add_column(name)
    return table
