"""What is refused before a sweep computes anything, and what changes when a sweep is resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sweep_spaces import BASE, MIXING, grid, points

from codeplan.config import SweepConfig
from codeplan.config.loading import ConfigError, parse
from codeplan.sweeps.objective import SweepError
from codeplan.sweeps.population import Member, exchange
from codeplan.sweeps.sweep import Sweep
from codeplan.sweeps.trials import Trial


def sweep_of(sweep: dict[str, Any], **sections: dict[str, Any]) -> Sweep:
    return Sweep.of(parse({**BASE, **sections, "sweep": sweep}))


ONE = grid(sampling__plans=[1])


@pytest.mark.parametrize(
    ("sweep", "sections", "message"),
    [
        ({**ONE, "objective": "codeplan - codeplan"}, {}, "is 0 whatever happens"),
        ({**ONE, "objective": ["codeplan", "codeplan"]}, {}, "one of them twice"),
        ({**ONE, "objective": "oracle"}, {"sampling": {"oracle": False}}, "sampling.oracle is false"),
        ({**ONE, "objective": "codeplan - code_only_steps_control"}, {}, "baselines.code_only does not list steps"),
        (ONE, {"repeats": 2}, "a sweep does that for each of its points with sweep.repeats"),
        ({"axes": {"repeats": {"grid": [1, 3]}}}, {}, "a sweep does that for each of its points with sweep.repeats"),
        ({**ONE, "objective": "codeplan - control"}, {"sampling": {"control": False}}, "sampling.control is false"),
        (
            {**grid(training__mixing=MIXING), "objective": "validation_loss/plan_code"},
            {},
            "no validation_loss/plan_code for mixing=1:1:0, as training.mixing has no plan_code",
        ),
        (
            {**grid(training__validation_examples=[0, 10]), "objective": "validation_loss/code"},
            {},
            "for validation_examples=0",
        ),
        (
            {**ONE, "scheduler": "asha", "stop_by": "validation_loss/plan_code"},
            {"training": {"mixing": {"code": 1, "plan": 1}}},
            "training.mixing has no plan_code",
        ),
        ({**ONE, "scheduler": "asha", "grace_steps": 100}, {"training": {"steps": 10}}, "nothing to stop"),
        (
            {**grid(training__seed=[1, 2]), "repeats": 2},
            {},
            "sweep.axes.training.seed sets training.seed, which sweep.repeats = 2 raises too",
        ),
        (
            {"axes": {"sampling": {"choice": [{"plans": 2, "seed": 5}, {"plans": 3}]}}, "repeats": 2},
            {},
            "sweep.axes.sampling sets sampling.seed",
        ),
        ({**ONE, "name": ".."}, {}, "must be a folder's"),
        ({**ONE, "name": "n" * 300}, {}, "at most 100 characters"),
        (
            {"axes": {"sampling.plans": {"uniform": [1, 2]}}, "search": "optuna"},
            {},
            "sweep.axes.sampling.plans",
        ),
        (
            {"axes": {"training.batch_size": {"int": [4, 9]}}, "search": "optuna"},
            {"training": {"micro_batch_size": 4}},
            "sweep.axes.training.batch_size",
        ),
        (
            {
                "axes": {"training.learning_rate": {"loguniform": [1e-4, 1e-2]}},
                "search": "random",
                "scheduler": "pbt",
                "points": 4,
                "grace_steps": 10,
                "objective": "validation_loss/code",
            },
            {"training": {"steps": 20, "schedule": "cosine"}},
            "schedule: constant",
        ),
    ],
)
def test_what_cannot_work_is_refused_by_one_message(
    sweep: dict[str, Any], sections: dict[str, dict[str, Any]], message: str
) -> None:
    with pytest.raises((SweepError, ConfigError)) as caught:
        sweep_of(sweep, **sections)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_booleans_can_be_swept_alone_and_within_sections() -> None:
    found = sweep_of(grid(sampling__oracle=[True, False]))
    assert [found.config_of(point).sampling.oracle for point in found.points] == [True, False]
    sections = [
        {"init": "scratch", "architecture": {"model_type": "t5", "tie_word_embeddings": tie}} for tie in (True, False)
    ]
    assert len(sweep_of(grid(student=sections)).points) == 2
    with pytest.raises((SweepError, ConfigError), match="true or false"):
        sweep_of(grid(sampling__plans=[True]))


def test_a_condition_looks_into_the_section_that_another_axis_sets() -> None:
    axes = {
        "training.learning_rate": {"grid": [1e-3, 1e-4], "when": {"sampling.plans": 1}},
        "sampling": {"grid": [{"plans": 1, "trials": 1}, {"plans": 2, "trials": 1}]},
    }
    found = points({"axes": axes})
    assert sorted((point.values["sampling"]["plans"], len(point.values)) for point in found) == [(1, 2), (1, 2), (2, 1)]


def test_a_population_draws_from_a_logarithmic_range_logarithmically() -> None:
    axes = {"training.learning_rate": {"loguniform": [1e-6, 1e-2]}}
    settings = SweepConfig.model_validate({"axes": axes, "search": "random", "points": 4, "scheduler": "pbt"})
    drawn = []
    for generation in range(400):
        members = [Member(f"m{index}", {"training.learning_rate": 5e-3}) for index in range(4)]
        value = exchange(members, [0.0, 1.0, 2.0, 3.0], settings, generation)[3].values["training.learning_rate"]
        if value not in {5e-3 * 0.8, 5e-3 * 1.2}:
            drawn.append(value)
    assert 50 < len(drawn) < 150, "one in four is drawn anew"
    assert 0.3 < sum(value < 1e-4 for value in drawn) / len(drawn) < 0.7


def over(sweep: Sweep, report: str, state: str = "done") -> None:
    for point in sweep.points:
        sweep.trials.put(Trial(point.values, 0, point.label(), state=state, report=report))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("report", "state", "left"), [("", "done", 1), ("stages/report/a", "done", 0), ("", "stopped", 0)]
)
def test_a_trial_that_an_added_objective_needs_further_is_not_over(
    tmp_path: Path, report: str, state: str, left: int
) -> None:
    home = {"execution": {"home": str(tmp_path)}}
    before = sweep_of({**ONE, "objective": "validation_loss/code"}, **home)
    with before.held():
        over(before, report, state)
    assert len(before.unfinished()) == 0
    assert len(sweep_of({**ONE, "objective": "codeplan"}, **home).unfinished()) == left


def test_a_study_keeps_its_objectives(tmp_path: Path) -> None:
    home = {"execution": {"home": str(tmp_path)}}
    search = {"axes": {"sampling.plans": {"int": [1, 3]}}, "search": "optuna", "objective": ["codeplan"]}
    with sweep_of(search, **home).held():
        pass
    with pytest.raises(SweepError, match=r"another space: sweep\.objective was"):
        sweep_of({**search, "objective": ["sequences"]}, **home)


def test_a_folder_belongs_to_one_sweep(tmp_path: Path) -> None:
    home = {"execution": {"home": str(tmp_path)}, "name": "plans"}
    with sweep_of(ONE, **home).held():
        pass
    with sweep_of({**ONE, "name": "plans"}, **home).held():
        pass
    with sweep_of({**ONE, "name": "a/b"}, **home).held():
        pass
    with pytest.raises(SweepError, match=r"sweeps/a_b is the folder of sweep a/b; set sweep.name"):
        sweep_of({**ONE, "name": "a_b"}, **home)


def test_seeds_may_be_an_axis_without_repeats() -> None:
    assert sweep_of(grid(training__seed=[1, 2])).total == 2
