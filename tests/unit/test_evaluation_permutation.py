"""The paired permutation test and Holm's correction, against their definitions."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeplan.evaluation.permutation import holm, paired_p_value

RATES = st.sampled_from([0.0, 0.1, 0.25, 1 / 3, 0.5, 2 / 3, 0.75, 1.0])
PAIRS = st.lists(st.tuples(RATES, RATES), min_size=1, max_size=9)
P_VALUES = st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=6)


def sides(pairs: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [a for a, _ in pairs], [b for _, b in pairs]


def by_definition(pairs: list[tuple[float, float]]) -> float:
    """The fraction of all exchanges of sides whose mean difference is as far from zero."""
    differences = [a - b for a, b in pairs]
    observed = abs(math.fsum(differences))
    sums = [
        abs(math.fsum(sign * difference for sign, difference in zip(signs, differences, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(differences))
    ]
    return sum(found >= observed - 1e-9 for found in sums) / len(sums)


@given(PAIRS)
def test_exact_p_value_counts_all_exchanges(pairs: list[tuple[float, float]]) -> None:
    found = paired_p_value(*sides(pairs))
    assert found.exact
    assert found.value == pytest.approx(by_definition(pairs))
    assert found.differing == sum(a != b for a, b in pairs)


@given(PAIRS, st.randoms(use_true_random=False), RATES)
def test_p_value_knows_neither_sides_nor_order_nor_equal_problems(
    pairs: list[tuple[float, float]], chance: random.Random, equal: float
) -> None:
    found = paired_p_value(*sides(pairs)).value
    a, b = sides(pairs)
    assert paired_p_value(b, a).value == pytest.approx(found)
    shuffled = [*pairs, (equal, equal)]
    chance.shuffle(shuffled)
    assert paired_p_value(*sides(shuffled)).value == pytest.approx(found)


@given(st.lists(st.sampled_from([0.1, 0.25, 0.5, 1.0]), min_size=1, max_size=8), st.floats(0.0, 1.0))
def test_small_p_values_are_no_more_frequent_than_they_say(sizes: list[float], level: float) -> None:
    """Over all exchanges, which are equally likely where there is no difference, P(p <= level) <= level."""
    values = []
    for signs in itertools.product((0, 1), repeat=len(sizes)):
        a = [size * sign for size, sign in zip(sizes, signs, strict=True)]
        b = [size * (1 - sign) for size, sign in zip(sizes, signs, strict=True)]
        values.append(paired_p_value(a, b).value)
    assert sum(value <= level for value in values) <= level * len(values) + 1e-9


@pytest.mark.parametrize(("better", "worse"), [(1, 0), (5, 0), (9, 2), (40, 25), (700, 600), (3000, 0)])
def test_solved_or_not_is_the_exact_test_of_mcnemar(better: int, worse: int) -> None:
    a = [1.0] * better + [0.0] * worse + [1.0] * 50
    b = [0.0] * better + [1.0] * worse + [1.0] * 50
    found = paired_p_value(a, b)
    count = better + worse
    tail = sum(math.comb(count, k) for k in range(max(better, worse), count + 1))
    assert found.exact
    assert found.value == pytest.approx(max(min(1.0, 2 * tail / 2**count), 1e-300), abs=1e-300)
    assert found.value > 0.0


@pytest.mark.parametrize("better", [20, 24, 28])
def test_drawn_exchanges_estimate_the_exact_p_value(better: int) -> None:
    a = [1.0, 0.5, 0.25] * 12 + [0.0] * 4
    b = [0.0] * 36 + [1.0] * 4
    a, b = a[:better] + b[better:], b[:better] + a[better:]
    exact, drawn = paired_p_value(a, b), paired_p_value(a, b, max_outcomes=0)
    assert exact.exact
    assert not drawn.exact
    error = math.sqrt(exact.value * (1 - exact.value) / 10_000)
    assert drawn.value == pytest.approx(exact.value, abs=5 * error)
    assert drawn == paired_p_value(a, b, max_outcomes=0), "the seed decides what is drawn"
    assert drawn != paired_p_value(a, b, max_outcomes=0, seed=1)


def test_drawn_p_value_is_never_zero() -> None:
    a = [index / 400 for index in range(200, 400)]
    found = paired_p_value(a, [0.0] * 200)
    assert found.value == 1 / 10_001
    assert not found.exact


def test_equal_values_are_no_difference() -> None:
    found = paired_p_value([0.1 + 0.2, 1.0], [0.3, 1.0])
    assert (found.value, found.exact, found.differing) == (1.0, True, 0)


def test_sides_of_different_length_raise() -> None:
    with pytest.raises(ValueError, match="one value per problem on both sides, not 1 and 2"):
        paired_p_value([1.0], [1.0, 0.0])


@given(P_VALUES)
def test_holm_is_the_closure_of_bonferroni(p_values: list[float]) -> None:
    """A hypothesis falls where every set of hypotheses with it falls by Bonferroni (Marcus et al. 1976)."""
    corrected = holm(p_values)
    for index, found in enumerate(corrected):
        others = [p for other, p in enumerate(p_values) if other != index]
        sets = [
            [p_values[index], *chosen]
            for size in range(len(p_values))
            for chosen in itertools.combinations(others, size)
        ]
        assert found == pytest.approx(max(min(1.0, len(chosen) * min(chosen)) for chosen in sets))


@given(P_VALUES)
def test_holm_keeps_the_order_and_is_never_smaller(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(p <= found <= 1.0 for p, found in zip(p_values, corrected, strict=True))
    ranked = sorted(range(len(p_values)), key=p_values.__getitem__)
    assert [corrected[index] for index in ranked] == sorted(corrected)


def test_holm_of_nothing_is_nothing() -> None:
    assert holm([]) == []
