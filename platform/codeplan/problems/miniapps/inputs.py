"""The tests of a MiniAPPS problem: inputs that tell its composition from the ones nearest to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from codeplan.problems.miniapps.dice import Dice
from codeplan.problems.miniapps.steps import Chain, Type, apply, fits

EXAMPLES = 2
HIDDEN = 8
_MOST_EXAMPLE_CHARACTERS = 40
_LARGEST = 10**9
_FEWEST_ANSWERS = 4

WORDS = (
    "apple", "bee", "cat", "dog", "ear", "fig", "goose", "hat", "ice", "jar", "kite", "lemon", "moon", "nut", "oak",
    "pear", "queen", "rose", "sea", "tree", "urn", "vase", "wolf", "yarn",
)  # fmt: skip
"""The words that inputs are made of: few, so that a small vocabulary spells them shortly."""


@dataclass(frozen=True)
class Trial:
    """An input and its answer; ``told`` are the indices of the rivals that answer it otherwise."""

    value: tuple[int | str, ...]
    answer: Any
    told: frozenset[int]


@dataclass(frozen=True)
class Tests:
    """A problem's tests, as pairs of an input list and its answer."""

    example: tuple[Trial, ...]
    hidden: tuple[Trial, ...]


def choose(dice: Dice, chain: Chain) -> Tests | None:
    """Tests for a chain, or None where it has none that are worth having.

    The hidden tests tell the chain from all its rivals, and answers vary. The example tests are short and tell it from
    as many rivals as two tests can.
    """
    rivals, takes = _rivals(chain), chain[0].step.takes
    small = [_example_input(dice, takes) for _ in range(10)]
    shown = _greedy([trial for trial in _trials(chain, rivals, small) if _is_short(trial)], EXAMPLES)
    if len(shown) < EXAMPLES:
        return None
    seen = {trial.value for trial in shown}
    large = [value for value in (_hidden_input(dice, takes) for _ in range(22)) if value not in seen]
    # Nothing and a single thing are edges worth testing wherever they have an answer.
    edges = _trials(chain, rivals, ((), large[0][:1]))
    hidden = [*edges, *_greedy(_trials(chain, rivals, large), HIDDEN - len(edges))]
    told = frozenset[int]().union(*(trial.told for trial in hidden))
    answers = {repr(trial.answer) for trial in hidden}
    if len(hidden) < HIDDEN or len(told) < len(rivals) or len(answers) < _FEWEST_ANSWERS:
        return None
    return Tests(tuple(shown), tuple(hidden))


def _rivals(chain: Chain) -> list[Chain]:
    """The chains one misreading away: a step left out, two neighbours swapped, the whole order turned round."""
    rivals = [chain[:at] + chain[at + 1 :] for at in range(len(chain))]
    rivals += [(*chain[:at], chain[at + 1], chain[at], *chain[at + 2 :]) for at in range(len(chain) - 1)]
    rivals.append(chain[::-1])
    takes = chain[0].step.takes
    usable = (rival for rival in dict.fromkeys(rivals) if rival != chain and fits(rival))
    return [rival for rival in usable if not rival or rival[0].step.takes == takes]


def _trials(chain: Chain, rivals: list[Chain], values: Iterable[tuple[int | str, ...]]) -> list[Trial]:
    trials = []
    for value in dict.fromkeys(values):
        answer = _answer(chain, value)
        if answer is None or _too_large(answer):
            continue
        told = frozenset(at for at, rival in enumerate(rivals) if _answer(rival, value) != answer)
        trials.append(Trial(value, answer, told))
    return trials


def _answer(chain: Chain, value: tuple[int | str, ...]) -> Any:
    try:
        return apply(chain, list(value))
    except (ValueError, IndexError):
        return None


def _too_large(answer: Any) -> bool:
    numbers = answer if isinstance(answer, list) else [answer]
    return any(isinstance(number, int) and abs(number) > _LARGEST for number in numbers)


def _is_short(trial: Trial) -> bool:
    return bool(trial.answer != [] and len(str(trial.answer)) <= _MOST_EXAMPLE_CHARACTERS)


def _greedy(trials: list[Trial], count: int) -> list[Trial]:
    """Up to ``count`` trials, each the one that tells most rivals not yet told; the earliest among equals."""
    left = list(trials)
    chosen: list[Trial] = []
    told: frozenset[int] = frozenset()
    while left and len(chosen) < count:
        best = max(left, key=lambda trial: len(trial.told - told))
        left.remove(best)
        chosen.append(best)
        told |= best.told
    return chosen


def _example_input(dice: Dice, kind: Type) -> tuple[int | str, ...]:
    length = dice.number(4, 6)
    if kind == "words":
        return tuple(dice.pick(WORDS) for _ in range(length))
    return tuple(dice.number(0, 15) for _ in range(length))


def _hidden_input(dice: Dice, kind: Type) -> tuple[int | str, ...]:
    length = dice.number(2, 10)
    # A few different items make repeats, many make none; both must be met.
    if kind == "words":
        words = WORDS[dice.number(0, 12) :][: dice.pick((4, 12, 24))]
        return tuple(dice.pick(words) for _ in range(length))
    low, high = dice.pick(((0, 9), (0, 30), (-9, 9), (-30, 60), (0, 200)))
    return tuple(dice.number(low, high) for _ in range(length))
