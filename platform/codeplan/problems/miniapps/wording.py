"""The wording of a MiniAPPS question: a short story about a list, which may name its operations out of order.

It may also leave open what to do: name only the aims of operations, or only what comes out in the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from codeplan.problems.miniapps.aims import aim_of
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
_RESULTS: dict[ValueType, str] = {
    "numbers": "a list of numbers", "words": "a list of words", "number": "one number", "text": "one text",
}  # fmt: skip
_GOALS = (
    "{name} wants {result} from the {things}, worked out in {steps}.",
    "Work out {result} from the {things} in {steps}.",
    "In {steps}, turn the {things} into {result}.",
)
_COUNTS = ("one step", "two steps", "three steps", "four steps", "five steps")


@dataclass(frozen=True)
class Openness:
    """What a question leaves open.

    Attributes:
        goal: it says only what comes out, and in how many steps.
        vague: per step, whether the question names it by its aim.
    """

    goal: bool
    vague: tuple[bool, ...]

    @classmethod
    def draw(cls, name: str, chain: Chain, vague: float, goal: float) -> Openness:
        """What the question about a chain leaves open: with a higher probability never less.

        Args:
            name: of the random stream, which is drawn from in the same way whatever the probabilities are.
            chain: the operations, first to last.
            vague: the probability that a step is named by its aim; an operation alone in its aim never is.
            goal: the probability that no step is named.
        """
        rng = StableRandom(name)
        is_goal = rng.chance(goal)
        drawn = [rng.chance(vague) for _ in chain]
        return cls(is_goal, tuple(one and len(aim_of(bound.operation).operations) > 1
                                  for one, bound in zip(drawn, chain, strict=True)))  # fmt: skip


@dataclass(frozen=True)
class Step:
    """An operation of the chain as the question names it: precisely, or by its aim."""

    bound: BoundOperation
    vague: bool

    def imperative(self, rng: StableRandom) -> str:
        """One of its wordings as a command."""
        named = aim_of(self.bound.operation) if self.vague else self.bound.operation
        return self.bound.render(rng.choice(named.imperatives))

    def noun_phrase(self, rng: StableRandom, of: str) -> str:
        """One of the wordings of its result."""
        named = aim_of(self.bound.operation) if self.vague else self.bound.operation
        return self.bound.render(rng.choice(named.noun_phrases), of=of)


Steps = tuple[Step, ...]


@dataclass(frozen=True)
class Scenario:
    """What a question is about: the steps, the things in its list and a person's name."""

    steps: Steps
    things: str
    name: str


def render_question(rng: StableRandom, chain: Chain, openness: Openness, *, inverted: bool, entry_point: str) -> str:
    """The question without its examples: an opening, the task, and the form of input and output.

    Args:
        rng: draws names, things and templates.
        chain: the operations, first to last.
        openness: what the question leaves open.
        inverted: name the operations out of order (a chain of one has only one order).
        entry_point: name of the function to write, or empty for a program from stdin to stdout.
    """
    input_type, output_type = chain[0].operation.input_type, chain[-1].operation.output_type
    steps = tuple(Step(bound, vague) for bound, vague in zip(chain, openness.vague, strict=True))
    scenario = Scenario(steps, rng.choice(_THINGS[input_type]), rng.choice(_NAMES))
    opening = rng.choice(_OPENINGS).format(name=scenario.name, things=scenario.things)
    if openness.goal:
        task = _goal(rng, scenario, _RESULTS[output_type])
    else:
        task = rng.choice(_INVERTED if inverted else _IN_ORDER)(rng, scenario)
    inputs, outputs = _INPUTS[input_type], _OUTPUTS[output_type]
    if entry_point:
        form = f"Write {entry_point}, which takes a list of {inputs} and returns the {outputs}."
    else:
        form = f"Read {inputs} from one line and print the {outputs}."
    return f"{opening} {task}\n{form}"


def _goal(rng: StableRandom, scenario: Scenario, result: str) -> str:
    steps = _COUNTS[len(scenario.steps) - 1]
    return rng.choice(_GOALS).format(name=scenario.name, result=result, things=scenario.things, steps=steps)


def _one_sentence(rng: StableRandom, scenario: Scenario) -> str:
    *before, last = _imperatives(rng, scenario.steps)
    if not before:
        return f"Take the {scenario.things} and {last}."
    return f"Take the {scenario.things}, {', then '.join(before)}, and finally {last}."


def _sentence_per_operation(rng: StableRandom, scenario: Scenario) -> str:
    first, *after = _imperatives(rng, scenario.steps)
    sentences = [f"Start with the {scenario.things} and {first}.", *(f"Then {imperative}." for imperative in after)]
    return " ".join(sentences)


def _nested(rng: StableRandom, scenario: Scenario) -> str:
    """The sum of the squares of the even ones of the prices."""
    return f"{_request(rng, scenario)} {_nest(rng, scenario.steps, f'the {scenario.things}')}."


def _partly_nested(rng: StableRandom, scenario: Scenario) -> str:
    """The later operations come first, nested, then the earlier ones in order."""
    if len(scenario.steps) == 1:
        return _nested(rng, scenario)
    at = rng.integer(1, len(scenario.steps) - 1)
    *before, last = _imperatives(rng, scenario.steps[:at])
    earlier = f"{', '.join((f'the {scenario.things}', *before))} and {last}"
    return f"{_request(rng, scenario)} {_nest(rng, scenario.steps[at:], 'what you get')} when you take {earlier}."


def _reversed(rng: StableRandom, scenario: Scenario) -> str:
    """The last operation is named first, the first one last."""
    *before, last = _imperatives(rng, scenario.steps)
    if not before:
        return _one_sentence(rng, scenario)
    sentences = [f"In the end, {last}.", *(f"Before that, {imperative}." for imperative in reversed(before))]
    return " ".join(sentences)


_Template = Callable[[StableRandom, Scenario], str]
_IN_ORDER: tuple[_Template, ...] = (_one_sentence, _sentence_per_operation)
_INVERTED: tuple[_Template, ...] = (_nested, _partly_nested, _reversed)


def _imperatives(rng: StableRandom, steps: Steps) -> list[str]:
    return [step.imperative(rng) for step in steps]


def _nest(rng: StableRandom, steps: Steps, innermost: str) -> str:
    phrase = innermost
    for step in steps:
        phrase = step.noun_phrase(rng, phrase)
    return phrase


def _request(rng: StableRandom, scenario: Scenario) -> str:
    return rng.choice((f"{scenario.name} wants", "Find", "Work out"))
