"""The steps that MiniAPPS' problems are composed of: how each is said, how it is coded, and what it does.

Tests are computed by ``function``, never by running ``code``: so a mistake in either shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Literal

Type = Literal["numbers", "words", "number", "text"]

VARIABLES: dict[Type, str] = {"numbers": "xs", "words": "words", "number": "n", "text": "text"}
"""The name that a value of each type has in reference solutions."""


@dataclass(frozen=True)
class Step:
    """One kind of step.

    Attributes:
        name: what a composition calls it.
        takes: type of its input.
        gives: type of its output.
        orders: ways to ask for it in a row of steps (``square each``).
        phrases: ways to name its result, with ``{of}`` for what it is applied to (``the squares of {of}``). Nothing
            follows ``{of}``, so that a nest of phrases can be read in one way only.
        code: the Python expression, over the variable of ``takes``.
        function: what it does to a value, given the parameter. It raises ValueError or IndexError where the step is
            not defined, as the maximum of nothing; such inputs are no tests.
        values: the parameter's possible values, which stand for ``{k}``; a step without parameter has none.
    """

    name: str
    takes: Type
    gives: Type
    orders: tuple[str, ...]
    phrases: tuple[str, ...]
    code: str
    function: Callable[[Any, Any], Any]
    values: tuple[int | str, ...] = ()


def _digit_sum(number: int, _: Any) -> int:
    if number < 0:
        raise ValueError("the digits of a negative number are not defined")
    total = 0
    while number:
        number, digit = divmod(number, 10)
        total += digit
    return total


def _distinct(items: list[Any], _: Any) -> list[Any]:
    kept: list[Any] = []
    for item in items:
        if item not in kept:
            kept.append(item)
    return kept


_NUMBERS_TO_NUMBERS = (
    Step("keep_even", "numbers", "numbers", ("keep the even ones", "drop the odd ones"),
         ("the even ones of {of}", "the even values among {of}"),
         "[x for x in xs if x % 2 == 0]", lambda xs, _: [x for x in xs if not x & 1]),
    Step("keep_odd", "numbers", "numbers", ("keep the odd ones", "drop the even ones"),
         ("the odd ones of {of}", "the odd values among {of}"),
         "[x for x in xs if x % 2 == 1]", lambda xs, _: [x for x in xs if x & 1]),
    Step("keep_above", "numbers", "numbers", ("keep those above {k}", "drop those up to {k}"),
         ("those above {k} of {of}", "the values above {k} among {of}"),
         "[x for x in xs if x > {k}]", lambda xs, k: [x for x in xs if x - k > 0], (1, 2, 3, 4, 5, 6, 7, 8, 9)),
    Step("keep_below", "numbers", "numbers", ("keep those below {k}", "drop those from {k} on"),
         ("those below {k} of {of}", "the values below {k} among {of}"),
         "[x for x in xs if x < {k}]", lambda xs, k: [x for x in xs if k - x > 0], (4, 5, 6, 7, 8, 9, 10, 11, 12)),
    Step("square", "numbers", "numbers", ("square each", "multiply each by itself"),
         ("the squares of {of}", "the squared values of {of}"),
         "[x * x for x in xs]", lambda xs, _: [x**2 for x in xs]),
    Step("scale", "numbers", "numbers", ("multiply each by {k}", "take {k} times each"),
         ("{k} times each of {of}", "the {k}-fold values of {of}"),
         "[x * {k} for x in xs]", lambda xs, k: [k * x for x in xs], (2, 3, 4, 5)),
    Step("add", "numbers", "numbers", ("add {k} to each", "raise each by {k}"),
         ("{k} more than each of {of}", "the values {k} above each of {of}"),
         "[x + {k} for x in xs]", lambda xs, k: [k + x for x in xs], (1, 2, 3, 4, 5, 6, 7, 8, 9)),
    Step("remainder", "numbers", "numbers", ("take each modulo {k}", "replace each by its remainder modulo {k}"),
         ("the remainders modulo {k} of {of}", "the values modulo {k} of {of}"),
         "[x % {k} for x in xs]", lambda xs, k: [x - x // k * k for x in xs], (3, 4, 5, 6, 7)),
    Step("digit_sums", "numbers", "numbers", ("add up the digits of each", "replace each by its digit sum"),
         ("the digit sums of {of}", "the sums of digits of {of}"),
         "[sum(map(int, str(x))) for x in xs]", lambda xs, _: [_digit_sum(x, _) for x in xs]),
    Step("sort_up", "numbers", "numbers", ("sort them", "put them in ascending order"),
         ("the sorted list of {of}", "the ascending order of {of}"),
         "sorted(xs)", lambda xs, _: sorted(xs)),
    Step("sort_down", "numbers", "numbers", ("sort them from high to low", "put them in descending order"),
         ("the list from high to low of {of}", "the descending order of {of}"),
         "sorted(xs, reverse=True)", lambda xs, _: sorted(xs)[::-1]),
    Step("reverse", "numbers", "numbers", ("reverse their order", "turn the list round"),
         ("the reverse of {of}", "the backward list of {of}"),
         "xs[::-1]", lambda xs, _: list(reversed(xs))),
    Step("dedupe", "numbers", "numbers", ("drop repeats", "keep only the first of equal ones"),
         ("the distinct ones of {of}", "the first ones of equals in {of}"),
         "list(dict.fromkeys(xs))", _distinct),
    Step("every_second", "numbers", "numbers", ("keep the 1st, 3rd, 5th and so on", "drop the 2nd, 4th, 6th and so on"),
         ("the 1st, 3rd, 5th and so on of {of}",),
         "xs[::2]", lambda xs, _: [x for i, x in enumerate(xs) if not i & 1]),
    Step("first", "numbers", "numbers", ("keep the first {k}", "drop all after the first {k}"),
         ("the first {k} of {of}",),
         "xs[:{k}]", lambda xs, k: [x for i, x in enumerate(xs) if i < k], (2, 3, 4)),
    Step("differences", "numbers", "numbers", ("take each minus the one before it",),
         ("the differences between neighbours in {of}",),
         "[b - a for a, b in zip(xs, xs[1:])]", lambda xs, _: [after - before for before, after in pairwise(xs)]),
    Step("running_sums", "numbers", "numbers", ("replace each by the running total", "take running totals"),
         ("the running totals of {of}", "the running sums of {of}"),
         "[sum(xs[:i + 1]) for i in range(len(xs))]", lambda xs, _: list(accumulate(xs))),
)  # fmt: skip

_NUMBERS_TO_NUMBER = (
    Step("sum", "numbers", "number", ("add them up", "take their total"), ("the sum of {of}", "the total of {of}"),
         "sum(xs)", lambda xs, _: sum(xs)),
    Step("largest", "numbers", "number", ("take the largest", "find the maximum"),
         ("the largest of {of}", "the maximum of {of}"),
         "max(xs)", lambda xs, _: max(xs)),
    Step("smallest", "numbers", "number", ("take the smallest", "find the minimum"),
         ("the smallest of {of}", "the minimum of {of}"),
         "min(xs)", lambda xs, _: min(xs)),
    Step("count", "numbers", "number", ("count them", "find how many there are"),
         ("the count of {of}", "the number of values in {of}"),
         "len(xs)", lambda xs, _: sum(1 for _ in xs)),
    Step("spread", "numbers", "number", ("subtract the smallest from the largest",),
         ("the gap from smallest to largest of {of}",),
         "max(xs) - min(xs)", lambda xs, _: max(xs) - min(xs)),
)  # fmt: skip

_NUMBER_TO_NUMBER = (
    Step("square_it", "number", "number", ("square the result",), ("the square of {of}",),
         "n * n", lambda n, _: n**2),
    Step("scale_it", "number", "number", ("multiply the result by {k}",), ("{k} times {of}",),
         "n * {k}", lambda n, k: k * n, (2, 3, 4, 5)),
    Step("digit_sum_it", "number", "number", ("add up the digits of the result",), ("the digit sum of {of}",),
         "sum(map(int, str(n)))", _digit_sum),
)  # fmt: skip

_WORDS_TO_WORDS = (
    Step("keep_longer", "words", "words", ("keep those longer than {k} letters", "drop those up to {k} letters long"),
         ("those longer than {k} letters of {of}", "the words over {k} letters among {of}"),
         "[w for w in words if len(w) > {k}]", lambda words, k: [w for w in words if w[k:]], (2, 3, 4)),
    Step("keep_with", "words", "words", ("keep those with an {k}", "drop those without an {k}"),
         ("those with an {k} of {of}", "the words with an {k} among {of}"),
         '[w for w in words if "{k}" in w]', lambda words, k: [w for w in words if w.count(k)], ("a", "e", "o", "r")),
    Step("flip", "words", "words", ("spell each backwards", "reverse the letters of each"),
         ("the backward spellings of {of}", "the reversed spellings of {of}"),
         "[w[::-1] for w in words]", lambda words, _: ["".join(reversed(w)) for w in words]),
    Step("cut", "words", "words", ("cut each to its first {k} letters",), ("the first {k} letters of each of {of}",),
         "[w[:{k}] for w in words]",
         lambda words, k: ["".join(c for i, c in enumerate(w) if i < k) for w in words], (2, 3)),
    Step("sort_words", "words", "words", ("sort them by alphabet", "put them in alphabetical order"),
         ("the alphabetical order of {of}", "the list by alphabet of {of}"),
         "sorted(words)", lambda words, _: sorted(words)),
    Step("sort_by_length", "words", "words", ("sort them by length", "put shorter ones before longer ones"),
         ("the list by length of {of}", "the order by length of {of}"),
         "sorted(words, key=len)",
         lambda words, _: [words[i] for i in sorted(range(len(words)), key=lambda i: (len(words[i]), i))]),
    Step("reverse_words", "words", "words", ("reverse their order", "turn the list round"),
         ("the reverse of {of}", "the backward list of {of}"),
         "words[::-1]", lambda words, _: list(reversed(words))),
    Step("dedupe_words", "words", "words", ("drop repeats", "keep only the first of equal ones"),
         ("the distinct ones of {of}", "the first ones of equals in {of}"),
         "list(dict.fromkeys(words))", _distinct),
    Step("first_words", "words", "words", ("keep the first {k}", "drop all after the first {k}"),
         ("the first {k} of {of}",),
         "words[:{k}]", lambda words, k: [w for i, w in enumerate(words) if i < k], (2, 3, 4)),
)  # fmt: skip

_FROM_WORDS = (
    Step("lengths", "words", "numbers", ("count the letters of each", "replace each by its length"),
         ("the lengths of {of}", "the letter counts of {of}"),
         "[len(w) for w in words]", lambda words, _: [sum(1 for _ in w) for w in words]),
    Step("vowel_counts", "words", "numbers", ("count the vowels of each", "replace each by its number of vowels"),
         ("the vowel counts of {of}", "the numbers of vowels of {of}"),
         '[sum(c in "aeiou" for c in w) for w in words]',
         lambda words, _: [sum(w.count(vowel) for vowel in "aeiou") for w in words]),
    Step("join", "words", "text", ("join them with dashes", "put dashes between them"),
         ("the text with dashes between {of}",),
         '"-".join(words)', lambda words, _: "".join(f"-{w}" for w in words)[1:]),
    Step("initials", "words", "text", ("put their first letters together",), ("the initials of {of}",),
         '"".join(w[0] for w in words)', lambda words, _: "".join(next(iter(w)) for w in words)),
    Step("flip_it", "text", "text", ("spell the result backwards",), ("the backward spelling of {of}",),
         "text[::-1]", lambda text, _: "".join(reversed(text))),
)  # fmt: skip

STEPS: tuple[Step, ...] = (
    *_NUMBERS_TO_NUMBERS,
    *_NUMBERS_TO_NUMBER,
    *_NUMBER_TO_NUMBER,
    *_WORDS_TO_WORDS,
    *_FROM_WORDS,
)


@dataclass(frozen=True)
class Move:
    """A step with its parameter's value, as it stands in one problem."""

    step: Step
    value: int | str | None = None

    def say(self, template: str, of: str = "") -> str:
        """An order or a phrase of the step, with the parameter, and what it is applied to, filled in."""
        return template.format(k=self.value, of=of)

    def statement(self) -> str:
        """Its line in the reference solution."""
        code = self.step.code.replace("{k}", str(self.value))
        return f"{VARIABLES[self.step.gives]} = {code}"

    def apply(self, value: Any) -> Any:
        """Its result for a value; raises ValueError or IndexError where it is not defined."""
        return self.step.function(value, self.value)


Chain = tuple[Move, ...]


def apply(chain: Chain, value: Any) -> Any:
    """The result of all steps in order; raises as `Move.apply` does."""
    for move in chain:
        value = move.apply(value)
    return value


def fits(chain: Chain) -> bool:
    """Whether each step takes what the one before it gives."""
    return all(before.step.gives == after.step.takes for before, after in pairwise(chain))
