"""How long a running sweep will still take, from what its stages took so far."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from codeplan.sweeps.sweep import Sweep
from codeplan.sweeps.trials import OVER, Trial

_SHARED = frozenset({"problems", "distill", "finetune"})
"""Stages that trials share as a whole; the others grow with each trial."""


def seconds_left(sweep: Sweep, trials: Sequence[Trial]) -> float | None:
    """An estimate: the trainings that no trial has begun, and the sampling and judging of all trials that are not over.

    Args:
        sweep: the sweep.
        trials: those that have started.

    Returns:
        Seconds, if as many trials run at once as now; None as long as no trial is over.
    """
    done = [trial for trial in trials if trial.state == "done"]
    if not done:
        return None
    over = {trial.trial_id for trial in trials if trial.state in OVER}
    training = _mean_training(trials)
    others = fmean(sum(stage.seconds for stage in trial.stages.values() if stage.name not in _SHARED) for trial in done)
    running = [trial for trial in trials if trial.state == "running"]
    trainings_left = _trainings_left(sweep, trials, len(over))
    spent = sum(_spent(trial, training, others) for trial in running)
    work = trainings_left * training + (sweep.total - len(over)) * others - spent
    return max(0.0, work) / max(1, len(running))


def _spent(trial: Trial, training: float, others: float) -> float:
    """Seconds of a running trial that count for what it has left."""
    own = [stage.seconds for stage in trial.stages.values() if stage.name in _SHARED and stage.computed]
    if any(stage.name == "finetune" for stage in trial.stages.values()):
        # Its training is no longer left; what it waited for another trial's is not known, and may count too much.
        return min(max(0.0, trial.seconds - sum(own)), others)
    return min(trial.seconds, training + others)


def _mean_training(trials: Sequence[Trial]) -> float:
    stages = [stage for trial in trials for stage in trial.stages.values() if stage.name == "finetune"]
    computed = [stage.seconds for stage in stages if stage.computed]
    return fmean(computed) if computed else 0.0


def _trainings_left(sweep: Sweep, trials: Sequence[Trial], over: int) -> int:
    """Distinct trainings that are not finished; where points are drawn as it goes, one for each trial."""
    if not sweep.points:
        return sweep.total - over
    finished = {trial.trial_id for trial in trials if any(stage.name == "finetune" for stage in trial.stages.values())}
    finished |= {trial.trial_id for trial in trials if trial.state in OVER}
    known = sweep.trainings
    return len(set(known.values()) - {known[trial_id] for trial_id in finished if trial_id in known})
