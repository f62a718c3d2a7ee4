"""The table of a running sweep: trials by state, the best so far, stages computed and reused, time and money."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

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
    if console.is_interactive:
        with Live(console=console, refresh_per_second=2, transient=True) as live:
            yield lambda: live.update(_table(sweep, time.monotonic() - started))
        return
    printed = [started]

    def line() -> None:
        if time.monotonic() - printed[0] >= SECONDS_BETWEEN_LINES:
            printed[0] = time.monotonic()
            console.print(f"  {_summary(sweep, time.monotonic() - started)}", highlight=False, soft_wrap=True)

    yield line


def _table(sweep: Sweep, seconds: float) -> Group:
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
        table.add_row(trial.label, f"{trial.now}{step}", f"{trial.seconds:.0f} s")
    return Group(table, Text(_summary(sweep, seconds, trials)))


def _summary(sweep: Sweep, seconds: float, trials: Sequence[Trial] | None = None) -> str:
    trials = sweep.trials.all() if trials is None else trials
    states = Counter(trial.state for trial in trials)
    parts = [f"{states[state]} {state}" for state in _STATES if states[state]]
    over = states["done"] + states["stopped"]
    line = f"{over}/{sweep.total} trials ({', '.join(parts)})" if parts else f"0/{sweep.total} trials"
    stages = [stage for trial in trials for stage in trial.stages.values()]
    computed = len({(stage.name, stage.fingerprint) for stage in stages if stage.computed})
    line += f", {computed} stages computed, {sum(not stage.computed for stage in stages)} reused"
    line += _best(sweep, trials)
    if cost := sum(trial.cost_usd for trial in trials):
        line += f", ${cost:.2f}"
    line += f", {_duration(seconds)}"
    left = seconds_left(sweep, trials)
    return line if left is None else f"{line}, about {_duration(left)} left"


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
