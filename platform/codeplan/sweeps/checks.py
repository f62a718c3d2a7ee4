"""What is checked of a sweep before anything is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeplan.sweeps import space
from codeplan.sweeps.objective import SweepError, objectives, require_made, stop_objective
from codeplan.sweeps.points import lookup
from codeplan.sweeps.population import require_population

if TYPE_CHECKING:
    from codeplan.sweeps.sweep import Sweep

MAX_NAME = 100
"""Characters of a sweep's name, which is that of a folder."""
_SEEDS = ("student.seed", "training.seed", "sampling.seed")
"""Keys that repeats raise."""
_MAKING = ("training", "sampling")
"""Sections that decide which numbers a trial makes."""


def check(sweep: Sweep) -> None:
    """Check name, space, objectives and scheduler.

    Raises:
        SweepError: one of them is not valid, or does not fit the others.
        ConfigError: a point is not a valid configuration.
    """
    if sweep.folder.name in {"", ".", ".."} or len(sweep.name) > MAX_NAME:
        raise SweepError(f"sweep.name {sweep.name[:40]!r} must be a folder's, of at most {MAX_NAME} characters")
    space.check(sweep.settings, sweep.base)
    if sweep.settings.repeats > 1:
        _require_fixed_seeds(sweep)
    if any(config.repeats > 1 for config in (sweep.config, *map(sweep.config_of, sweep.points))):
        raise SweepError(
            "repeats trains several students in one run; a sweep does that for each of its points with sweep.repeats: "
            "leave repeats out, or set it to 1"
        )
    if not sweep.learns:
        _require_every_axis(sweep)
    _require_numbers(sweep)
    settings = sweep.settings
    if settings.scheduler in {"asha", "median"} and settings.grace_steps >= sweep.most_steps:
        raise SweepError(
            f"sweep.grace_steps = {settings.grace_steps} leaves {settings.scheduler} nothing to stop in trainings of "
            f"{sweep.most_steps} steps; lower it"
        )
    if settings.scheduler == "pbt":
        require_population(settings, sweep.population, sweep.base, sweep.config.training.steps)


def _require_fixed_seeds(sweep: Sweep) -> None:
    """Otherwise a repeat of one point would be another point: the same run would count twice."""
    for key, axis in sweep.settings.axes.items():
        for seed in _SEEDS:
            inner = seed.removeprefix(f"{key}.")
            if key == seed or (inner != seed and any(lookup(value, inner) is not None for value in axis.values)):
                raise SweepError(
                    f"sweep.axes.{key} sets {seed}, which sweep.repeats = {sweep.settings.repeats} raises too; leave "
                    "the seed out of the axes, or set sweep.repeats to 1"
                )


def _require_every_axis(sweep: Sweep) -> None:
    if not sweep.points:
        raise SweepError("sweep.axes span no point: no combination fulfils its conditions (when)")
    for key in sweep.settings.axes:
        if not any(key in point.values for point in sweep.points):
            raise SweepError(f"sweep.axes.{key} is active in no point: none fulfils its when")


def _require_numbers(sweep: Sweep) -> None:
    """Every objective, and what a scheduler compares, is made by every point; a search that learns is checked so far as
    its axes leave that alone.
    """
    compared = list(objectives(sweep.settings))
    stopping = stop_objective(sweep.settings)
    if sweep.settings.scheduler != "none":
        compared.append(stopping)
    for found in compared:
        for point in sweep.points:
            require_made(found, sweep.config_of(point), point.label(sweep.settings))
        if sweep.learns and not any(key.partition(".")[0] in _MAKING for key in sweep.settings.axes):
            require_made(found, sweep.config, "")
