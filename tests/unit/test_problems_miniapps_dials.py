"""The dials of MiniAPPS: what questions leave open, what is held out, and what does not depend on either."""

from __future__ import annotations

import hashlib
import io
import itertools
from collections import Counter
from contextlib import ExitStack
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from rich.console import Console

from codeplan import problems
from codeplan.config import MiniAppsSource
from codeplan.config.loading import ConfigError, parse
from codeplan.preflight import data
from codeplan.preflight.context import CheckContext
from codeplan.problems import miniapps
from codeplan.problems.miniapps import ceilings, compose, wording
from codeplan.problems.miniapps.aims import AIMS, aim_of, serving
from codeplan.problems.miniapps.dials import Dials
from codeplan.problems.miniapps.operations import OPERATIONS, BoundOperation, Chain
from codeplan.problems.miniapps.wording import Openness
from codeplan.randomness import StableRandom
from codeplan.records import Problem

CHANCES = st.sampled_from([0.0, 0.3, 0.7, 1.0])


def text_of(problem: Problem) -> str:
    return problem.question.partition("\nWrite ")[0].partition("\nRead ")[0]


def chains(count: int, length: int) -> list[Chain]:
    return [compose.draw_chain(StableRandom(f"{length} {at}"), "train", length) for at in range(count)]


def test_the_bytes_are_pinned() -> None:
    # Whoever changes these on purpose raises miniapps.DIALS_VERSION, so that finished stages are not reused.
    dials = Dials(vague=0.5, goal=0.2, show_examples=False, held_out="programs")
    texts = [
        problem.model_dump_json()
        for split in ("train", "test")
        for problem in miniapps.generate(split, 60, seed=7, dials=dials)
    ]
    assert miniapps.DIALS_VERSION == 2
    assert (
        hashlib.sha256("\n".join(texts).encode()).hexdigest()
        == "9669254ee1b9fd994953afbecd45458f01e20c0dd848289bb5e6f8c7e24b8e0c"
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 500), st.sampled_from(["train", "test"]), CHANCES, CHANCES, st.booleans())
def test_only_the_question_depends_on_what_it_leaves_open(
    index: int, split: Any, vague: float, goal: float, show_examples: bool
) -> None:
    plain = miniapps.problem(split, index, seed=3)
    other = miniapps.problem(split, index, seed=3, dials=Dials(vague, goal, show_examples))
    assert other.model_copy(update={"question": plain.question}) == plain


def test_a_higher_dial_leaves_open_all_that_a_lower_one_does() -> None:
    for chain in chains(50, 4):
        drawn = [Openness.draw("a key", chain, dial, dial) for dial in (0.0, 0.25, 0.5, 0.75, 1.0)]
        for less, more in itertools.pairwise(drawn):
            assert less.goal <= more.goal
            assert all(a <= b for a, b in zip(less.vague, more.vague, strict=True))
        assert drawn[0] == Openness(False, (False,) * 4)
        assert drawn[-1] == Openness(True, tuple(bound.operation.name != "flip_it" for bound in chain))


def test_the_dials_are_probabilities() -> None:
    drawn = [Openness.draw(f"{at}", chain, 0.3, 0.6) for at, chain in enumerate(chains(600, 3))]
    assert 0.54 < sum(one.goal for one in drawn) / 600 < 0.66
    assert 0.26 < sum(map(sum, (one.vague for one in drawn))) / 1800 < 0.34


def test_questions_show_their_example_tests_on_request_only() -> None:
    for shown, hidden in zip(
        miniapps.generate("test", 30), miniapps.generate("test", 30, dials=Dials(show_examples=False)), strict=True
    ):
        assert shown.question.startswith(hidden.question)
        assert "Input:" in shown.question
        assert "Input:" not in hidden.question
        assert hidden.example_tests == shown.example_tests


def test_every_operation_serves_one_aim_of_its_types() -> None:
    assert sorted(name for aim in AIMS for name in aim.operations) == sorted(one.name for one in OPERATIONS)
    for aim in AIMS:
        assert len({(one.input_type, one.output_type) for one in serving(aim)}) == 1
        assert all(aim_of(operation) is aim for operation in serving(aim))
        assert len(aim.operations) > 1 or aim.operations == ("flip_it",)
        assert bool(aim.imperatives) == bool(aim.noun_phrases) == (len(aim.operations) > 1)
        assert all("{" not in imperative for imperative in aim.imperatives)
        assert all(phrase.endswith("{of}") and phrase.count("{") == 1 for phrase in aim.noun_phrases)


def test_a_wording_says_which_aim_or_operation_is_meant() -> None:
    for input_type in compose.VARIABLE_NAMES:
        aims = [aim for aim in AIMS if serving(aim)[0].input_type == input_type]
        named = [*aims, *(one for one in OPERATIONS if one.input_type == input_type)]
        for one, other in itertools.combinations(named, 2):
            assert not {*one.imperatives, *one.noun_phrases} & {*other.imperatives, *other.noun_phrases}


def precise_wordings(bound: BoundOperation) -> set[str]:
    heads = {bound.render(phrase, of="").strip() for phrase in bound.operation.noun_phrases}
    return heads | {bound.render(imperative) for imperative in bound.operation.imperatives}


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2000), st.sampled_from([0.0, 1.0]))
def test_a_vague_question_never_names_the_operation(index: int, inversion: float) -> None:
    drawn = miniapps.draw("train", index, 1, Dials(vague=1.0))
    text = text_of(miniapps.problem("train", index, 1, inversion, Dials(vague=1.0)))
    for bound, vague in zip(drawn.chain, drawn.openness.vague, strict=True):
        if vague:
            assert not any(named in text for named in precise_wordings(bound)), text
            assert not any(character.isdigit() for character in text), text
        else:
            assert any(named in text for named in precise_wordings(bound)), text


@pytest.mark.parametrize("template", [*wording._IN_ORDER, *wording._INVERTED])
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5])
def test_every_template_names_every_step_once(template: Any, length: int) -> None:
    for at, chain in enumerate(chains(20, length)):
        openness = Openness.draw(f"{at}", chain, 0.5, 0.0)
        steps = tuple(map(wording.Step, chain, openness.vague))
        text = template(StableRandom(f"{at}"), wording.Scenario(steps, "THINGS", "NAME"))
        assert text.count("THINGS") == (template is not wording._reversed or length == 1)
        assert text.endswith(".")
        assert "{" not in text
        for step in steps:
            named = aim_of(step.bound.operation) if step.vague else step.bound.operation
            phrases = [*named.imperatives, *(phrase.removesuffix(" {of}") for phrase in named.noun_phrases)]
            assert any(step.bound.render(phrase) in text for phrase in phrases), text


@pytest.mark.parametrize("inversion", [0.0, 1.0])
def test_a_goal_names_the_result_and_the_number_of_steps(inversion: float) -> None:
    results = {"xs": "a list of numbers", "words": "a list of words", "n": "one number", "text": "one text"}
    for index in range(90):
        chain = miniapps.draw("train", index, 0, Dials()).chain
        problem = miniapps.problem("train", index, 0, inversion, Dials(vague=0.5, goal=1.0))
        text = text_of(problem)
        assert f"{('one', 'two', 'three', 'four', 'five')[len(chain) - 1]} step" in text
        assert results[compose.VARIABLE_NAMES[chain[-1].operation.output_type]] in text
        aims = {phrase for bound in chain for phrase in aim_of(bound.operation).imperatives}
        assert not any(named in text for bound in chain for named in precise_wordings(bound) | aims), text


def test_held_out_programs_have_compositions_of_training_and_no_program_of_it() -> None:
    apart = Dials(held_out="programs")
    trained, tested = (
        [miniapps.draw(split, index, 0, apart).chain for index in range(300)] for split in ("train", "test")
    )
    assert not set(trained) & set(tested)
    assert all(compose.split_of(chain) == "train" for chain in [*trained, *tested])
    assert all(compose.is_held_out_program(chain) for chain in tested)
    assert any(chain[0].parameter is not None for chain in tested)
    # A student trained apart from the held-out programs may be tested on held-out compositions too.
    others = [miniapps.draw("test", index, 0, Dials()).chain for index in range(300)]
    assert not {compose.composition(chain) for chain in others} & {compose.composition(chain) for chain in trained}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 2, 3, 4, 5]))
def test_every_chain_is_in_one_set_and_every_composition_of_training_stays_there(seed: int, length: int) -> None:
    chain = compose._random_chain(StableRandom(f"{seed}"), length)
    sets = [("test", "compositions"), ("test", "programs"), ("train", "programs")]
    assert sum(compose.belongs_to(chain, split, held_out) for split, held_out in sets) == 1  # type: ignore[arg-type]  # literals of the line above
    first = tuple(BoundOperation(one.operation, next(iter(one.operation.parameters), None)) for one in chain)
    assert compose.belongs_to(first, "train", "programs") == (compose.split_of(chain) == "train")


def test_a_quarter_of_the_programs_with_parameters_is_held_out() -> None:
    free = [chain for chain in chains(2000, 3) if any(one.parameter is not None for one in chain)]
    assert 0.18 < sum(map(compose.is_held_out_program, free)) / len(free) < 0.27


def test_held_out_sets_have_ids_of_their_own() -> None:
    ids = [miniapps.problem("test", 0, dials=Dials(held_out=held)).problem_id for held in ("compositions", "programs")]
    assert ids == ["miniapps/test/0-0", "miniapps/test-programs/0-0"]


def test_both_kinds_of_test_problems_take_turns_and_are_those_of_sets_of_one_kind() -> None:
    both = list(miniapps.generate("test", 40, seed=3, dials=Dials(vague=0.5, held_out="both")))
    assert Counter((problem.split, problem.level) for problem in both[:36]) == {
        (f"test-{kind}", level): 6 for kind in compose.HELD_OUT for level in miniapps.LEVELS
    }
    for kind in compose.HELD_OUT:
        alone = list(miniapps.generate("test", 21, seed=3, dials=Dials(vague=0.5, held_out=kind)))
        found = [problem.model_copy(update={"split": "test"}) for problem in both if problem.split == f"test-{kind}"]
        assert found == alone[: len(found)]
    assert ceilings.mean("test", 12, 3, Dials(vague=1.0, held_out="both")) == ceilings.Ceiling(
        *(
            fmean(
                getattr(ceilings.mean("test", 6, 3, Dials(vague=1.0, held_out=kind)), name) for kind in compose.HELD_OUT
            )
            for name in ("words", "with_examples")
        )
    )


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"split": "train", "held_out": "both"}, "held_out: both is for test problems"),
        ({"split": "test", "goal": 1.0, "vague": 0.5}, "vague says nothing where goal is 1"),
    ],
)
def test_keys_that_would_do_nothing_are_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        MiniAppsSource(reader="miniapps", count=7, **keys)


def source(**keys: Any) -> MiniAppsSource:
    return MiniAppsSource(reader="miniapps", split="test", count=7, **keys)


def test_identity_names_the_dials_that_are_used() -> None:
    plain = {"reader": "miniapps", "split": "test", "count": 7, "seed": 0, "inversion": 0.5}
    for dials in ({"vague": 0.5}, {"goal": 0.1}, {"show_examples": False}, {"held_out": "programs"}):
        identity = problems.ReadSettings.of(source(**dials)).identity()
        assert identity["source"] == {**plain, **dials}
        assert identity["reader_version"] == miniapps.DIALS_VERSION
        assert problems.read(source(**dials)).problems == list(miniapps.generate("test", 7, dials=Dials(**dials)))
    defaults = source(vague=0.0, goal=0, show_examples=True, held_out="compositions")
    assert problems.ReadSettings.of(defaults).identity() == problems.ReadSettings.of(source()).identity()


@pytest.mark.parametrize(
    ("train", "test", "leaks"),
    [
        ("compositions", "compositions", False),
        ("programs", "programs", False),
        ("programs", "compositions", False),
        ("programs", "both", False),
        ("compositions", "programs", True),
        ("compositions", "both", True),
    ],
)
def test_training_on_test_programs_is_refused(train: str, test: str, leaks: bool) -> None:
    made = {
        "problems": {
            "train": {"reader": "miniapps", "split": "train", "count": 2, "held_out": train},
            "test": {"reader": "miniapps", "split": "test", "count": 2, "held_out": test},
        },
        "student": {"init": "scratch", "architecture": {"model_type": "t5"}},
    }
    if leaks:
        with pytest.raises(ConfigError, match=r"set train\.held_out to programs"):
            parse(made)
    else:
        parse(made)


@pytest.mark.parametrize("show_examples", [True, False])
def test_equal_questions_of_generated_problems_without_examples_are_no_fault(show_examples: bool) -> None:
    keys = {"reader": "miniapps", "count": 2, "goal": 1.0, "show_examples": show_examples}
    made = {
        "problems": {split: {**keys, "split": split} for split in ("train", "test")},
        "student": {"init": "scratch", "architecture": {"model_type": "t5"}},
    }
    with ExitStack() as stack:
        context = CheckContext(parse(made), {}, set(), False, False, Console(file=io.StringIO()), stack, stack)
        same = miniapps.problem("train", 0, dials=Dials(goal=1.0, show_examples=show_examples))
        context.problems = {"train": [same], "test": [same.model_copy(update={"problem_id": "miniapps/test/0-0"})]}
        assert bool(list(data._overlapping(context))) == show_examples


@pytest.mark.parametrize("vague", [0.5, 1.0])
def test_generated_test_problems_that_are_trained_on_are_named_however_they_are_worded(vague: float) -> None:
    keys = {"reader": "miniapps", "split": "test", "show_examples": False}
    made = {
        "problems": {"train": {**keys, "count": 5, "vague": 0.5}, "test": {**keys, "count": 3, "vague": vague}},
        "student": {"init": "scratch", "architecture": {"model_type": "t5"}},
    }
    with ExitStack() as stack:
        context = CheckContext(parse(made), {}, set(), False, False, Console(file=io.StringIO()), stack, stack)
        assert not [found for role in ("train", "test") for found in data._read(context, role)]
        (found,) = data._overlapping(context)
        assert "3 test problems are training problems, for example miniapps/test/0-0" in found.text


def test_problems_of_one_split_hold_nothing_out_whatever_their_seeds() -> None:
    keys = {"reader": "miniapps", "split": "test", "count": 3}
    made = {
        "problems": {"train": {**keys, "seed": 1}, "test": keys},
        "student": {"init": "scratch", "architecture": {"model_type": "t5"}},
    }
    with ExitStack() as stack:
        context = CheckContext(parse(made), {}, set(), False, False, Console(file=io.StringIO()), stack, stack)
        assert not [found for role in ("train", "test") for found in data._read(context, role)]
        (found,) = data._overlapping(context)
        assert "are both of split test: nothing is held out" in found.text
