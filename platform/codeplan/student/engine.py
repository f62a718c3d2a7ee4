"""DeepSpeed, set up from the configuration: ZeRO stage, precision, accumulation, clipping, optimizer.

On a processor DeepSpeed would compile an all-reduce in C++ when the first process starts (74 s, and a compiler in every
image). Gloo does the same work, so that operation is marked as not available before DeepSpeed looks for it.
"""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import nn

from codeplan.config import ExecutionConfig, TrainingConfig
from codeplan.student.context import RunContext

_COMPILED_ALL_REDUCE = "deepspeed_shm_comm"
_BETAS = (0.9, 0.999)


def start_engine(module: nn.Module, training: TrainingConfig, execution: ExecutionConfig, context: RunContext) -> Any:
    """A DeepSpeed engine around a model, on the context's device.

    Args:
        module: the model, on the processor, the same on all workers.
        training: optimizer, batch sizes, clipping and precision.
        execution: the ZeRO stage.
        context: the worker's place in the process group, which is up.
    """
    deepspeed = _deepspeed(context.device)
    optimizer = torch.optim.AdamW(
        module.parameters(), lr=training.learning_rate, betas=_BETAS, weight_decay=training.weight_decay
    )
    accumulation = training.batch_size // training.micro_batch_size // context.world_size
    engine, *_ = deepspeed.initialize(
        model=module.to(context.device),
        optimizer=optimizer,
        config={
            "train_batch_size": training.batch_size,
            "train_micro_batch_size_per_gpu": training.micro_batch_size,
            "gradient_accumulation_steps": accumulation,
            "gradient_clipping": training.gradient_clip,
            "bf16": {"enabled": training.precision == "bf16"},
            "zero_optimization": {"stage": execution.zero_stage},
            "steps_per_print": training.steps + 1,
        },
    )
    return engine


def set_learning_rate(engine: Any, rate: float) -> None:
    """Use a learning rate from the next optimizer step on."""
    for group in engine.optimizer.param_groups:
        group["lr"] = rate


def gathered_parameters(engine: Any, execution: ExecutionConfig) -> Any:
    """A context in which every worker sees whole parameters, which ZeRO 3 keeps in pieces; all workers enter it."""
    deepspeed = _deepspeed(engine.device)
    return deepspeed.zero.GatheredParameters(list(engine.module.parameters()), enabled=execution.zero_stage == 3)


def _deepspeed(device: torch.device) -> Any:
    if device.type == "cpu":
        # Read when DeepSpeed is imported; without it, it looks for accelerators, and warns where there is none.
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    import deepspeed  # after the environment is set

    deepspeed.utils.logger.setLevel("WARNING")
    if device.type == "cpu":
        deepspeed.ops.__compatible_ops__[_COMPILED_ALL_REDUCE] = False
    return deepspeed
