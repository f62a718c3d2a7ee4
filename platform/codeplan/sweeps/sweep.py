"""A sweep: its configuration, checked before anything is computed, and the folder that keeps it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from codeplan import stages
from codeplan.config import Config, SweepConfig
from codeplan.files import locked, write_text
from codeplan.stage import canonical
from codeplan.sweeps import checks, space
from codeplan.sweeps.objective import Objective, SweepError, objectives
from codeplan.sweeps.points import Point
from codeplan.sweeps.trial_run import TrialRequest
from codeplan.sweeps.trials import OVER, Trial, TrialFolder

SPACE = "space.json"

_MAY_CHANGE = {"points", "repeats", "objective", "direction", "concurrent"}
"""Keys of a sweep that may change when it is resumed: none of them changes a point that is there."""

_NOT_COMPARED = ("name", "execution", "tracking", "report")
"""Sections of the configuration that change no trial."""

_CHECKED = ("problems", "teacher", "student")
_TRAINING = ("problems", "teacher", "student", "training")


@dataclass(frozen=True)
class Sweep:
    """A sweep that can be run.

    Attributes:
        config: the configuration, its sweep included.
        settings: its sweep.
    """

    config: Config
    settings: SweepConfig
    _configs: dict[tuple[str, int], Config] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, config: Config) -> Sweep:
        """The sweep of a configuration, checked.

        Raises:
            SweepError: it has none, or its space, objective or scheduler is not valid.
            ConfigError: one of its points is not a valid configuration.
        """
        if config.sweep is None:
            raise SweepError(f"{config.name} has no sweep section; see jobs/configs/sweep_demo.yaml for an example")
        sweep = cls(config, config.sweep)
        checks.check(sweep)
        sweep.require_same_space()
        return sweep

    @property
    def most_steps(self) -> int:
        """Optimizer steps of the longest training."""
        axis = self.settings.axes.get("training.steps")
        return max(
            int(steps) for steps in ((axis.values or axis.bounds or ()) if axis else [self.config.training.steps])
        )

    def samples(self) -> list[Config]:
        """Configurations in which every teacher, student and data set of its trials is seen once, for checks."""
        configs = [self.config_of(point) for point in self.points] or [self.config]
        distinct = {
            canonical({name: getattr(config, name).identity() for name in _CHECKED}): config for config in configs
        }
        return list(distinct.values()) if self.unfinished() or self.learns else []

    def config_of(self, point: Point, repeat: int = 0) -> Config:
        """The configuration of one repeat of a point; made once.

        Raises:
            ConfigError: a key is unknown, or a value is not valid there.
        """
        key = point.point_id, repeat
        if key not in self._configs:
            self._configs[key] = point.config(self.base, repeat)
        return self._configs[key]

    @property
    def learns(self) -> bool:
        """Whether its points are drawn as it goes."""
        return self.settings.search == "optuna" or self.settings.scheduler == "pbt"

    @cached_property
    def base(self) -> dict[str, Any]:
        """The configuration without its sweep, as plain data."""
        return self.config.model_dump(mode="json", exclude={"sweep"})

    @property
    def decisive(self) -> dict[str, Any]:
        """The part of the base that decides trials."""
        return {name: section for name, section in self.base.items() if name not in _NOT_COMPARED}

    @property
    def home(self) -> Path:
        """The folder that holds all runs."""
        return Path(self.config.execution.home)

    @property
    def name(self) -> str:
        """Its name, which is that of its folder."""
        return self.settings.name or self.config.name

    @property
    def folder(self) -> Path:
        """Where it is kept: ``home/sweeps/name``."""
        return self.home / "sweeps" / "".join(c if c.isalnum() or c in "-_." else "_" for c in self.name)

    @cached_property
    def trials(self) -> TrialFolder:
        """Its trials that have started."""
        return TrialFolder(self.folder / "trials")

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What is best."""
        return objectives(self.settings)

    @property
    def goal(self) -> str:
        """The last stage that a trial needs."""
        return "report" if any(objective.goal == "report" for objective in self.objectives) else "finetune"

    def claims(self) -> dict[str, tuple[float, float]]:
        """The CPUs and GPUs that each stage of a trial asks for; one of them runs at a time."""
        names = stages.IN_ORDER[: stages.IN_ORDER.index(self.goal) + 1]
        return {name: stages.RESOURCES[name](self.config.execution) for name in names if name in stages.RESOURCES}

    @cached_property
    def points(self) -> list[Point]:
        """All points, where they are known beforehand; empty where a search learns."""
        return [] if self.learns else space.points(self.settings, self.base)

    @cached_property
    def population(self) -> list[Point]:
        """Points drawn beforehand: a population begins with them, and what a search will cost is estimated by them."""
        return space.points(self.settings, self.base)[: self.settings.points]

    @property
    def total(self) -> int:
        """How many trials there are in all."""
        points = len(self.points) or self.settings.points
        return points * self.settings.repeats

    def unfinished(self) -> list[TrialRequest]:
        """The trials that are known beforehand and not over, in the order to run them.

        Those that share no training with one before come first, so that trials that run at once do not wait for the
        same training. Of those that share one, the one that samples most comes first: the others find their samples.
        """
        points = self.points or self._finished_points()
        requests = [
            TrialRequest(point, (repeat,))
            for repeat in range(self.settings.repeats)
            for point in points
            if not self._is_over(self.trials.get(Trial(point.values, repeat, "").trial_id))
        ]
        sharing: dict[str, list[int]] = {}
        for index, request in enumerate(requests):
            sharing.setdefault(self._training(request.point, request.repeats[0]), []).append(index)
        order = [
            (turn, indices[0], index)
            for indices in sharing.values()
            for turn, index in enumerate(sorted(indices, key=lambda index: -self._sequences(requests[index])))
        ]
        return [requests[index] for _, _, index in sorted(order)]

    def _sequences(self, request: TrialRequest) -> int:
        sampling = self.config_of(request.point, request.repeats[0]).sampling
        return sampling.plans * (1 + sampling.trials)

    def _finished_points(self) -> list[Point]:
        """The points of a search that learns, of which a repeat is over: further repeats may be wanted."""
        over = [trial for trial in self.trials.all() if self._is_over(trial)]
        return list({trial.point.point_id: trial.point for trial in over}.values())

    def _is_over(self, trial: Trial | None) -> bool:
        """Whether a trial is over, and was led to what the objectives look at now."""
        if trial is None or trial.state not in OVER:
            return False
        return bool(trial.report) or trial.state == "stopped" or self.goal != "report"

    @cached_property
    def trainings(self) -> dict[str, str]:
        """Which training each trial needs, by trial id; trials with equal ones share it. Empty as `points` is."""
        pairs = [(point, repeat) for point in self.points for repeat in range(self.settings.repeats)]
        return {Trial(point.values, repeat, "").trial_id: self._training(point, repeat) for point, repeat in pairs}

    def _training(self, point: Point, repeat: int) -> str:
        config = self.config_of(point, repeat)
        return canonical({name: getattr(config, name).identity() for name in _TRAINING})

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the sweep's folder for this process, and make sure that it is this sweep's.

        Raises:
            SweepError: another process runs the sweep, or the folder is that of another space.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / "lock", {}, self._refuse):
            self.require_same_space()
            write_text(self.folder / SPACE, json.dumps(self._space(), indent=1))
            yield

    def _refuse(self, holder: str) -> None:
        raise SweepError(f"sweep {self.name} is already running ({holder}); its folder is {self.folder}")

    def _space(self) -> dict[str, Any]:
        settings = self.settings.model_dump(mode="json", by_alias=True)
        # Optuna's study is one for its objectives.
        free = _MAY_CHANGE - ({"objective", "direction"} if self.learns else set())
        fixed = {key: value for key, value in settings.items() if key not in free | {"axes", "name"}}
        return {"name": self.name, "base": self.decisive, "axes": settings["axes"], "sweep": fixed}

    def require_same_space(self) -> None:
        """Check the folder, where it is there.

        Raises:
            SweepError: it is that of another space.
        """
        try:
            before = json.loads((self.folder / SPACE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        now = json.loads(json.dumps(self._space()))
        if before.get("name", self.name) != self.name:
            raise SweepError(f"{self.folder} is the folder of sweep {before['name']}; set sweep.name to another name")
        before["sweep"].pop("name", None)  # was kept there before
        changed = self._changes(before, now)
        if changed:
            raise SweepError(
                f"sweep {self.name} in {self.home} was begun with another space: {'; '.join(changed[:3])}. Set "
                "sweep.name to another name to start a new one, which reuses every stage that is the same"
            )

    def _changes(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
        changes = []
        for key in sorted({*before["axes"], *now["axes"]}):
            old, new = before["axes"].get(key), now["axes"].get(key)
            if old is None or new is None:
                changes.append(f"{key} is {'no longer' if new is None else 'now'} an axis")
            elif old != new and not self._grown(old, new):
                changes.append(f"axis {key} has other values")
        for section in ("sweep", "base"):
            for key, old, new in _differences(before[section], now[section]):
                changes.append(f"{f'{section}.{key}' if section == 'sweep' else key} was {old}, now {new}")
        return changes

    def _grown(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
        """Whether an axis has more values than before, which adds points and changes none."""
        kinds = ("grid",) if self.settings.search == "random" else ("grid", "choice")
        if self.settings.search == "optuna" or {**old, **dict.fromkeys((*kinds, "labels"))} != {
            **new,
            **dict.fromkeys((*kinds, "labels")),
        }:
            return False
        return all(value in new[kind] for kind in kinds for value in old[kind])


def _differences(old: Any, new: Any, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _differences(old.get(key), new.get(key), f"{prefix}.{key}" if prefix else key)
    elif old != new:
        yield prefix, str(old)[:60], str(new)[:60]
