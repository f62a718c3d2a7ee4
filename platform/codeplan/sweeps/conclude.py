"""The end of a sweep: its files, its run in MLflow, and the table of its best points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from codeplan.pipeline import build
from codeplan.stage import canonical
from codeplan.stages.lineage import log_data_set
from codeplan.sweeps.outputs import write
from codeplan.sweeps.summary import COST, Summary, summarize
from codeplan.sweeps.sweep import Sweep
from codeplan.sweeps.tables import as_table, best_sentence
from codeplan.sweeps.trials import Trial
from codeplan.tracking import Run

_SHOWN = {"best": "best.yaml", "table": "table.csv", "page": "page.html"}


def conclude(sweep: Sweep, trials: Sequence[Trial], run: Run, console: Console) -> None:
    """Write what the trials show together, keep it with the sweep's run, and print the best points.

    Args:
        sweep: the sweep, finished or stopped.
        trials: those that have started.
        run: the sweep's MLflow run.
        console: where the table is printed.
    """
    if not trials:
        return
    summary = summarize(trials, sweep.settings, sweep.base, name=sweep.name, home=sweep.home)
    for path in write(summary, sweep.folder):
        run.file(path, "sweep" if path.parent == sweep.folder else "sweep/figures")
    run.metrics(_metrics(trials, summary))
    _log_data_sets(sweep, trials, run)
    run.describe((sweep.folder / "table.md").read_text(encoding="utf-8"))
    console.print()
    console.print(as_table(summary))
    console.print(best_sentence(summary), highlight=False, markup=False)
    for what, name in _SHOWN.items():
        if (sweep.folder / name).exists():
            console.print(f"{what:<6} {_shown(sweep.folder / name)}", highlight=False, markup=False, soft_wrap=True)


def _log_data_sets(sweep: Sweep, trials: Sequence[Trial], run: Run) -> None:
    """What the trials read and the teacher wrote, each data set once."""
    finished = [sweep.config_of(trial.point, trial.repeat) for trial in trials if trial.state == "done"]
    distinct = {canonical([config.problems.identity(), config.teacher.identity()]): config for config in finished}
    read = {stage.fingerprint: stage for config in distinct.values() for stage in build(config, sweep.goal).values()}
    for stage in read.values():
        if (result := stage.done()) is not None:
            log_data_set(stage, result, run)


def _metrics(trials: Sequence[Trial], summary: Summary) -> dict[str, float]:
    """The numbers of the best point, by the names that a pipeline's run has, and the sweep's own."""
    metrics = {f"trials.{state}": float(count) for state, count in Counter(trial.state for trial in trials).items()}
    stages = [stage for trial in trials for stage in trial.stages.values()]
    metrics["stages.computed"] = float(len({stage.fingerprint for stage in stages if stage.computed}))
    metrics["stages.reused"] = float(sum(not stage.computed for stage in stages))
    if summary.best is not None:
        metrics |= {name: spread.mean for name, spread in summary.best.metrics.items() if spread.mean is not None}
        for objective in summary.objectives:
            mean = summary.best.objectives[objective.name].mean
            if mean is not None:
                metrics[f"best.{objective.name}"] = mean
    return metrics | {COST: sum(trial.cost_usd for trial in trials)}


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
