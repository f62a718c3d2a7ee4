"""The alternating schedule: exact at every moment, no example dropped, the same for any number of workers."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeplan.config import TASKS, Task, TrainingConfig
from codeplan.student.mixture import Mixture, MixtureError, Schedule, micro_batches_of_rank

tenths = st.integers(0, 40).map(lambda n: n / 10)
ratios = st.fixed_dictionaries(dict.fromkeys(TASKS, tenths)).filter(lambda mixing: sum(mixing.values()) > 0)
LENGTHS: dict[Task, list[int]] = {"code": [5, 1, 2, 9, 4, 4, 8], "plan": [3, 6, 1], "plan_code": list(range(1, 12))}


@given(ratios, st.integers(1, 200))
def test_counts_stay_within_one_of_the_mixing_ratio_at_every_moment(mixing: dict[Task, float], count: int) -> None:
    schedule, counts, whole = Schedule(mixing), Counter[Task](), sum(mixing.values())
    for index in range(count):
        task, before = schedule.turn(index)
        assert before == counts[task]
        counts[task] += 1
        assert schedule.counts(index + 1) == {task: counts[task] for task in schedule.tasks}
        for name, ratio in mixing.items():
            assert abs(counts[name] - (index + 1) * ratio / whole) < 1 + 1e-9


def test_two_equal_tasks_alternate() -> None:
    schedule = Schedule({"code": 1.0, "plan": 1.0, "plan_code": 0.0})
    turns = [schedule.turn(index)[0] for index in range(10)]
    assert all(task != following for task, following in pairwise(turns))


@given(st.integers(1, 9), st.integers(1, 7), st.integers(0, 3), st.integers(0, 5))
def test_every_epoch_holds_every_example_once(size: int, micro: int, seed: int, epochs: int) -> None:
    training = TrainingConfig(mixing={"code": 1.0}, batch_size=micro, micro_batch_size=micro, seed=seed)
    mixture = Mixture(training, {"code": [1] * size})
    drawn = [position for index in range((epochs + 1) * size) for position in mixture.micro_batch(index).examples]
    for epoch in range(epochs + 1):
        assert sorted(drawn[epoch * size : (epoch + 1) * size]) == list(range(size))


@given(ratios, st.integers(0, 300))
def test_any_micro_batch_is_reached_without_those_before_it(mixing: dict[Task, float], index: int) -> None:
    training = TrainingConfig(mixing=mixing, batch_size=4, micro_batch_size=2, seed=5)
    whole, resumed = Mixture(training, LENGTHS), Mixture(training, LENGTHS)
    for before in range(index):
        whole.micro_batch(before)
    assert whole.micro_batch(index) == resumed.micro_batch(index)


@given(ratios, st.integers(0, 120))
def test_totals_are_the_sums_over_the_micro_batches(mixing: dict[Task, float], count: int) -> None:
    training = TrainingConfig(mixing=mixing, batch_size=4, micro_batch_size=2, seed=5)
    mixture = Mixture(training, LENGTHS)
    trained = {task: [0, 0] for task, ratio in mixing.items() if ratio}
    for micro in map(mixture.micro_batch, range(count)):
        trained[micro.task][0] += len(micro.examples)
        trained[micro.task][1] += sum(LENGTHS[micro.task][position] for position in micro.examples)
    totals = Mixture(training, LENGTHS).totals(count)
    assert {task: [total.examples, total.target_tokens] for task, total in totals.items()} == trained


def test_epochs_and_seeds_and_tasks_have_orders_of_their_own() -> None:
    def first_epochs(seed: int) -> list[tuple[int, ...]]:
        training = TrainingConfig(mixing={"code": 1, "plan": 1}, batch_size=50, micro_batch_size=50, seed=seed)
        mixture = Mixture(training, {"code": [1] * 50, "plan": [1] * 50})
        return [mixture.micro_batch(index).examples for index in range(4)]

    orders = [*first_epochs(0), *first_epochs(1)]
    assert len(set(orders)) == len(orders)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 50))
def test_workers_divide_a_step_without_gap_or_overlap(world_size: int, per_worker: int, step: int) -> None:
    accumulation = world_size * per_worker
    dealt = [micro_batches_of_rank(step, accumulation, rank, world_size) for rank in range(world_size)]
    assert sorted(index for part in dealt for index in part) == list(
        range(step * accumulation, (step + 1) * accumulation)
    )
    assert all(index % world_size == rank for rank, part in enumerate(dealt) for index in part)


def test_micro_batches_that_cannot_be_divided_evenly_are_refused() -> None:
    with pytest.raises(MixtureError, match=r"3 micro-batches .* 2 workers"):
        micro_batches_of_rank(0, accumulation=3, rank=0, world_size=2)


def test_a_task_of_the_mixture_without_examples_is_refused() -> None:
    with pytest.raises(MixtureError, match=r"training.mixing.plan is above 0, but there is no example"):
        Mixture(TrainingConfig(mixing={"code": 1, "plan": 1}), {"code": [1, 1, 1]})
