"""Training loss and throughput between two reports, over all workers."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
import torch.distributed as dist

from codeplan.config import TASKS, Task
from codeplan.student.examples import Example

_LOSS, _MICRO_BATCHES, _EXAMPLES, _TOKENS = range(4)


class TrainingMetrics:
    """Accumulates micro-batches on the device; nothing is copied from it before `read`."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.restart()

    def restart(self) -> None:
        """Reset the sums and the clock."""
        self._sums = torch.zeros(len(TASKS), 4, dtype=torch.float64, device=self._device)
        self._since = time.perf_counter()

    def add(self, task: Task, loss: torch.Tensor, examples: Sequence[Example]) -> None:
        """Count a micro-batch: its mean loss, and its examples with prompts and targets."""
        row = self._sums[TASKS.index(task)]
        row[_LOSS] += loss.detach().double()
        row[_MICRO_BATCHES] += 1
        row[_EXAMPLES] += len(examples)
        row[_TOKENS] += sum(len(example.source) + len(example.target) for example in examples)

    def read(self) -> dict[str, float]:
        """``loss`` (mean over micro-batches), ``loss/TASK`` and rates since the last call; all workers call it."""
        dist.all_reduce(self._sums)
        sums = self._sums.cpu()
        seconds = time.perf_counter() - self._since
        self.restart()
        metrics = {
            f"loss/{task}": float(row[_LOSS] / row[_MICRO_BATCHES])
            for task, row in zip(TASKS, sums, strict=True)
            if row[_MICRO_BATCHES] > 0
        }
        totals = sums.sum(dim=0)
        metrics["loss"] = float(totals[_LOSS] / totals[_MICRO_BATCHES])
        metrics["examples_per_s"] = float(totals[_EXAMPLES]) / seconds
        metrics["tokens_per_s"] = float(totals[_TOKENS]) / seconds
        return metrics
