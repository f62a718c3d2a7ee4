"""Training without a cluster: it learns, resumes exactly, and its student generates what it was trained on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

from codeplan.config import ExecutionConfig, StudentConfig, TrainingConfig
from codeplan.records import Plan, Problem
from codeplan.student.context import LocalContext
from codeplan.student.examples import write_examples
from codeplan.student.generation import Generator
from codeplan.student.generation_request import GenerationRequest
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


class MachineFailureError(Exception):
    """Stands for a machine that fails."""


class StoppingContext(LocalContext):
    """Fails at the report of a step, after the checkpoint is kept."""

    stop_at = 0.0

    def report(self, metrics: Mapping[str, float], checkpoint: Path | None) -> None:
        super().report(metrics, checkpoint)
        if metrics["step"] >= self.stop_at:
            raise MachineFailureError


def settings(**changes: object) -> TrainingConfig:
    plain = {"steps": 6, "batch_size": 4, "micro_batch_size": 2, "learning_rate": 3e-3, "warmup_steps": 2}
    return TrainingConfig.model_validate({**plain, "validation_examples": 2, **changes})


def prepared(folder: Path, training: TrainingConfig, architecture: str = "t5", plan_head: str = "own") -> None:
    config = StudentConfig.model_validate(
        {
            "init": "scratch",
            "architecture": ARCHITECTURES[architecture],
            "vocab_size": 300,
            "max_source_tokens": 64,
            "max_plan_source_tokens": 96,
            "max_target_tokens": 48,
            "plan_head": plan_head,
        }
    )
    texts = [*(problem.question for problem in PROBLEMS), *(text for problem in PROBLEMS for text in problem.solutions)]
    student = build_student(config, texts)
    folder.mkdir(parents=True, exist_ok=True)
    save_student(student, folder / "initial")
    write_examples(PROBLEMS, PLANS, student, training, folder / "examples.parquet")


def run(
    folder: Path,
    context: LocalContext,
    training: TrainingConfig,
    start_from: Path | None = None,
    **execution: object,
) -> dict[str, float]:
    return train(
        context,
        initial=folder / "initial",
        examples=folder / "examples.parquet",
        training=training,
        execution=ExecutionConfig.model_validate({"checkpoint_every": 3, **execution}),
        trained=folder / "student",
        start_from=start_from,
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_student(folder / "student").model.state_dict())


def assert_equal_weights(one: Path, other: Path) -> None:
    expected, got = weights(one), weights(other)
    assert expected.keys() == got.keys()
    assert [name for name, tensor in expected.items() if not torch.equal(got[name], tensor)] == []


@pytest.mark.parametrize(("architecture", "zero_stage"), [("t5", 1), ("gpt2", 2), ("t5", 3), ("gpt2", 0)])
def test_resumed_training_ends_with_the_same_weights(architecture: str, zero_stage: int, tmp_path: Path) -> None:
    training = settings()
    for name in ("straight", "stopped"):
        prepared(tmp_path / name, training, architecture)
    straight = LocalContext(tmp_path / "straight" / "train")
    metrics = run(tmp_path / "straight", straight, training, zero_stage=zero_stage)

    stopping = StoppingContext(tmp_path / "stopped" / "train")
    stopping.stop_at = 3
    with pytest.raises(MachineFailureError):
        run(tmp_path / "stopped", stopping, training, zero_stage=zero_stage)
    assert not (tmp_path / "stopped" / "student").exists()
    resumed = LocalContext(tmp_path / "stopped" / "train")
    again = run(tmp_path / "stopped", resumed, training, zero_stage=zero_stage)

    assert [report["step"] for report in resumed.history] == [6.0]
    rates = ("examples_per_s", "tokens_per_s", "loss")
    assert {name: value for name, value in again.items() if not name.startswith(rates)} == {
        name: value for name, value in metrics.items() if not name.startswith(rates)
    }
    assert_equal_weights(tmp_path / "straight", tmp_path / "stopped")
    # A third run finds everything done: no step is taken, and the last report is returned again.
    assert run(tmp_path / "stopped", resumed, training, zero_stage=zero_stage) == again


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_the_trained_student_generates_what_it_was_trained_on(architecture: str, tmp_path: Path) -> None:
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
    requests = [GenerationRequest(problem, "plan", "", greedy=True) for problem in PROBLEMS]
    plans = generator.generate(requests, temperature=1.0, top_p=1.0)
    assert all(plan.text.startswith("1. Read.\n2. Add") for plan in plans)
    requests = [GenerationRequest(problem, "code", "", greedy=True) for problem in PROBLEMS]
    programs = generator.generate(requests, temperature=1.0, top_p=1.0)
    assert all("int(input())" in program.text for program in programs)


def test_a_task_of_weight_0_does_not_train_its_head(tmp_path: Path) -> None:
    training = settings(mixing={"code": 1, "plan": 1}, weights={"plan": 0.0}, validation_examples=0, steps=20)
    prepared(tmp_path, training)
    before = load_student(tmp_path / "initial").heads
    run(tmp_path, LocalContext(tmp_path / "train"), settings(**{**training.model_dump(), "weight_decay": 0.0}))
    student = load_student(tmp_path / "student")
    # Without a loss of its own, the plan head stays what it was cloned as; the code head moved.
    assert torch.equal(student.heads.plan.weight, before.plan.weight)
    assert not torch.allclose(student.heads.code.weight, before.code.weight)


def test_beta2_counts_from_the_second_step_on(tmp_path: Path) -> None:
    # Adam's bias correction takes it out of the first.
    after: dict[tuple[int, float], dict[str, torch.Tensor]] = {}
    for steps, beta2 in ((1, 0.999), (1, 0.9), (3, 0.999), (3, 0.9)):
        folder = tmp_path / f"{steps}-{beta2}"
        training = settings(steps=steps, adam_beta2=beta2)
        prepared(folder, training)
        run(folder, LocalContext(folder / "train"), training)
        after[steps, beta2] = weights(folder)
    assert all(torch.allclose(tensor, after[1, 0.9][name], atol=1e-6) for name, tensor in after[1, 0.999].items())
    assert not all(torch.allclose(tensor, after[3, 0.9][name], atol=1e-6) for name, tensor in after[3, 0.999].items())


@pytest.mark.parametrize("zero_stage", [1, 3])
def test_more_steps_start_from_the_checkpoint_of_fewer_and_end_with_the_same_weights(
    zero_stage: int, tmp_path: Path
) -> None:
    fewer, more = settings(steps=4), settings(steps=7)
    for name in ("fewer", "more", "nothing"):
        prepared(tmp_path / name, more)
    context = LocalContext(tmp_path / "fewer" / "train")
    run(tmp_path / "fewer", context, fewer, zero_stage=zero_stage, checkpoint_every=100)
    with context.latest_checkpoint() as checkpoint:
        continued = LocalContext(tmp_path / "more" / "train")
        metrics = run(tmp_path / "more", continued, more, start_from=checkpoint, zero_stage=zero_stage)
    everything = run(tmp_path / "nothing", LocalContext(tmp_path / "nothing" / "train"), more, zero_stage=zero_stage)
    assert [report["step"] for report in continued.history] == [6.0, 7.0]
    assert (metrics["trained.steps.new"], everything["trained.steps.new"]) == (3.0, 7.0)
    assert_equal_weights(tmp_path / "more", tmp_path / "nothing")
    # Called again it has a checkpoint of its own, and still knows which steps were taken over.
    assert run(tmp_path / "more", continued, more, start_from=checkpoint, zero_stage=zero_stage) == metrics


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


DAMAGES: dict[str, Callable[[Path], object]] = {
    "no state": lambda folder: (folder / "state.json").unlink(),
    "no optimizer state": lambda folder: next(folder.glob("engine/*optim_states.pt")).unlink(),
    "truncated optimizer state": lambda folder: truncate(next(folder.glob("engine/*optim_states.pt"))),
    "truncated weights": lambda folder: truncate(next(folder.glob("engine/*model_states.pt"))),
    "overwritten weights": lambda folder: next(folder.glob("engine/*model_states.pt")).write_bytes(
        bytes(next(folder.glob("engine/*model_states.pt")).stat().st_size)
    ),
}


@pytest.mark.parametrize("damage", sorted(DAMAGES))
def test_a_damaged_checkpoint_stops_the_run(damage: str, tmp_path: Path) -> None:
    prepared(tmp_path, settings())
    context = LocalContext(tmp_path / "train")
    run(tmp_path, context, settings(steps=3), zero_stage=1)
    with context.latest_checkpoint() as checkpoint:
        DAMAGES[damage](checkpoint)
    with pytest.raises(StudentError, match=f"checkpoint {checkpoint} (is damaged|did not load)"):
        run(tmp_path, context, settings(), zero_stage=1)


def test_a_checkpoint_of_another_zero_stage_is_refused(tmp_path: Path) -> None:
    training = settings(steps=3)
    prepared(tmp_path, training)
    run(tmp_path, LocalContext(tmp_path / "train"), training, zero_stage=1)
    with pytest.raises(StudentError, match="with ZeRO 1; this run has 1 worker with ZeRO 2"):
        run(tmp_path, LocalContext(tmp_path / "train"), training, zero_stage=2)


def test_bf16_trains(tmp_path: Path) -> None:
    training = settings(precision="bf16")
    prepared(tmp_path, training)
    metrics = run(tmp_path, LocalContext(tmp_path / "train"), training)
    assert 0 < metrics["loss/code"] < 8
    assert all(torch.isfinite(tensor).all() for tensor in weights(tmp_path).values())


def test_reports_name_every_task_and_count_steps(tmp_path: Path) -> None:
    training = settings(steps=25)
    prepared(tmp_path, training, plan_head="shared")
    context = LocalContext(tmp_path / "train")
    run(tmp_path, context, training, checkpoint_every=20)
    assert [report["step"] for report in context.history] == [10.0, 20.0, 25.0]
    wanted = {"learning_rate", "gradient_norm", "examples_per_s", "tokens_per_s"}
    for report in context.history:
        assert wanted | {f"loss/{task}" for task in training.mixing} <= report.keys()
    last = context.history[-1]
    assert "validation_loss/plan_code" in last
    assert [last[f"trained.examples/{task}"] for task in training.mixing] == [34.0, 34.0, 32.0]
    assert all(last[f"trained.target_tokens/{task}"] > last[f"trained.examples/{task}"] for task in training.mixing)
    assert [path.name for path in (tmp_path / "train").glob("*")] == ["checkpoint_000000025"]


def test_the_learning_rate_warms_up_and_then_stays_or_falls() -> None:
    constant = settings(steps=10, warmup_steps=4, learning_rate=1.0)
    assert [learning_rate(step, constant) for step in range(10)] == [0.25, 0.5, 0.75, *[1.0] * 7]
    cosine = settings(steps=10, warmup_steps=4, learning_rate=1.0, schedule="cosine")
    falling = [learning_rate(step, cosine) for step in range(3, 10)]
    assert all(later <= earlier for earlier, later in itertools.pairwise(falling))
    assert learning_rate(7, cosine) == pytest.approx(0.5)
