"""The Pareto front: what nothing else beats."""

from __future__ import annotations

from collections.abc import Sequence


def front(rows: Sequence[Sequence[float]]) -> list[int]:
    """Indices of the rows that no other row dominates: is no larger in every column and smaller in one.

    Equal rows do not dominate one another, so that either both are on the front or neither is.
    """
    return [index for index, row in enumerate(rows) if not any(_dominates(other, row) for other in rows)]


def _dominates(left: Sequence[float], right: Sequence[float]) -> bool:
    pairs = list(zip(left, right, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
