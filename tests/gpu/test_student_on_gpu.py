"""The training loop and generation on a GPU: bf16 under every ZeRO stage. Needs neither Ray nor MLflow.

python -m pytest tests/gpu
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from codeplan.config import ExecutionConfig, StudentConfig, TrainingConfig
from codeplan.records import Plan, Problem
from codeplan.student.asks import Ask
from codeplan.student.context import LocalContext
from codeplan.student.generation import Generator
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
PLANS = [Plan(problem_id=each.problem_id, author="t", solution_index=0, text="1. Read.\n2. Add.") for each in PROBLEMS]


def student(architecture: str) -> StudentConfig:
    return StudentConfig(
        init="scratch",
        architecture=ARCHITECTURES[architecture],
        vocabulary=300,
        source_tokens=64,
        plan_source_tokens=96,
        target_tokens=48,
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
def test_bf16_learns_goes_on_and_writes(architecture: str, zero_stage: int, tmp_path: Path) -> None:
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
    assert [each["step"] for each in (*first, *second)] == [10.0, 20.0, 30.0, 40.0]
    assert second[-1]["loss"] < first[0]["loss"]

    generator = Generator(tmp_path / "student", batch=64, device="cuda:0")
    asks = [Ask(problem, "plan", stream=f"{problem.problem_id}/{n}") for problem in PROBLEMS for n in range(4)]
    together = generator.generate(asks, temperature=0.8, top_p=0.95)
    assert all(each.tokens > 0 for each in together)
    assert generator.generate(asks[::-1], temperature=0.8, top_p=0.95) == together[::-1]
