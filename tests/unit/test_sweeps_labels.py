"""How trials and axes are named, and their numbers in charts."""

from __future__ import annotations

from typing import Any

import pytest
from sweep_spaces import grid, points

from codeplan.config import SweepConfig
from codeplan.sweeps.axes import axes


def labels(sweep: dict[str, Any]) -> list[str]:
    config = SweepConfig.model_validate(sweep)
    return [point.label(config) for point in points(sweep)]


@pytest.mark.parametrize(
    ("sweep", "expected"),
    [
        (grid(sampling__plans=[1, 5]), ["plans=1", "plans=5"]),
        (
            grid(training__learning_rate=[0.000123451, 0.000123452, 0.1]),
            ["learning_rate=0.000123451", "learning_rate=0.000123452", "learning_rate=0.1"],
        ),
        (
            grid(training__seed=[1], sampling__seed=[2, 3]),
            ["training.seed=1 sampling.seed=2", "training.seed=1 sampling.seed=3"],
        ),
        (
            grid(teacher=[{"model": "a"}, {"model": "b", "temperature": 0.2}, {"model": "b", "temperature": 0.9}]),
            ["teacher=a", "teacher=b(temperature=0.2)", "teacher=b(temperature=0.9)"],
        ),
        (grid(training__schedule=["1", 1]), ["schedule=1 #1", "schedule=1 #2"]),
    ],
)
def test_labels_tell_all_trials_apart(sweep: dict[str, Any], expected: list[str]) -> None:
    assert labels(sweep) == expected
    (*_, last) = axes(SweepConfig.model_validate(sweep), points(sweep))
    assert len(set(last.labels)) == len(last.labels)


def test_what_is_no_number_has_none_beside_numbers() -> None:
    mixed, named = grid(training__clip=[None, 0.0, 0.5]), grid(training__schedule=["constant", "cosine"])
    config = SweepConfig.model_validate(mixed)
    assert [point.numbers(config) for point in points(mixed)] == [{}, {"training.clip": 0.0}, {"training.clip": 0.5}]
    config = SweepConfig.model_validate(named)
    assert [point.numbers(config) for point in points(named)] == [
        {"training.schedule": 0.0},
        {"training.schedule": 1.0},
    ]
