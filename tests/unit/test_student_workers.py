"""Training by several processes: the number of workers does not decide the weights, nor in fp32 the ZeRO stage."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from codeplan.config import StudentConfig, TrainingConfig
from codeplan.records import Plan, Problem
from codeplan.student.model import load_student
from codeplan.student.prepare import prepare

STUDENT = StudentConfig(
    init="scratch",
    architecture={"model_type": "t5", "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_heads": 4},
    vocab_size=300,
    max_source_tokens=64,
    max_plan_source_tokens=96,
    max_target_tokens=48,
    plan_head="own",
)
PROBLEMS = [
    Problem(
        problem_id=f"p/{n}",
        dataset="d",
        split="train",
        level="l",
        question=f"Add {n}.",
        solutions=(f"print(int(input()) + {n})",),
    )
    for n in range(8)
]
PLANS = [
    Plan(problem_id=problem.problem_id, author="t", solution_index=0, text="1. Read.\n2. Add.") for problem in PROBLEMS
]
WORKER = """
import sys
from pathlib import Path

import torch.distributed as dist

from codeplan.config import ExecutionConfig, TrainingConfig
from codeplan.student import engine
from codeplan.student.context import LocalContext
from codeplan.student.loop import train

rank, world_size, zero_stage, folder, out, training, accumulation = sys.argv[1:]
dist.init_process_group("gloo", init_method=f"file://{out}.rendezvous", rank=int(rank), world_size=int(world_size))


class Context(LocalContext):
    rank, world_size = int(rank), int(world_size)

    def report(self, metrics, checkpoint):
        pass


def with_bf16_accumulation(*given):
    config = fp32_config(*given)
    return {key: value for key, value in config.items() if key not in ("data_types", "communication_data_type")}


if accumulation == "bf16":
    fp32_config, engine.engine_config = engine.engine_config, with_bf16_accumulation
train(
    Context(Path(f"{out}-{rank}")),
    initial=Path(folder) / "initial",
    examples=Path(folder) / "examples.parquet",
    training=TrainingConfig.model_validate_json(training),
    execution=ExecutionConfig(zero_stage=int(zero_stage), checkpoint_every=1000),
    trained=Path(out),
)
"""


def settings(precision: str) -> TrainingConfig:
    return TrainingConfig.model_validate(
        {
            "steps": 6,
            "batch_size": 16,
            "micro_batch_size": 2,
            "learning_rate": 3e-3,
            "warmup_steps": 2,
            "validation_examples": 2,
            "precision": precision,
        }
    )


def trained(folder: Path, precision: str, workers: int, zero_stage: int, accumulation: str = "fp32") -> dict[str, Any]:
    """Weights of the student that some processes train together."""
    out = folder / f"{precision}-{workers}-{zero_stage}-{accumulation}"
    given = [str(zero_stage), str(folder), str(out), settings(precision).model_dump_json(), accumulation]
    processes = []
    for rank in range(workers):
        command = [sys.executable, "-c", WORKER, str(rank), str(workers), *given]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "LOCAL_RANK": str(rank)}
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    for process in processes:
        _, said = process.communicate()
        assert process.returncode == 0, said[-3000:]
    return dict(load_student(out).model.state_dict())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workers")
    prepare(PROBLEMS, PLANS, STUDENT, settings("fp32"), folder)
    return folder


def largest_difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((tensor - other[name]).abs().max()) for name, tensor in one.items())


def test_bf16_gradients_add_up_in_fp32_so_that_one_and_two_workers_agree(folder: Path) -> None:
    assert largest_difference(trained(folder, "bf16", 1, 1), trained(folder, "bf16", 2, 1)) < 1e-6
    in_bf16 = [trained(folder, "bf16", workers, 2, accumulation="bf16") for workers in (1, 2)]
    assert largest_difference(*in_bf16) > 1e-3


def test_zero_3_trains_and_saves_what_zero_1_does(folder: Path) -> None:
    assert largest_difference(trained(folder, "fp32", 1, 1), trained(folder, "fp32", 2, 3)) < 1e-4
    # In bf16 the stages are not compared: each has an optimizer of its own, and a last digit can move a bf16 rounding.
    assert largest_difference(trained(folder, "bf16", 1, 3), trained(folder, "bf16", 2, 3)) < 1e-6
