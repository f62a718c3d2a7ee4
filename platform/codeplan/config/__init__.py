"""Every setting of the platform: frozen, closed, and read from one YAML file by `codeplan.config.loading`.

A result depends on every section but ``execution`` and ``tracking``: those say where and how fast, never what, but for
``execution.budget_usd`` where ``teacher.allow_incomplete`` lets it decide which plans there are.
Addresses (paths, ``teacher.base_url``, the key's name) do not count either: a file counts by its content, and a model's
name is taken to mean the same model at every endpoint. docs/settings.md lists every key and the stages that it renews.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from codeplan.config.base import TASKS, AddedLater, Address, FilePath, Settings, Task
from codeplan.config.baselines import CODE_ONLY, BaselinesConfig, CodeOnly
from codeplan.config.execution import ExecutionConfig, TrackingConfig
from codeplan.config.inference import JudgingConfig, LimitsConfig, ReportConfig, SamplingConfig
from codeplan.config.problems import FileSource, MiniAppsSource, ProblemsConfig, Source
from codeplan.config.student import StudentConfig, TrainingConfig
from codeplan.config.sweep import AxisConfig, SweepConfig
from codeplan.config.teacher import TeacherConfig

__all__ = [
    "CODE_ONLY",
    "TASKS",
    "AddedLater",
    "Address",
    "AxisConfig",
    "BaselinesConfig",
    "CodeOnly",
    "Config",
    "ExecutionConfig",
    "FilePath",
    "FileSource",
    "JudgingConfig",
    "LimitsConfig",
    "MiniAppsSource",
    "ProblemsConfig",
    "ReportConfig",
    "SamplingConfig",
    "Settings",
    "Source",
    "StudentConfig",
    "SweepConfig",
    "Task",
    "TeacherConfig",
    "TrackingConfig",
    "TrainingConfig",
]


class Config(Settings):
    """An experiment."""

    name: str = "codeplan"
    """Name of the experiment, shown in the terminal and in MLflow."""
    repeats: int = Field(default=1, gt=0, le=100)
    """How many times every student is trained, sampled and judged: the seeds of ``student``, ``training`` and
    ``sampling`` are raised by 0, 1, ..., and the report shows means and concludes from the spread over seeds, too.
    ``codeplan sweep`` has ``sweep.repeats`` instead."""
    problems: ProblemsConfig
    teacher: TeacherConfig = TeacherConfig()
    student: StudentConfig
    training: TrainingConfig = TrainingConfig()
    baselines: BaselinesConfig = BaselinesConfig()
    sampling: SamplingConfig = SamplingConfig()
    judging: JudgingConfig = JudgingConfig()
    report: ReportConfig = ReportConfig()
    sweep: SweepConfig | None = None
    """What ``codeplan sweep`` varies; the other commands run the configuration without it."""
    tracking: TrackingConfig = TrackingConfig()
    execution: ExecutionConfig = ExecutionConfig()

    @model_validator(mode="before")
    @classmethod
    def _empty_sections_have_defaults(cls, values: Any) -> Any:
        # In YAML, a section whose keys are all commented out is null.
        if not isinstance(values, dict):
            return values
        return {
            key: {} if value is None and key not in {"name", "repeats", "sweep"} else value
            for key, value in values.items()
        }

    def of_repeat(self, repeat: int) -> Config:
        """The configuration of one repeat: its number, from 0, is added to the seeds of student, training, sampling."""
        raised = {
            name: section.model_copy(update={"seed": section.seed + repeat})
            for name, section in (("student", self.student), ("training", self.training), ("sampling", self.sampling))
        }
        return self.model_copy(update=raised)

    @model_validator(mode="after")
    def _counts_within_the_pool(self) -> Config:
        if not all(count <= self.sampling.plans for count in self.report.plan_counts):
            raise ValueError(
                f"report.plan_counts {list(self.report.plan_counts)} must lie between 1 and sampling.plans, "
                f"{self.sampling.plans}"
            )
        return self

    @model_validator(mode="after")
    def _teacher_can_plan(self) -> Config:
        offline = TeacherConfig.model_fields["model"].default
        if self.sampling.teacher_plan and self.teacher.model == offline:
            raise ValueError(
                f"sampling.teacher_plan asks the teacher for plans from questions alone, and {offline}, the offline "
                "teacher, writes plans only from solutions; set teacher.model and teacher.base_url to a language "
                "model, or leave sampling.teacher_plan out"
            )
        return self

    @model_validator(mode="after")
    def _baselines_train_in_one_go(self) -> Config:
        if self.baselines.code_only and self.training.earlier:
            raise ValueError(
                "baselines.code_only trains as training does, but from the first step on: it cannot be combined with "
                "training.earlier; leave one of them out"
            )
        return self

    @model_validator(mode="after")
    def _workers_share_a_step_evenly(self) -> Config:
        micro_batches = self.training.batch_size // self.training.micro_batch_size
        if micro_batches % self.execution.train_workers:
            raise ValueError(
                f"a training step has {micro_batches} micro-batches (training.batch_size / training.micro_batch_size), "
                f"which is not divisible by execution.train_workers = {self.execution.train_workers}"
            )
        return self
