"""The wording of a MiniAPPS question: a short story about a list, which may name its operations out of order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from codeplan.problems.miniapps.operations import BoundOperation, Chain, ValueType
from codeplan.randomness import StableRandom

_NAMES = ("Ada", "Ben", "Eva", "Ian", "Mia", "Tom")
_THINGS: dict[ValueType, tuple[str, ...]] = {
    "numbers": ("prices", "scores", "readings", "weights", "points", "ages"),
    "words": ("words", "names", "tags", "labels"),
}
_OPENINGS = (
    "{name} has a list of {things}.",
    "{name} wrote down some {things}.",
    "Here are the {things} of {name}.",
    "{name} got {things} from a friend.",
)
_INPUTS: dict[ValueType, str] = {"numbers": "integers", "words": "lowercase words"}
_OUTPUTS: dict[ValueType, str] = {"numbers": "numbers", "words": "words", "number": "number", "text": "text"}


@dataclass(frozen=True)
class Scenario:
    """What a question is about: the chain, the things in its list and a person's name."""

    chain: Chain
    things: str
    name: str


def render_question(rng: StableRandom, chain: Chain, *, inverted: bool, entry_point: str) -> str:
    """The question without its examples: an opening, the task, and the form of input and output.

    Args:
        rng: draws names, things and templates.
        chain: the operations, first to last.
        inverted: name the operations out of order (a chain of one has only one order).
        entry_point: name of the function to write, or empty for a program from stdin to stdout.
    """
    input_type, output_type = chain[0].operation.input_type, chain[-1].operation.output_type
    scenario = Scenario(chain, rng.choice(_THINGS[input_type]), rng.choice(_NAMES))
    opening = rng.choice(_OPENINGS).format(name=scenario.name, things=scenario.things)
    task = rng.choice(_INVERTED if inverted else _IN_ORDER)(rng, scenario)
    inputs, outputs = _INPUTS[input_type], _OUTPUTS[output_type]
    if entry_point:
        form = f"Write {entry_point}, which takes a list of {inputs} and returns the {outputs}."
    else:
        form = f"Read {inputs} from one line and print the {outputs}."
    return f"{opening} {task}\n{form}"


def _one_sentence(rng: StableRandom, scenario: Scenario) -> str:
    *before, last = _imperatives(rng, scenario.chain)
    if not before:
        return f"Take the {scenario.things} and {last}."
    return f"Take the {scenario.things}, {', then '.join(before)}, and finally {last}."


def _sentence_per_operation(rng: StableRandom, scenario: Scenario) -> str:
    first, *after = _imperatives(rng, scenario.chain)
    sentences = [f"Start with the {scenario.things} and {first}.", *(f"Then {imperative}." for imperative in after)]
    return " ".join(sentences)


def _nested(rng: StableRandom, scenario: Scenario) -> str:
    """The sum of the squares of the even ones of the prices."""
    return f"{_request(rng, scenario)} {_nest(rng, scenario.chain, f'the {scenario.things}')}."


def _partly_nested(rng: StableRandom, scenario: Scenario) -> str:
    """The later operations come first, nested, then the earlier ones in order."""
    if len(scenario.chain) == 1:
        return _nested(rng, scenario)
    at = rng.integer(1, len(scenario.chain) - 1)
    *before, last = _imperatives(rng, scenario.chain[:at])
    earlier = f"{', '.join((f'the {scenario.things}', *before))} and {last}"
    return f"{_request(rng, scenario)} {_nest(rng, scenario.chain[at:], 'what you get')} when you take {earlier}."


def _reversed(rng: StableRandom, scenario: Scenario) -> str:
    """The last operation is named first, the first one last."""
    *before, last = _imperatives(rng, scenario.chain)
    if not before:
        return _one_sentence(rng, scenario)
    sentences = [f"In the end, {last}.", *(f"Before that, {imperative}." for imperative in reversed(before))]
    return " ".join(sentences)


_Template = Callable[[StableRandom, Scenario], str]
_IN_ORDER: tuple[_Template, ...] = (_one_sentence, _sentence_per_operation)
_INVERTED: tuple[_Template, ...] = (_nested, _partly_nested, _reversed)


def _imperatives(rng: StableRandom, chain: Chain) -> list[str]:
    return [bound.render(rng.choice(bound.operation.imperatives)) for bound in chain]


def _nest(rng: StableRandom, chain: Chain, innermost: str) -> str:
    phrase = innermost
    for bound in chain:
        phrase = _applied_to(rng, bound, phrase)
    return phrase


def _applied_to(rng: StableRandom, bound: BoundOperation, phrase: str) -> str:
    return bound.render(rng.choice(bound.operation.noun_phrases), of=phrase)


def _request(rng: StableRandom, scenario: Scenario) -> str:
    return rng.choice((f"{scenario.name} wants", "Find", "Work out"))
