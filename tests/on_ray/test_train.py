"""Fine-tuning on a real cluster: the result, the reports, and going on after everything was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from codeplan.config import ExecutionConfig, StudentConfig, TrainingConfig
from codeplan.on_ray.train import Trained, finetune
from codeplan.records import Plan, Problem
from codeplan.student.asks import Ask
from codeplan.student.context import LocalContext
from codeplan.student.generation import Generator
from codeplan.student.loop import train

STUDENT = StudentConfig(
    init="scratch",
    architecture={"model_type": "t5", "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_heads": 4},
    vocabulary=300,
    source_tokens=64,
    plan_source_tokens=96,
    target_tokens=48,
    plan_head="own",
)
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
    Plan(problem_id=each.problem_id, author="t", solution_index=0, text="1. Read.\n2. Add.") for each in PROBLEMS
] + [Plan(problem_id="p/1", author="t", solution_index=0, text="1. Too long.\n" * 40)]


def training(**changes: object) -> TrainingConfig:
    plain = {"steps": 20, "batch_size": 8, "micro_batch_size": 4, "learning_rate": 3e-3, "warmup_steps": 2}
    return TrainingConfig.model_validate({**plain, "validation_examples": 2, **changes})


def run(folder: Path, reports: list[dict[str, float]], settings: TrainingConfig, workers: int = 2) -> Trained:
    execution = ExecutionConfig(train_workers=workers, checkpoint_every=10, zero_stage=2)
    return finetune(PROBLEMS, PLANS, STUDENT, settings, execution, folder, reports.append)


@pytest.mark.usefixtures("ray_cluster")
def test_two_workers_train_one_student_and_count_everything(tmp_path: Path) -> None:
    reports: list[dict[str, float]] = []
    trained = run(tmp_path, reports, training())
    assert [each["step"] for each in reports] == [10.0, 20.0]
    assert trained.metrics["loss"] == reports[-1]["loss"]
    assert trained.metrics["step"] == 20.0
    assert trained.accounts["problems"].losses == {"without solution": 1}
    assert trained.accounts["plans"].losses == {"explains no solution": 1}
    assert trained.accounts["examples"].losses["plan too long"] == 1
    [text] = Generator(trained.folder, batch=4).generate(
        [Ask(PROBLEMS[1], "code", "", greedy=True)], temperature=1.0, top_p=1.0
    )
    assert text.tokens > 0

    # One worker alone sees the same micro-batches in the same order, and ends at the same losses.
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


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import ray, test_train
ray.init(address="local", num_cpus=2, include_dashboard=False)
def told(metrics):
    print("REPORT", int(metrics["step"]), flush=True)
from codeplan.config import ExecutionConfig
from codeplan.on_ray.train import finetune
execution = ExecutionConfig(train_workers=1, checkpoint_every=10, zero_stage=1)
settings = test_train.training(steps=100_000)
finetune(test_train.PROBLEMS, test_train.PLANS, test_train.STUDENT, settings, execution, Path(sys.argv[2]), told)
"""


def test_a_run_whose_processes_were_all_killed_goes_on(tmp_path: Path, ray_cluster: None) -> None:
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
    execution = ExecutionConfig(train_workers=1, checkpoint_every=10, zero_stage=1)
    # The killed run may have been ahead of its reports; what it wrote last may be in pieces.
    kept = [json.loads(each.read_text(encoding="utf-8"))["step"] for each in (folder / "train").glob("*/state.json")]
    settings = training(steps=max(kept) + 20)
    trained = finetune(PROBLEMS, PLANS, STUDENT, settings, execution, folder, reports.append)
    steps = [int(each["step"]) for each in reports]
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
