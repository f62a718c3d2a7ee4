"""Which token a row takes next: greedily, or by a random stream of the row's own.

A row's randomness comes from its stream's name and the token's position, and from nothing else. So a sample does not
depend on the rows beside it, their order, the batch size or the worker (up to the rounding of the model's own sums).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray


class Picker:
    """Picks the next token of each row.

    Args:
        streams: name of each row's random stream.
        greedy: which rows take the likeliest token instead.
        length: the most tokens a row can take.
        temperature: logits are divided by it.
        top_p: tokens are drawn from the smallest set whose probability reaches it.
    """

    def __init__(
        self, streams: Sequence[str], greedy: Sequence[bool], length: int, temperature: float, top_p: float
    ) -> None:
        self._greedy = torch.tensor(list(greedy), dtype=torch.bool)
        rows = zip(streams, greedy, strict=True)
        self._uniforms = torch.from_numpy(
            np.stack([np.zeros(length) if plain else uniforms(name, length) for name, plain in rows])
        )
        self._temperature = temperature
        self._top_p = top_p

    def pick(self, logits: torch.Tensor, rows: torch.Tensor, position: int) -> torch.Tensor:
        """The next token of some rows.

        Args:
            logits: [rows, vocabulary].
            rows: [rows] the rows' numbers, on the processor.
            position: how many tokens each of them has.

        Returns:
            Token ids [rows].
        """
        likeliest = logits.argmax(dim=-1)
        plain = self._greedy[rows]
        if bool(plain.all()):
            return likeliest
        drawn = draw(logits, self._uniforms[rows, position].to(logits.device), self._temperature, self._top_p)
        return torch.where(plain.to(logits.device), likeliest, drawn)


def draw(logits: torch.Tensor, uniforms: torch.Tensor, temperature: float, top_p: float) -> torch.Tensor:
    """Draw a token of each row by the inverse of its cumulative distribution, likeliest tokens first.

    Nucleus sampling as in Holtzman et al. (The Curious Case of Neural Text Degeneration, 2020).

    Args:
        logits: [rows, vocabulary].
        uniforms: [rows] in [0, 1).
        temperature: logits are divided by it.
        top_p: the least probability that the kept tokens reach together.
    """
    probabilities, order = torch.softmax(logits.float() / temperature, dim=-1).sort(
        dim=-1, descending=True, stable=True
    )
    cumulative = probabilities.double().cumsum(dim=-1)
    kept = (cumulative < top_p).sum(dim=-1, keepdim=True).clamp_(max=logits.shape[-1] - 1)
    target = uniforms.unsqueeze(-1) * cumulative.gather(-1, kept)
    place = torch.searchsorted(cumulative, target, right=True).minimum(kept)
    return order.gather(-1, place).squeeze(-1)


def uniforms(stream: str, count: int) -> NDArray[np.float64]:
    """The first ``count`` numbers in [0, 1) of a named stream, 53 random bits each."""
    key = hashlib.blake2b(stream.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    raw = np.random.Philox(key=np.frombuffer(key, dtype="<u8").astype(np.uint64)).random_raw(count)
    return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53
