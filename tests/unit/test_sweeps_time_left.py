"""How long a sweep will still take, and what it may still pay."""

import pytest

from codeplan.config.loading import parse
from codeplan.status import status_of
from codeplan.sweeps.live import _summary
from codeplan.sweeps.money_left import distillations, dollars_left
from codeplan.sweeps.sweep import Sweep
from codeplan.sweeps.time_left import seconds_left
from codeplan.sweeps.trials import Trial, TrialStage

SOURCE = {"reader": "miniapps", "split": "train", "count": 4}
AXES = {
    "training.steps": {"grid": [10, 20]},
    "sampling.plans": {"grid": [1, 2, 3]},
}


@pytest.fixture
def sweep(tmp_path: object) -> Sweep:
    """Two trainings of three trials each."""
    return Sweep.of(
        parse(
            {
                "problems": {"train": SOURCE, "test": SOURCE},
                "student": {"model": "m"},
                "report": {"plan_counts": [1]},
                "execution": {"home": str(tmp_path)},
                "sweep": {"axes": AXES},
            }
        )
    )


def trial(steps: int, plans: int, state: str, **seconds: float) -> Trial:
    stages = {
        name: TrialStage(name, name + str(steps), computed=taken > 1, seconds=taken) for name, taken in seconds.items()
    }
    values = {"training.steps": steps, "sampling.plans": plans}
    return Trial(values, 0, "", state=state, seconds=sum(seconds.values()), stages=stages)  # type: ignore[arg-type]


def test_a_trial_without_room_is_in_the_line_of_the_sweep(sweep: Sweep) -> None:
    waits = trial(10, 1, "running").with_(label="steps=10", now="sample", waits="has waited 1 min for 1 x 1 GPU")
    assert ", 1 without room (steps=10: sample has waited 1 min for 1 x 1 GPU)" in _summary(sweep, 60.0, {}, [waits])
    assert "without room" not in _summary(sweep, 60.0, {}, [waits.with_(waits="")])


def test_trainings_that_are_shared_count_once(sweep: Sweep) -> None:
    assert seconds_left(sweep, [trial(10, 1, "running", distill=50.0)]) is None
    first = trial(10, 1, "done", distill=50.0, finetune=100.0, sample=20.0, judge=10.0)
    assert seconds_left(sweep, [first]) == 100 + 5 * 30
    second = trial(10, 2, "done", distill=0.0, finetune=0.5, sample=20.0, judge=10.0)
    assert seconds_left(sweep, [first, second]) == 100 + 4 * 30
    running = [first, second, trial(10, 3, "running", sample=12.0), trial(20, 1, "running", distill=40.0)]
    assert seconds_left(sweep, running) == (100 + 4 * 30 - 52) / 2
    both = [first, second, trial(10, 3, "done", sample=30.0), trial(20, 1, "done", finetune=100.0, sample=30.0)]
    assert seconds_left(sweep, both) == 2 * 30


def test_money_left_is_that_of_the_distillations_that_no_trial_has_finished(tmp_path: object) -> None:
    teacher = {"base_url": "https://llm.example.org/v1", "max_tokens": 100}
    prices = {"prompt_price_usd": 0.5, "completion_price_usd": 2.0}
    plain = {
        "problems": {"train": SOURCE, "test": SOURCE},
        "student": {"model": "m"},
        "report": {"plan_counts": [1]},
        "teacher": {"model": "a", **teacher},
        "execution": {"home": str(tmp_path), **prices},
        "sweep": {"axes": {"teacher.model": {"grid": ["a", "b"]}, "sampling.plans": {"grid": [1, 2]}}},
    }
    sweep = Sweep.of(parse(plain))
    costs = distillations(sweep)
    assert len(costs) == 4, "for each teacher its plans and the oracle's"
    (identity,) = {status_of(sweep.config, "distill")["plans"].identity} & set(costs)
    assert dollars_left(costs, []) == sum(costs.values()) > costs[identity] > 0
    done = Trial({}, 0, "", stages={"plans": TrialStage("distill", identity, computed=True, seconds=1.0)})
    assert dollars_left(costs, [done]) == pytest.approx(sum(costs.values()) - costs[identity])
