"""Rows of different lengths as one tensor: the only padding, for training and for generation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray


def padded(
    rows: Sequence[Sequence[int] | NDArray[np.int32]], fill: int, *, left: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Values and mask [rows, longest row], both int64 on the CPU.

    Args:
        rows: the values; at least one row.
        fill: the value of positions that no row has.
        left: pad before the row, not after it.

    Returns:
        The values, and a mask that is 1 on a row's own positions and 0 on padding.
    """
    longest = max(len(row) for row in rows)
    values = np.full((len(rows), longest), fill, dtype=np.int64)
    mask = np.zeros((len(rows), longest), dtype=np.int64)
    for number, row in enumerate(rows):
        positions = slice(longest - len(row), longest) if left else slice(0, len(row))
        values[number, positions] = row
        mask[number, positions] = 1
    return torch.from_numpy(values), torch.from_numpy(mask)
