"""The operations that MiniAPPS' problems are composed of: their wording, code and meaning.

Tests are computed by ``function``, never by running ``code``, so that a mistake in either fails a test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, islice, pairwise
from typing import Any, Literal

ValueType = Literal["numbers", "words", "number", "text"]

VARIABLE_NAMES: dict[ValueType, str] = {"numbers": "xs", "words": "words", "number": "n", "text": "text"}
"""The name that a value of each type has in reference solutions."""


@dataclass(frozen=True, eq=False)
class Operation:
    """One kind of operation. There is one object of each kind, so that comparing them is comparing identities.

    Attributes:
        name: identifies it in compositions.
        input_type: type of its argument.
        output_type: type of its result.
        imperatives: wordings as a command (``square each``).
        noun_phrases: wordings of its result, with ``{of}`` for the argument (``the squares of {of}``). Nothing follows
            ``{of}``, so that nested phrases are unambiguous.
        code: the Python expression, over the variable of ``input_type``.
        function: maps a value and the parameter to the result. It raises ValueError or IndexError where the operation
            is not defined, for example the maximum of an empty list; such inputs are not used as tests.
        parameters: the parameter's possible values, substituted for ``{k}``; empty for an operation without parameter.
    """

    name: str
    input_type: ValueType
    output_type: ValueType
    imperatives: tuple[str, ...]
    noun_phrases: tuple[str, ...]
    code: str
    function: Callable[[Any, Any], Any]
    parameters: tuple[int | str, ...] = ()


_NO_VOWELS = str.maketrans("", "", "aeiou")


@lru_cache(maxsize=4096)
def _digit_sum(number: int, _: Any = None) -> int:
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
    Operation("keep_even", "numbers", "numbers", ("keep the even ones", "drop the odd ones"),
              ("the even ones of {of}", "the even values among {of}"),
              "[x for x in xs if x % 2 == 0]", lambda xs, _: [x for x in xs if not x & 1]),
    Operation("keep_odd", "numbers", "numbers", ("keep the odd ones", "drop the even ones"),
              ("the odd ones of {of}", "the odd values among {of}"),
              "[x for x in xs if x % 2 == 1]", lambda xs, _: [x for x in xs if x & 1]),
    Operation("keep_above", "numbers", "numbers", ("keep those above {k}", "drop those up to {k}"),
              ("those above {k} of {of}", "the values above {k} among {of}"),
              "[x for x in xs if x > {k}]", lambda xs, k: [x for x in xs if x - k > 0], (1, 2, 3, 4, 5, 6, 7, 8, 9)),
    Operation("keep_below", "numbers", "numbers", ("keep those below {k}", "drop those from {k} on"),
              ("those below {k} of {of}", "the values below {k} among {of}"),
              "[x for x in xs if x < {k}]", lambda xs, k: [x for x in xs if k - x > 0], (4, 5, 6, 7, 8, 9, 10, 11, 12)),
    Operation("square", "numbers", "numbers", ("square each", "multiply each by itself"),
              ("the squares of {of}", "the squared values of {of}"),
              "[x * x for x in xs]", lambda xs, _: [x**2 for x in xs]),
    Operation("scale", "numbers", "numbers", ("multiply each by {k}", "take {k} times each"),
              ("{k} times each of {of}", "the {k}-fold values of {of}"),
              "[x * {k} for x in xs]", lambda xs, k: [k * x for x in xs], (2, 3, 4, 5)),
    Operation("add", "numbers", "numbers", ("add {k} to each", "raise each by {k}"),
              ("{k} more than each of {of}", "the values {k} above each of {of}"),
              "[x + {k} for x in xs]", lambda xs, k: [k + x for x in xs], (1, 2, 3, 4, 5, 6, 7, 8, 9)),
    Operation("remainder", "numbers", "numbers", ("take each modulo {k}", "replace each by its remainder modulo {k}"),
              ("the remainders modulo {k} of {of}", "the values modulo {k} of {of}"),
              "[x % {k} for x in xs]", lambda xs, k: [x - x // k * k for x in xs], (3, 4, 5, 6, 7)),
    Operation("digit_sums", "numbers", "numbers", ("add up the digits of each", "replace each by its digit sum"),
              ("the digit sums of {of}", "the sums of digits of {of}"),
              "[sum(map(int, str(x))) for x in xs]", lambda xs, _: list(map(_digit_sum, xs))),
    Operation("sort_up", "numbers", "numbers", ("sort them", "put them in ascending order"),
              ("the sorted list of {of}", "the ascending order of {of}"),
              "sorted(xs)", lambda xs, _: sorted(xs)),
    Operation("sort_down", "numbers", "numbers", ("sort them from high to low", "put them in descending order"),
              ("the list from high to low of {of}", "the descending order of {of}"),
              "sorted(xs, reverse=True)", lambda xs, _: sorted(xs)[::-1]),
    Operation("reverse", "numbers", "numbers", ("reverse their order", "turn the list round"),
              ("the reverse of {of}", "the backward list of {of}"),
              "xs[::-1]", lambda xs, _: list(reversed(xs))),
    Operation("dedupe", "numbers", "numbers", ("drop repeats", "keep only the first of equal ones"),
              ("the distinct ones of {of}", "the first ones of equals in {of}"),
              "list(dict.fromkeys(xs))", _distinct),
    Operation("every_second", "numbers", "numbers",
              ("keep the 1st, 3rd, 5th and so on", "drop the 2nd, 4th, 6th and so on"),
              ("the 1st, 3rd, 5th and so on of {of}",),
              "xs[::2]", lambda xs, _: list(islice(xs, 0, None, 2))),
    Operation("first", "numbers", "numbers", ("keep the first {k}", "drop all after the first {k}"),
              ("the first {k} of {of}",),
              "xs[:{k}]", lambda xs, k: list(islice(xs, k)), (2, 3, 4)),
    Operation("differences", "numbers", "numbers", ("take each minus the one before it",),
              ("the differences between neighbours in {of}",),
              "[b - a for a, b in zip(xs, xs[1:])]", lambda xs, _: [after - before for before, after in pairwise(xs)]),
    Operation("running_sums", "numbers", "numbers", ("replace each by the running total", "take running totals"),
              ("the running totals of {of}", "the running sums of {of}"),
              "[sum(xs[:i + 1]) for i in range(len(xs))]", lambda xs, _: list(accumulate(xs))),
)  # fmt: skip

_NUMBERS_TO_NUMBER = (
    Operation("sum", "numbers", "number", ("add them up", "take their total"), ("the sum of {of}", "the total of {of}"),
              "sum(xs)", lambda xs, _: sum(xs)),
    Operation("largest", "numbers", "number", ("take the largest", "find the maximum"),
              ("the largest of {of}", "the maximum of {of}"),
              "max(xs)", lambda xs, _: max(xs)),
    Operation("smallest", "numbers", "number", ("take the smallest", "find the minimum"),
              ("the smallest of {of}", "the minimum of {of}"),
              "min(xs)", lambda xs, _: min(xs)),
    Operation("count", "numbers", "number", ("count them", "find how many there are"),
              ("the count of {of}", "the number of values in {of}"),
              "len(xs)", lambda xs, _: sum(1 for _ in xs)),
    Operation("spread", "numbers", "number", ("subtract the smallest from the largest",),
              ("the gap from smallest to largest of {of}",),
              "max(xs) - min(xs)", lambda xs, _: max(xs) - min(xs)),
)  # fmt: skip

_NUMBER_TO_NUMBER = (
    Operation("square_it", "number", "number", ("square the result",), ("the square of {of}",),
              "n * n", lambda n, _: n**2),
    Operation("scale_it", "number", "number", ("multiply the result by {k}",), ("{k} times {of}",),
              "n * {k}", lambda n, k: k * n, (2, 3, 4, 5)),
    Operation("digit_sum_it", "number", "number", ("add up the digits of the result",), ("the digit sum of {of}",),
              "sum(map(int, str(n)))", _digit_sum),
)  # fmt: skip

_WORDS_TO_WORDS = (
    Operation("keep_longer", "words", "words",
              ("keep those longer than {k} letters", "drop those up to {k} letters long"),
              ("those longer than {k} letters of {of}", "the words over {k} letters among {of}"),
              "[w for w in words if len(w) > {k}]", lambda words, k: [w for w in words if w[k:]], (2, 3, 4)),
    Operation("keep_with", "words", "words", ("keep those with an {k}", "drop those without an {k}"),
              ("those with an {k} of {of}", "the words with an {k} among {of}"),
              '[w for w in words if "{k}" in w]', lambda words, k: [w for w in words if w.count(k)],
              ("a", "e", "o", "r")),
    Operation("flip", "words", "words", ("spell each backwards", "reverse the letters of each"),
              ("the backward spellings of {of}", "the reversed spellings of {of}"),
              "[w[::-1] for w in words]", lambda words, _: ["".join(reversed(w)) for w in words]),
    Operation("cut", "words", "words", ("cut each to its first {k} letters",),
              ("the first {k} letters of each of {of}",),
              "[w[:{k}] for w in words]",
              lambda words, k: ["".join(islice(w, k)) for w in words], (2, 3)),
    Operation("sort_words", "words", "words", ("sort them by alphabet", "put them in alphabetical order"),
              ("the alphabetical order of {of}", "the list by alphabet of {of}"),
              "sorted(words)", lambda words, _: sorted(words)),
    Operation("sort_by_length", "words", "words", ("sort them by length", "put shorter ones before longer ones"),
              ("the list by length of {of}", "the order by length of {of}"),
              "sorted(words, key=len)",
              lambda words, _: [w for length in sorted(set(map(len, words))) for w in words if len(w) == length]),
    Operation("reverse_words", "words", "words", ("reverse their order", "turn the list round"),
              ("the reverse of {of}", "the backward list of {of}"),
              "words[::-1]", lambda words, _: list(reversed(words))),
    Operation("dedupe_words", "words", "words", ("drop repeats", "keep only the first of equal ones"),
              ("the distinct ones of {of}", "the first ones of equals in {of}"),
              "list(dict.fromkeys(words))", _distinct),
    Operation("first_words", "words", "words", ("keep the first {k}", "drop all after the first {k}"),
              ("the first {k} of {of}",),
              "words[:{k}]", lambda words, k: list(islice(words, k)), (2, 3, 4)),
)  # fmt: skip

_FROM_WORDS = (
    Operation("lengths", "words", "numbers", ("count the letters of each", "replace each by its length"),
              ("the lengths of {of}", "the letter counts of {of}"),
              "[len(w) for w in words]", lambda words, _: list(map(len, words))),
    Operation("vowel_counts", "words", "numbers", ("count the vowels of each", "replace each by its number of vowels"),
              ("the vowel counts of {of}", "the numbers of vowels of {of}"),
              '[sum(c in "aeiou" for c in w) for w in words]',
              lambda words, _: [len(w) - len(w.translate(_NO_VOWELS)) for w in words]),
    Operation("join", "words", "text", ("join them with dashes", "put dashes between them"),
              ("the text with dashes between {of}",),
              '"-".join(words)', lambda words, _: "".join(f"-{w}" for w in words)[1:]),
    Operation("initials", "words", "text", ("put their first letters together",), ("the initials of {of}",),
              '"".join(w[0] for w in words)', lambda words, _: "".join(next(iter(w)) for w in words)),
    Operation("flip_it", "text", "text", ("spell the result backwards",), ("the backward spelling of {of}",),
              "text[::-1]", lambda text, _: "".join(reversed(text))),
)  # fmt: skip

OPERATIONS: tuple[Operation, ...] = (
    *_NUMBERS_TO_NUMBERS,
    *_NUMBERS_TO_NUMBER,
    *_NUMBER_TO_NUMBER,
    *_WORDS_TO_WORDS,
    *_FROM_WORDS,
)


@dataclass(frozen=True)
class BoundOperation:
    """An operation with its parameter's value, as used in one problem."""

    operation: Operation
    parameter: int | str | None = None

    def render(self, template: str, of: str = "") -> str:
        """An imperative or noun phrase of the operation, with the parameter and the argument filled in."""
        return template.format(k=self.parameter, of=of)

    def statement(self) -> str:
        """The operation's line in the reference solution."""
        code = self.operation.code.replace("{k}", str(self.parameter))
        return f"{VARIABLE_NAMES[self.operation.output_type]} = {code}"

    def apply(self, value: Any) -> Any:
        """The result for a value; raises ValueError or IndexError where it is not defined."""
        return self.operation.function(value, self.parameter)


Chain = tuple[BoundOperation, ...]


def apply(chain: Chain, value: Any) -> Any:
    """The result of all operations in order; raises as `BoundOperation.apply` does."""
    for bound in chain:
        value = bound.apply(value)
    return value


def is_well_typed(chain: Chain) -> bool:
    """Whether every operation takes the type that the one before it returns."""
    return all(before.operation.output_type == after.operation.input_type for before, after in pairwise(chain))
