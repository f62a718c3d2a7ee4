"""MiniAPPS keeps its promises: bytes, splits, tests that tell compositions apart, solutions that pass."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeplan import problems
from codeplan.config import MiniAppsSource
from codeplan.problems import miniapps
from codeplan.problems.miniapps import compose, inputs
from codeplan.problems.miniapps.dice import Dice
from codeplan.problems.miniapps.steps import STEPS, VARIABLES, Move, apply, fits
from codeplan.records import Problem, to_table
from codeplan_sandbox import Case, Suite


@pytest.fixture(scope="module")
def train() -> list[Problem]:
    return list(miniapps.generate("train", 240))


@pytest.fixture(scope="module")
def test() -> list[Problem]:
    return list(miniapps.generate("test", 150))


def answer(solution: str, suite: Suite, case: Case) -> Any:
    """What a reference solution answers; they are our own, so they may run here."""
    if suite.kind == "call":
        names: dict[str, Any] = {}
        exec(solution, names)
        return names[suite.entry_point](*case.args)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(solution, {"input": lambda: case.input.removesuffix("\n")})
    return printed.getvalue()


def statements(solution: str) -> tuple[str, ...]:
    """The lines of a solution that stand for steps, with all numbers and letters as one parameter."""
    lines = [line.strip() for line in solution.splitlines()]
    steps = [line for line in lines if " = " in line and "input()" not in line]
    return tuple(steps)


def test_the_bytes_are_pinned() -> None:
    # Whoever changes these on purpose raises miniapps.VERSION, so that finished stages are not reused.
    texts = [each.model_dump_json() for split in ("train", "test") for each in miniapps.generate(split, 60, seed=7)]
    assert miniapps.VERSION == 1
    assert (
        hashlib.sha256("\n".join(texts).encode()).hexdigest()
        == "056c5d9f985df3f8648f21c63bf2035345363f5c803bbe824a72e28e8fc0b146"
    )


def test_reference_solutions_pass_their_own_tests(train: list[Problem], test: list[Problem]) -> None:
    for problem in train + test:
        for suite in (problem.example_tests, problem.hidden_tests):
            assert suite is not None
            for case in suite.cases:
                expected = case.expected if suite.kind == "call" else case.output
                assert answer(problem.solutions[0], suite, case) == expected, problem


def test_a_problem_does_not_depend_on_how_many_are_asked_for() -> None:
    assert list(miniapps.generate("test", 5, seed=3)) == list(miniapps.generate("test", 12, seed=3))[:5]
    assert miniapps.problem("test", 4, seed=3) == list(miniapps.generate("test", 5, seed=3))[4]


def test_seeds_and_splits_give_other_problems() -> None:
    questions = [next(miniapps.generate(split, 1, seed)).question for split in ("train", "test") for seed in range(3)]
    assert len(set(questions)) == 6


def test_the_dial_changes_the_wording_alone() -> None:
    never, always = (list(miniapps.generate("train", 90, inversion=dial)) for dial in (0.0, 1.0))
    assert [(each.solutions, each.hidden_tests, each.example_tests) for each in never] == [
        (each.solutions, each.hidden_tests, each.example_tests) for each in always
    ]
    openers = ("Take the ", "Start with the ")
    assert all(any(opener in each.question for opener in openers) for each in never)
    long = [each for each in always if len(statements(each.solutions[0])) > 1]
    assert not any(opener in each.question for each in long for opener in openers)


def test_levels_take_turns_and_go_by_the_number_of_steps(train: list[Problem], test: list[Problem]) -> None:
    for split, problems_ in (("train", train), ("test", test)):
        assert [each.level for each in problems_[:4]] == ["introductory", "interview", "competition", "introductory"]
        for level, lengths in compose.LENGTHS.items():
            found = {len(statements(each.solutions[0])) for each in problems_ if each.level == level}
            assert found == set(lengths) - ({1} if split == "test" else set())


def test_train_and_test_share_no_composition_and_test_uses_no_step_that_train_cannot_show() -> None:
    for first, second in itertools.product(STEPS, STEPS):
        chain = (Move(first), Move(second))
        if fits(chain):
            assert compose.split_of(chain) in ("train", "test")
    assert all(compose.split_of((Move(step),)) == "train" for step in STEPS)
    drawn = {
        split: {compose.composition(compose.draw(Dice(f"{split}{i}"), split, 2 + i % 4)) for i in range(400)}
        for split in ("train", "test")
    }
    assert not drawn["train"] & drawn["test"]


def test_both_kinds_of_program_are_asked_for(train: list[Problem]) -> None:
    calls = [each for each in train if each.starter_code]
    assert 0.2 < len(calls) / len(train) < 0.4
    for each in train:
        assert each.example_tests is not None
        assert each.hidden_tests is not None
        assert each.example_tests.kind == each.hidden_tests.kind == ("call" if each.starter_code else "stdin")
        assert (len(each.example_tests), len(each.hidden_tests)) == (2, 8)
        assert not set(map(repr, each.example_tests.cases)) & set(map(repr, each.hidden_tests.cases))


def test_questions_show_their_example_tests_and_stay_short(train: list[Problem]) -> None:
    for each in train:
        assert each.example_tests is not None
        for case in each.example_tests.cases:
            if each.example_tests.kind == "call":
                assert f"Input: {case.args[0]!r}\nOutput: {case.expected!r}\n" in each.question
            else:
                assert f"Input: {case.input}Output: {case.output}" in each.question
        assert len(each.question.partition("Input:")[0].split()) <= 90
        assert len(each.solutions[0].splitlines()) <= 8


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([2, 3, 4, 5]))
def test_hidden_tests_notice_a_step_that_is_missing_or_out_of_place(seed: int, length: int) -> None:
    dice = Dice(f"rivals {seed}")
    chain = compose.draw(dice, "train", length)
    tests = inputs.choose(dice, chain)
    if tests is None:
        return
    wrong = [chain[:at] + chain[at + 1 :] for at in range(length)]
    wrong += [(*chain[:at], chain[at + 1], chain[at], *chain[at + 2 :]) for at in range(length - 1)]
    for other in wrong:
        if fits(other) and other[0].step.takes == chain[0].step.takes:
            assert any(_differs(other, trial) for trial in tests.hidden)


def _differs(chain: tuple[Move, ...], trial: inputs.Trial) -> bool:
    try:
        return bool(apply(chain, list(trial.value)) != trial.answer)
    except (ValueError, IndexError):
        return True


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_a_steps_code_does_what_its_function_does(step: Any) -> None:
    values: dict[str, list[Any]] = {
        "numbers": [[], [5], [3, 3, 12, 0, 7, 12], [10, 9, 8, 77, 104], [-4, 3, -4, 20]],
        "words": [[], ["ear"], ["pear", "apple", "fig", "pear", "rose", "ice"]],
        "number": [0, 7, 128, -12],
        "text": ["", "abc"],
    }
    outcomes = 0
    for value, parameter in itertools.product(values[step.takes], step.values or (None,)):
        move = Move(step, parameter)
        names = {VARIABLES[step.takes]: value}
        try:
            expected = move.apply(value)
        except (ValueError, IndexError):
            with pytest.raises((ValueError, IndexError)):
                exec(move.statement(), names)
            continue
        exec(move.statement(), names)
        assert names[VARIABLES[step.gives]] == expected
        outcomes += 1
    assert outcomes


def test_every_way_to_say_a_step_names_its_parameter_and_nests() -> None:
    for step in STEPS:
        for order in step.orders:
            assert ("{k}" in order) == bool(step.values), step.name
        for phrase in step.phrases:
            assert ("{k}" in phrase) == bool(step.values), step.name
            assert phrase.endswith("{of}"), f"{step.name}: what follows the nest could belong to any of its layers"


def test_dice_do_not_change() -> None:
    dice = Dice("a seed")
    assert [dice.number(1, 6) for _ in range(12)] == [3, 1, 5, 3, 6, 6, 5, 1, 2, 1, 1, 6]


@settings(max_examples=50)
@given(st.text(), st.integers(-50, 50), st.integers(0, 50))
def test_dice_stay_in_their_range(seed: str, low: int, width: int) -> None:
    dice = Dice(seed)
    assert all(low <= dice.number(low, low + width) <= low + width for _ in range(20))


def test_reading_miniapps_accounts_for_every_problem_and_sets_the_comparator() -> None:
    source = MiniAppsSource(reader="miniapps", split="test", count=7, seed=2, inversion=0.25)
    reading = problems.read(source, "apps")
    assert (reading.account.rows_in, reading.account.rows_out, reading.account.losses) == (7, 7, {})
    assert {
        suite.comparator for each in reading.problems for suite in (each.example_tests, each.hidden_tests) if suite
    } == {"apps"}
    assert [each.question for each in reading.problems] == [
        each.question for each in miniapps.generate("test", 7, 2, 0.25)
    ]
    assert to_table(Problem, reading.problems).num_rows == 7


def test_identity_covers_every_setting_and_the_generators_version() -> None:
    source = MiniAppsSource(reader="miniapps", split="test", count=7)
    assert problems.identity(source) == {
        "reader": "miniapps",
        "split": "test",
        "count": 7,
        "seed": 0,
        "inversion": 0.5,
        "version": miniapps.VERSION,
    }
