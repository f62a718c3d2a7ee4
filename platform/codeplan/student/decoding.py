"""The decoding loop: each prompt is prefilled once, and rows leave the batch when they are finished.

Hugging Face's ``generate`` prefills a prompt again for each of its samples and keeps finished rows until the longest
is finished. Here many rows may share a prompt, and the batch shrinks.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from transformers import DynamicCache, EncoderDecoderCache

from codeplan.student.kv_cache import growing_kv_cache
from codeplan.student.model import Student
from codeplan.student.padding import padded

NextTokens = Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor]
"""Next tokens [rows] from logits [rows, vocabulary], the rows' indices [rows] and the position."""

_SHRINK = 0.85
"""Finished rows leave the batch once at most this fraction of it is unfinished: shrinking copies the KV cache."""


class _Decoder(Protocol):
    def start(self) -> torch.Tensor:
        """Prefill the prompts; logits [prompts, vocabulary] of the first token."""
        ...

    def select(self, rows: torch.Tensor) -> None:
        """Keep these rows, in this order; a row may be repeated."""
        ...

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """Append a token to each row; logits [rows, vocabulary] of the next."""
        ...


def decode(
    student: Student, prompts: Sequence[Sequence[int]], owners: Sequence[int], next_tokens: NextTokens
) -> list[list[int]]:
    """Generate a sequence for each row.

    Args:
        student: its model must be in evaluation mode, with the right head in use.
        prompts: token ids of distinct prompts.
        owners: the index of each row's prompt.
        next_tokens: chooses the next tokens, greedily or by sampling.

    Returns:
        The tokens of each row; the last is the EOS token, unless the length limit came first.
    """
    device = next(student.model.parameters()).device
    written: list[list[int]] = [[] for _ in owners]
    with torch.inference_mode():
        decoder = _DECODERS[student.seq2seq](student, prompts, device)
        expansion = torch.tensor(list(owners), device=device)
        logits = decoder.start()[expansion]
        decoder.select(expansion)
        with _single_token_attention(student.model, device):
            _write(student, decoder, logits, next_tokens, written)
    return written


def _write(
    student: Student, decoder: _Decoder, logits: torch.Tensor, next_tokens: NextTokens, written: list[list[int]]
) -> None:
    eos, length = student.tokenizer.eos_token_id, student.limits.target
    live = torch.arange(len(written))
    for position in range(length):
        tokens = next_tokens(logits, live, position)
        unfinished = _append(written, live, tokens.tolist(), eos)
        if not unfinished or position + 1 == length:
            return
        if len(unfinished) <= _SHRINK * len(live):
            rows = torch.tensor(unfinished, device=tokens.device)
            decoder.select(rows)
            tokens, live = tokens[rows], live[unfinished]
        logits = decoder.step(tokens)


@contextmanager
def _single_token_attention(model: Any, device: torch.device) -> Iterator[None]:
    """Eager attention while decoding on a CPU: PyTorch's fused kernel takes twice as long for a single token."""
    usual = model.config._attn_implementation
    if device.type == "cpu":
        model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(usual)


def _append(written: list[list[int]], live: torch.Tensor, tokens: list[int], eos: int) -> list[int]:
    """Append each row's token unless it is finished; returns the positions, within ``live``, of the unfinished rows."""
    unfinished = []
    for position, (row, token) in enumerate(zip(live.tolist(), tokens, strict=True)):
        if written[row] and written[row][-1] == eos:
            continue
        written[row].append(token)
        if token != eos:
            unfinished.append(position)
    return unfinished


class _Seq2Seq:
    """Encoder and decoder: the encoder reads the prompt."""

    def __init__(self, student: Student, prompts: Sequence[Sequence[int]], device: torch.device) -> None:
        self._model = student.model
        ids, self._mask = (part.to(device) for part in padded(prompts, student.tokenizer.pad_token_id))
        self._hidden = self._model.get_encoder()(input_ids=ids, attention_mask=self._mask).last_hidden_state
        self._cache = EncoderDecoderCache(growing_kv_cache(), DynamicCache())

    def start(self) -> torch.Tensor:
        start = self._model.config.decoder_start_token_id
        return self.step(torch.full((len(self._hidden),), start, device=self._hidden.device))

    def select(self, rows: torch.Tensor) -> None:
        self._cache.batch_select_indices(rows)
        self._hidden, self._mask = self._hidden[rows], self._mask[rows]

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        output = self._model(
            encoder_outputs=(self._hidden,),
            attention_mask=self._mask,
            decoder_input_ids=tokens.unsqueeze(-1),
            past_key_values=self._cache,
            use_cache=True,
        )
        return output.logits[:, -1]  # type: ignore[no-any-return]  # transformers is untyped here


class _Causal:
    """One sequence: prompts are padded on the left, so that all rows append at the same position."""

    def __init__(self, student: Student, prompts: Sequence[Sequence[int]], device: torch.device) -> None:
        self._model = student.model
        pad = student.tokenizer.pad_token_id
        self._ids, self._mask = (part.to(device) for part in padded(prompts, pad, left=True))
        self._cache = growing_kv_cache()
        self._accepted = inspect.signature(self._model.forward).parameters

    def start(self) -> torch.Tensor:
        return self._forward(self._ids, (self._mask.cumsum(-1) - 1).clamp_(min=0))

    def select(self, rows: torch.Tensor) -> None:
        self._cache.batch_select_indices(rows)
        self._mask = self._mask[rows]

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], dim=-1)
        return self._forward(tokens.unsqueeze(-1), self._mask.sum(-1, keepdim=True) - 1)

    def _forward(self, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        # Not every architecture takes positions, or can skip the logits that are not needed.
        optional: dict[str, Any] = {"position_ids": positions, "logits_to_keep": 1}
        output = self._model(
            input_ids=ids,
            attention_mask=self._mask,
            past_key_values=self._cache,
            use_cache=True,
            **{key: value for key, value in optional.items() if key in self._accepted},
        )
        return output.logits[:, -1]  # type: ignore[no-any-return]  # transformers is untyped here


_DECODERS: dict[bool, Callable[[Student, Sequence[Sequence[int]], torch.device], _Decoder]] = {
    True: _Seq2Seq,
    False: _Causal,
}
