"""Named random streams: the same numbers for a name, everywhere and always."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from codeplan.randomness import StableRandom, permutation, seed_of, uniforms

names = st.text(max_size=20)


@given(names, st.integers(0, 50), st.integers(0, 50))
def test_a_shorter_stream_is_the_start_of_a_longer_one(name: str, short: int, more: int) -> None:
    assert (uniforms(name, short) == uniforms(name, short + more)[:short]).all()


@given(names)
def test_numbers_lie_in_the_unit_interval(name: str) -> None:
    found = uniforms(name, 100)
    assert found.dtype == np.float64
    assert ((found >= 0.0) & (found < 1.0)).all()


@given(names, st.integers(0, 60))
def test_a_permutation_holds_every_number_once(name: str, size: int) -> None:
    assert sorted(permutation(name, size).tolist()) == list(range(size))


def test_other_names_give_other_numbers() -> None:
    assert len({seed_of(f"name/{number}") for number in range(1000)}) == 1000
    assert not set(uniforms("a", 100).tolist()) & set(uniforms("b", 100).tolist())


def test_values_never_change() -> None:
    # Students, samples and problems of earlier runs depend on these.
    assert [round(number, 6) for number in uniforms("seed/problem/trial/3/0", 3).tolist()] == [
        0.616745,
        0.705565,
        0.894624,
    ]
    assert permutation("0/code/0", 6).tolist() == [4, 2, 1, 3, 5, 0]
    assert seed_of("0/17") == 7385336311073132184
    rng = StableRandom("miniapps/0/train/0")
    assert [rng.integer(0, 9) for _ in range(8)] == [0, 1, 8, 5, 8, 3, 7, 6]


def test_choices_are_uniform() -> None:
    rng = StableRandom("uniform")
    found = Counter(rng.choice("abc") for _ in range(3000))
    assert all(900 < found[letter] < 1100 for letter in "abc")
    assert sorted(rng.sample(range(5), 5)) == [0, 1, 2, 3, 4]
