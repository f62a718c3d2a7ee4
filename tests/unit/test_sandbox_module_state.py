"""What a program adds to modules or changes in `builtins` is found, however the memory of the names is compared."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeplan_sandbox import Case, Judge, Suite, module_state
from codeplan_sandbox.module_state import ModuleState

NAME = "added_by_the_test"


@pytest.fixture(params=[True, False], ids=["bytes", "names"])
def module(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module that states know, on an interpreter whose dicts are laid out as known, or not."""
    monkeypatch.setattr(module_state, "_LAYOUT_KNOWN", request.param)
    monkeypatch.setattr(builtins, "open", open)  # restored at the end, also if a test fails before it does
    monkeypatch.setitem(sys.modules, "module_of_the_test", ModuleType("module_of_the_test"))
    yield sys.modules["module_of_the_test"]
    vars(builtins).pop(NAME, None)


def test_untouched_modules_have_not_changed(module: ModuleType) -> None:
    state = ModuleState()
    assert not state.changed()
    assert not state.changed()


def test_names_added_to_a_module_are_found_and_removed(module: ModuleType) -> None:
    state = ModuleState()
    module.first, module.second = 1, 2  # type: ignore[attr-defined]
    assert state.changed()
    state.remove_additions()
    assert not hasattr(module, "first")
    assert not state.changed()


def test_replaced_builtin_name_is_found_and_restored(module: ModuleType) -> None:
    original, state = open, ModuleState()
    builtins.open = print  # type: ignore[assignment]
    assert state.changed()
    state.remove_additions()
    assert open is original
    assert not state.changed()


def test_replaced_builtin_name_is_found_after_the_names_moved(module: ModuleType) -> None:
    state, names = ModuleState(), [f"{NAME}_{number}" for number in range(1000)]
    for name in names:
        setattr(builtins, name, None)
    for name in names:
        delattr(builtins, name)
    assert not state.changed()
    builtins.open = print  # type: ignore[assignment]
    assert state.changed()


def test_added_builtin_names_are_part_of_the_state(module: ModuleType) -> None:
    state = ModuleState()
    state.add_builtins({NAME: 1})
    assert eval(NAME) == 1
    assert not state.changed()
    delattr(builtins, NAME)
    assert state.changed()


@given(st.lists(st.tuples(st.sampled_from(["module", "builtins"]), st.sampled_from("abcd"), st.integers(0, 2))))
def test_change_is_found_whatever_the_program_does(steps: list[tuple[str, str, int]]) -> None:
    module = sys.modules["module_of_the_test"] = ModuleType("module_of_the_test")
    targets, state = {"module": module, "builtins": builtins}, ModuleState()
    before = len(vars(module)), dict(vars(builtins))
    try:
        for target, letter, value in steps:  # 0 deletes
            if value:
                setattr(targets[target], NAME + letter, value)
            else:
                vars(targets[target]).pop(NAME + letter, None)
            assert state.changed() == ((len(vars(module)), vars(builtins)) != before)
    finally:
        for letter in "abcd":
            vars(builtins).pop(NAME + letter, None)
        del sys.modules["module_of_the_test"]


def test_state_does_not_pass_from_one_test_to_the_next() -> None:
    keeps = "import math\nprint(getattr(math, 'kept', 0), len('ab'))\nmath.kept = 1\n__builtins__.len = lambda text: 7"
    with Judge() as judge:
        assert judge.judge(keeps, Suite("stdin", cases=(Case(output="0 2"),) * 3)).passed


@pytest.mark.parametrize("name", ["from random import random", "from statistics import NormalDist"])
def test_random_numbers_are_the_same_in_every_test(name: str) -> None:
    drawn = "random()" if "random" in name else "NormalDist().samples(1)[0]"
    program = f"{name}\nprint({drawn})"
    with Judge() as judge:
        first = judge.judge(program, Suite("stdin", cases=(Case(output="?"),))).cases[0].output
        assert float(first) != 0
        assert judge.judge(program, Suite("stdin", cases=(Case(output=first),) * 3)).passed
