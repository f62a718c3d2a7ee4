"""The configuration of a whole pipeline that takes seconds."""

from __future__ import annotations

import copy
from typing import Any

TINY: dict[str, Any] = {
    "problems": {
        "train": {"reader": "miniapps", "split": "train", "count": 40},
        "test": {"reader": "miniapps", "split": "test", "count": 12},
    },
    "student": {
        "init": "scratch",
        "architecture": {
            "model_type": "t5",
            "d_model": 32,
            "d_kv": 16,
            "d_ff": 64,
            "num_layers": 1,
            "num_decoder_layers": 1,
            "num_heads": 2,
        },
        "vocab_size": 400,
        "max_source_tokens": 160,
        "max_plan_source_tokens": 224,
        "max_target_tokens": 48,
    },
    "training": {
        "steps": 20,
        "batch_size": 8,
        "micro_batch_size": 4,
        "learning_rate": 0.003,
        "validation_examples": 8,
        "warmup_steps": 5,
    },
    "sampling": {"plans": 3, "trials": 1, "oracle": False},
    "report": {"resamples": 50, "plan_counts": [1, 3]},
    "execution": {"train_workers": 1, "checkpoint_every": 10, "sample_batch": 64},
}
"""As plain data."""


def changed(*overrides: tuple[str, Any]) -> dict[str, Any]:
    """That configuration with other values, by keys such as ``training.steps``."""
    plain = copy.deepcopy(TINY)
    for key, value in overrides:
        section = plain
        *parts, last = key.split(".")
        for part in parts:
            section = section.setdefault(part, {})
        section[last] = value
    return plain
