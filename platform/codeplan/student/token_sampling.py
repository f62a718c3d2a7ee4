"""Token sampling: the next token of each row, greedily or by random numbers of the row's own.

A row's randomness comes from its RNG key and the token's position alone. So a sample does not depend on the other rows
of the batch, their order, the batch size or the worker (up to rounding in the model's own sums).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from codeplan.randomness import uniforms


class TokenSampler:
    """Chooses the next token of each row.

    Args:
        rng_keys: each row's RNG key.
        greedy: which rows take the argmax token instead.
        length: the most tokens a row can take.
        temperature: logits are divided by it.
        top_p: tokens are sampled from the smallest set whose total probability reaches it.
    """

    def __init__(
        self, rng_keys: Sequence[str], greedy: Sequence[bool], length: int, temperature: float, top_p: float
    ) -> None:
        self._greedy = torch.tensor(list(greedy), dtype=torch.bool)
        rows = zip(rng_keys, greedy, strict=True)
        self._uniforms = torch.from_numpy(
            np.stack([np.zeros(length) if plain else uniforms(name, length) for name, plain in rows])
        )
        self._temperature = temperature
        self._top_p = top_p

    def next_tokens(self, logits: torch.Tensor, rows: torch.Tensor, position: int) -> torch.Tensor:
        """The next token of some rows.

        Args:
            logits: [rows, vocabulary].
            rows: [rows] the rows' indices, on the CPU.
            position: how many tokens each of them has.

        Returns:
            Token ids [rows].
        """
        argmax = logits.argmax(dim=-1)
        plain = self._greedy[rows]
        if bool(plain.all()):
            return argmax
        sampled = sample_tokens(
            logits, self._uniforms[rows, position].to(logits.device), self._temperature, self._top_p
        )
        return torch.where(plain.to(logits.device), argmax, sampled)


def sample_tokens(logits: torch.Tensor, uniforms: torch.Tensor, temperature: float, top_p: float) -> torch.Tensor:
    """Sample a token per row by inverting its cumulative distribution, most probable tokens first.

    Nucleus sampling as in Holtzman et al. (The Curious Case of Neural Text Degeneration, 2020).

    Args:
        logits: [rows, vocabulary].
        uniforms: [rows] in [0, 1).
        temperature: logits are divided by it.
        top_p: the total probability that the kept tokens reach at least.
    """
    probabilities, order = torch.softmax(logits.float() / temperature, dim=-1).sort(
        dim=-1, descending=True, stable=True
    )
    cumulative = probabilities.double().cumsum(dim=-1)
    kept = (cumulative < top_p).sum(dim=-1, keepdim=True).clamp_(max=logits.shape[-1] - 1)
    target = uniforms.unsqueeze(-1) * cumulative.gather(-1, kept)
    position = torch.searchsorted(cumulative, target, right=True).minimum(kept)
    return order.gather(-1, position).squeeze(-1)
