"""A point of a sweep: a value per active axis, the configuration that it stands for, and its name."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from codeplan.config import TASKS, Config, SweepConfig
from codeplan.config.loading import parse
from codeplan.stage import canonical

_SHORT = 12
_LONGEST_NUMBER = 4


@dataclass(frozen=True)
class Point:
    """One setting of the axes.

    Attributes:
        values: by axis, in the order of the configuration; an axis that is not active here is missing.
    """

    values: Mapping[str, Any]

    @property
    def point_id(self) -> str:
        """12 hexadecimal digits that depend on the values alone."""
        return hashlib.sha256(canonical(dict(self.values)).encode()).hexdigest()[:_SHORT]

    def config(self, base: Mapping[str, Any], repeat: int = 0) -> Config:
        """The configuration of one repeat: the base with the axes' values, and raised seeds.

        Args:
            base: the configuration without its sweep, as plain data.
            repeat: which one, from 0.

        Raises:
            ConfigError: a key is unknown, or a value is not valid there.
        """
        plain = copy.deepcopy(dict(base))
        for key, value in self.values.items():
            place(plain, key, value)
        return parse(plain, where=f"sweep point {self.label()}").of_repeat(repeat)

    def numbers(self, sweep: SweepConfig) -> dict[str, float]:
        """The values as numbers, by axis, for charts: numbers as they are, parts of a mixing ratio by task, and the
        position among an axis's values for all others; none where that could be taken for one of the axis's numbers.
        """
        found: dict[str, float] = {}
        for key, value in self.values.items():
            others = sweep.axes[key].values if key in sweep.axes else []
            if isinstance(value, int | float):
                found[key] = float(value)
            elif isinstance(value, dict) and value and set(value) <= set(TASKS):
                found |= {f"{key}.{task}": float(value.get(task, 0.0)) for task in TASKS}
            elif value in others and not any(isinstance(other, int | float) for other in others):
                found[key] = float(others.index(value))
        return found

    def label(self, sweep: SweepConfig | None = None) -> str:
        """What tells it from other points at a glance, for example ``mixing=1:1:0 plans=5``."""
        shown = {key: value for key, value in self.values.items() if sweep is None or key in sweep.axes}
        names = {key: axis_name(key, sweep.axes if sweep is not None else shown) for key in shown}
        return " ".join(f"{names[key]}={value_label(value, sweep, key)}" for key, value in shown.items())


def place(plain: dict[str, Any], key: str, value: Any) -> None:
    """Set a key such as ``training.mixing`` in nested plain data; missing sections are made."""
    *sections, last = key.split(".")
    for section in sections:
        inner = plain.get(section)
        if not isinstance(inner, dict):
            inner = plain[section] = {}
        plain = inner
    plain[last] = copy.deepcopy(value)


def lookup(plain: Mapping[str, Any], key: str) -> Any:
    """The value of a key such as ``training.mixing`` in nested plain data; None where it is missing."""
    value: Any = plain
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def axis_name(key: str, keys: Iterable[str]) -> str:
    """The last part of a key, which is enough to recognize it; all of it where another of the keys ends alike."""
    short = key.rpartition(".")[2]
    return short if sum(other.rpartition(".")[2] == short for other in keys) <= 1 else key


def value_label(value: Any, sweep: SweepConfig | None, key: str) -> str:
    """A value in a few characters: its label where it has one; a mixing ratio as ``code:plan:plan_code``, ``1:1:0``.

    Values of one axis that would look alike are told apart: numbers by all of their digits, sections by what differs.
    """
    axis = sweep.axes.get(key) if sweep is not None else None
    if axis is None or value not in axis.values:
        return _short(value)
    if axis.labels:
        return axis.labels[axis.values.index(value)]
    label = _short(value)
    alike = [other for other in axis.values if _short(other) == label]
    if len(alike) == 1:
        return label
    if all(isinstance(other, float) for other in alike):
        return repr(value)
    if all(isinstance(other, dict) for other in alike):
        differing = [
            name for name in sorted({*chain(*alike)}) if len({canonical({"": other.get(name)}) for other in alike}) > 1
        ]
        return f"{label}({','.join(f'{name}={_short(value.get(name))}' for name in differing)})"
    return f"{label} #{axis.values.index(value) + 1}"


def _short(value: Any) -> str:
    if isinstance(value, dict) and value and set(value) <= set(TASKS):
        return ":".join(f"{value.get(task, 0):g}" for task in TASKS)
    if isinstance(value, dict):
        named = value.get("model") or value.get("name") or value.get("reader")
        return str(named) if named else hashlib.sha256(canonical(value).encode()).hexdigest()[:_LONGEST_NUMBER]
    if isinstance(value, float):
        return f"{value:.{_LONGEST_NUMBER}g}"
    return str(value)
