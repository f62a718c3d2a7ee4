"""The training loop: alternating multi-task fine-tuning with DeepSpeed, the same in one process and on a cluster."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.functional import cross_entropy

from codeplan.config import ExecutionConfig, Task, TrainingConfig
from codeplan.files import atomic_write
from codeplan.randomness import seed_of
from codeplan.student.batches import IGNORED, collate
from codeplan.student.checkpoint import CheckpointState, load_checkpoint, read_state, save_checkpoint
from codeplan.student.context import STOPPED, RunContext
from codeplan.student.engine import set_learning_rate, start_engine, whole_weights, zero_stage
from codeplan.student.errors import StudentError
from codeplan.student.examples import Example, read_examples
from codeplan.student.mixture import Mixture, micro_batches_of_rank
from codeplan.student.model import load_student, save_student
from codeplan.student.tasks import tasks_of
from codeplan.student.throughput import TrainingMetrics

REPORT_EVERY = 10
"""Optimizer steps between reports."""


def train(
    context: RunContext,
    *,
    initial: Path,
    examples: Path,
    training: TrainingConfig,
    execution: ExecutionConfig,
    trained: Path,
    start_from: Path | None = None,
) -> dict[str, float]:
    """Train a student, from its latest checkpoint where there is one; every worker calls this.

    Training that was interrupted and resumed ends with the weights of training that was not: the order of the examples,
    the learning rate and dropout depend on the step alone.

    Args:
        context: this worker's rank, reports and checkpoints.
        initial: folder of the student to start from.
        examples: file of `codeplan.student.examples.write_examples`.
        training: what to do.
        execution: ZeRO stage and how often to keep a checkpoint.
        trained: folder that rank 0 writes the trained student to, atomically.
        start_from: a checkpoint of equal training with fewer steps, which is read where the context has none.

    Returns:
        The last report: ``step``, ``loss``, ``loss/TASK``, ``validation_loss/TASK``, ``learning_rate``,
        ``gradient_norm``, ``examples_per_s`` and ``tokens_per_s`` (prompts and targets, without padding), and the
        totals since step 0 of ``trained.examples/TASK`` and ``trained.target_tokens/TASK``. ``trained.steps.new``
        counts the steps that were not taken over from ``start_from``.

    Raises:
        StudentError: the checkpoint is damaged, or belongs to another number of workers or another ZeRO stage.
        MixtureError: the micro-batches of a step cannot be divided evenly, or a task has no example.
    """
    torch.set_num_threads(context.threads)
    loop = _Loop(context, initial, examples, training, execution)
    state = loop.resume(start_from)
    metrics = dict(state.metrics)
    for step in range(state.step, training.steps):
        loop.step(step)
        done = step + 1
        keep = done % execution.checkpoint_every == 0 or done == training.steps
        if keep or done % REPORT_EVERY == 0:
            stop = loop.stop_requested() and done < training.steps
            metrics = loop.report(replace(state, step=done), keep=keep or stop)
            if stop:
                return {**metrics, STOPPED: 1.0}
    loop.save(initial, trained)
    return {**metrics, "trained.steps.new": float(training.steps - state.first_step)}


def learning_rate(step: int, training: TrainingConfig) -> float:
    """The learning rate of a step, counted from 0: linear warm-up, then constant or half a cosine down to 0."""
    if step < training.warmup_steps:
        return training.learning_rate * (step + 1) / training.warmup_steps
    if training.schedule == "constant":
        return training.learning_rate
    done = (step - training.warmup_steps) / max(1, training.steps - training.warmup_steps)
    return training.learning_rate * 0.5 * (1.0 + math.cos(math.pi * done))


class _Loop:
    """One worker's model, data and metrics."""

    def __init__(
        self, context: RunContext, initial: Path, examples: Path, training: TrainingConfig, execution: ExecutionConfig
    ) -> None:
        self._context, self._training = context, training
        self._accumulation = training.batch_size // training.micro_batch_size
        micro_batches_of_rank(0, self._accumulation, context.rank, context.world_size)
        self._student = load_student(initial)
        data = read_examples(examples)
        self._examples, self._held_out = data.training, data.held_out
        lengths = {task: [len(example.target) for example in examples] for task, examples in data.training.items()}
        self._mixture = Mixture(training, lengths)
        self._zero_stage = zero_stage(training, execution)
        self._student.model.train()
        self._engine = start_engine(self._student.model, training, execution, context)
        self._metrics = TrainingMetrics(context.device)

    def step(self, step: int) -> None:
        """One optimizer step: this worker's micro-batches, each of one task."""
        set_learning_rate(self._engine, learning_rate(step, self._training))
        for index in micro_batches_of_rank(step, self._accumulation, self._context.rank, self._context.world_size):
            micro = self._mixture.micro_batch(index)
            examples = [self._examples[micro.task][position] for position in micro.examples]
            torch.manual_seed(seed_of(f"{self._training.seed}/{index}"))
            total, tokens = self._loss(micro.task, examples)
            loss = total / tokens
            # L = sum over tasks of weight x L_task: DeepSpeed takes the mean over a step's micro-batches.
            self._engine.backward(self._training.weights.get(micro.task, 1.0) * loss)
            self._engine.step()
            self._metrics.add(micro.task, loss, examples)

    def report(self, state: CheckpointState, *, keep: bool) -> dict[str, float]:
        """Report on the steps since the last report; where wanted, with validation losses and a checkpoint."""
        rate = learning_rate(state.step - 1, self._training)
        metrics = {"step": float(state.step), "learning_rate": rate, **self._metrics.read()}
        if (norm := self._engine.get_global_grad_norm()) is not None:
            metrics["gradient_norm"] = float(norm)
        metrics |= self._trained(state)
        if not keep:
            self._context.report(metrics, None)
            return metrics
        metrics |= self._validate()
        with tempfile.TemporaryDirectory(prefix="codeplan-checkpoint-") as name:
            save_checkpoint(self._engine, Path(name), replace(state, metrics=metrics), self._context.rank)
            self._context.report(metrics, Path(name))
        self._metrics.restart()
        return metrics

    def _trained(self, state: CheckpointState) -> dict[str, float]:
        """What each task was trained on since step 0; before ``first_step`` the mixing ratio may have been another."""
        first = self._mixture.totals(state.first_step * self._accumulation)
        trained = {name: value for name, value in state.first_metrics.items() if name.startswith("trained.")}
        for task, totals in self._mixture.totals(state.step * self._accumulation).items():
            for name in ("examples", "target_tokens"):
                key = f"trained.{name}/{task}"
                trained[key] = trained.get(key, 0.0) + getattr(totals, name) - getattr(first[task], name)
        return trained

    def stop_requested(self) -> bool:
        """Whether any worker was asked to stop; all workers get the same answer."""
        asked = torch.tensor([float(self._context.stop_requested())], device=self._context.device)
        dist.all_reduce(asked)
        return bool(asked.item() > 0)

    def resume(self, start_from: Path | None) -> CheckpointState:
        """Load the latest checkpoint, or ``start_from``; without either, the state before the first step."""
        here = CheckpointState(0, 0, self._context.world_size, self._zero_stage, {})
        with self._context.latest_checkpoint() as own:
            folder = own or start_from
            if folder is None:
                return here
            state = read_state(folder)
            if problem := state.mismatch(here.world_size, here.zero_stage):
                raise StudentError(
                    f"checkpoint {folder} {problem}: set execution.train_workers and execution.zero_stage as they "
                    "were, or delete the folder to train from the start"
                )
            weight_decays = [group["weight_decay"] for group in self._engine.optimizer.param_groups]
            load_checkpoint(self._engine, folder, state)
            for group, weight_decay in zip(self._engine.optimizer.param_groups, weight_decays, strict=True):
                group["weight_decay"] = weight_decay  # An earlier segment may have had another one.
            dist.barrier()  # All workers have read it before the context may remove it.
            return state if own else replace(state, first_step=state.step, first_metrics=state.metrics)

    def save(self, initial: Path, trained: Path) -> None:
        """Write the trained student's folder, in the precision that it was trained in."""
        weights = whole_weights(self._engine, self._context.rank)
        if self._context.rank == 0:
            student = load_student(initial)
            for name, parameter in student.model.named_parameters():
                parameter.data = weights[name]
            student = replace(student, trained_tasks=tasks_of(self._training))
            with atomic_write(trained) as unfinished:
                save_student(student, unfinished)
        dist.barrier()

    def _loss(self, task: Task, examples: list[Example]) -> tuple[torch.Tensor, torch.Tensor]:
        """Summed cross-entropy over the target's tokens, and their number."""
        self._student.use(task)
        batch = {name: tensor.to(self._context.device) for name, tensor in collate(examples, self._student).items()}
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
