"""Metrics and events of a training, from what its workers report."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from codeplan.errors import UserError
from codeplan.on_ray.train_reports import CHECKPOINT_KEPT, WORKERS_FAILED
from codeplan.student.checkpoint import read_state
from codeplan.watching import Watch
from codeplan.watching.metrics import FAILURES, TRAINING_LOSS, TRAINING_PENDING, TRAINING_STEPS, TRAINING_TOKENS

_TOKENS = "trained.target_tokens/"


class TrainingMetrics:
    """Counts what was trained in this run, not what a checkpoint brought along."""

    def __init__(self, watch: Watch, steps: int, start: Path | None) -> None:
        """Start counting.

        Args:
            watch: where.
            steps: at which the training ends.
            start: the checkpoint that it resumes from; None where it starts from nothing.
        """
        self._watch = watch
        self._steps = steps
        self._step, self._tokens = _counts_of(start)

    def passing_on(self, on_report: Callable[[dict[str, float]], None]) -> Callable[[dict[str, float]], None]:
        """A callback for lines of the workers' reports, which counts, and passes on those that hold metrics."""

        def take(line: dict[str, float]) -> None:
            if WORKERS_FAILED in line:
                self._watch.count(FAILURES, kind="training_workers")
                self._watch.event("training_workers_failed", level=logging.WARNING, workers=int(line[WORKERS_FAILED]))
                return
            metrics = {name: value for name, value in line.items() if name != CHECKPOINT_KEPT}
            self._count(metrics)
            if line.get(CHECKPOINT_KEPT):
                self._watch.event("checkpoint_written", step=int(metrics["step"]), loss=metrics["loss"])
            on_report(metrics)

        return take

    def _count(self, metrics: Mapping[str, float]) -> None:
        step, tokens = int(metrics["step"]), _tokens_of(metrics)
        # After a restart of the workers steps are done again: they count from the checkpoint's first report on.
        self._watch.count(TRAINING_STEPS, step - self._step)
        self._watch.count(TRAINING_TOKENS, tokens - self._tokens)
        self._watch.record(TRAINING_LOSS, metrics["loss"])
        self._watch.record(TRAINING_PENDING, self._steps - step)
        self._step, self._tokens = step, tokens


def _counts_of(checkpoint: Path | None) -> tuple[int, float]:
    if checkpoint is None:
        return 0, 0.0
    try:
        state = read_state(checkpoint)
    except UserError:  # the workers say so
        return 0, 0.0
    return state.step, _tokens_of(state.metrics)


def _tokens_of(metrics: Mapping[str, float]) -> float:
    return sum(value for name, value in metrics.items() if name.startswith(_TOKENS))
