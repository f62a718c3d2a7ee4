"""What a running sweep may still pay the teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from codeplan.status import status_of
from codeplan.sweeps.sweep import Sweep
from codeplan.sweeps.trials import Trial

_DISTILL = "distill"


def distillations(sweep: Sweep) -> dict[str, float]:
    """What each distillation that is not finished costs at most, in US dollars, by identity.

    One whose price or length of answers is not configured is missing, and all of them where a search draws what they
    depend on as it goes.
    """
    found: dict[str, float] = {}
    if sweep.learns and any(key.partition(".")[0] in {"problems", "teacher"} for key in sweep.settings.axes):
        return found
    for config in sweep.samples():
        for status in status_of(config, _DISTILL).values():
            cost = status.left.get("cost_usd")
            if status.stage == _DISTILL and cost:
                found[status.identity] = cost
    return found


def dollars_left(costs: Mapping[str, float], trials: Sequence[Trial]) -> float:
    """The costs of those that no trial has finished."""
    finished = {stage.fingerprint for trial in trials for stage in trial.stages.values()}
    return sum(cost for identity, cost in costs.items() if identity not in finished)
