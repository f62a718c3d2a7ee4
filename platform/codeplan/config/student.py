"""The student, and how it is trained."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from codeplan.config.base import FilePath, Settings, Task, is_finite, leaves


class StudentConfig(Settings):
    """The small model that is trained."""

    init: Literal["pretrained", "scratch"] = "pretrained"
    """Whether to start from pretrained weights or from random ones."""
    model: FilePath = ""
    """``pretrained``: a Hugging Face model's name or folder. A folder enters fingerprints by its content, a name by the
    revision that it was resolved to."""
    revision: str = ""
    """``pretrained``: the branch, tag or commit of a model on the hub; empty takes its main branch."""
    architecture: dict[str, Any] = Field(default_factory=dict)
    """``scratch``: keyword arguments of the Hugging Face configuration, ``model_type`` among them."""
    vocab_size: int = Field(default=600, gt=256, le=1_000_000)
    """``scratch``: size of the byte-level BPE that is trained on the training set."""
    vocab_span: Literal["word", "line"] = "word"
    """``scratch``: what a token may span. ``line`` lets it span words, so that frequent phrases and statements become
    single tokens: where texts are alike, sequences get several times shorter and a plan is followed after fewer steps.
    Digits are tokens of their own in any case."""
    max_source_tokens: int = Field(default=600, gt=0, le=1_000_000)
    """Length limit of a prompt, in tokens; longer questions are truncated."""
    max_plan_source_tokens: int = Field(default=700, gt=0, le=1_000_000)
    """Length limit of a prompt that contains a plan, in tokens."""
    max_target_tokens: int = Field(default=512, gt=0, le=1_000_000)
    """Length limit of a program or a plan, in tokens."""
    plan_head: Literal["shared", "own"] = "shared"
    """``own`` gives plans an output head of their own, cloned from the code head, as in the paper."""
    seed: int = 0
    """Seed of the weights that are initialized at random."""

    @model_validator(mode="after")
    def _keys_belong_to_init(self) -> StudentConfig:
        other = {"scratch": ("model", "revision"), "pretrained": ("architecture", "vocab_size", "vocab_span")}[
            self.init
        ]
        fields = type(self).model_fields
        if wrong := [key for key in other if getattr(self, key) != fields[key].get_default(call_default_factory=True)]:
            kind = "pretrained" if self.init == "scratch" else "scratch"
            raise ValueError(
                f"init is {self.init}, and {wrong[0]} is for init {kind} only: leave it out, or set init to {kind}"
            )
        return self

    @field_validator("architecture")
    @classmethod
    def _finite(cls, keys: dict[str, Any]) -> dict[str, Any]:
        if wrong := [key for key, value in keys.items() if not all(map(is_finite, leaves(value)))]:
            raise ValueError(f"{wrong[0]} should be a finite number")
        return keys


class SegmentConfig(Settings):
    """A part of a training that ran with other values; what is null is as in the training itself."""

    until: int = Field(gt=0)
    """Optimizer step at which it ended, counted from the start of the training."""
    learning_rate: float | None = Field(default=None, gt=0.0)
    """As ``training.learning_rate``."""
    weight_decay: float | None = Field(default=None, ge=0.0)
    """As ``training.weight_decay``."""
    mixing: dict[Task, float] | None = None
    """As ``training.mixing``."""
    weights: dict[Task, float] | None = None
    """As ``training.weights``."""


class TrainingConfig(Settings):
    """The alternating multi-task fine-tuning."""

    mixing: dict[Task, float] = Field(default={"code": 1.0, "plan": 1.0, "plan_code": 1.0})
    """Mixing ratio: how often each task is drawn, relative to the others. The paper has no ``plan_code``: ratio 0
    reproduces it."""
    weights: dict[Task, float] = Field(default={})
    """Weight of each task's loss; 1 for a task that is not listed."""
    steps: int = Field(default=1000, gt=0)
    """Optimizer steps."""
    batch_size: int = Field(default=32, gt=0)
    """Examples per optimizer step, summed over all workers."""
    micro_batch_size: int = Field(default=16, gt=0)
    """Examples per micro-batch, all of the same task."""
    learning_rate: float = Field(default=2e-5, gt=0.0)
    """Peak learning rate of AdamW."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Learning rate after the warm-up: ``constant``, or ``cosine`` decay over the remaining steps. Under ``constant``
    a training with more steps resumes from the last checkpoint of one with fewer, which is kept as the folder
    ``checkpoint`` of its stage, in HOME/stages/finetune; it may be deleted to free the space."""
    warmup_steps: int = Field(default=100, ge=0)
    """Optimizer steps over which the learning rate rises linearly from 0."""
    weight_decay: float = Field(default=0.05, ge=0.0)
    """Weight decay of AdamW."""
    adam_beta2: float = Field(default=0.999, gt=0.0, lt=1.0)
    """Decay rate of AdamW's average of squared gradients; 0.95 suits trainings of few steps from random weights."""
    max_grad_norm: float = Field(default=1.0, gt=0.0)
    """Norm to which gradients are clipped."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Number format of the forward and backward passes."""
    validation_examples: int = Field(default=64, ge=0)
    """Training problems held out to measure the validation loss of each task."""
    seed: int = 0
    """Seed of the validation split, the order of examples and dropout."""
    earlier: tuple[SegmentConfig, ...] = ()
    """Earlier segments, in order: the training continues from their weights and optimizer state. Population-based
    training writes them; they need ``schedule: constant``."""

    @field_validator("mixing", "weights")
    @classmethod
    def _some_and_none_negative(cls, values: dict[Task, float], info: ValidationInfo) -> dict[Task, float]:
        if any(value < 0 for value in values.values()) or (info.field_name == "mixing" and not any(values.values())):
            raise ValueError("values must not be negative, and at least one in mixing must be positive")
        return values

    @model_validator(mode="after")
    def _whole_micro_batches(self) -> TrainingConfig:
        if self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of micro_batch_size {self.micro_batch_size}"
            )
        return self

    @model_validator(mode="after")
    def _segments_in_order(self) -> TrainingConfig:
        ends = [segment.until for segment in self.earlier]
        if ends and self.schedule != "constant":
            raise ValueError("earlier segments need schedule: constant")
        if any(left >= right for left, right in pairwise([*ends, self.steps])):
            raise ValueError(
                f"the segments of earlier end at {ends}, which must ascend and stay below steps {self.steps}"
            )
        return self

    def segments(self) -> list[TrainingConfig]:
        """One training per segment, each of which continues the one before; the last is this one without the others."""
        own = self.model_copy(update={"earlier": ()})
        parts = []
        for segment in self.earlier:
            given = segment.model_dump(exclude={"until"}, exclude_none=True)
            parts.append(own.model_copy(update={"steps": segment.until, **given}))
        return [*parts, own]

    def missing_tasks(self) -> list[Task]:
        """The tasks that plan sampling needs and that no ratio trains; for ``plan_code`` it can use the code task."""
        needed: tuple[Task, ...] = ("code", "plan")
        return [task for task in needed if not self.mixing.get(task)]
