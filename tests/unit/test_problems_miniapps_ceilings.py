"""The ceiling of a direct student: it agrees with brute force, and a guess that knows everything does not exceed it."""

from __future__ import annotations

import io
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from codeplan.config.loading import parse
from codeplan.pipeline import build, run
from codeplan.problems import miniapps
from codeplan.problems.miniapps import ceilings, compose, inputs
from codeplan.problems.miniapps.aims import aim_of
from codeplan.problems.miniapps.dials import Dials
from codeplan.problems.miniapps.operations import OPERATIONS, BoundOperation, Chain
from codeplan.randomness import StableRandom
from codeplan.stages import report
from codeplan.tracking import Tracker

LISTS = ("numbers", "words")


def pairs() -> Iterator[tuple[Chain, float]]:
    """All chains of two operations with the probabilities of drawing them, written down without the generator's code.

    A first operation is uniform over those of its type; a second one over those of its own, without the first one.
    """
    bound = [BoundOperation(one, value) for one in OPERATIONS for value in one.parameters or (None,)]
    for first, second in itertools.product(bound, bound):
        before, after = first.operation, second.operation
        if before.input_type in LISTS and before.output_type == after.input_type and before is not after:
            firsts = sum(one.input_type == before.input_type for one in OPERATIONS)
            seconds = sum(one.input_type == after.input_type and one is not before for one in OPERATIONS)
            values = max(1, len(before.parameters)) * max(1, len(after.parameters))
            yield (first, second), 0.5 / firsts / seconds / values


def outputs(chain: Chain, tests: tuple[inputs.InputOutput, ...]) -> list[Any]:
    found = []
    for test in tests:
        try:
            found.append(chain[1].apply(chain[0].apply(list(test.input))))
        except (ValueError, IndexError):
            found.append("undefined")
    return found


def brute_force(drawn: miniapps.Drawn, split: Any, dials: Dials) -> tuple[float, float]:
    """The shares of the best guess from the words, and from words and examples, for a problem of two steps."""
    by_outputs: list[defaultdict[str, float]] = [defaultdict(float), defaultdict(float)]
    for chain, weight in pairs():
        if chain[0].operation.input_type != drawn.chain[0].operation.input_type:
            continue
        if drawn.openness.goal:
            as_worded = chain[1].operation.output_type == drawn.chain[1].operation.output_type
        else:
            as_worded = all(
                aim_of(one.operation) is aim_of(true.operation) if vague else one == true
                for one, true, vague in zip(chain, drawn.chain, drawn.openness.vague, strict=True)
            )
        if as_worded and ceilings._is_a_problem(chain, split, dials.held_out):
            key = repr(outputs(chain, drawn.tests.hidden))
            by_outputs[0][key] += weight
            if outputs(chain, drawn.tests.example) == [test.output for test in drawn.tests.example]:
                by_outputs[1][key] += weight
    words, fitting = (max(one.values()) / sum(one.values()) if one else 1.0 for one in by_outputs)
    return words, fitting


def draw_pair(index: int, split: Any, dials: Dials) -> miniapps.Drawn:
    """A problem of two steps: those of the test split's first level."""
    return miniapps.draw(split, 3 * index, 5, dials)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 300), st.sampled_from([0.5, 1.0]), st.sampled_from([0.0, 1.0]), st.booleans())
def test_ceilings_of_two_steps_agree_with_brute_force(index: int, vague: float, goal: float, programs: bool) -> None:
    dials = Dials(vague, goal, held_out="programs" if programs else "compositions")
    drawn = draw_pair(index, "test", dials)
    if goal and drawn.chain[1].operation.output_type in ("numbers", "number"):
        return  # more chains than are looked at one by one
    found = ceilings.of_problem(drawn, "test")
    assert (found.words, found.with_examples) == pytest.approx(brute_force(drawn, "test", dials))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["train", "test"]), st.sampled_from(["compositions", "programs"]))
def test_a_question_that_names_its_steps_has_the_ceiling_1(index: int, split: Any, held_out: Any) -> None:
    drawn = miniapps.draw(split, index, 0, Dials(held_out=held_out))
    assert ceilings.of_problem(drawn, split) == ceilings.Ceiling(1.0, 1.0)


def test_probabilities_of_chains_are_those_of_the_generator() -> None:
    weights = dict(pairs())
    assert sum(weights.values()) == pytest.approx(1.0)
    everything = (tuple(BoundOperation(one, value) for one in OPERATIONS for value in one.parameters or (None,)),) * 2
    for input_type, output_type in (("words", "text"), ("words", "words")):
        reading = ceilings.Reading(input_type, output_type, everything)  # type: ignore[arg-type]  # literals of the line above
        chains = ceilings.all_chains(reading, 10**6)
        assert chains is not None
        assert {chain: weight / 2 for chain, weight in chains} == pytest.approx(
            {
                chain: weight
                for chain, weight in weights.items()
                if (chain[0].operation.input_type, chain[1].operation.output_type) == (input_type, output_type)
            }
        )


def test_the_draws_of_a_sample_have_the_probabilities_of_all_chains() -> None:
    # Three steps of one aim, one of them named: no operation may come twice.
    problems = (miniapps.draw("train", index, 0, Dials(vague=0.7)) for index in itertools.count(1, 3))
    drawn = next(
        one
        for one in problems
        if sum(one.openness.vague) == 2 and len({aim_of(bound.operation) for bound in one.chain}) == 1
    )
    reading = ceilings.Reading.of(drawn)
    chains = ceilings.all_chains(reading, 10**5)
    assert chains is not None
    draws = Counter(ceilings._draw(StableRandom(f"{at}"), reading) for at in range(40_000))
    del draws[None]
    total, drawn_total = sum(weight for _, weight in chains), draws.total()
    shares, expected = Counter[str](), Counter[str]()
    for chain, weight in chains:
        shares[compose.composition(chain)] += draws[chain] / drawn_total
        expected[compose.composition(chain)] += weight / total
    assert set(shares) == set(expected)
    assert all(abs(shares[name] - expected[name]) < 0.02 for name in expected)


def test_a_sample_of_chains_gives_a_bound_on_what_all_of_them_give(monkeypatch: pytest.MonkeyPatch) -> None:
    dials = Dials(vague=1.0)
    problems = [miniapps.draw("test", index, 3, dials) for index in range(24)]
    exact = [ceilings.of_problem(one, "test") for one in problems]
    monkeypatch.setattr(ceilings, "_MAX_ALL", 1)
    ceilings.problems_of.cache_clear()
    sampled = [ceilings.of_problem(one, "test") for one in problems]
    ceilings.problems_of.cache_clear()
    excess = fmean(one.words for one in sampled) - fmean(one.words for one in exact)
    assert -0.01 < excess < 0.05


def test_the_best_guess_from_the_words_does_as_well_as_the_ceiling_says() -> None:
    # The guess is the most frequent chain of each wording, over many problems with that wording.
    dials = Dials(vague=1.0, held_out="compositions")
    by_reading: defaultdict[ceilings.Reading, list[miniapps.Drawn]] = defaultdict(list)
    for index in range(1200):
        drawn = draw_pair(index, "test", dials)
        by_reading[ceilings.Reading.of(drawn)].append(drawn)
    solved, ceiling = [], []
    for reading, problems in by_reading.items():
        possible = ceilings.problems_of(reading, "test", "compositions")
        best = max(possible, key=lambda one: one[1])[0]
        for drawn in problems:
            solved.append(outputs(best, drawn.tests.hidden) == [test.output for test in drawn.tests.hidden])
            ceiling.append(ceilings.of_problem(drawn, "test").words)
    assert 0.2 < fmean(solved) < fmean(ceiling) + 0.03
    assert fmean(ceiling) - fmean(solved) < 0.1


def test_more_open_questions_have_lower_ceilings() -> None:
    means = [ceilings.mean("test", 18, 0, Dials(vague=vague)).words for vague in (0.0, 1.0)]
    means.append(ceilings.mean("test", 18, 0, Dials(goal=1.0)).words)
    assert means == sorted(means, reverse=True)
    assert means[0] == 1.0
    assert means[-1] < 0.4


def configuration(home: Path, **dials: Any) -> dict[str, Any]:
    return {
        "problems": {role: {"reader": "miniapps", "split": role, "count": 6, **dials} for role in ("train", "test")},
        "student": {"init": "scratch", "architecture": {"model_type": "t5"}},
        "execution": {"home": str(home)},
    }


def test_the_stage_of_test_problems_says_its_ceiling_and_the_report_reads_it(
    tmp_path: Path, new_home: Callable[[Path], Path]
) -> None:
    for name, dials in (("open", {"vague": 1.0, "show_examples": False}), ("plain", {"show_examples": False})):
        config = parse(configuration(new_home(tmp_path / name), **dials))
        run(config, "problems", Tracker(config.tracking, tmp_path / name), Console(file=io.StringIO()))
        stages = build(config)
        train, test = stages["train"].done(), stages["test"].done()
        assert train is not None
        assert test is not None
        assert "problems.direct_ceiling" not in train.metrics
        ceiling = report._ceiling(stages["report"])
        if name == "plain":
            assert "problems.direct_ceiling" not in test.metrics
            assert ceiling is None
        else:
            assert ceiling is not None
            assert not ceiling.examples_shown
            found = ceilings.mean("test", 6, 0, Dials(**dials))
            assert (ceiling.words, ceiling.with_examples) == (found.words, found.with_examples)
            assert 0 < ceiling.words < 1
