"""Fine-tuning on Ray Train: places the workers, keeps checkpoints, goes on after a failure, and tells the driver.

The loop itself is `codeplan.student.loop`; it sees Ray only as a `RunContext`.
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import ray.train
import ray.train.torch
import torch

from codeplan.config import ExecutionConfig, StudentConfig, TrainingConfig
from codeplan.records import Plan, Problem
from codeplan.stages import Account
from codeplan.student.prepare import prepare

_RUN = "train"
_PROGRESS = "progress.jsonl"
_POLL_S = 0.5
_MAX_FAILURES = 2
"""How often the workers are started again from the latest checkpoint before the stage fails."""


@dataclass(frozen=True)
class Trained:
    """A trained student.

    Attributes:
        folder: the student's folder.
        metrics: the last report, and how many examples of each task were shortened or truncated.
        accounts: of ``problems``, ``plans`` and ``examples``.
    """

    folder: Path
    metrics: dict[str, float]
    accounts: dict[str, Account]


def finetune(  # noqa: PLR0917  # the road's stages pass what they read, in the order of the road
    problems: Sequence[Problem],
    plans: Sequence[Plan],
    student: StudentConfig,
    training: TrainingConfig,
    execution: ExecutionConfig,
    folder: Path,
    on_report: Callable[[dict[str, float]], None],
) -> Trained:
    """Fine-tune a student on the cluster that this process is connected to.

    A run that was killed goes on from its latest checkpoint when it is called again with the same folder.

    Args:
        problems: the training problems.
        plans: the teacher's plans for their solutions.
        student: what to start from.
        training: what to do.
        execution: workers, GPUs, ZeRO stage and how often to keep a checkpoint.
        folder: gets ``student`` (the result), ``train`` (checkpoints), ``initial`` and ``examples.parquet``. All
            workers must see it under the same path.
        on_report: called in a thread of this process with each report of the workers, while they go on.

    Raises:
        UserError: the student cannot be built, too few problems have a solution, or a task has no example.
        ray.train.TrainingFailedError: the workers failed more often than they are started again; the latest checkpoint
            is kept.
    """
    folder = folder.resolve()
    prepared = prepare(problems, plans, student, training, folder)
    (folder / _RUN).mkdir(exist_ok=True)
    progress = folder / _RUN / _PROGRESS
    on_gpu = execution.gpus_per_worker > 0
    trainer = ray.train.torch.TorchTrainer(
        _work,
        train_loop_config={
            "initial": str(prepared.initial),
            "examples": str(prepared.examples),
            "trained": str(folder / "student"),
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
            callbacks=[_ProgressWriter(str(progress))],
        ),
    )
    with _interrupt_handler_kept(), _told(progress, on_report):
        result = trainer.fit()
    written = prepared.written
    counts = {f"questions_shortened/{task}": float(count) for task, count in written.shortened.items()}
    counts |= {f"targets_truncated/{task}": float(count) for task, count in written.truncated.items()}
    return Trained(folder / "student", {**result.return_value, **counts}, written.accounts)


class RayContext:
    """A worker's world as Ray Train tells it; see `codeplan.student.context.RunContext`."""

    def __init__(self) -> None:
        place = ray.train.get_context()
        self.rank: int = place.get_world_rank()
        self.world_size: int = place.get_world_size()
        self.device: torch.device = ray.train.torch.get_device()
        self.threads = max(1, int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1)))

    def report(self, metrics: Mapping[str, float], checkpoint: Path | None) -> None:
        """Report to the controller, which keeps all workers' parts of a checkpoint together."""
        kept = ray.train.Checkpoint.from_directory(str(checkpoint)) if checkpoint is not None else None
        ray.train.report(dict(metrics), checkpoint=kept)

    @contextmanager
    def latest_checkpoint(self) -> Iterator[Path | None]:
        """The latest checkpoint of this run, or of the run before it in the same folder."""
        checkpoint = ray.train.get_checkpoint()
        if checkpoint is None:
            yield None
            return
        with checkpoint.as_directory() as folder:
            yield Path(folder)


def _work(given: dict[str, Any]) -> dict[str, float]:
    # Imported in the worker, because the driver needs neither DeepSpeed nor the model's classes.
    from codeplan.student.loop import train

    return train(
        RayContext(),
        initial=Path(given["initial"]),
        examples=Path(given["examples"]),
        training=TrainingConfig.model_validate(given["training"]),
        execution=ExecutionConfig.model_validate(given["execution"]),
        trained=Path(given["trained"]),
    )


class _ProgressWriter(ray.train.UserCallback):
    """Appends each report to a file; it runs in Ray's controller, which is on the driver's machine."""

    def __init__(self, path: str) -> None:
        self._path = path

    def after_report(self, run_context: Any, metrics: list[dict[str, float]], checkpoint: Any) -> None:
        """Write the first worker's metrics: all workers report the same."""
        del run_context, checkpoint
        with Path(self._path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(metrics[0]) + "\n")


@contextmanager
def _told(progress: Path, on_report: Callable[[dict[str, float]], None]) -> Iterator[None]:
    """Hand what is appended to the file to the callback; an error of the callback rises at the end."""
    progress.touch()
    over = threading.Event()
    errors: list[Exception] = []

    def follow() -> None:
        with progress.open(encoding="utf-8") as file:
            file.seek(0, 2)
            while True:
                last = over.wait(_POLL_S)
                for line in _whole_lines(file):
                    on_report(json.loads(line))
                if last:
                    return

    def guarded() -> None:
        try:
            follow()
        except Exception as error:
            errors.append(error)

    follower = threading.Thread(target=guarded, name="training-progress", daemon=True)
    follower.start()
    try:
        yield
    finally:
        over.set()
        follower.join()
    if errors:
        raise errors[0]


def _whole_lines(file: Any) -> Iterator[str]:
    """The lines that are complete; a line that is being written is left for the next time."""
    while True:
        start = file.tell()
        line = file.readline()
        if not line.endswith("\n"):
            file.seek(start)
            return
        yield line


@contextmanager
def _interrupt_handler_kept() -> Iterator[None]:
    """Ray Train installs a handler of its own for Ctrl-C and leaves it there when training is over."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
