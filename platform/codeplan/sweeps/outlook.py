"""What a sweep would do, before it does anything."""

from __future__ import annotations

from dataclasses import dataclass

from rich.table import Table

from codeplan.status import StageStatus, status_of
from codeplan.sweeps.sweep import Sweep

_SHOWN = ("requests", "cost_usd", "steps", "sequences", "programs")


@dataclass(frozen=True)
class Outlook:
    """The stages of all trials that are not over, each once.

    Attributes:
        trials: trials in all.
        left: trials that are not over.
        stages: by name, the distinct stages that they need.
    """

    trials: int
    left: int
    stages: dict[str, list[StageStatus]]


def outlook(sweep: Sweep) -> Outlook:
    """Look at every trial that is known beforehand; nothing is written.

    Raises:
        UserError: a configuration names something that is not there.
    """
    requests = sweep.unfinished()
    found: dict[str, dict[str, StageStatus]] = {}
    for request in requests:
        config = sweep.config_of(request.point, request.repeats[0])
        for status in status_of(config, sweep.goal).values():
            found.setdefault(status.stage, {}).setdefault(status.identity, status)
    left = sweep.total if not sweep.points else len(requests)
    return Outlook(sweep.total, left, {name: list(stages.values()) for name, stages in found.items()})


def as_table(sweep: Sweep) -> Table:
    """The outlook for a terminal."""
    look = outlook(sweep)
    title = f"sweep {sweep.name}: {look.left} of {look.trials} trials to run"
    if not sweep.points:
        title += f", drawn by {sweep.settings.search} as it goes"
    table = Table("stage", "distinct", "done", "left to do, at most", title=title, title_justify="left")
    for name, stages in look.stages.items():
        done = sum(status.state == "done" for status in stages)
        table.add_row(name, str(len(stages)), str(done), _left(stages))
    return table


def _left(stages: list[StageStatus]) -> str:
    """The work of distinct stages added up; samples that they share in one pool count once per stage."""
    parts = []
    for unit in _SHOWN:
        values = [status.left[unit] for status in stages if unit in status.left]
        known = [value for value in values if value is not None]
        if unit == "cost_usd":
            parts += [f"${sum(known):,.2f}"] if any(known) else []
        elif any(known):
            parts.append(f"{sum(known):,.0f} {unit}")
    return ", ".join(parts)
