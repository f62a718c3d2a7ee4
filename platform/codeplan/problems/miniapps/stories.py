"""How a MiniAPPS problem is told: a short story about things, which may name its steps out of order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from codeplan.problems.miniapps.dice import Dice
from codeplan.problems.miniapps.steps import Chain, Move, Type

_NAMES = ("Ada", "Ben", "Eva", "Ian", "Mia", "Tom")
_THINGS: dict[Type, tuple[str, ...]] = {
    "numbers": ("prices", "scores", "readings", "weights", "points", "ages"),
    "words": ("words", "names", "tags", "labels"),
}
_OPENINGS = (
    "{name} has a list of {things}.",
    "{name} wrote down some {things}.",
    "Here are the {things} of {name}.",
    "{name} got {things} from a friend.",
)
_INPUTS: dict[Type, str] = {"numbers": "integers", "words": "lowercase words"}
_OUTPUTS: dict[Type, str] = {"numbers": "numbers", "words": "words", "number": "number", "text": "text"}


@dataclass(frozen=True)
class Story:
    """What a problem's wording is drawn for: the chain, the things it is about and a name."""

    chain: Chain
    things: str
    name: str


def tell(dice: Dice, chain: Chain, *, inverted: bool, entry_point: str) -> str:
    """The question without its examples: an opening, the task, and the form of input and output.

    Args:
        dice: draws names, things and phrasings.
        chain: the steps, first to last.
        inverted: name the steps out of order (a chain of one step has only one order).
        entry_point: name of the function to write, or empty for a program from stdin to stdout.
    """
    takes, gives = chain[0].step.takes, chain[-1].step.gives
    story = Story(chain, dice.pick(_THINGS[takes]), dice.pick(_NAMES))
    opening = dice.pick(_OPENINGS).format(name=story.name, things=story.things)
    task = dice.pick(_INVERTED if inverted else _IN_ORDER)(dice, story)
    if entry_point:
        form = f"Write {entry_point}, which takes a list of {_INPUTS[takes]} and returns the {_OUTPUTS[gives]}."
    else:
        form = f"Read {_INPUTS[takes]} from one line and print the {_OUTPUTS[gives]}."
    return f"{opening} {task}\n{form}"


def _in_a_row(dice: Dice, story: Story) -> str:
    *before, last = _orders(dice, story.chain)
    if not before:
        return f"Take the {story.things} and {last}."
    return f"Take the {story.things}, {', then '.join(before)}, and finally {last}."


def _sentence_each(dice: Dice, story: Story) -> str:
    first, *after = _orders(dice, story.chain)
    sentences = [f"Start with the {story.things} and {first}.", *(f"Then {order}." for order in after)]
    return " ".join(sentences)


def _nested(dice: Dice, story: Story) -> str:
    """The sum of the squares of the even ones of the prices."""
    return f"{_asks(dice, story)} {_nest(dice, story.chain, f'the {story.things}')}."


def _split(dice: Dice, story: Story) -> str:
    """The later steps come first, inside out, then the earlier ones in order."""
    if len(story.chain) == 1:
        return _nested(dice, story)
    at = dice.number(1, len(story.chain) - 1)
    *before, last = _orders(dice, story.chain[:at])
    earlier = f"{', '.join((f'the {story.things}', *before))} and {last}"
    return f"{_asks(dice, story)} {_nest(dice, story.chain[at:], 'what you get')} when you take {earlier}."


def _backwards(dice: Dice, story: Story) -> str:
    """The last step is named first, the first one last."""
    *before, last = _orders(dice, story.chain)
    if not before:
        return _in_a_row(dice, story)
    sentences = [f"In the end, {last}.", *(f"Before that, {order}." for order in reversed(before))]
    return " ".join(sentences)


_Telling = Callable[[Dice, Story], str]
_IN_ORDER: tuple[_Telling, ...] = (_in_a_row, _sentence_each)
_INVERTED: tuple[_Telling, ...] = (_nested, _split, _backwards)


def _orders(dice: Dice, chain: Chain) -> list[str]:
    return [move.say(dice.pick(move.step.orders)) for move in chain]


def _nest(dice: Dice, chain: Chain, innermost: str) -> str:
    phrase = innermost
    for move in chain:
        phrase = _around(dice, move, phrase)
    return phrase


def _around(dice: Dice, move: Move, phrase: str) -> str:
    return move.say(dice.pick(move.step.phrases), of=phrase)


def _asks(dice: Dice, story: Story) -> str:
    return dice.pick((f"{story.name} wants", "Find", "Work out"))
