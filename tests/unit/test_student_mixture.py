"""The alternating schedule: exact at every moment, nothing thrown away, the same for any number of workers."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeplan.config import TASKS, Task, TrainingConfig
from codeplan.student.mixture import Mixture, MixtureError, Schedule, shares_of_rank

shares = st.integers(0, 40).map(lambda tenths: tenths / 10)
ratios = st.fixed_dictionaries(dict.fromkeys(TASKS, shares)).filter(lambda each: sum(each.values()) > 0)


@given(ratios, st.integers(1, 200))
def test_counts_stay_within_one_of_their_share_at_every_moment(mixing: dict[Task, float], count: int) -> None:
    schedule, counts, whole = Schedule(mixing), Counter[Task](), sum(mixing.values())
    for index in range(count):
        task, before = schedule.turn(index)
        assert before == counts[task]
        counts[task] += 1
        for each, ratio in mixing.items():
            assert abs(counts[each] - (index + 1) * ratio / whole) < 1 + 1e-9


def test_two_equal_tasks_alternate() -> None:
    schedule = Schedule({"code": 1.0, "plan": 1.0, "plan_code": 0.0})
    turns = [schedule.turn(index)[0] for index in range(10)]
    assert all(task != following for task, following in pairwise(turns))


@given(st.integers(1, 9), st.integers(1, 7), st.integers(0, 3), st.integers(0, 5))
def test_every_epoch_holds_every_example_once(size: int, micro: int, seed: int, epochs: int) -> None:
    training = TrainingConfig(mixing={"code": 1.0}, batch_size=micro, micro_batch_size=micro, seed=seed)
    mixture = Mixture(training, {"code": size})
    drawn = [each for index in range((epochs + 1) * size) for each in mixture.micro_batch(index).examples]
    for epoch in range(epochs + 1):
        assert sorted(drawn[epoch * size : (epoch + 1) * size]) == list(range(size))


@given(ratios, st.integers(0, 300))
def test_any_place_is_reached_without_the_places_before(mixing: dict[Task, float], index: int) -> None:
    training = TrainingConfig(mixing=mixing, batch_size=4, micro_batch_size=2, seed=5)
    sizes: dict[Task, int] = {"code": 7, "plan": 3, "plan_code": 11}
    whole, resumed = Mixture(training, sizes), Mixture(training, sizes)
    for before in range(index):
        whole.micro_batch(before)
    assert whole.micro_batch(index) == resumed.micro_batch(index)


def test_epochs_and_seeds_and_tasks_have_orders_of_their_own() -> None:
    def first_epochs(seed: int) -> list[tuple[int, ...]]:
        training = TrainingConfig(mixing={"code": 1, "plan": 1}, batch_size=50, micro_batch_size=50, seed=seed)
        mixture = Mixture(training, {"code": 50, "plan": 50})
        return [mixture.micro_batch(index).examples for index in range(4)]

    orders = [*first_epochs(0), *first_epochs(1)]
    assert len(set(orders)) == len(orders)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 50))
def test_workers_share_a_step_without_gap_or_overlap(world_size: int, each: int, step: int) -> None:
    accumulation = world_size * each
    dealt = [shares_of_rank(step, accumulation, rank, world_size) for rank in range(world_size)]
    assert sorted(index for share in dealt for index in share) == list(
        range(step * accumulation, (step + 1) * accumulation)
    )
    assert all(index % world_size == rank for rank, share in enumerate(dealt) for index in share)


def test_micro_batches_that_cannot_be_shared_evenly_are_refused() -> None:
    with pytest.raises(MixtureError, match=r"3 micro-batches .* 2 workers"):
        shares_of_rank(0, accumulation=3, rank=0, world_size=2)


def test_a_task_with_a_share_but_no_example_is_refused() -> None:
    with pytest.raises(MixtureError, match=r"set training.mixing.plan to 0"):
        Mixture(TrainingConfig(mixing={"code": 1, "plan": 1}), {"code": 3})
