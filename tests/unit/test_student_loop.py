"""Training without a cluster: it learns, stops and goes on exactly, and its student is the one that generates."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from codeplan.config import ExecutionConfig, StudentConfig, TrainingConfig
from codeplan.records import Plan, Problem
from codeplan.student.asks import Ask
from codeplan.student.context import LocalContext
from codeplan.student.examples import write_examples
from codeplan.student.generation import Generator
from codeplan.student.loop import learning_rate, train
from codeplan.student.model import StudentError, build_student, load_student, save_student

ARCHITECTURES = {
    "t5": {"model_type": "t5", "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_heads": 4},
    "gpt2": {"model_type": "gpt2", "n_embd": 32, "n_layer": 1, "n_head": 4, "n_positions": 256},
}
PROBLEMS = [
    Problem(
        problem_id=f"p/{n}",
        dataset="d",
        split="train",
        level="l",
        question=f"Add {n}.",
        solutions=(f"print(int(input()) + {n})", f"x = int(input())\nprint(x + {n})"),
    )
    for n in range(8)
]
PLANS = [
    Plan(problem_id=problem.problem_id, author="t", solution_index=0, text=f"1. Read.\n2. Add {n}.")
    for n, problem in enumerate(PROBLEMS)
]


class GoneAwayError(Exception):
    """Stands for a machine that goes away."""


class StoppingContext(LocalContext):
    """Goes away when it is told of a step, after the checkpoint is kept."""

    stop_at = 0.0

    def report(self, metrics: Mapping[str, float], checkpoint: Path | None) -> None:
        super().report(metrics, checkpoint)
        if metrics["step"] >= self.stop_at:
            raise GoneAwayError


def settings(**changes: object) -> TrainingConfig:
    plain = {"steps": 6, "batch_size": 4, "micro_batch_size": 2, "learning_rate": 3e-3, "warmup_steps": 2}
    return TrainingConfig.model_validate({**plain, "validation_examples": 2, **changes})


def prepared(folder: Path, training: TrainingConfig, architecture: str = "t5", plan_head: str = "own") -> None:
    config = StudentConfig.model_validate(
        {
            "init": "scratch",
            "architecture": ARCHITECTURES[architecture],
            "vocabulary": 300,
            "source_tokens": 64,
            "plan_source_tokens": 96,
            "target_tokens": 48,
            "plan_head": plan_head,
        }
    )
    texts = [*(problem.question for problem in PROBLEMS), *(text for each in PROBLEMS for text in each.solutions)]
    student = build_student(config, texts)
    folder.mkdir(parents=True, exist_ok=True)
    save_student(student, folder / "initial")
    write_examples(PROBLEMS, PLANS, student, training, folder / "examples.parquet")


def run(folder: Path, context: LocalContext, training: TrainingConfig, **execution: object) -> dict[str, float]:
    return train(
        context,
        initial=folder / "initial",
        examples=folder / "examples.parquet",
        training=training,
        execution=ExecutionConfig.model_validate({"checkpoint_every": 3, **execution}),
        trained=folder / "student",
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_student(folder / "student").model.state_dict())


@pytest.mark.parametrize(("architecture", "zero_stage"), [("t5", 1), ("gpt2", 2), ("t5", 3), ("gpt2", 0)])
def test_training_that_was_stopped_ends_as_training_that_was_not(
    architecture: str, zero_stage: int, tmp_path: Path
) -> None:
    training = settings()
    for name in ("straight", "stopped"):
        prepared(tmp_path / name, training, architecture)
    straight = LocalContext(tmp_path / "straight" / "train")
    metrics = run(tmp_path / "straight", straight, training, zero_stage=zero_stage)

    stopping = StoppingContext(tmp_path / "stopped" / "train")
    stopping.stop_at = 3
    with pytest.raises(GoneAwayError):
        run(tmp_path / "stopped", stopping, training, zero_stage=zero_stage)
    assert not (tmp_path / "stopped" / "student").exists()
    resumed = LocalContext(tmp_path / "stopped" / "train")
    again = run(tmp_path / "stopped", resumed, training, zero_stage=zero_stage)

    assert [each["step"] for each in resumed.history] == [6.0]
    for name in ("loss/code", "loss/plan", "loss/plan_code", "validation_loss/code"):
        assert again[name] == pytest.approx(metrics[name], abs=1e-6)
    expected, got = weights(tmp_path / "straight"), weights(tmp_path / "stopped")
    assert expected.keys() == got.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(got[name], tensor, atol=1e-6, rtol=0)
    # A third run finds everything done: no step is taken, and the last report is told again.
    assert run(tmp_path / "stopped", resumed, training, zero_stage=zero_stage) == again


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_the_trained_student_writes_what_it_was_taught(architecture: str, tmp_path: Path) -> None:
    training = settings(
        steps=150, learning_rate=1e-2, batch_size=8, micro_batch_size=4, warmup_steps=10, validation_examples=0
    )
    prepared(tmp_path, training, architecture)
    context = LocalContext(tmp_path / "train")
    metrics = run(tmp_path, context, training, checkpoint_every=1000)
    first = context.history[0]
    for task in ("code", "plan", "plan_code"):
        assert metrics[f"loss/{task}"] < 0.5 * first[f"loss/{task}"]
    generator = Generator(tmp_path / "student", batch=16)
    asks = [Ask(problem, "plan", "", greedy=True) for problem in PROBLEMS]
    plans = generator.generate(asks, temperature=1.0, top_p=1.0)
    assert all(plan.text.startswith("1. Read.\n2. Add") for plan in plans)
    asks = [Ask(problem, "code", "", greedy=True) for problem in PROBLEMS]
    programs = generator.generate(asks, temperature=1.0, top_p=1.0)
    assert all("int(input())" in program.text for program in programs)


def test_one_task_weighs_nothing_and_the_other_learns(tmp_path: Path) -> None:
    training = settings(mixing={"code": 1, "plan": 1}, weights={"plan": 0.0}, validation_examples=0, steps=20)
    prepared(tmp_path, training)
    before = load_student(tmp_path / "initial").heads
    run(tmp_path, LocalContext(tmp_path / "train"), settings(**{**training.model_dump(), "weight_decay": 0.0}))
    student = load_student(tmp_path / "student")
    # Without a loss of its own, the plan head stays what it was cloned as; the code head moved.
    assert torch.equal(student.heads.plan.weight, before.plan.weight)
    assert not torch.allclose(student.heads.code.weight, before.code.weight)


def test_a_checkpoint_of_another_world_is_refused(tmp_path: Path) -> None:
    training = settings(steps=3)
    prepared(tmp_path, training)
    run(tmp_path, LocalContext(tmp_path / "train"), training, zero_stage=1)
    with pytest.raises(StudentError, match="under ZeRO 1, now there are 1 under ZeRO 2"):
        run(tmp_path, LocalContext(tmp_path / "train"), training, zero_stage=2)


def test_bf16_trains(tmp_path: Path) -> None:
    training = settings(precision="bf16")
    prepared(tmp_path, training)
    metrics = run(tmp_path, LocalContext(tmp_path / "train"), training)
    assert 0 < metrics["loss/code"] < 8
    assert all(torch.isfinite(each).all() for each in weights(tmp_path).values())


def test_reports_name_every_task_and_count_steps(tmp_path: Path) -> None:
    training = settings(steps=25)
    prepared(tmp_path, training, plan_head="shared")
    context = LocalContext(tmp_path / "train")
    run(tmp_path, context, training, checkpoint_every=20)
    assert [each["step"] for each in context.history] == [10.0, 20.0, 25.0]
    wanted = {"learning_rate", "gradient_norm", "examples_per_s", "tokens_per_s"}
    for each in context.history:
        assert wanted | {f"loss/{task}" for task in training.mixing} <= each.keys()
    assert "validation_loss/plan_code" in context.history[-1]
    assert [each.name for each in sorted((tmp_path / "train").glob("*"))] == ["checkpoint_000000025"]


def test_the_learning_rate_warms_up_and_then_stays_or_falls() -> None:
    constant = settings(steps=10, warmup_steps=4, learning_rate=1.0)
    assert [learning_rate(step, constant) for step in range(10)] == [0.25, 0.5, 0.75, *[1.0] * 7]
    cosine = settings(steps=10, warmup_steps=4, learning_rate=1.0, schedule="cosine")
    falling = [learning_rate(step, cosine) for step in range(3, 10)]
    assert all(later <= earlier for earlier, later in itertools.pairwise(falling))
    assert learning_rate(7, cosine) == pytest.approx(0.5)
