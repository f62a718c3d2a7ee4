"""The search space: which points there are, and whether each of them is a valid configuration."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Protocol

from codeplan.config import SweepConfig
from codeplan.config.loading import ConfigError
from codeplan.config.sweep import AxisConfig
from codeplan.randomness import StableRandom
from codeplan.stage import canonical
from codeplan.sweeps.objective import SweepError
from codeplan.sweeps.points import Point, lookup

MAX_POINTS = 100_000

_WITHOUT_EFFECT = ("name", "sweep", "tracking", "execution")
"""Sections that decide no result, so that sweeping over them compares nothing."""

_TRIED = 100
"""Integers of a range that are checked, all of them where it has no more."""

_ROUNDS = 50
"""Draws per wanted point before a space counts as having no further points."""


class Suggestions(Protocol):
    """The part of an Optuna trial that draws values."""

    def suggest_categorical(self, name: str, choices: list[int]) -> Any:
        """One of the choices."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> float:
        """A number between two bounds."""

    def suggest_int(self, name: str, low: int, high: int) -> int:
        """An integer between two bounds, both included."""


def points(sweep: SweepConfig, base: Mapping[str, Any]) -> list[Point]:
    """All points of a search that does not learn: ``grid`` or ``random``.

    Raising ``points`` keeps the points that were there: each draw has a random stream of its own.

    Args:
        sweep: the space.
        base: the configuration without its sweep, as plain data: what conditions look at.
    """
    if sweep.search == "grid":
        fixed = [key for key, axis in sweep.axes.items() if axis.values]
        return _distinct(_grid(sweep, base, {}, fixed))
    found: list[Point] = []
    seen: set[str] = set()
    drawn = 0
    for turn in range(sweep.points * _ROUNDS):
        given = {
            key: draw(axis, StableRandom(f"sweep/{sweep.seed}/{turn}/{key}"))
            for key, axis in sweep.axes.items()
            if not axis.grid
        }
        gridded = [key for key, axis in sweep.axes.items() if axis.grid]
        new = [point for point in _distinct(_grid(sweep, base, given, gridded)) if point.point_id not in seen]
        seen |= {point.point_id for point in new}
        found += new
        drawn += bool(new)
        if drawn == sweep.points:
            break
    return found


def suggest(sweep: SweepConfig, base: Mapping[str, Any], trial: Suggestions) -> Point:
    """The point that Optuna's sampler draws; inactive axes are not drawn."""
    values: dict[str, Any] = {}
    for key in _in_order(sweep):
        axis = sweep.axes[key]
        if not _active(axis, values, base):
            continue
        if axis.values:
            # Optuna's categories are plain values, and a value here may be a whole section.
            index = trial.suggest_categorical(key, list(range(len(axis.values))))
            values[key] = axis.values[index]
        elif axis.integer:
            values[key] = trial.suggest_int(key, *axis.integer)
        else:
            low, high = axis.bounds or (0.0, 0.0)
            values[key] = trial.suggest_float(key, low, high, log=axis.loguniform is not None)
    return Point({key: values[key] for key in sweep.axes if key in values})


def check(sweep: SweepConfig, base: Mapping[str, Any]) -> None:
    """Check the axes one by one, each of their values or bounds in turn, before anything is computed.

    Raises:
        SweepError: an axis is no key, changes no result, overlaps another one, or has a value that is not valid.
    """
    for key, axis in sweep.axes.items():
        if key.partition(".")[0] in _WITHOUT_EFFECT:
            raise SweepError(f"sweep.axes.{key}: {key} decides no result; sweep over another key")
        for other in (*sweep.axes, *axis.when):
            if other != key and (key.startswith(f"{other}.") or other.startswith(f"{key}.")):
                raise SweepError(f"sweep.axes.{key} overlaps {other}: put the values of both into one axis")
        for value in _tried(axis):
            _require_valid(sweep, base, key, value)
    _in_order(sweep)


def _tried(axis: AxisConfig) -> Sequence[Any]:
    """The values by which an axis is checked: all that are known, else bounds, and what lies between them."""
    if axis.integer:
        low, high = axis.integer
        return range(low, high + 1, max(1, (high - low) // _TRIED))
    if axis.bounds:
        return (*axis.bounds, sum(axis.bounds) / 2 + math.ulp(axis.bounds[1]))
    return axis.values


def _require_valid(sweep: SweepConfig, base: Mapping[str, Any], key: str, value: Any) -> None:
    active = {**sweep.axes[key].when, key: value}
    try:
        Point(active).config(base)
    except ConfigError as error:
        # Where several axes must change together, as plans and plan_counts, a value alone need not be valid.
        message = str(error).partition(": ")[2]
        if "unknown key" not in message and len(sweep.axes) > 1 and key not in message:
            return
        raise SweepError(f"sweep.axes.{key}: {message}") from error


def _distinct(found: Iterator[Point]) -> list[Point]:
    kept: dict[str, Point] = {}
    for point in found:
        kept.setdefault(point.point_id, point)
        if len(kept) > MAX_POINTS:
            raise SweepError(f"sweep.axes span more than {MAX_POINTS:,} points; set sweep.search to random or optuna")
    return list(kept.values())


def _grid(sweep: SweepConfig, base: Mapping[str, Any], given: Mapping[str, Any], keys: list[str]) -> Iterator[Point]:
    """All combinations of some axes' values with the values that are given for others."""
    for combination in product(*(sweep.axes[key].values for key in keys)):
        whole = {**given, **dict(zip(keys, combination, strict=True))}
        active: dict[str, Any] = {}
        for key in _in_order(sweep):
            if key in whole and _active(sweep.axes[key], active, base):
                active[key] = whole[key]
        yield Point({key: active[key] for key in sweep.axes if key in active})


def _active(axis: AxisConfig, values: Mapping[str, Any], base: Mapping[str, Any]) -> bool:
    return all(canonical(_value(key, values, base)) == canonical(wanted) for key, wanted in axis.when.items())


def _value(key: str, values: Mapping[str, Any], base: Mapping[str, Any]) -> Any:
    """The value of a key at a point, whose axes may set it by itself or as a part of a section."""
    for axis, value in values.items():
        if axis == key:
            return value
        if key.startswith(f"{axis}."):
            return lookup(value, key.removeprefix(f"{axis}."))
    return lookup(base, key)


def _in_order(sweep: SweepConfig) -> list[str]:
    """The axes, each after those that its condition looks at."""
    ordered: list[str] = []
    left = list(sweep.axes)
    while left:
        waited_for = {
            key: [axis for axis in left for wanted in sweep.axes[key].when if f"{wanted}.".startswith(f"{axis}.")]
            for key in left
        }
        ready = [key for key in left if not waited_for[key]]
        if not ready:
            raise SweepError(f"sweep.axes {', '.join(left)} depend on one another in a circle: look at their when")
        ordered += ready
        left = [key for key in left if key not in ready]
    return ordered


def draw(axis: AxisConfig, random: StableRandom) -> Any:
    """One of an axis's values."""
    if axis.values:
        return random.choice(axis.values)
    if axis.integer:
        return random.integer(*axis.integer)
    low, high = axis.bounds or (0.0, 0.0)
    if axis.loguniform:
        return math.exp(random.uniform(math.log(low), math.log(high)))
    return random.uniform(low, high)
