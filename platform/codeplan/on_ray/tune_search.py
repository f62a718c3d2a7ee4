"""Schedulers and searchers of Ray Tune, set up for a sweep."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from optuna import logging as optuna_logging
from optuna.trial import TrialState
from ray.tune.schedulers import ASHAScheduler, MedianStoppingRule, TrialScheduler
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from codeplan.on_ray.tune import STEP

Mode = Literal["min", "max"]

STUDY = "sweep"
"""Name of the Optuna study."""

_REDRAWS = 100
"""Draws for a trial that the study does not have yet; a small space has none left in the end."""


def early_stopping(
    kind: Literal["asha", "median"], *, metric: str, mode: Mode, most_steps: int, grace_steps: int, reduction: float
) -> TrialScheduler:
    """A scheduler that stops trials by a metric that they report while they train.

    Args:
        kind: ``asha`` (asynchronous successive halving, Li et al. 2020) or ``median`` (median stopping, Golovin et al.
            2017).
        metric: what is compared.
        mode: which direction is better.
        most_steps: optimizer steps of the longest trial.
        grace_steps: steps before a trial can be stopped.
        reduction: ``asha`` continues one in this many trials at each rung.
    """
    if kind == "median":
        return MedianStoppingRule(
            time_attr=STEP, metric=metric, mode=mode, grace_period=grace_steps, min_samples_required=3
        )
    # Rungs lie at grace_steps x reduction^k; at max_t Tune ends a trial by itself, which a pipeline must not be.
    return ASHAScheduler(
        time_attr=STEP,
        metric=metric,
        mode=mode,
        max_t=max(most_steps, grace_steps) + 1,
        grace_period=grace_steps,
        reduction_factor=reduction,
    )


def optuna_search(
    suggest: Callable[[Any], Mapping[str, str]], *, metrics: Sequence[str], modes: Sequence[Mode], seed: int, log: Path
) -> Searcher:
    """Optuna's TPE sampler, whose study is a log file: a search that is killed goes on with what it has learnt.

    Args:
        suggest: draws a trial's values from an Optuna trial, and returns what the trial gets.
        metrics: names of the objectives.
        modes: which direction of each is better.
        seed: of the sampler.
        log: the study's file.
    """
    optuna_logging.set_verbosity(optuna_logging.WARNING)  # not a line for every study and trial
    return _FinalOptunaSearch(
        space=suggest,
        metric=list(metrics) if len(metrics) > 1 else metrics[0],
        mode=list(modes) if len(modes) > 1 else modes[0],
        seed=seed,
        study_name=STUDY,
        storage=study_storage(log),
    )


class _FinalOptunaSearch(OptunaSearch):
    """Learns from the objectives alone, as intermediate numbers of a trial are a scheduler's; draws no trial twice."""

    _redraws = _REDRAWS

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """A trial that the study does not have yet, until `_REDRAWS` draws in a row find none."""
        drawn: dict[str, Any] | None = super().suggest(trial_id)
        for _ in range(self._redraws):
            trial = self._ot_trials[trial_id]
            if not _is_known(self._ot_study, trial):
                return drawn
            self._ot_study.tell(trial.number, state=TrialState.FAIL)
            del self._ot_trials[trial_id]
            drawn = super().suggest(trial_id)
        self._redraws = 0
        return drawn

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Nothing: the objectives are not among them."""


def _is_known(study: Any, drawn: Any) -> bool:
    """Whether another trial of the study that did not fail has the same values."""
    states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
    others = study.get_trials(deepcopy=False, states=states)
    return any(trial.params == drawn.params for trial in others if trial.number != drawn.number)


def resume_study(log: Path) -> int:
    """How many trials of a study have finished; those that were killed, stopped or failed are drawn again, first.

    Args:
        log: the study's file, which `optuna_search` made.
    """
    from optuna import load_study

    study = load_study(study_name=STUDY, storage=study_storage(log))
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    finished = study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))
    known: list[Any] = [trial.params for trial in finished]
    known += [trial.system_attrs.get("fixed_params") for trial in study.get_trials(states=(TrialState.WAITING,))]
    for trial in study.get_trials(states=(TrialState.FAIL,)):
        if trial.params not in known:  # and was not drawn again since
            known.append(trial.params)
            study.enqueue_trial(trial.params)
    return len(finished)


def study_storage(log: Path) -> Any:
    """The storage of a study: a journal, which several processes and machines may append to."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    log.parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(log)))
