"""Population-based training on Ray Tune: members train segment by segment; poor ones continue from good ones."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Literal, Protocol

from ray import tune
from ray.tune.schedulers import PopulationBasedTraining

from codeplan.errors import StopRequested

MEMBER = "member"
_DRAW = "draw"
_STATE = "state.json"


class SegmentWork(Protocol):
    """Trains one segment of a member."""

    def __call__(self, member: Mapping[str, Any], state: Mapping[str, Any]) -> tuple[Mapping[str, Any], dict[str, Any]]:
        """Train it.

        Args:
            member: what the member trains with now.
            state: what the last call returned for the member that this one continues; empty at the start.

        Returns:
            The new state, which is all that is carried over to a member that continues this one, and the metrics;
            ``done`` among them ends the member.
        """
        ...


class PopulationTrial(tune.Trainable):
    """A member of a population: each step is a segment."""

    def setup(self, config: dict[str, Any], work: SegmentWork | None = None) -> None:
        """Begin without any segment."""
        assert work is not None
        self._segment_work, self._member = work, config[MEMBER]
        self._segments: dict[str, Any] = {}

    def step(self) -> dict[str, Any]:
        """Train a segment."""
        try:
            state, metrics = self._segment_work(self._member, self._segments)
        except StopRequested:
            return {"done": True}
        self._segments = dict(state)
        return metrics

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Write the state; the weights are in the segments' own folders."""
        (Path(checkpoint_dir) / _STATE).write_text(json.dumps(self._segments), encoding="utf-8")

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Continue from a state, of this member or another."""
        self._segments = json.loads((Path(checkpoint) / _STATE).read_text(encoding="utf-8"))

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take over another member, without starting a new process."""
        self._member, self._segments = new_config[MEMBER], {}
        return True


def population_space(members: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The members that a population begins with."""
    return {MEMBER: tune.grid_search(list(members)), _DRAW: 0}


def population(
    mutate: Callable[[Mapping[str, Any], int], Mapping[str, Any]],
    *,
    metric: str,
    mode: Literal["min", "max"],
    seed: int,
) -> PopulationBasedTraining:
    """The scheduler: after each segment the worst quarter continues from members of the best one, changed.

    Synchronous, so that the same seed gives the same members, however long each takes.

    Args:
        mutate: changes a member that is continued; the number is another one each time.
        metric: what is compared.
        mode: which direction is better.
        seed: of the choice among the best.
    """
    random.seed(seed)  # Ray's scheduler draws from Python's own generator
    draws = count(1)

    def explore(config: dict[str, Any]) -> dict[str, Any]:
        return {**config, MEMBER: mutate(config[MEMBER], config[_DRAW])}

    return PopulationBasedTraining(
        time_attr="training_iteration",
        metric=metric,
        mode=mode,
        perturbation_interval=1,
        hyperparam_mutations={_DRAW: lambda: next(draws)},
        resample_probability=1.0,
        custom_explore_fn=explore,
        log_config=False,
        synch=True,
    )
