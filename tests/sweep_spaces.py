"""Search spaces over a small configuration."""

from __future__ import annotations

from typing import Any

from codeplan.config import SweepConfig
from codeplan.config.loading import parse
from codeplan.sweeps import space
from codeplan.sweeps.points import Point

BASE: dict[str, Any] = {
    "problems": {
        "train": {"reader": "miniapps", "split": "train", "count": 40},
        "test": {"reader": "miniapps", "split": "test", "count": 12},
    },
    "student": {"init": "scratch", "architecture": {"model_type": "t5"}},
}
MIXING = [{"code": 1, "plan": 1}, {"code": 1, "plan": 1, "plan_code": 1}]


def points(sweep: dict[str, Any]) -> list[Point]:
    settings = SweepConfig.model_validate(sweep)
    return space.points(settings, parse(BASE).model_dump(mode="json"))


def grid(**axes: list[Any]) -> dict[str, Any]:
    return {"axes": {key.replace("__", "."): {"grid": values} for key, values in axes.items()}}
