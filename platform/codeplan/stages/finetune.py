"""finetune: fine-tune the student on code and plans."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from codeplan.config import ExecutionConfig, StudentConfig, TrainingConfig
from codeplan.records import Plan, Problem
from codeplan.stage import IDENTITY, Stage, StageError, StageResult
from codeplan.stages.roles import is_first
from codeplan.stages.run import PLANS, PROBLEMS, StageRun
from codeplan.student.settings import FinetuneSettings

VERSION = 3


START = "start"
"""Role of the training that another one continues."""


def settings(student: StudentConfig, training: TrainingConfig) -> FinetuneSettings:
    """What is trained, and how."""
    return FinetuneSettings.of(student, training)


def resources(execution: ExecutionConfig) -> tuple[float, float]:
    """A CPU per worker, and its GPUs."""
    return execution.train_workers, execution.train_workers * execution.gpus_per_worker


def run(work: StageRun) -> StageResult:
    """Train for all steps, from the last checkpoint where there is one."""
    from codeplan.on_ray.train import finetune

    trained_settings = _settings(work.stage)
    work.connect_ray(*resources(work.execution))
    if trained_settings.revision:
        work.note(f"{trained_settings.student.model} is pinned to commit {trained_settings.revision}")
        work.tracking.tag(model_revision=trained_settings.revision)
    start_from = shorter_training(work.stage)
    if start_from is not None:
        work.note(f"resumes from the checkpoint of a shorter training, {start_from}")
    elif START in work.stage.inputs:
        start_from = _checkpoint_of(work.stage.inputs[START], work)
    # The workers end a training that should stop, not the bar, which another thread advances.
    with work.bar(trained_settings.training.steps, "steps", stoppable=False) as bar:
        done = 0

        def report(metrics: Mapping[str, float]) -> None:
            nonlocal done
            step = int(metrics["step"])
            if done == 0:
                bar.skip(step)  # the first report comes after the start-up, or after the steps of a run before this
            bar.advance(step - done if done else 0, note=f"loss {metrics['loss']:.3f}")
            done = step
            work.tracking.metrics({key: value for key, value in metrics.items() if key != "step"}, step)
            if is_first(work.stage.role):
                work.observer.report(metrics)

        trained = finetune(
            work.read("train", PROBLEMS, Problem),
            work.read("plans", PLANS, Plan),
            trained_settings,
            work.execution,
            work.folder,
            report,
            start_from=start_from,
            should_stop=work.observer.stop_requested,
            watch=work.watch,
        )
    for warning in trained.warnings:
        work.note(warning)
    return StageResult(accounts=trained.accounts, metrics=trained.metrics)


def _checkpoint_of(segment: Stage, work: StageRun) -> Path:
    """The last checkpoint of the segment that this training continues.

    Raises:
        StageError: it cannot be used: without it the training would be another one.
    """
    from codeplan.on_ray.train import start_problem

    checkpoint = segment.folder / "checkpoint"
    problem = start_problem(work.folder, checkpoint, _settings(work.stage).training, work.execution)
    if problem:
        raise StageError(
            f"{work.title} continues an earlier segment: {problem}; to train that again, delete {segment.folder}"
        )
    return checkpoint


def shorter_training(stage: Stage) -> Path | None:
    """The checkpoint of the longest training that this one is the continuation of; None where there is none.

    Under a constant schedule the first steps of a training do not depend on how many follow.
    """
    found = max(_shorter(stage), default=None)
    return found[1] if found is not None else None


def steps_done(folder: Path) -> int:
    """Optimizer steps of the latest checkpoint in a stage's folder, or of a checkpoint's own folder; 0 without one."""
    steps = [0]
    for state in (*folder.glob("state.json"), *folder.glob("train/**/checkpoint_*/state.json")):
        with suppress(OSError, ValueError, KeyError, TypeError):  # a killed run may have left it in pieces
            steps.append(int(json.loads(state.read_text(encoding="utf-8"))["step"]))
    return max(steps)


def _shorter(stage: Stage) -> Iterator[tuple[int, Path]]:
    settings = _settings(stage)
    if settings.training.schedule != "constant":
        return
    wanted = {**stage.identity(), "settings": settings.trajectory, "digests": stage.digests()}
    for folder in stage.folder.parent.glob("*"):
        checkpoint = folder / "checkpoint"
        if folder == stage.folder or not checkpoint.is_dir():
            continue
        try:
            identity = json.loads((folder / IDENTITY).read_text(encoding="utf-8"))
            steps = identity["settings"]["training"].pop("steps")
        except (OSError, ValueError, KeyError, TypeError):
            continue  # another user's folder, or an older version's
        if identity == wanted and steps < settings.training.steps:
            yield steps, checkpoint


def _settings(stage: Stage) -> FinetuneSettings:
    assert isinstance(stage.settings, FinetuneSettings)
    return stage.settings
