"""Whether two lists are equal in some order, where numbers may differ within a tolerance.

Expected elements without floats are counted. The others are divided into groups that cannot be equal to one another: by
what is not a number, then by gaps between their numbers. Each group is paired in the order of its numbers, and where
that does not pair all, a bipartite matching decides. It is limited to `MAX_STEPS`, so that no output keeps the judge
busy; lists that need more count as different. To get there, several hundred different expected elements must lie
within the tolerance of one another.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from codeplan_sandbox import number_tokens
from codeplan_sandbox.long_integers import LongInteger, decimal

MAX_STEPS = 200_000
"""Comparisons of two elements while the matching of two lists searches for partners; they take about 2 s."""

_GAP = 4e-6  # more than twice the tolerance of the comparator tokens, so that it divides on both sides of 1
_MAX_INT_BITS = 1900  # shorter than any `LongInteger`

Outline = tuple[Hashable, tuple[float, ...]]
"""What is not a number, which two elements must have in common to be equal, and the finite numbers, in order."""


@dataclass(frozen=True, slots=True)
class Elements:
    """How the elements of a kind of list are compared.

    Attributes:
        key: equal for an expected element without floats and an element that is equal to it.
        has_floats: whether an expected element has numbers that are compared within a tolerance.
        outline: see `Outline`.
        same: whether an element equals an expected one.
    """

    key: Callable[[Any], Hashable]
    has_floats: Callable[[Any], bool]
    outline: Callable[[Any], Outline]
    same: Callable[[Any, Any], bool]

    def match(self, written: Sequence[Any], expected: Sequence[Any]) -> bool:
        """Whether some order of the elements equals the expected ones."""
        if len(written) != len(expected):
            return False
        counts = Counter(map(self.key, written))
        counts.subtract(self.key(element) for element in expected if not self.has_floats(element))
        if any(count < 0 for count in counts.values()):
            return False
        groups: dict[Hashable, tuple[list[Any], list[Any]]] = defaultdict(lambda: ([], []))
        for element in written:
            if counts[key := self.key(element)]:
                counts[key] -= 1
                self._add(groups, 0, element)
        for element in filter(self.has_floats, expected):
            self._add(groups, 1, element)
        steps = iter(range(MAX_STEPS))
        return all(self._match_group(*group, steps) for group in groups.values())

    def _add(self, groups: dict[Hashable, tuple[list[Any], list[Any]]], side: int, element: Any) -> None:
        shape, numbers = self.outline(element)
        groups[shape][side].append((numbers, element))

    def _match_group(self, written: list[_Placed], expected: list[_Placed], steps: Iterator[int]) -> bool:
        """Match elements of one shape."""
        groups = [(written, expected)]
        for position in range(len(written[0][0]) if written else 0):
            groups = [part for group in groups for part in _divided(*group, position)]
        if any(len(mine) != len(theirs) for mine, theirs in groups):
            return False
        return all(_Matching(self, *group, steps).complete() for group in groups)


_Placed = tuple[tuple[float, ...], Any]
"""An element with its numbers."""


def _divided(
    written: list[_Placed], expected: list[_Placed], position: int
) -> list[tuple[list[_Placed], list[_Placed]]]:
    """Divide elements at the gaps between their numbers at a position."""
    both = [(element[0][position], side, element) for side, part in enumerate((written, expected)) for element in part]
    both.sort(key=lambda item: item[0])
    parts: list[tuple[list[_Placed], list[_Placed]]] = []
    previous = -math.inf
    for number, side, element in both:
        if not parts or number - previous > _GAP * max(1.0, abs(number), abs(previous)):
            parts.append(([], []))
        parts[-1][side].append(element)
        previous = number
    return parts


class _Matching:
    """A matching of written with equally many expected elements; expected ones with the same key are one node."""

    def __init__(
        self, elements: Elements, written: list[_Placed], expected: list[_Placed], steps: Iterator[int]
    ) -> None:
        self._same, self._steps = elements.same, steps
        self._written = [element for _, element in sorted(written, key=_numbers)]
        in_order = [element for _, element in sorted(expected, key=_numbers)]
        numbered: dict[Hashable, int] = {}
        self._nodes = [numbered.setdefault(elements.key(element), len(numbered)) for element in in_order]
        self._expected = dict(zip(self._nodes, in_order, strict=True))
        self._capacity = Counter(self._nodes)
        self._matched: dict[int, set[int]] = {node: set() for node in self._expected}
        self._partner: dict[int, int] = {}

    def complete(self) -> bool:
        """Whether every element finds a partner."""
        for index, node in enumerate(self._nodes):
            if self._same(self._written[index], self._expected[node]):
                self._matched[node].add(index)
                self._partner[index] = node
        return all(self._augment(index) for index in range(len(self._written)) if index not in self._partner)

    def _augment(self, start: int) -> bool:
        """Find a partner for one more element along an augmenting path, breadth first."""
        came_from: dict[int, int] = {}
        queue = deque([start])
        while queue:
            index = queue.popleft()
            for node in self._expected.keys() - came_from.keys():
                if next(self._steps, None) is None:
                    return False
                if not self._same(self._written[index], self._expected[node]):
                    continue
                came_from[node] = index
                if len(self._matched[node]) < self._capacity[node]:
                    self._shift(node, came_from)
                    return True
                queue.extend(self._matched[node])
        return False

    def _shift(self, node: int | None, came_from: dict[int, int]) -> None:
        """Give a node with room to the element that reached it, that one's node to the one before, and so on."""
        while node is not None:
            index = came_from[node]
            previous = self._partner.get(index)
            self._partner[index] = node
            self._matched[node].add(index)
            if previous is not None:
                self._matched[previous].discard(index)
            node = previous


def _numbers(placed: _Placed) -> tuple[float, ...]:
    return placed[0]


def line_has_floats(tokens: Sequence[str]) -> bool:
    """Whether a line has a number that is not an integer."""
    return any(number_tokens.finite(token) is not None and not number_tokens.INTEGER.match(token) for token in tokens)


def line_outline(tokens: Sequence[str]) -> Outline:
    """The outline of a line."""
    numbers = [number_tokens.finite(token) for token in tokens]
    shape = tuple(token if number is None else None for token, number in zip(tokens, numbers, strict=True))
    return shape, tuple(number for number in numbers if number is not None)


def value_key(value: Any) -> Hashable:
    """The key of a JSON value: equal numbers have equal keys, whatever their types."""
    if isinstance(value, list):
        return ("list", *map(value_key, value))
    if isinstance(value, dict):
        return "dict", frozenset((name, value_key(item)) for name, item in value.items())
    if isinstance(value, LongInteger):
        return "long", value.digits
    if isinstance(value, int) and value.bit_length() > _MAX_INT_BITS:
        return "long", decimal(value)
    return value  # type: ignore[no-any-return] # JSON has no other values


def value_has_floats(value: Any) -> bool:
    """Whether a JSON value has a float at any depth."""
    if isinstance(value, (list, dict)):
        return any(map(value_has_floats, value.values() if isinstance(value, dict) else value))
    return isinstance(value, float)


def value_outline(value: Any) -> Outline:
    """The outline of a JSON value."""
    if isinstance(value, list):
        return _joined("list", map(value_outline, value))
    if isinstance(value, dict):
        names = sorted(value)
        return _joined(("dict", *names), (value_outline(value[name]) for name in names))
    if isinstance(value, (int, float)):
        try:
            number = float(value)
        except OverflowError:
            return ("long",), ()
        return (float, (number,)) if math.isfinite(number) else ((str(number),), ())
    return (("long",), ()) if isinstance(value, LongInteger) else (value, ())


def _joined(name: Hashable, outlines: Iterable[Outline]) -> Outline:
    shapes: list[Hashable] = [name]
    numbers: list[float] = []
    for shape, part in outlines:
        shapes.append(shape)
        numbers += part
    return tuple(shapes), tuple(numbers)
