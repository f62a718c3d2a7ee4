"""The training of a student that learns from code alone: conventional fine-tuning."""

from __future__ import annotations

from math import ceil

from codeplan.config import CodeOnly, TrainingConfig
from codeplan.student.errors import StudentError
from codeplan.student.mixture import whole_ratio


def code_only_training(training: TrainingConfig, same: CodeOnly) -> TrainingConfig:
    """The same training with the code task alone.

    Args:
        training: of the student that learns from plans.
        same: ``steps``: as many optimizer steps. ``examples``: as many as the code task has there, rounded up, with a
            warm-up that takes the same fraction of them.

    Raises:
        StudentError: as many examples are wanted, and the training has no code task.
    """
    parts = whole_ratio(training.mixing)
    steps, warmup_steps = training.steps, training.warmup_steps
    if same == "examples":
        if "code" not in parts:
            raise StudentError(
                "baselines.code_only: examples takes as many examples as the code task has, but training.mixing.code "
                "is 0; set it above 0, or leave examples out"
            )
        steps = ceil(training.steps * parts["code"] / sum(parts.values()))
        warmup_steps = round(warmup_steps * parts["code"] / sum(parts.values()))
    return training.model_copy(update={"mixing": {"code": 1.0}, "steps": steps, "warmup_steps": warmup_steps})
