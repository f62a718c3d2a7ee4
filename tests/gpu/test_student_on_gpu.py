"""The training loop and generation on a GPU: bf16 under every ZeRO stage. Needs neither Ray nor MLflow.

python -m pytest tests/gpu
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from codeplan.config import ExecutionConfig, StudentConfig, TrainingConfig
from codeplan.records import Plan, Problem
from codeplan.student.context import LocalContext
from codeplan.student.engine import engine_config, partition
from codeplan.student.generation import Generator
from codeplan.student.generation_request import GenerationRequest
from codeplan.student.loop import train
from codeplan.student.prepare import prepare

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")]

ARCHITECTURES = {
    "t5": {"model_type": "t5", "d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4},
    "gpt2": {"model_type": "gpt2", "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 256},
}
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


def student(architecture: str) -> StudentConfig:
    return StudentConfig(
        init="scratch",
        architecture=ARCHITECTURES[architecture],
        vocab_size=300,
        max_source_tokens=64,
        max_plan_source_tokens=96,
        max_target_tokens=48,
        plan_head="own",
    )


def run(folder: Path, training: TrainingConfig, zero_stage: int) -> LocalContext:
    context = LocalContext(folder / "train", device="cuda:0")
    train(
        context,
        initial=folder / "initial",
        examples=folder / "examples.parquet",
        training=training,
        execution=ExecutionConfig.model_validate({"zero_stage": zero_stage, "checkpoint_every": 20}),
        trained=folder / "student",
    )
    return context


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
@pytest.mark.parametrize("zero_stage", [1, 2, 3])
def test_bf16_trains_resumes_and_generates(architecture: str, zero_stage: int, tmp_path: Path) -> None:
    training = TrainingConfig(
        steps=40,
        batch_size=8,
        micro_batch_size=4,
        learning_rate=5e-3,
        warmup_steps=5,
        precision="bf16",
        validation_examples=2,
    )
    prepare(PROBLEMS, PLANS, student(architecture), training, tmp_path)
    first = run(tmp_path, training.model_copy(update={"steps": 20}), zero_stage).history
    second = run(tmp_path, training, zero_stage).history
    assert [report["step"] for report in (*first, *second)] == [10.0, 20.0, 30.0, 40.0]
    assert second[-1]["loss"] < first[0]["loss"]

    generator = Generator(tmp_path / "student", batch=64, device="cuda:0")
    requests = [
        GenerationRequest(problem, "plan", rng_key=f"{problem.problem_id}/{n}")
        for problem in PROBLEMS
        for n in range(4)
    ]
    together = generator.generate(requests, temperature=0.8, top_p=0.95)
    assert all(generation.tokens > 0 for generation in together)
    assert generator.generate(requests[::-1], temperature=0.8, top_p=0.95) == together[::-1]


def test_zero_3_never_holds_the_whole_model_on_the_gpu(tmp_path: Path) -> None:
    context = LocalContext(tmp_path, device="cuda:0")
    training = TrainingConfig(batch_size=4, micro_batch_size=4, precision="bf16")
    module = torch.nn.Sequential(*(torch.nn.Linear(1024, 1024, bias=False) for _ in range(16)))
    whole = 4 * sum(parameter.numel() for parameter in module.parameters())
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    partition(module, engine_config(training, ExecutionConfig(zero_stage=3), 1), training, context.device)
    # One worker's part is all of the model, in bf16: half of what moving it there first would take.
    assert torch.cuda.max_memory_allocated() - before < 0.75 * whole
