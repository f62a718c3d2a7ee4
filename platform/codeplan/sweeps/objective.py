"""Objectives by name: how they are read from a trial's metrics, and in which direction they are better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

from codeplan.config import TASKS, Config, SweepConfig, Task
from codeplan.config.sweep import ARMS
from codeplan.errors import UserError
from codeplan.evaluation.code_only import ARMS as CODE_ONLY_ARMS
from codeplan.evaluation.plan_quality import PlanQuality

Direction = Literal["maximize", "minimize"]

LOSSES = tuple(f"validation_loss/{task}" for task in TASKS)
QUALITIES = tuple(f"plan_quality.{field.name}" for field in fields(PlanQuality))
COSTS = ("sequences", "teacher.cost_usd")


class SweepError(UserError):
    """A sweep that cannot be run; the message names the key and what would be valid."""


@dataclass(frozen=True)
class Objective:
    """One number of a trial, and which direction is better.

    Attributes:
        name: as the configuration writes it, for example ``codeplan - control``.
        direction: ``maximize`` or ``minimize``.
        metrics: the names of one metric, or of two whose difference it is.
        goal: the stage that makes it.
    """

    name: str
    direction: Direction
    metrics: tuple[str, ...]
    goal: Literal["finetune", "report"]

    def value(self, metrics: Mapping[str, float]) -> float | None:
        """Its value; None where the metrics lack it, as for the oracle arm of problems without solutions."""
        found = [metrics.get(name) for name in self.metrics]
        if any(value is None for value in found):
            return None
        first, *rest = (float(value) for value in found if value is not None)
        return first - sum(rest)

    def better(self, left: float, right: float) -> bool:
        """Whether ``left`` is better than ``right``."""
        return left > right if self.direction == "maximize" else left < right

    @property
    def is_rate(self) -> bool:
        """Whether it is a fraction of problems solved, or a difference of two."""
        return self.metrics[0].startswith("pass_at_1.")


def objectives(sweep: SweepConfig) -> tuple[Objective, ...]:
    """The sweep's objectives.

    Raises:
        SweepError: no stage makes a number of that name.
    """
    for name in sweep.direction:
        if name not in sweep.objective:
            raise SweepError(f"sweep.direction names {name!r}, which is not in sweep.objective")
    if len(set(sweep.objective)) < len(sweep.objective):
        raise SweepError(f"sweep.objective names {', '.join(sweep.objective)}: one of them twice")
    return tuple(_objective(name, sweep.direction.get(name)) for name in sweep.objective)


def require_made(compared: Objective, config: Config, point: str) -> None:
    """Check that a configuration makes the numbers that an objective or a scheduler looks at.

    Args:
        compared: the objective.
        config: the configuration of a point.
        point: its name, for the message.

    Raises:
        SweepError: it makes none; the message names the key.
    """
    reasons = (_why_no_arm(metric, config) for metric in compared.metrics)
    missing = next(filter(None, reasons), "") or _why_no_loss(compared, config)
    if missing:
        raise SweepError(f"there is no {compared.name} for {point or 'the configuration'}, as {missing}")


def _why_no_arm(metric: str, config: Config) -> str:
    """Why the configuration has no such arm; empty where it has, or where the metric is not an arm's."""
    arm = metric.removeprefix("pass_at_1.").removesuffix(".all")
    if not config.sampling.control and (arm == "plan_after_trial" or arm.endswith("control")):
        return "sampling.control is false"
    if not config.sampling.oracle and arm in {"oracle", "foreign"}:
        return "sampling.oracle is false"
    if arm in {"foreign", "teacher_plan"} and not getattr(config.sampling, arm):
        return f"sampling.{arm} is false"
    same = next((same for same, arms in CODE_ONLY_ARMS.items() if arm in arms), None)
    return f"baselines.code_only does not list {same}" if same and same not in config.baselines.code_only else ""


def _why_no_loss(compared: Objective, config: Config) -> str:
    if compared.name not in LOSSES:
        return ""
    if not config.training.validation_examples:
        return "training.validation_examples is 0"
    return "" if config.training.mixing.get(_task(compared), 0) else f"training.mixing has no {_task(compared)}"


def _task(compared: Objective) -> Task:
    return next(task for task in TASKS if compared.name == f"validation_loss/{task}")


def stop_objective(sweep: SweepConfig) -> Objective:
    """What a scheduler compares.

    Raises:
        SweepError: it is not a validation loss.
    """
    if sweep.stop_by not in LOSSES:
        raise SweepError(f"sweep.stop_by is {sweep.stop_by!r}; schedulers compare one of {', '.join(LOSSES)}")
    return _objective(sweep.stop_by, None)


def _objective(name: str, direction: Direction | None) -> Objective:
    left, minus, right = (part.strip() for part in name.partition(" - "))
    if left in ARMS and left == right:
        raise SweepError(f"sweep.objective {name!r} is 0 whatever happens; name two arms")
    if left in ARMS and (not minus or right in ARMS):
        metrics = tuple(f"pass_at_1.{arm}.all" for arm in (left, right) if arm)
        return Objective(name, direction or "maximize", metrics, "report")
    if name in LOSSES:
        return Objective(name, direction or "minimize", (name,), "finetune")
    if name in QUALITIES or name in COSTS:
        usual: Direction = "minimize" if name in COSTS else "maximize"
        return Objective(name, direction or usual, (name,), "report")
    raise SweepError(
        f"sweep.objective {name!r} is made by no stage; take one of {', '.join((*ARMS, *LOSSES, *QUALITIES, *COSTS))}, "
        "or a difference of two arms such as 'codeplan - control'"
    )
