"""What the training loop knows of the world around it, and that world without a cluster: one process and a folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import torch
import torch.distributed as dist


class RunContext(Protocol):
    """The world of one training worker. A process group of all workers is up before the loop starts."""

    @property
    def rank(self) -> int:
        """This worker's number, from 0."""
        ...

    @property
    def world_size(self) -> int:
        """Number of workers."""
        ...

    @property
    def device(self) -> torch.device:
        """Where this worker computes."""
        ...

    @property
    def threads(self) -> int:
        """Threads of torch that this worker may use."""
        ...

    def report(self, metrics: Mapping[str, float], checkpoint: Path | None) -> None:
        """Say how training goes; all workers call it together.

        Args:
            metrics: the same for all workers; ``step`` is among them.
            checkpoint: a folder with this worker's part of a checkpoint. It is kept before this returns, and the
                caller may delete the folder then.
        """
        ...

    def latest_checkpoint(self) -> AbstractContextManager[Path | None]:
        """The folder with all workers' parts of the last checkpoint, or None where there is none yet."""
        ...


class LocalContext:
    """Training in this process alone; its checkpoints lie in a folder, and only the last is kept.

    Attributes:
        history: every report's metrics, in order.
    """

    rank = 0
    world_size = 1

    def __init__(self, folder: Path, *, device: str = "cpu", threads: int = 1) -> None:
        self.device = torch.device(device)
        self.threads = threads
        self.history: list[dict[str, float]] = []
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault("LOCAL_RANK", "0")  # DeepSpeed asks for it whoever set up the process group.
        if not dist.is_initialized():
            backend = "gloo" if self.device.type == "cpu" else "nccl"
            store = dist.HashStore()  # type: ignore[attr-defined]  # documented; torch's types leave it out
            dist.init_process_group(backend, store=store, rank=0, world_size=1)

    def report(self, metrics: Mapping[str, float], checkpoint: Path | None) -> None:
        """Keep the metrics and, all or nothing, the checkpoint."""
        self.history.append(dict(metrics))
        if checkpoint is None:
            return
        kept = self._folder / f"checkpoint_{int(metrics['step']):09d}"
        unfinished = self._folder / f".{kept.name}"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(checkpoint, unfinished)
        older = self._checkpoints()
        shutil.rmtree(kept, ignore_errors=True)
        unfinished.rename(kept)
        for each in older:
            if each != kept:
                shutil.rmtree(each)

    @contextmanager
    def latest_checkpoint(self) -> Iterator[Path | None]:
        """The last checkpoint's folder."""
        checkpoints = self._checkpoints()
        yield checkpoints[-1] if checkpoints else None

    def _checkpoints(self) -> list[Path]:
        return sorted(self._folder.glob("checkpoint_*"))
