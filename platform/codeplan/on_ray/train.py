"""Fine-tuning on Ray Train: places the workers, keeps checkpoints, restarts failed workers, and reports to the driver.

The loop itself is `codeplan.student.loop`; Ray is only a `RunContext` to it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import ray.train
import ray.train.torch
import torch

from codeplan.config import ExecutionConfig, TrainingConfig
from codeplan.errors import StopRequested, UserError
from codeplan.files import atomic_write
from codeplan.on_ray.train_metrics import TrainingMetrics
from codeplan.on_ray.train_process import interrupt_handler_kept, polled_often
from codeplan.on_ray.train_reports import ReportWriter, follow_reports
from codeplan.records import Plan, Problem
from codeplan.stage import Account
from codeplan.student.checkpoint import read_state, verify_checkpoint
from codeplan.student.context import STOPPED
from codeplan.student.engine import zero_stage
from codeplan.student.prepare import Prepared, prepare
from codeplan.student.settings import FinetuneSettings
from codeplan.watching import UNWATCHED, Watch

CHECKPOINT = "checkpoint"
"""Name of the folder in which a finished training leaves its last checkpoint, under a constant schedule; a user may
delete it."""

_RUN = "train"
_REPORTS = "reports.jsonl"
_STOP = "stop_requested"
_MAX_FAILURES = 2
"""How often failed workers are restarted from the latest checkpoint before the stage fails."""


@dataclass(frozen=True)
class Trained:
    """A trained student.

    Attributes:
        folder: the student's folder.
        metrics: the last report, ``trained.steps.new`` (steps that were not taken over from ``start_from``), and how
            many examples of each task were shortened or truncated.
        accounts: of ``problems``, ``plans`` and ``examples``.
        warnings: what the tokenizer and the length limits cost, and why ``start_from`` was not used.
    """

    folder: Path
    metrics: dict[str, float]
    accounts: dict[str, Account]
    warnings: tuple[str, ...]


def finetune(  # noqa: PLR0917  # in the pipeline's order
    problems: Sequence[Problem],
    plans: Sequence[Plan],
    settings: FinetuneSettings,
    execution: ExecutionConfig,
    folder: Path,
    on_report: Callable[[dict[str, float]], None],
    start_from: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    watch: Watch = UNWATCHED,
) -> Trained:
    """Fine-tune a student on the cluster that this process is connected to.

    A run that was killed resumes from its latest checkpoint when it is called again with the same folder.

    Args:
        problems: the training problems.
        plans: the teacher's plans for their solutions.
        settings: what to start from, and what to do.
        execution: workers, GPUs, ZeRO stage and how often to keep a checkpoint.
        folder: gets ``student`` (the result), ``checkpoint`` (the last one, under a constant schedule), ``initial`` and
            ``examples.parquet``, and ``train`` while the training runs. All workers must see it under the same path.
        on_report: called with each report of the workers as it comes, in a thread of this process.
        start_from: ``checkpoint`` of a training of the same problems and plans with an equal
            `FinetuneSettings.trajectory` and fewer steps; used where the folder has no checkpoint of its own.
        should_stop: asked twice a second; once it says so, the workers keep a checkpoint at their next report and end.
        watch: where steps and tokens are counted, and checkpoints logged.

    Raises:
        StopRequested: training was asked to stop.
        UserError: the student cannot be built, too few problems have a solution, a task has no example, or the folder's
            own checkpoint is damaged.
        ray.train.TrainingFailedError: the workers failed more often than they are restarted; a checkpoint is kept.
    """
    folder = folder.resolve()
    training = settings.training
    prepared = prepare(problems, plans, settings.pinned_student, training, folder)
    warnings = [finding.message for finding in prepared.warnings]
    if start_from is not None and (problem := start_problem(folder, start_from, training, execution)):
        warnings.append(f"trained from the first step, not from the checkpoint of fewer steps: {problem}")
        start_from = None
    metrics = TrainingMetrics(watch, training.steps, _resumes_from(folder, start_from))
    trainer = _trainer(prepared, training, execution, folder, start_from)
    with polled_often(execution.train_workers):
        result = _fit_until_stopped(trainer, folder / _RUN, metrics.passing_on(on_report), should_stop)
    _keep_checkpoint(Path(result.checkpoint.path) if result.checkpoint else start_from, folder, training)
    encoding = prepared.encoding
    counts = {f"questions_shortened/{task}": float(count) for task, count in encoding.shortened.items()}
    counts |= {f"targets_truncated/{task}": float(count) for task, count in encoding.truncated.items()}
    return Trained(folder / "student", {**result.return_value, **counts}, encoding.accounts, tuple(warnings))


def _trainer(
    prepared: Prepared, training: TrainingConfig, execution: ExecutionConfig, folder: Path, start_from: Path | None
) -> ray.train.torch.TorchTrainer:
    (folder / _RUN).mkdir(exist_ok=True)
    on_gpu = execution.gpus_per_worker > 0
    return ray.train.torch.TorchTrainer(
        _train_worker,
        train_loop_config={
            "initial": str(prepared.initial),
            "examples": str(prepared.examples),
            "trained": str(folder / "student"),
            "kept": str(folder / CHECKPOINT),
            "stop_file": str(folder / _RUN / _STOP),
            "start_from": str(start_from.resolve()) if start_from else "",
            "training": training.model_dump(mode="json"),
            "execution": execution.model_dump(mode="json"),
        },
        torch_config=ray.train.torch.TorchConfig(backend="nccl" if on_gpu else "gloo"),
        scaling_config=ray.train.ScalingConfig(
            num_workers=execution.train_workers,
            use_gpu=on_gpu,
            resources_per_worker={"CPU": 1, **({"GPU": execution.gpus_per_worker} if on_gpu else {})},
        ),
        run_config=ray.train.RunConfig(
            name=_RUN,  # The same name in the same folder is how Ray finds the latest checkpoint again.
            storage_path=str(folder),
            failure_config=ray.train.FailureConfig(max_failures=_MAX_FAILURES),
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=1),
            callbacks=[ReportWriter(str(folder / _RUN / _REPORTS))],
        ),
    )


def _fit_until_stopped(
    trainer: ray.train.torch.TorchTrainer,
    folder: Path,
    on_report: Callable[[dict[str, float]], None],
    should_stop: Callable[[], bool],
) -> ray.train.Result:
    stop_file = folder / _STOP
    stop_file.unlink(missing_ok=True)

    def pass_on_stop() -> None:
        if should_stop():
            stop_file.touch()

    with interrupt_handler_kept(), follow_reports(folder / _REPORTS, on_report, pass_on_stop):
        result = _fit(trainer)
    if STOPPED in result.return_value:
        raise StopRequested(f"training was stopped after {int(result.return_value['step'])} steps")
    return result


def _fit(trainer: ray.train.torch.TorchTrainer) -> ray.train.Result:
    """Run the workers; a worker's UserError is raised as it is."""
    try:
        return trainer.fit()
    except ray.train.WorkerGroupError as error:
        for failure in error.worker_failures.values():
            cause = getattr(failure, "_base_exc", failure)
            if isinstance(cause, UserError):
                raise cause from error
        raise


def start_problem(folder: Path, start_from: Path, training: TrainingConfig, execution: ExecutionConfig) -> str:
    """Why a checkpoint cannot be continued; empty where it can, and where the folder has one of its own.

    Args:
        folder: of the training that would continue it.
        start_from: the checkpoint's folder.
        training: what that training does.
        execution: its workers.
    """
    if (folder / CHECKPOINT).exists() or any((folder / _RUN).glob("checkpoint_*")):
        return ""
    try:
        state = read_state(start_from)
        verify_checkpoint(start_from)
    except UserError as error:
        return str(error)
    if state.step > training.steps:
        return f"checkpoint {start_from} has {state.step} steps, more than training.steps = {training.steps}"
    problem = state.mismatch(execution.train_workers, zero_stage(training, execution))
    return f"checkpoint {start_from} {problem}" if problem else ""


def _resumes_from(folder: Path, start_from: Path | None) -> Path | None:
    """The checkpoint that the workers find first; a UserError where the one of a finished training is damaged."""
    if (folder / CHECKPOINT).exists():
        read_state(folder / CHECKPOINT)  # Here, and not after restarts of the workers.
    own = max((folder / _RUN).glob("checkpoint_*"), default=folder / CHECKPOINT)
    return own if own.exists() else start_from


def _keep_checkpoint(last: Path | None, folder: Path, training: TrainingConfig) -> None:
    """Leave the last checkpoint for trainings of more steps, and remove the folder of the run.

    Under another schedule than a constant one no training can start from it, and the optimizer's state is large.

    Args:
        last: the checkpoint; None where it was kept before.
        folder: the stage's folder.
        training: gives the schedule.
    """
    if last is not None and training.schedule == "constant":
        with atomic_write(folder / CHECKPOINT) as unfinished:
            shutil.copytree(last, unfinished, copy_function=_link_or_copy)
    shutil.rmtree(folder / _RUN, ignore_errors=True)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)


class RayContext:
    """A worker's surroundings under Ray Train; see `codeplan.student.context.RunContext`."""

    def __init__(self, kept: Path, stop_file: Path) -> None:
        """Read the worker's rank, device and CPUs from Ray.

        Args:
            kept: the checkpoint that a finished run of the same folder left.
            stop_file: exists once the training should end.
        """
        self._kept = kept
        self._stop_file = stop_file
        context = ray.train.get_context()
        self.rank: int = context.get_world_rank()
        self.world_size: int = context.get_world_size()
        self.device: torch.device = ray.train.torch.get_device()
        self.threads = max(1, int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1)))

    def report(self, metrics: Mapping[str, float], checkpoint: Path | None) -> None:
        """Report to the controller, which merges all workers' parts of a checkpoint."""
        kept = ray.train.Checkpoint.from_directory(str(checkpoint)) if checkpoint is not None else None
        ray.train.report(dict(metrics), checkpoint=kept)

    def stop_requested(self) -> bool:
        """Whether the driver asked to stop."""
        return self._stop_file.exists()

    @contextmanager
    def latest_checkpoint(self) -> Iterator[Path | None]:
        """The latest checkpoint of this run, or of the run before it in the same folder."""
        checkpoint = ray.train.get_checkpoint()
        if checkpoint is None:
            yield self._kept if self._kept.exists() else None
            return
        with checkpoint.as_directory() as folder:
            yield Path(folder)


def _train_worker(given: dict[str, Any]) -> dict[str, float]:
    # Imported in the worker, because the driver does not need DeepSpeed.
    from codeplan.student.loop import train

    return train(
        RayContext(Path(given["kept"]), Path(given["stop_file"])),
        initial=Path(given["initial"]),
        examples=Path(given["examples"]),
        training=TrainingConfig.model_validate(given["training"]),
        execution=ExecutionConfig.model_validate(given["execution"]),
        trained=Path(given["trained"]),
        start_from=Path(given["start_from"]) if given["start_from"] else None,
    )
