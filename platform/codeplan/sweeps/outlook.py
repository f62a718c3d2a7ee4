"""What a sweep would do, before it does anything."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from rich.table import Table

from codeplan.status import Seen, StageStatus, status_of
from codeplan.sweeps.sweep import Sweep
from codeplan.sweeps.trial_run import TrialRequest
from codeplan.sweeps.trials import OVER

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
    """Look at every trial that is left; nothing is written.

    Raises:
        UserError: a configuration names something that is not there.
    """
    requests = _requests(sweep)
    found: dict[str, dict[str, StageStatus]] = {}
    seen = Seen()
    for request in requests:
        config = sweep.config_of(request.point, request.repeats[0])
        for status in status_of(config, sweep.goal, seen).values():
            found.setdefault(status.stage, {}).setdefault(status.identity, status)
    return Outlook(sweep.total, len(requests), {name: list(stages.values()) for name, stages in found.items()})


def room(sweep: Sweep) -> str:
    """A line on the cluster's resources.

    Raises:
        ClusterError: this machine has too few for a trial. One at an address may scale up, or not be reached from here.
    """
    from codeplan.on_ray.cluster import ClusterError, lacking, probe

    execution = sweep.config.execution
    try:
        available = probe(execution)
    except ClusterError as error:
        return f"the cluster's resources are not known: {error}"
    missing = "; ".join(text for name, claim in sweep.claims().items() if (text := lacking(name, available, *claim)))
    if missing and not execution.ray_address:
        raise ClusterError(missing)
    return f"{available}; {missing or 'room for a trial'}"


def _requests(sweep: Sweep) -> list[TrialRequest]:
    """The trials that are not over; in place of those that a search will draw, as many that are drawn at random."""
    known = sweep.unfinished()
    if not sweep.learns:
        return known
    over = sum(trial.state in OVER for trial in sweep.trials.all())
    drawn = (TrialRequest(point, (repeat,)) for point in sweep.population for repeat in range(sweep.settings.repeats))
    return known + list(islice(drawn, max(0, sweep.total - over - len(known))))


def as_table(sweep: Sweep) -> Table:
    """The outlook for a terminal."""
    look = outlook(sweep)
    title = f"sweep {sweep.name}: {look.left} of {look.trials} trials to run"
    if sweep.learns:
        by = "the population" if sweep.settings.scheduler == "pbt" else sweep.settings.search
        title += f", drawn by {by} as it goes; the work is estimated by trials drawn at random"
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
