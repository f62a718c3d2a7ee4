"""DeepSpeed, set up from the configuration: ZeRO stage, precision, accumulation, clipping, optimizer.

On a CPU DeepSpeed would compile an all-reduce in C++ when the first process starts (74 s, and a compiler in every
image). Gloo does the same work, so that operation is marked as not available before DeepSpeed looks for it.
"""

from __future__ import annotations

import contextlib
import io
import os
from typing import Any

import torch
from torch import nn

from codeplan.config import ExecutionConfig, TrainingConfig
from codeplan.student.context import RunContext

_COMPILED_ALL_REDUCE = "deepspeed_shm_comm"
_ADAM_BETA1 = 0.9


def start_engine(module: nn.Module, training: TrainingConfig, execution: ExecutionConfig, context: RunContext) -> Any:
    """A DeepSpeed engine around a model, on the context's device.

    Under ZeRO 3 the model is partitioned tensor by tensor on its way to the device, which never holds it whole.

    Args:
        module: the model, on the CPU in 32-bit floats, the same on all workers.
        training: optimizer, batch sizes, clipping and precision.
        execution: the ZeRO stage.
        context: the worker's rank in the process group, which is initialised.
    """
    deepspeed = _deepspeed(context.device)
    optimizer = torch.optim.AdamW(
        parameter_groups(module, training.weight_decay),
        lr=training.learning_rate,
        betas=(_ADAM_BETA1, training.adam_beta2),
    )
    config = engine_config(training, execution, context.world_size)
    if zero_stage(training, execution) == 3:
        partition(module, config, training, context.device)
    else:
        module.to(context.device)
    with contextlib.redirect_stdout(io.StringIO()):  # DeepSpeed prints the memory in use, whatever the log level.
        engine, *_ = deepspeed.initialize(model=module, optimizer=optimizer, config=config)
    return engine


def engine_config(training: TrainingConfig, execution: ExecutionConfig, world_size: int) -> dict[str, Any]:
    """DeepSpeed's configuration. Gradients are accumulated and reduced in fp32, whatever the model's precision."""
    return {
        "train_batch_size": training.batch_size,
        "train_micro_batch_size_per_gpu": training.micro_batch_size,
        "gradient_accumulation_steps": training.batch_size // training.micro_batch_size // world_size,
        "gradient_clipping": training.max_grad_norm,
        "bf16": {"enabled": training.precision == "bf16"},
        "data_types": {"grad_accum_dtype": "fp32"},
        "communication_data_type": "fp32",
        "zero_optimization": {"stage": zero_stage(training, execution)},
        "steps_per_print": training.steps + 1,
    }


def zero_stage(training: TrainingConfig, execution: ExecutionConfig) -> int:
    """The ZeRO stage in use: DeepSpeed has no fp32 gradients for bf16 under stage 0, so stage 1 takes its place."""
    return max(1, execution.zero_stage) if training.precision == "bf16" else execution.zero_stage


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Groups of the optimizer: weight decay spares norms, biases and embeddings, tied output heads among the last."""
    embeddings = {
        id(parameter)
        for submodule in module.modules()
        if isinstance(submodule, nn.Embedding)
        for parameter in submodule.parameters(recurse=False)
    }
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for parameter in module.parameters():
        groups[parameter.ndim >= 2 and id(parameter) not in embeddings].append(parameter)
    return [
        {"params": parameters, "weight_decay": weight_decay if decays else 0.0}
        for decays, parameters in groups.items()
        if parameters
    ]


def set_learning_rate(engine: Any, rate: float) -> None:
    """Use a learning rate from the next optimizer step on."""
    for group in engine.optimizer.param_groups:
        group["lr"] = rate


def whole_weights(engine: Any, rank: int) -> dict[str, torch.Tensor]:
    """Copies of the model's parameters on the CPU, for rank 0; the other ranks, which must call this too, get none.

    Under ZeRO 3 one tensor at a time is gathered.
    """
    deepspeed = _deepspeed(engine.device)
    weights = {}
    for name, parameter in engine.module.named_parameters():
        with deepspeed.zero.GatheredParameters([parameter], enabled=engine.zero_optimization_stage() == 3):
            if rank == 0:
                weights[name] = parameter.detach().to("cpu", copy=True)
    return weights


def partition(module: nn.Module, config: dict[str, Any], training: TrainingConfig, device: torch.device) -> None:
    """Partition a model on the CPU for ZeRO 3, one tensor at a time.

    Args:
        module: the model, in 32-bit floats.
        config: DeepSpeed's configuration.
        training: its precision.
        device: gets this worker's part.
    """
    deepspeed = _deepspeed(device)
    if training.precision == "bf16":
        for parameter in module.parameters():
            parameter.data = parameter.data.bfloat16()
    deepspeed.init_distributed()  # Takes over the process group, from which the next line reads the world size.
    deepspeed.zero.Init(module=module, config_dict_or_path=config)
    for buffer in module.buffers():
        buffer.data = buffer.data.to(device)


def _deepspeed(device: torch.device) -> Any:
    if device.type == "cpu":
        # Read when DeepSpeed is imported; without it, it looks for accelerators, and warns where there is none.
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    import deepspeed  # after the environment is set

    deepspeed.utils.logger.setLevel("WARNING")
    if device.type == "cpu":
        deepspeed.ops.__compatible_ops__[_COMPILED_ALL_REDUCE] = False
    return deepspeed
