"""The search space: which points there are, what they set, and which spaces are refused before anything is computed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweep_spaces import BASE, MIXING, grid, points

from codeplan.config import Config, SweepConfig
from codeplan.config.loading import ConfigError, parse
from codeplan.sweeps.objective import SweepError, objectives
from codeplan.sweeps.points import Point
from codeplan.sweeps.sweep import Sweep


def config(sweep: dict[str, Any], home: object = "runs") -> Config:
    return parse({**BASE, "sweep": sweep, "execution": {"home": str(home)}})


def test_a_grid_is_every_combination_once() -> None:
    found = points(grid(training__mixing=[*MIXING, MIXING[0]], sampling__plans=[1, 3, 10]))
    assert len(found) == 6
    assert len({point.point_id for point in found}) == 6
    assert found[0].label() == "mixing=1:1:0 plans=1"


def test_a_point_sets_its_keys_and_raises_the_seeds_of_training_and_sampling_alone() -> None:
    base = parse({**BASE, "training": {"seed": 7}, "sampling": {"seed": 3}}).model_dump(mode="json")
    made = Point({"training.mixing": MIXING[1], "sampling.plans": 5}).config(base, repeat=2)
    assert made.training.mixing == MIXING[1]
    assert made.sampling.plans == 5
    assert (made.training.seed, made.sampling.seed) == (9, 5)
    assert made.teacher == parse(BASE).teacher
    assert base["sampling"]["seed"] == 3


def test_an_axis_with_a_condition_varies_only_where_it_holds() -> None:
    sweep = grid(training__schedule=["constant", "cosine"])
    sweep["axes"]["training.warmup_steps"] = {"grid": [1, 2], "when": {"training.schedule": "cosine"}}
    assert [dict(point.values) for point in points(sweep)] == [
        {"training.schedule": "constant"},
        {"training.schedule": "cosine", "training.warmup_steps": 1},
        {"training.schedule": "cosine", "training.warmup_steps": 2},
    ]


def test_a_condition_may_look_at_a_key_that_is_no_axis() -> None:
    sweep = grid(sampling__plans=[1, 2])
    sweep["axes"]["training.warmup_steps"] = {"grid": [1, 2], "when": {"training.schedule": "cosine"}}
    assert len(points(sweep)) == 2


def test_a_section_may_be_a_value_and_has_its_label() -> None:
    students = [{**BASE["student"], "vocab_size": 300}, {**BASE["student"], "vocab_size": 500}]
    sweep = {"axes": {"student": {"grid": students, "labels": ["small", "large"]}}}
    found = points(sweep)
    settings = SweepConfig.model_validate(sweep)
    assert [point.label(settings) for point in found] == ["student=small", "student=large"]
    assert found[1].config(parse(BASE).model_dump(mode="json")).student.vocab_size == 500


RANDOM = {
    "search": "random",
    "axes": {
        "training.learning_rate": {"loguniform": [1e-4, 1e-2]},
        "training.weight_decay": {"uniform": [0.0, 0.5]},
        "training.warmup_steps": {"int": [3, 5]},
        "training.mixing": {"choice": MIXING},
        "sampling.plans": {"grid": [1, 2]},
    },
}


@given(st.integers(1, 12), st.integers(0, 5))
def test_random_draws_stay_within_bounds_and_more_points_keep_the_earlier_ones(count: int, seed: int) -> None:
    found = points({**RANDOM, "points": count, "seed": seed})
    assert len(found) == 2 * count, "each draw with all values of the grid axis"
    for point in found:
        assert 1e-4 <= point.values["training.learning_rate"] <= 1e-2
        assert 0.0 <= point.values["training.weight_decay"] <= 0.5
        assert point.values["training.warmup_steps"] in {3, 4, 5}
        assert point.values["training.mixing"] in MIXING
    more = points({**RANDOM, "points": count + 3, "seed": seed})
    assert more[: len(found)] == found


def test_random_draws_of_a_finite_space_end_with_the_space() -> None:
    found = points({"search": "random", "points": 50, "axes": {"sampling.plans": {"choice": [1, 2, 3]}}})
    assert sorted(point.values["sampling.plans"] for point in found) == [1, 2, 3]


def test_a_point_survives_json() -> None:
    for point in points({**RANDOM, "points": 5}):
        again = Point(json.loads(json.dumps(dict(point.values))))
        assert again.point_id == point.point_id


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({"axes": {}}, "axes"),
        ({"axes": {"training.lr": {"grid": [1]}}}, "unknown key training.lr; valid keys here are"),
        ({"axes": {"trainin.steps": {"grid": [1]}}}, "unknown key trainin"),
        ({"axes": {"training.steps": {"grid": []}}}, "has no values"),
        ({"axes": {"training.steps": {"grid": [1], "choice": [2]}}}, "has grid and choice"),
        ({"axes": {"training.steps": {"grid": [10, -1]}}}, "training.steps"),
        ({"axes": {"training.learning_rate": {"uniform": [1.0, 0.1]}}}, "lower one first"),
        ({"axes": {"training.learning_rate": {"loguniform": [0.0, 0.1]}}}, "must be positive"),
        ({"axes": {"training.learning_rate": {"uniform": [0.1, 1.0]}}}, "set search to random or optuna"),
        ({"axes": {"execution.train_workers": {"grid": [1, 2]}}}, "decides no result"),
        ({"axes": {"training.steps": {"grid": [1], "labels": ["a", "b"]}}}, "2 labels for 1 values"),
        (grid(training=[{"steps": 3}], training__steps=[1]), "overlaps"),
        ({**grid(sampling__plans=[1]), "objective": "speed"}, "made by no stage"),
        ({**grid(sampling__plans=[1]), "objective": "codeplan - speed"}, "made by no stage"),
        ({**grid(sampling__plans=[1]), "direction": {"control": "minimize"}}, "not in sweep.objective"),
        ({**grid(sampling__plans=[1]), "stop_by": "loss"}, "schedulers compare"),
        (
            {
                "axes": {
                    "training.steps": {"grid": [1], "when": {"sampling.plans": 1}},
                    "sampling.plans": {"grid": [1], "when": {"training.steps": 1}},
                }
            },
            "in a circle",
        ),
        ({"axes": {"training.steps": {"grid": [1], "when": {"training.schedule": "cosine"}}}}, "active in no point"),
    ],
)
def test_a_space_that_cannot_work_is_refused_by_one_message(sweep: dict[str, Any], message: str) -> None:
    with pytest.raises((SweepError, ConfigError)) as caught:
        Sweep.of(config(sweep))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_validation_loss_needs_validation_examples() -> None:
    sweep = {**grid(sampling__plans=[1]), "objective": "validation_loss/code"}
    plain = {**BASE, "training": {"validation_examples": 0}, "sweep": sweep}
    with pytest.raises(SweepError, match="validation_examples is 0"):
        Sweep.of(parse(plain))


def test_trials_that_share_a_training_do_not_follow_one_another() -> None:
    sweep = Sweep.of(config({**grid(training__mixing=MIXING, sampling__plans=[1, 2, 3]), "repeats": 2}))
    order = [(request.point.values["training.mixing"] == MIXING[0], request.repeats) for request in sweep.unfinished()]
    assert len(set(order[:4])) == 4, "all four trainings before the second trial of any"
    plans = [request.point.values["sampling.plans"] for request in sweep.unfinished()]
    assert plans == [3] * 4 + [2] * 4 + [1] * 4, "the first of those that share a training samples for all of them"


def test_objectives_have_their_usual_direction() -> None:
    names = ["codeplan - control", "validation_loss/code", "plan_quality.distinct", "sequences"]
    found = objectives(SweepConfig.model_validate({**grid(sampling__plans=[1]), "objective": names}))
    assert [objective.direction for objective in found] == ["maximize", "minimize", "maximize", "minimize"]
    metrics = {"pass_at_1.codeplan.all": 0.5, "pass_at_1.control.all": 0.75}
    assert [objective.value(metrics) for objective in found] == [-0.25, None, None, None]


def held(sweep: dict[str, Any], home: object) -> None:
    with Sweep.of(config(sweep, home)).held():
        pass


def test_a_sweep_resumes_with_more_points_and_seeds_and_refuses_another_space(tmp_path: object) -> None:
    sweep = {**grid(sampling__plans=[1, 2]), "name": "plans"}
    held(sweep, tmp_path)
    held({**grid(sampling__plans=[1, 2, 4]), "name": "plans", "repeats": 3, "objective": "control"}, tmp_path)
    for other, message in (
        ({**grid(sampling__plans=[1, 2]), "name": "plans"}, "axis sampling.plans has other values"),
        ({**grid(sampling__trials=[1, 2]), "name": "plans"}, "sampling.plans is no longer an axis"),
        ({**grid(sampling__plans=[1, 2, 4]), "name": "plans", "seed": 1}, "sweep.seed was 0, now 1"),
    ):
        with pytest.raises(SweepError, match="begun with another space") as caught:
            held(other, tmp_path)
        assert message in str(caught.value)
        assert "sweep.name" in str(caught.value)


def test_two_processes_do_not_run_one_sweep(tmp_path: object) -> None:
    sweep = Sweep.of(config({**grid(sampling__plans=[1, 2]), "name": "plans"}, tmp_path))
    with sweep.held(), pytest.raises(SweepError, match="already running"), sweep.held():
        pass
