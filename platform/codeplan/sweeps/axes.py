"""A sweep's axes as tables and figures show them: their values in order, with labels and, where they have, numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from codeplan.config import SweepConfig
from codeplan.config.sweep import AxisConfig
from codeplan.errors import one_line
from codeplan.stage import canonical
from codeplan.sweeps.points import Point, axis_name, value_label

INACTIVE = "inactive"
"""Shown for a point in which an axis' condition does not hold, so that the key keeps the configuration's value."""

UNITS: Mapping[str, str] = {
    "judging.hidden_tests.time_s": "s",
    "report.plan_counts": "plans per problem",
    "sampling.plans": "per problem",
    "sampling.trials": "programs per plan",
    "teacher.max_tokens": "tokens",
    "training.batch_size": "examples",
    "training.mixing": "code:plan:plan_code",
    "training.steps": "optimizer steps",
    "training.warmup_steps": "optimizer steps",
}
"""Of the keys whose name does not say it."""

_LONGEST = 40
_MANY = 12
"""Numeric axes with more values are put into bins where a figure needs few of them."""
_BINS = 6
_WIDE = 30.0
"""A positive axis whose largest value is this many times its smallest gets a logarithmic scale."""


@dataclass(frozen=True)
class Axis:
    """One axis over the points that there are.

    Attributes:
        key: of the configuration.
        name: its last part, or the whole key where two axes share that.
        levels: its distinct values as canonical JSON, in the order of the configuration, or ascending.
        labels: the same in a few characters; distinct.
        numbers: the same as numbers; empty where one of them is none.
        log: whether a logarithmic scale shows it better.
        optional: whether it is inactive in some point.
    """

    key: str
    name: str
    levels: tuple[str, ...]
    labels: tuple[str, ...]
    numbers: tuple[float, ...]
    log: bool
    optional: bool

    @cached_property
    def _index(self) -> dict[str, int]:
        return {level: index for index, level in enumerate(self.levels)}

    @property
    def title(self) -> str:
        """Its name with its unit."""
        unit = UNITS.get(self.key)
        return f"{self.name} ({unit})" if unit else self.name

    @property
    def varies(self) -> bool:
        """Whether two points differ in it."""
        return len(self.levels) + self.optional > 1

    def level(self, point: Point) -> int | None:
        """Index of a point's value; None where the axis is inactive."""
        return self._index[canonical(point.values[self.key])] if self.key in point.values else None

    def label(self, point: Point) -> str:
        """A point's value in a few characters."""
        level = self.level(point)
        return INACTIVE if level is None else self.labels[level]

    def number(self, point: Point) -> float | None:
        """A point's value as a number; None where it has none."""
        level = self.level(point)
        return self.numbers[level] if level is not None and self.numbers else None


def axes(sweep: SweepConfig, points: Sequence[Point]) -> tuple[Axis, ...]:
    """The sweep's axes over these points, in the order of the configuration."""
    return tuple(_axis(key, axis_name(key, sweep.axes), sweep, points) for key in sweep.axes)


def _axis(key: str, name: str, sweep: SweepConfig, points: Sequence[Point]) -> Axis:
    found = {canonical(point.values[key]): point.values[key] for point in points if key in point.values}
    config = sweep.axes[key]
    configured = {canonical(value): index for index, value in enumerate(config.values)}

    def order(level: str) -> tuple[int, float, str]:
        number = _number(found[level])
        return configured.get(level, len(configured)), math.inf if number is None else number, level

    levels = sorted(found, key=order)
    numbers = [number for level in levels if (number := _number(found[level])) is not None]
    if len(numbers) < len(levels) or not all(map(math.isfinite, numbers)):
        numbers = []
    if numbers:  # a numeric axis ascends, however the configuration lists its values
        levels = sorted(levels, key=lambda level: (_number(found[level]), level))
        numbers.sort()
    labels = _distinct([one_line(value_label(found[level], sweep, key), _LONGEST) for level in levels])
    optional = any(key not in point.values for point in points)
    return Axis(key, name, tuple(levels), tuple(labels), tuple(numbers), _is_log(config, numbers), optional)


def _number(value: Any) -> float | None:
    """A value as a number; None for all else, booleans included."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _distinct(labels: Sequence[str]) -> list[str]:
    """The labels, those after the first of equal ones numbered."""
    seen: Counter[str] = Counter()
    numbered = []
    for label in labels:
        seen[label] += 1
        numbered.append(label if seen[label] == 1 else f"{label} #{seen[label]}")
    return numbered


def _is_log(config: AxisConfig, numbers: Sequence[float]) -> bool:
    if not numbers or numbers[0] <= 0 or config.uniform is not None:
        return False
    return config.loguniform is not None or numbers[-1] / numbers[0] >= _WIDE


@dataclass(frozen=True)
class Bands:
    """An axis as few groups of values: each value for itself, or intervals of numbers.

    Attributes:
        axis: the axis.
        labels: the groups' names, in order; last `INACTIVE` where some point lacks the axis.
        of: a point's group.
        binned: whether groups are intervals of numbers.
    """

    axis: Axis
    labels: tuple[str, ...]
    of: Callable[[Point], int]
    binned: bool


def bands(axis: Axis) -> Bands:
    """An axis' values in groups: a numeric one with many values in `_BINS` intervals of equal width on its scale."""
    if not axis.numbers or len(axis.numbers) <= _MANY:
        return _with_inactive(axis, list(axis.labels), axis.level, binned=False)
    scale: Callable[[float], float] = math.log if axis.log else float
    low, high = scale(axis.numbers[0]), scale(axis.numbers[-1])
    edges = [low + (high - low) * edge / _BINS for edge in range(_BINS + 1)]
    shown = [math.exp(edge) if axis.log else edge for edge in edges]

    def bin_of(point: Point) -> int | None:
        number = axis.number(point)
        if number is None:
            return None
        return min(_BINS - 1, sum(scale(number) >= edge for edge in edges[1:-1]))

    labels = [f"{left:.3g} to {right:.3g}" for left, right in pairwise(shown)]
    return _with_inactive(axis, labels, bin_of, binned=True)


def _with_inactive(axis: Axis, labels: list[str], of: Callable[[Point], int | None], *, binned: bool) -> Bands:
    last = len(labels)

    def group(point: Point) -> int:
        found = of(point)
        return last if found is None else found

    return Bands(axis, (*labels, *([INACTIVE] if axis.optional else [])), group, binned)


def varying(all_axes: Sequence[Axis]) -> list[Axis]:
    """The axes in which points differ."""
    return [axis for axis in all_axes if axis.varies]


def shown_value(value: Any) -> str:
    """A value as JSON, for a table that is read by programs."""
    return value if isinstance(value, str) else canonical(value)
