"""Where and how fast a run executes, and where MLflow writes: never what the results are."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from codeplan.config.base import FilePath, Settings

_MAX_REGISTERED_NAME = 200


class TrackingConfig(Settings):
    """Where MLflow writes, and how much: nothing here enters a fingerprint."""

    uri: str = ""
    """MLflow tracking URI; empty takes a SQLite file in the home."""
    experiment: str = "codeplan"
    """Name of the MLflow experiment."""
    log_model: Literal["none", "reference", "copy"] = "reference"
    """What MLflow keeps of a trained student: ``reference`` a logged model that names its folder in the home, ``copy``
    one with the student's files, which also loads where the home is not, ``none`` nothing."""
    register_model: str = ""
    """Name in the model registry under which each run's student becomes the newest version; empty registers nothing."""
    model_alias: str = "champion"
    """Alias that ``register_model`` gives to the version."""
    traces: int = Field(default=20, ge=0, le=1000)
    """How many of a stage's paid requests to the teacher are kept as traces, the first ones; cached answers never."""
    system_metrics_s: float = Field(default=10.0, ge=0.0)
    """Seconds between measurements of CPU, memory and GPUs while a student trains or samples; 0 measures nothing."""

    @field_validator("register_model", "model_alias")
    @classmethod
    def _valid_in_the_registry(cls, name: str, info: ValidationInfo) -> str:
        is_alias = info.field_name == "model_alias"
        if not re.fullmatch(r"[\w-]+" if is_alias else r"[\w. -]*", name) or len(name) > _MAX_REGISTERED_NAME:
            allowed = "letters, digits, _ and -" + ("" if is_alias else ", . and blanks")
            raise ValueError(f"may contain {allowed}, at most {_MAX_REGISTERED_NAME} characters")
        if is_alias and re.fullmatch(r"latest|v\d+", name, re.IGNORECASE):
            raise ValueError("is reserved by MLflow, like latest and v1")
        return name


class ExecutionConfig(Settings):
    """Where and how fast a run executes: nothing here enters a fingerprint, but the budget where it decides which plans
    there are.

    Requests that fail leave their plans out, by chance and as ``request_timeout_s``, ``request_attempts`` and
    ``max_failed_fraction`` allow. So the distill stages keep a digest of their plans, and what was made from other
    plans is not reused: the run stops and names the folders to delete.

    The numbers of workers and of sequences per batch change the order in which fp32 numbers are added up, and so a
    result's last digits at most; under bf16 weights, so does the ZeRO stage.
    """

    home: FilePath = Field(default="runs", min_length=1)
    """Folder of the stages, the teacher's answers and the default MLflow database."""
    ray_address: str = ""
    """``host:port`` of the GCS of a running Ray cluster that this machine belongs to; empty always starts a local
    cluster, ``auto`` takes the cluster that this job runs on, which ``RAY_ADDRESS`` names."""
    teacher_actors: int = Field(default=1, gt=0)
    """Ray actors that send requests to the teacher."""
    requests_in_flight: int = Field(default=32, gt=0)
    """Concurrent requests per teacher actor."""
    request_timeout_s: float = Field(default=120.0, gt=0.0)
    """Seconds until a request counts as failed and is retried."""
    request_attempts: int = Field(default=5, gt=0)
    """Attempts per request before it counts as permanently failed."""
    max_failed_fraction: float = Field(default=0.01, ge=0.0, le=1.0)
    """Fraction of the requests to the teacher that may fail permanently before the stage fails. A stage that failed
    repeats them when it is run again; one that finished within the fraction does not."""
    prompt_price_usd: float = Field(default=0.0, ge=0.0)
    """Price of a million prompt tokens, in US dollars."""
    completion_price_usd: float = Field(default=0.0, ge=0.0)
    """Price of a million completion tokens, in US dollars."""
    budget_usd: float | None = Field(default=None, gt=0.0)
    """Budget of each distill stage (the plans', the oracle's and that of ``sampling.teacher_plan``), in US dollars,
    answers that were paid before included: it stops, keeping every answer, before it costs more. With
    ``teacher.allow_incomplete`` another budget renews the plans."""
    train_workers: int = Field(default=2, gt=0)
    """Training processes."""
    gpus_per_worker: float = Field(default=0.0, ge=0.0)
    """GPUs per training worker and, where ``sample_gpus`` is not set, per sampling actor."""
    zero_stage: Literal[0, 1, 2, 3] = 1
    """DeepSpeed ZeRO stage."""
    checkpoint_every: int = Field(default=200, gt=0)
    """Optimizer steps between checkpoints."""
    sample_actors: int = Field(default=2, gt=0)
    """Ray actors that sample from the student."""
    sample_batch: int = Field(default=256, gt=0)
    """Sequences generated per batch by a sampling actor."""
    sample_gpus: float | None = Field(default=None, ge=0.0)
    """GPUs per sampling actor, 0.5 for two actors on one GPU; null takes ``gpus_per_worker``."""
    judge_actors: int = Field(default=2, gt=0)
    """Ray actors that run programs in sandboxes. Like those of the teacher they take CPUs only."""
    judge_labels: dict[str, str] = Field(default={})
    """Labels that a node must have for sandboxes to run on it, as ``ray start --labels`` gives them, for example
    ``{sandbox: "yes"}``; empty takes any node."""
    judge_resource: str = ""
    """A custom resource of which every judging actor takes one, instead of half a CPU. Nodes that offer it and no CPUs,
    as ``ray start --num-cpus 0 --resources '{"sandbox": 8}'`` makes them, run sandboxes and nothing else; empty takes
    CPUs."""

    @property
    def sandboxes_apart(self) -> bool:
        """Whether sandboxes run on nodes of their own."""
        return bool(self.judge_resource or self.judge_labels)

    @property
    def cpus_per_judge(self) -> float:
        """CPUs that Ray reserves for a judging actor."""
        return 0.0 if self.judge_resource else 0.5

    @property
    def gpus_per_sampler(self) -> float:
        """GPUs of a sampling actor."""
        return self.gpus_per_worker if self.sample_gpus is None else self.sample_gpus
