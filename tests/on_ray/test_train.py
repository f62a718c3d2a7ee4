"""Fine-tuning on a real cluster: the result, the reports, resuming, and starting from a training of fewer steps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from codeplan.config import ExecutionConfig, StudentConfig, TrainingConfig
from codeplan.on_ray.train import Trained, _keep_checkpoint, finetune, start_problem
from codeplan.records import Plan, Problem
from codeplan.student.context import LocalContext
from codeplan.student.errors import StudentError
from codeplan.student.generation import Generator
from codeplan.student.generation_request import GenerationRequest
from codeplan.student.loop import train
from codeplan.student.model import load_student
from codeplan.student.settings import FinetuneSettings

STUDENT = StudentConfig(
    init="scratch",
    architecture={"model_type": "t5", "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_heads": 4},
    vocab_size=300,
    max_source_tokens=64,
    max_plan_source_tokens=96,
    max_target_tokens=48,
    plan_head="own",
)
TWO_WORKERS = ExecutionConfig(train_workers=2, zero_stage=2)
PROBLEMS = [
    Problem(
        problem_id=f"p/{n}",
        dataset="d",
        split="train",
        level="l",
        question=f"Add {n}.",
        solutions=(f"print(int(input()) + {n})",) if n else (),
    )
    for n in range(9)
]
PLANS = [
    Plan(problem_id=problem.problem_id, author="t", solution_index=0, text="1. Read.\n2. Add.") for problem in PROBLEMS
] + [Plan(problem_id="p/1", author="t", solution_index=0, text="1. Too long.\n" * 40)]


def training(**changes: object) -> TrainingConfig:
    plain = {"steps": 20, "batch_size": 8, "micro_batch_size": 4, "learning_rate": 3e-3, "warmup_steps": 2}
    return TrainingConfig.model_validate({**plain, "validation_examples": 2, **changes})


def run(
    folder: Path,
    reports: list[dict[str, float]],
    training: TrainingConfig,
    start_from: Path | None = None,
    **execution: int,
) -> Trained:
    where = ExecutionConfig.model_validate({"train_workers": 2, "checkpoint_every": 10, "zero_stage": 2, **execution})
    settings = FinetuneSettings.of(STUDENT, training)
    return finetune(PROBLEMS, PLANS, settings, where, folder, reports.append, start_from)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_student(folder / "student").model.state_dict())


@pytest.mark.usefixtures("ray_cluster")
def test_two_workers_train_one_student_and_count_everything(tmp_path: Path) -> None:
    reports: list[dict[str, float]] = []
    trained = run(tmp_path, reports, training())
    assert [report["step"] for report in reports] == [10.0, 20.0]
    assert trained.metrics["loss"] == reports[-1]["loss"]
    assert trained.metrics["step"] == 20.0
    assert trained.accounts["problems"].dropped == {"without_solution": 1}
    assert trained.accounts["plans"].dropped == {"explains_no_solution": 1}
    assert trained.accounts["examples"].dropped["plan_too_long"] == 1
    [text] = Generator(trained.folder, batch=4).generate(
        [GenerationRequest(PROBLEMS[1], "code", "", greedy=True)], temperature=1.0, top_p=1.0
    )
    assert text.tokens > 0

    # One worker alone sees the same micro-batches in the same order, and ends at the same loss.
    alone = train(
        LocalContext(tmp_path / "alone"),
        initial=tmp_path / "initial",
        examples=tmp_path / "examples.parquet",
        training=training(),
        execution=ExecutionConfig(zero_stage=2, checkpoint_every=10),
        trained=tmp_path / "alone" / "student",
    )
    for name in alone:
        if "loss" in name:
            assert alone[name] == pytest.approx(trained.metrics[name], rel=1e-3)

    # Called again, it finds the last checkpoint, takes no step, and writes the same student.
    again: list[dict[str, float]] = []
    assert run(tmp_path, again, training()).metrics == trained.metrics
    assert again == []
    assert trained.metrics["trained.steps.new"] == 20.0
    assert not (tmp_path / "train").exists()


@pytest.mark.usefixtures("ray_cluster")
def test_more_steps_start_from_the_checkpoint_of_fewer_and_end_with_the_same_weights(tmp_path: Path) -> None:
    run(tmp_path / "fewer", [], training(steps=10))
    reports: list[dict[str, float]] = []
    more = run(tmp_path / "more", reports, training(steps=15), tmp_path / "fewer" / "checkpoint")
    whole = run(tmp_path / "whole", [], training(steps=15))
    assert [report["step"] for report in reports] == [15.0]
    assert (more.metrics["trained.steps.new"], whole.metrics["trained.steps.new"]) == (5.0, 15.0)
    assert more.warnings == whole.warnings
    for name in ("trained.examples/code", "trained.target_tokens/plan", "validation_loss/plan_code"):
        assert more.metrics[name] == whole.metrics[name]
    expected, got = weights(tmp_path / "whole"), weights(tmp_path / "more")
    assert [name for name, tensor in expected.items() if not torch.equal(got[name], tensor)] == []

    # A checkpoint of two workers is of no use to one, which says so and trains from the first step.
    alone = run(tmp_path / "alone", [], training(steps=12), tmp_path / "fewer" / "checkpoint", train_workers=1)
    assert alone.metrics["trained.steps.new"] == 12.0
    assert "written by 2 workers with ZeRO 2; this run has 1 worker with ZeRO 2" in alone.warnings[-1]

    # Nor is a damaged one, whatever its size.
    state = next((tmp_path / "fewer" / "checkpoint" / "engine").glob("*optim_states.pt"))
    assert start_problem(tmp_path / "none", tmp_path / "fewer" / "checkpoint", training(steps=12), TWO_WORKERS) == ""
    state.write_bytes(bytes(200) + state.read_bytes()[200:])
    problem = start_problem(tmp_path / "none", tmp_path / "fewer" / "checkpoint", training(steps=12), TWO_WORKERS)
    assert "is damaged: " in problem
    assert f"{state.name} has a wrong checksum" in problem

    # A damaged checkpoint of its own stops the run.
    next((tmp_path / "more" / "checkpoint" / "engine").glob("*optim_states.pt")).unlink()
    with pytest.raises(StudentError, match=f"checkpoint {tmp_path / 'more' / 'checkpoint'} is damaged"):
        run(tmp_path / "more", [], training(steps=15))


def test_only_a_constant_schedule_leaves_its_checkpoint(tmp_path: Path) -> None:
    for schedule in ("constant", "cosine"):
        folder = tmp_path / schedule
        (folder / "train" / "checkpoint_0").mkdir(parents=True)
        (folder / "train" / "checkpoint_0" / "state.json").write_text("{}")
        _keep_checkpoint(folder / "train" / "checkpoint_0", folder, training(schedule=schedule))
    assert (tmp_path / "constant" / "checkpoint" / "state.json").exists()
    assert list((tmp_path / "cosine").iterdir()) == []


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import ray, test_train
ray.init(address="local", num_cpus=2, include_dashboard=False)
class Reports:
    def append(self, metrics):
        print("REPORT", int(metrics["step"]), flush=True)
test_train.run(Path(sys.argv[2]), Reports(), test_train.training(steps=100_000), train_workers=1, zero_stage=1)
"""


def test_a_run_whose_processes_were_all_killed_resumes(tmp_path: Path, ray_cluster: None) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED, encoding="utf-8")
    folder = tmp_path / "stage"
    process = subprocess.Popen(
        [sys.executable, str(script), str(Path(__file__).parent), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    seen = 0
    for line in process.stdout:
        if line.startswith("REPORT"):
            seen = int(line.split()[1])
            if seen >= 20:
                break
    for descendant in [*_descendants(process.pid), process.pid]:
        os.kill(descendant, signal.SIGKILL)
    process.wait()
    reports: list[dict[str, float]] = []
    # The killed run may have been ahead of its reports; what it wrote last may be in pieces.
    kept = [json.loads(path.read_text(encoding="utf-8"))["step"] for path in (folder / "train").glob("*/state.json")]
    settings = training(steps=max(kept) + 20)
    trained = run(folder, reports, settings, train_workers=1, zero_stage=1)
    steps = [int(report["step"]) for report in reports]
    assert steps[0] - 10 in range(seen - 10, max(kept) + 1)
    assert steps == list(range(steps[0], settings.steps + 1, 10))
    assert trained.metrics["step"] == settings.steps


def _descendants(pid: int) -> list[int]:
    """Process ids of all children and theirs, read from /proc."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text(encoding="utf-8")
            except OSError:
                continue
            parents.setdefault(int(stat.rsplit(")", 1)[1].split()[1]), []).append(int(entry.name))
    found, queue = [], [pid]
    while queue:
        children = parents.get(queue.pop(), [])
        found += children
        queue += children
    return found
