"""The mutants of a chain, as in mutation testing, and the outputs of a chain and its mutants on one input."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

from codeplan.problems.miniapps.operations import BoundOperation, Chain, is_well_typed

InputValue = tuple[int | str, ...]
Node = tuple[int, Callable[[Any, Any], Any], Any]
"""A node of a `ChainTree`: its parent, its function and the function's parameter."""
_MAX_NUMBER = 10**9
_ROOT = 0
_NOT_KNOWN = object()


def mutants_of(chain: Chain) -> list[Chain]:
    """The chains one misreading away: an operation left out, two neighbours swapped, the whole order reversed."""
    mutants = [chain[:at] + chain[at + 1 :] for at in range(len(chain))]
    mutants += [(*chain[:at], chain[at + 1], chain[at], *chain[at + 2 :]) for at in range(len(chain) - 1)]
    mutants.append(chain[::-1])
    input_type = chain[0].operation.input_type
    usable = (mutant for mutant in dict.fromkeys(mutants) if mutant != chain and is_well_typed(mutant))
    return [mutant for mutant in usable if not mutant or mutant[0].operation.input_type == input_type]


class ChainTree:
    """A chain and its mutants as one tree: what they have in common at their start is worked out once per input."""

    def __init__(self, chain: Chain, mutants: Sequence[Chain]) -> None:
        self.has_numbers = chain[-1].operation.output_type in ("numbers", "number")
        self.nodes: list[Node] = [(_ROOT, lambda value, _: value, None)]
        self._known: dict[tuple[int, BoundOperation], int] = {}
        self.chain = self._path(chain)
        self.mutants = [self._path(mutant) for mutant in mutants]

    def _path(self, chain: Chain) -> tuple[int, ...]:
        path = [_ROOT]
        for bound in chain:
            node = self._known.setdefault((path[-1], bound), len(self.nodes))
            if node == len(self.nodes):
                self.nodes.append((path[-1], bound.operation.function, bound.parameter))
            path.append(node)
        return tuple(path)


class Run:
    """What a chain and its mutants make of one input, each worked out when it is first asked for.

    Attributes:
        input: the input.
        output: the chain's output; None where it has none that a test could expect: it is not defined, or too large.
    """

    def __init__(self, tree: ChainTree, value: InputValue) -> None:
        self.input = value
        self._tree = tree
        self._values: list[Any] = [list(value), *[_NOT_KNOWN] * (len(tree.nodes) - 1)]
        output = self._result(tree.chain)
        self.output = None if tree.has_numbers and _is_too_large(output) else output

    def kills(self, mutant: int) -> bool:
        """Whether the mutant, by its index, has another output."""
        return bool(self._result(self._tree.mutants[mutant]) != self.output)

    @cached_property
    def killed(self) -> frozenset[int]:
        """The indices of the mutants that have another output."""
        self._work_out(range(len(self._values)))
        output, values = self.output, self._values
        return frozenset(at for at, path in enumerate(self._tree.mutants) if values[path[-1]] != output)

    def _result(self, path: tuple[int, ...]) -> Any:
        if self._values[path[-1]] is _NOT_KNOWN:
            self._work_out(path)
        return self._values[path[-1]]

    def _work_out(self, nodes: Iterable[int]) -> None:
        """Work out the values of nodes, each of which comes after its parent; None where one is not defined."""
        values, tree = self._values, self._tree.nodes
        for node in nodes:
            if values[node] is _NOT_KNOWN:
                parent, function, parameter = tree[node]
                before = values[parent]
                try:
                    values[node] = None if before is None else function(before, parameter)
                except (ValueError, IndexError):
                    values[node] = None


def _is_too_large(output: Any) -> bool:
    if isinstance(output, list):
        return any(number > _MAX_NUMBER or number < -_MAX_NUMBER for number in output)
    return output is not None and abs(output) > _MAX_NUMBER
