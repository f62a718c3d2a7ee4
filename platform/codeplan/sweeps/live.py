"""The table of a running sweep: trials by state, the best so far, stages computed and reused, time and money."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from codeplan.sweeps.money_left import distillations, dollars_left
from codeplan.sweeps.sweep import Sweep
from codeplan.sweeps.time_left import seconds_left
from codeplan.sweeps.trials import Trial, TrialState

SECONDS_BETWEEN_LINES = 20.0
_STATES: tuple[TrialState, ...] = ("done", "stopped", "running", "failed", "interrupted")
_RUNNING_SHOWN = 8


@contextmanager
def watch(sweep: Sweep, console: Console) -> Iterator[Callable[[], None]]:
    """Show the sweep while the block runs; the function that it gives shows the state of the moment.

    On a terminal a table is kept up to date, elsewhere a line is printed every 20 s.
    """
    started = time.monotonic()
    costs = distillations(sweep)
    if console.is_interactive:
        with Live(console=console, refresh_per_second=2, transient=True) as live:
            yield lambda: live.update(_table(sweep, time.monotonic() - started, costs))
        return
    printed = [started]

    def line() -> None:
        if time.monotonic() - printed[0] >= SECONDS_BETWEEN_LINES:
            printed[0] = time.monotonic()
            said = _summary(sweep, time.monotonic() - started, costs, sweep.trials.all())
            console.print(f"  {said}", highlight=False, soft_wrap=True)

    yield line


def _table(sweep: Sweep, seconds: float, costs: Mapping[str, float]) -> Group:
    trials = sweep.trials.all()
    table = Table(title=f"sweep {sweep.name}", title_justify="left")
    table.add_column("trial")
    table.add_column("stage")
    table.add_column("time", justify="right")
    for trial in [trial for trial in trials if trial.state == "running"][:_RUNNING_SHOWN]:
        step = (
            f" step {trial.metrics['step']:,.0f}"
            if trial.now.startswith("finetune") and "step" in trial.metrics
            else ""
        )
        table.add_row(trial.label, f"{trial.now}{step} {trial.waits}".rstrip(), f"{trial.seconds:.0f} s")
    return Group(table, Text(_summary(sweep, seconds, costs, trials)))


def _summary(sweep: Sweep, seconds: float, costs: Mapping[str, float], trials: Sequence[Trial]) -> str:
    states = Counter(trial.state for trial in trials)
    parts = [f"{states[state]} {state}" for state in _STATES if states[state]]
    if waiting := sweep.total - sum(states[state] for state in _STATES):
        parts.append(f"{waiting} waiting")
    over = states["done"] + states["stopped"]
    line = f"{over}/{sweep.total} trials ({', '.join(parts)})" if parts else f"0/{sweep.total} trials"
    stages = [stage for trial in trials for stage in trial.stages.values()]
    computed = len({(stage.name, stage.fingerprint) for stage in stages if stage.computed})
    line += f", {computed} stages computed, {sum(not stage.computed for stage in stages)} reused"
    line += _waits(trials)
    line += _best(sweep, trials)
    cost, more = sum(trial.cost_usd for trial in trials), dollars_left(costs, trials)
    if cost or more:
        line += f", ${cost:.2f} paid" + (f", at most ${more:.2f} more" if more else "")
    line += f", {_duration(seconds)}"
    left = seconds_left(sweep, trials)
    return line if left is None else f"{line}, about {_duration(left)} left"


def _waits(trials: Sequence[Trial]) -> str:
    """How many trials wait for room in the cluster, and for what one of them does."""
    waits = [trial for trial in trials if trial.state == "running" and trial.waits]
    return f", {len(waits)} without room ({waits[0].label}: {waits[0].now} {waits[0].waits})" if waits else ""


def _best(sweep: Sweep, trials: Sequence[Trial]) -> str:
    objective = sweep.objectives[0]
    found = [(value, trial) for trial in trials if (value := objective.value(trial.metrics)) is not None]
    if not found:
        return ""
    pick = max if objective.direction == "maximize" else min
    value, trial = pick(found, key=lambda pair: pair[0])
    shown = f"{100 * value:.1f} %" if objective.is_rate else f"{value:.4g}"
    return f", best so far {objective.name} {shown} ({trial.label})"


def _duration(seconds: float) -> str:
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
