"""The training loop: alternating multi-task fine-tuning with DeepSpeed, the same in one process and on a cluster."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.functional import cross_entropy

from codeplan.config import ExecutionConfig, Task, TrainingConfig
from codeplan.student.batches import IGNORED, collate
from codeplan.student.context import RunContext
from codeplan.student.engine import gathered_parameters, set_learning_rate, start_engine
from codeplan.student.errors import StudentError
from codeplan.student.examples import Example, read_examples
from codeplan.student.meter import Meter
from codeplan.student.mixture import Mixture, shares_of_rank
from codeplan.student.model import load_student, save_student

REPORT_EVERY = 10
"""Optimizer steps between reports."""

_TAG = "engine"
_STATE = "state.json"


@dataclass(frozen=True)
class _State:
    """What a checkpoint holds beside DeepSpeed's files.

    Attributes:
        step: optimizer steps done.
        world_size: number of workers that wrote it.
        zero_stage: the ZeRO stage that it was written under.
        metrics: the last report.
    """

    step: int
    world_size: int
    zero_stage: int
    metrics: dict[str, float]


def train(
    context: RunContext,
    *,
    initial: Path,
    examples: Path,
    training: TrainingConfig,
    execution: ExecutionConfig,
    trained: Path,
) -> dict[str, float]:
    """Train a student, from its latest checkpoint where there is one; every worker calls this.

    Training that was stopped and gone on with ends with the weights of training that was not: the order of the
    examples, the learning rate and dropout depend on the step alone.

    Args:
        context: this worker's place, reports and checkpoints.
        initial: folder of the student to start from.
        examples: file of `codeplan.student.examples.write_examples`.
        training: what to do.
        execution: ZeRO stage and how often to keep a checkpoint.
        trained: folder that the first worker writes the trained student to; all of it or nothing is there.

    Returns:
        The last report: ``step``, ``loss``, ``loss/TASK``, ``validation_loss/TASK``, ``learning_rate``,
        ``gradient_norm``, ``examples_per_s`` and ``tokens_per_s`` (prompts and targets, without padding).

    Raises:
        StudentError: the latest checkpoint belongs to another number of workers or another ZeRO stage.
        MixtureError: the micro-batches of a step cannot be shared evenly, or a task has no example.
    """
    torch.set_num_threads(context.threads)
    loop = _Loop(context, initial, examples, training, execution)
    state = loop.resume()
    metrics = state.metrics
    for step in range(state.step, training.steps):
        loop.step(step)
        done = step + 1
        keep = done % execution.checkpoint_every == 0 or done == training.steps
        if keep or done % REPORT_EVERY == 0:
            metrics = loop.report(done, keep=keep)
    loop.save(trained)
    return metrics


def learning_rate(step: int, training: TrainingConfig) -> float:
    """The learning rate of a step, counted from 0: linear warm-up, then constant or half a cosine down to 0."""
    if step < training.warmup_steps:
        return training.learning_rate * (step + 1) / training.warmup_steps
    if training.schedule == "constant":
        return training.learning_rate
    done = (step - training.warmup_steps) / max(1, training.steps - training.warmup_steps)
    return training.learning_rate * 0.5 * (1.0 + math.cos(math.pi * done))


class _Loop:
    """One worker's model, data and meter."""

    def __init__(
        self, context: RunContext, initial: Path, examples: Path, training: TrainingConfig, execution: ExecutionConfig
    ) -> None:
        self._context, self._training, self._execution = context, training, execution
        self._accumulation = training.batch_size // training.micro_batch_size
        shares_of_rank(0, self._accumulation, context.rank, context.world_size)
        self._student = load_student(initial)
        data = read_examples(examples)
        self._examples, self._held_out = data.training, data.held_out
        self._mixture = Mixture(training, {task: len(each) for task, each in data.training.items()})
        self._student.model.train()
        self._engine = start_engine(self._student.model, training, execution, context)
        self._meter = Meter(context.device)

    def step(self, step: int) -> None:
        """One optimizer step: this worker's micro-batches, each of one task."""
        set_learning_rate(self._engine, learning_rate(step, self._training))
        for index in shares_of_rank(step, self._accumulation, self._context.rank, self._context.world_size):
            micro = self._mixture.micro_batch(index)
            examples = [self._examples[micro.task][each] for each in micro.examples]
            torch.manual_seed(_dropout_seed(self._training.seed, index))
            total, tokens = self._loss(micro.task, examples)
            loss = total / tokens
            # L = sum over tasks of weight x L_task: DeepSpeed takes the mean over a step's micro-batches.
            self._engine.backward(self._training.weights.get(micro.task, 1.0) * loss)
            self._engine.step()
            self._meter.add(micro.task, loss, examples)

    def report(self, done: int, *, keep: bool) -> dict[str, float]:
        """Report on the steps since the last report, and keep a checkpoint with validation losses where wanted."""
        metrics = {"step": float(done), "learning_rate": learning_rate(done - 1, self._training), **self._meter.read()}
        if (norm := self._engine.get_global_grad_norm()) is not None:
            metrics["gradient_norm"] = float(norm)
        if not keep:
            self._context.report(metrics, None)
            return metrics
        metrics |= self._validate()
        with tempfile.TemporaryDirectory(prefix="codeplan-checkpoint-") as name:
            folder = Path(name)
            self._engine.save_checkpoint(folder, tag=_TAG)
            if self._context.rank == 0:
                state = _State(done, self._context.world_size, self._execution.zero_stage, metrics)
                (folder / _STATE).write_text(json.dumps(asdict(state)), encoding="utf-8")
            self._context.report(metrics, folder)
        self._meter.restart()
        return metrics

    def resume(self) -> _State:
        """Load the latest checkpoint; the state before the first step where there is none."""
        with self._context.latest_checkpoint() as folder:
            here = _State(0, self._context.world_size, self._execution.zero_stage, {})
            if folder is None:
                return here
            state = _State(**json.loads((folder / _STATE).read_text(encoding="utf-8")))
            if (state.world_size, state.zero_stage) != (here.world_size, here.zero_stage):
                raise StudentError(
                    f"{folder} was written by {state.world_size} workers under ZeRO {state.zero_stage}, now there are "
                    f"{here.world_size} under ZeRO {here.zero_stage}: set execution.train_workers and "
                    "execution.zero_stage as they were, or delete the folder to train from the start"
                )
            self._engine.load_checkpoint(folder, tag=_TAG)
            dist.barrier()  # All have read before the context may take the folder away.
            return state

    def save(self, trained: Path) -> None:
        """Write the student's folder."""
        with gathered_parameters(self._engine, self._execution):
            if self._context.rank == 0:
                unfinished = trained.with_name(f".{trained.name}.unfinished")
                shutil.rmtree(unfinished, ignore_errors=True)
                save_student(self._student, unfinished)
                shutil.rmtree(trained, ignore_errors=True)
                unfinished.rename(trained)
        dist.barrier()

    def _loss(self, task: Task, examples: list[Example]) -> tuple[torch.Tensor, torch.Tensor]:
        """Summed cross-entropy over the target's tokens, and their number."""
        self._student.use(task)
        batch = {name: each.to(self._context.device) for name, each in collate(examples, self._student).items()}
        labels = batch.pop("labels")
        logits = self._engine(**batch, use_cache=False).logits
        total = cross_entropy(logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum")
        return total, (labels != IGNORED).sum()

    def _validate(self) -> dict[str, float]:
        """Mean cross-entropy over the tokens of the held-out examples, by task."""
        size, world, rank = self._training.micro_batch_size, self._context.world_size, self._context.rank
        losses = {}
        with self._evaluating():
            for task, examples in sorted(self._held_out.items()):
                sums = torch.zeros(2, dtype=torch.float64, device=self._context.device)
                for start in range(0, len(examples), size * world):
                    # All workers run the model equally often, as ZeRO 3 needs; one with nothing left counts nothing.
                    mine = examples[start + rank * size : start + (rank + 1) * size]
                    total, tokens = self._loss(task, mine or examples[:1])
                    sums += torch.stack([total, tokens]).double() * bool(mine)
                dist.all_reduce(sums)
                losses[f"validation_loss/{task}"] = float(sums[0] / sums[1])
        return losses

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        self._engine.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            self._engine.train()


def _dropout_seed(seed: int, index: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}/{index}".encode(), digest_size=8).digest(), "little") >> 1
