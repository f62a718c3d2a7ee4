"""MiniAPPS: pinned bytes, splits without shared compositions, tests that kill mutants, solutions that pass."""

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
from codeplan.problems.miniapps import compose, inputs, mutants
from codeplan.problems.miniapps.operations import OPERATIONS, VARIABLE_NAMES, BoundOperation, apply, is_well_typed
from codeplan.randomness import StableRandom
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
    """The lines of a solution that are operations."""
    lines = [line.strip() for line in solution.splitlines()]
    return tuple(line for line in lines if " = " in line and "input()" not in line)


def test_the_bytes_are_pinned() -> None:
    # Whoever changes these on purpose raises miniapps.VERSION, so that finished stages are not reused.
    texts = [
        problem.model_dump_json() for split in ("train", "test") for problem in miniapps.generate(split, 60, seed=7)
    ]
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


def test_a_problem_does_not_depend_on_the_count() -> None:
    assert list(miniapps.generate("test", 5, seed=3)) == list(miniapps.generate("test", 12, seed=3))[:5]
    assert miniapps.problem("test", 4, seed=3) == list(miniapps.generate("test", 5, seed=3))[4]


def test_seeds_and_splits_give_other_problems() -> None:
    questions = [next(miniapps.generate(split, 1, seed)).question for split in ("train", "test") for seed in range(3)]
    assert len(set(questions)) == 6


def test_inversion_changes_only_the_wording() -> None:
    never, always = (list(miniapps.generate("train", 90, inversion=dial)) for dial in (0.0, 1.0))
    assert [(problem.solutions, problem.hidden_tests, problem.example_tests) for problem in never] == [
        (problem.solutions, problem.hidden_tests, problem.example_tests) for problem in always
    ]
    openers = ("Take the ", "Start with the ")
    assert all(any(opener in problem.question for opener in openers) for problem in never)
    long = [problem for problem in always if len(statements(problem.solutions[0])) > 1]
    assert not any(opener in problem.question for problem in long for opener in openers)


def test_levels_alternate_and_depend_on_the_number_of_operations(train: list[Problem], test: list[Problem]) -> None:
    for split, problems_ in (("train", train), ("test", test)):
        assert [problem.level for problem in problems_[:4]] == [
            "introductory",
            "interview",
            "competition",
            "introductory",
        ]
        for level, lengths in compose.LENGTHS.items():
            found = {len(statements(problem.solutions[0])) for problem in problems_ if problem.level == level}
            assert found == set(lengths) - ({1} if split == "test" else set())


def test_splits_share_no_composition_and_train_has_every_operation() -> None:
    for first, second in itertools.product(OPERATIONS, OPERATIONS):
        chain = (BoundOperation(first), BoundOperation(second))
        if is_well_typed(chain):
            assert compose.split_of(chain) in ("train", "test")
    assert all(compose.split_of((BoundOperation(operation),)) == "train" for operation in OPERATIONS)
    drawn = {
        split: {
            compose.composition(compose.draw_chain(StableRandom(f"{split}{i}"), split, 2 + i % 4)) for i in range(400)
        }
        for split in ("train", "test")
    }
    assert not drawn["train"] & drawn["test"]


def test_both_kinds_of_suite_occur(train: list[Problem]) -> None:
    calls = [problem for problem in train if problem.starter_code]
    assert 0.2 < len(calls) / len(train) < 0.4
    for problem in train:
        assert problem.example_tests is not None
        assert problem.hidden_tests is not None
        assert problem.example_tests.kind == problem.hidden_tests.kind == ("call" if problem.starter_code else "stdin")
        assert (len(problem.example_tests), len(problem.hidden_tests)) == (2, 8)
        assert not set(map(repr, problem.example_tests.cases)) & set(map(repr, problem.hidden_tests.cases))


def test_questions_show_their_example_tests_and_stay_short(train: list[Problem]) -> None:
    for problem in train:
        assert problem.example_tests is not None
        for case in problem.example_tests.cases:
            if problem.example_tests.kind == "call":
                assert f"Input: {case.args[0]!r}\nOutput: {case.expected!r}\n" in problem.question
            else:
                assert f"Input: {case.input}Output: {case.output}" in problem.question
        assert len(problem.question.partition("Input:")[0].split()) <= 90
        assert len(problem.solutions[0].splitlines()) <= 8


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([2, 3, 4, 5]))
def test_hidden_tests_kill_chains_with_a_missing_or_swapped_operation(seed: int, length: int) -> None:
    rng = StableRandom(f"rivals {seed}")
    chain = compose.draw_chain(rng, "train", length)
    tests = inputs.choose_tests(rng, chain)
    if tests is None:
        return
    wrong = [chain[:at] + chain[at + 1 :] for at in range(length)]
    wrong += [(*chain[:at], chain[at + 1], chain[at], *chain[at + 2 :]) for at in range(length - 1)]
    for other in wrong:
        if is_well_typed(other) and other[0].operation.input_type == chain[0].operation.input_type:
            assert any(_differs(other, test) for test in tests.hidden)


def _differs(chain: tuple[BoundOperation, ...], test: inputs.InputOutput) -> bool:
    try:
        return bool(apply(chain, list(test.input)) != test.output)
    except (ValueError, IndexError):
        return True


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_code_and_function_of_an_operation_agree(operation: Any) -> None:
    values: dict[str, list[Any]] = {
        "numbers": [[], [5], [3, 3, 12, 0, 7, 12], [10, 9, 8, 77, 104], [-4, 3, -4, 20]],
        "words": [[], ["ear"], ["pear", "apple", "fig", "pear", "rose", "ice"]],
        "number": [0, 7, 128, -12],
        "text": ["", "abc"],
    }
    outcomes = 0
    for value, parameter in itertools.product(values[operation.input_type], operation.parameters or (None,)):
        bound = BoundOperation(operation, parameter)
        names = {VARIABLE_NAMES[operation.input_type]: value}
        try:
            expected = bound.apply(value)
        except (ValueError, IndexError):
            with pytest.raises((ValueError, IndexError)):
                exec(bound.statement(), names)
            continue
        exec(bound.statement(), names)
        assert names[VARIABLE_NAMES[operation.output_type]] == expected
        outcomes += 1
    assert outcomes


def test_wordings_name_the_parameter_and_nest() -> None:
    for operation in OPERATIONS:
        for imperative in operation.imperatives:
            assert ("{k}" in imperative) == bool(operation.parameters), operation.name
        for phrase in operation.noun_phrases:
            assert ("{k}" in phrase) == bool(operation.parameters), operation.name
            assert phrase.endswith("{of}"), f"{operation.name}: text after a nested phrase is ambiguous"


def test_stable_random_is_pinned() -> None:
    rng = StableRandom("a seed")
    assert [rng.integer(1, 6) for _ in range(12)] == [3, 1, 5, 3, 6, 6, 5, 1, 2, 1, 1, 6]


@settings(max_examples=50)
@given(st.text(), st.integers(-50, 50), st.integers(0, 50))
def test_stable_random_stays_in_range(seed: str, low: int, width: int) -> None:
    rng = StableRandom(seed)
    assert all(low <= rng.integer(low, low + width) <= low + width for _ in range(20))


@given(st.text(), st.integers(-50, 50), st.integers(0, 50), st.integers(0, 30))
def test_drawing_many_at_once_is_drawing_them_one_by_one(seed: str, low: int, width: int, count: int) -> None:
    one, many = StableRandom(seed), StableRandom(seed)
    items = list(range(width + 1))
    assert [one.integer(low, low + width) for _ in range(count)] == many.integers(low, low + width, count)
    assert [one.choice(items) for _ in range(count)] == many.choices(items, count)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 2, 3, 4, 5]), st.lists(st.integers(-20, 200), max_size=8))
def test_a_tree_of_chains_gives_what_each_chain_gives(seed: int, length: int, numbers: list[int]) -> None:
    chain = compose.draw_chain(StableRandom(f"tree {seed}"), "train", length)
    value = (
        tuple(numbers) if chain[0].operation.input_type == "numbers" else tuple(inputs.WORDS[n % 24] for n in numbers)
    )
    found = mutants.mutants_of(chain)
    run = mutants.Run(mutants.ChainTree(chain, found), value)
    outputs = [_output(one, value) for one in (chain, *found)]
    assert run.output == (None if _is_too_large(outputs[0]) else outputs[0])
    if run.output is not None:
        differing = {at for at, output in enumerate(outputs[1:]) if output != outputs[0]}
        assert {at for at in range(len(found)) if run.kills(at)} == differing == run.killed


def _output(chain: tuple[BoundOperation, ...], value: tuple[Any, ...]) -> Any:
    try:
        return apply(chain, list(value))
    except (ValueError, IndexError):
        return None


def _is_too_large(output: Any) -> bool:
    return any(isinstance(n, int) and abs(n) > 10**9 for n in (output if isinstance(output, list) else [output]))


def test_reading_miniapps_accounts_for_every_problem() -> None:
    source = MiniAppsSource(reader="miniapps", split="test", count=7, seed=2, inversion=0.25)
    found = problems.read(source)
    assert (found.account.rows_in, found.account.rows_out, found.account.dropped) == (7, 7, {})
    assert found.problems == list(miniapps.generate("test", 7, 2, 0.25))
    assert to_table(Problem, found.problems).num_rows == 7


def test_identity_covers_every_setting_and_the_generators_version() -> None:
    source = MiniAppsSource(reader="miniapps", split="test", count=7)
    assert problems.ReadSettings.of(source).identity() == {
        "source": {"reader": "miniapps", "split": "test", "count": 7, "seed": 0, "inversion": 0.5},
        "content": "",
        "examples_content": "",
        "reader_version": miniapps.VERSION,
    }
