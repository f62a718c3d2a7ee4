"""What the training loop needs from its surroundings: a rank, a device, and where reports and checkpoints go.

The loop knows only this protocol, so that it is the same under Ray Train (`codeplan.on_ray.train`) and in one process
without a cluster (`LocalContext`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import torch
import torch.distributed as dist

from codeplan.files import atomic_write

STOPPED = "stopped"
"""Among the metrics of a training that was asked to stop: it kept a checkpoint, and has no trained student yet."""


class RunContext(Protocol):
    """One training worker's surroundings. The process group of all workers is initialised before the loop starts."""

    @property
    def rank(self) -> int:
        """This worker's rank, from 0."""
        ...

    @property
    def world_size(self) -> int:
        """Number of workers."""
        ...

    @property
    def device(self) -> torch.device:
        """The device that this worker computes on."""
        ...

    @property
    def threads(self) -> int:
        """PyTorch threads that this worker may use."""
        ...

    def report(self, metrics: Mapping[str, float], checkpoint: Path | None) -> None:
        """Report metrics and, where given, a checkpoint; all workers call it together.

        Args:
            metrics: the same for all workers; ``step`` is among them.
            checkpoint: a folder with this worker's part of a checkpoint. It is persisted before this returns; the
                caller may delete the folder then.
        """
        ...

    def latest_checkpoint(self) -> AbstractContextManager[Path | None]:
        """The folder with all workers' parts of the latest checkpoint, or None where there is none."""
        ...

    def stop_requested(self) -> bool:
        """Whether training should keep a checkpoint and end; workers may learn of it one after another."""
        ...


class LocalContext:
    """Training in this process alone; its checkpoints are in a folder, and only the latest is kept.

    Attributes:
        history: every report's metrics, in order.
        stop: set it to end training at its next report.
    """

    rank = 0
    world_size = 1

    def __init__(self, folder: Path, *, device: str = "cpu", threads: int = 1) -> None:
        self.device = torch.device(device)
        self.threads = threads
        self.history: list[dict[str, float]] = []
        self.stop = False
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault("LOCAL_RANK", "0")  # DeepSpeed reads it, whoever set up the process group.
        if not dist.is_initialized():
            backend = "gloo" if self.device.type == "cpu" else "nccl"
            store = dist.HashStore()  # type: ignore[attr-defined]  # documented; torch's types leave it out
            dist.init_process_group(backend, store=store, rank=0, world_size=1)

    def report(self, metrics: Mapping[str, float], checkpoint: Path | None) -> None:
        """Record the metrics and, atomically, the checkpoint."""
        self.history.append(dict(metrics))
        if checkpoint is None:
            return
        kept = self._folder / f"checkpoint_{int(metrics['step']):09d}"
        older = self._checkpoints()
        with atomic_write(kept) as unfinished:
            shutil.copytree(checkpoint, unfinished)
        for checkpoint_folder in older:
            if checkpoint_folder != kept:
                shutil.rmtree(checkpoint_folder)

    @contextmanager
    def latest_checkpoint(self) -> Iterator[Path | None]:
        """The latest checkpoint's folder."""
        checkpoints = self._checkpoints()
        yield checkpoints[-1] if checkpoints else None

    def stop_requested(self) -> bool:
        """Whether ``stop`` is set."""
        return self.stop

    def _checkpoints(self) -> list[Path]:
        return sorted(self._folder.glob("checkpoint_*"))
