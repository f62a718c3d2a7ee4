"""Aims: what several operations serve, so that a question that names one leaves a choice open.

Every operation serves one aim, and all operations of an aim have the same types. Within a type of input no two aims
share a wording, so that a question says which aim is meant, but not by which operation it is reached.
"""

from __future__ import annotations

from dataclasses import dataclass

from codeplan.problems.miniapps.operations import OPERATIONS, Operation


@dataclass(frozen=True, eq=False)
class Aim:
    """What several operations serve.

    Attributes:
        operations: the names of the operations that serve it.
        imperatives: wordings as a command, as an operation has them, without ``{k}``.
        noun_phrases: wordings of its result, as an operation has them, without ``{k}``.
    """

    operations: tuple[str, ...]
    imperatives: tuple[str, ...]
    noun_phrases: tuple[str, ...]


_KEEP = ("keep some of them", "drop some of them"), ("some of {of}", "a selection from {of}")
_ORDER = ("put them in another order", "rearrange them"), ("another order of {of}", "the rearranged list of {of}")

AIMS: tuple[Aim, ...] = (
    Aim(("keep_even", "keep_odd", "keep_above", "keep_below", "dedupe", "every_second", "first"), *_KEEP),
    Aim(("square", "scale", "add", "remainder", "digit_sums"),
        ("change each of them", "replace each by a number made from it"),
        ("the changed values of {of}", "the numbers made from each of {of}")),
    Aim(("sort_up", "sort_down", "reverse"), *_ORDER),
    Aim(("differences", "running_sums"),
        ("combine each with what comes before it", "combine them with their predecessors"),
        ("the combinations of neighbours in {of}", "the combined neighbours in {of}")),
    Aim(("sum", "largest", "smallest", "count", "spread"),
        ("work out one number from them", "reduce them to one number"),
        ("one number from {of}", "a single number worked out from {of}")),
    Aim(("square_it", "scale_it", "digit_sum_it"),
        ("change the result", "replace the result by a number made from it"),
        ("a number made from {of}", "the changed value of {of}")),
    Aim(("keep_longer", "keep_with", "dedupe_words", "first_words"), *_KEEP),
    Aim(("flip", "cut"),
        ("change each of them", "spell each in another way"),
        ("the changed spellings of {of}", "other spellings of each of {of}")),
    Aim(("sort_words", "sort_by_length", "reverse_words"), *_ORDER),
    Aim(("lengths", "vowel_counts"),
        ("count something in each", "replace each by a count"),
        ("the counts of something in each of {of}", "the counts for each of {of}")),
    Aim(("join", "initials"),
        ("make one text of them", "put them together in one text"),
        ("one text made of {of}", "a text put together from {of}")),
    Aim(("flip_it",), (), ()),
)  # fmt: skip

_AIM_OF = {name: aim for aim in AIMS for name in aim.operations}
_BY_NAME = {operation.name: operation for operation in OPERATIONS}


def aim_of(operation: Operation) -> Aim:
    """The aim that an operation serves."""
    return _AIM_OF[operation.name]


def serving(aim: Aim) -> tuple[Operation, ...]:
    """The operations that serve an aim."""
    return tuple(_BY_NAME[name] for name in aim.operations)
