"""The decoding loop: prompts are read once each, and rows leave the batch when they are finished.

Hugging Face's ``generate`` reads a prompt again for each of its samples and carries finished rows to the end of the
longest one. Here many rows may share a prompt, and the batch shrinks.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from transformers import DynamicCache, EncoderDecoderCache

from codeplan.student.cache import growing_cache
from codeplan.student.model import Student

Pick = Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor]
"""Next tokens [rows] from logits [rows, vocabulary], the rows' numbers [rows] and the position."""

_SHRINK = 0.85
"""Rows are dropped once no more than this share of the batch goes on: dropping copies what the others remember."""


class _Decoder(Protocol):
    def start(self) -> torch.Tensor:
        """Read the prompts; logits [prompts, vocabulary] of the first token."""
        ...

    def select(self, rows: torch.Tensor) -> None:
        """Go on with these rows, in this order; a row may stand more than once."""
        ...

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """Append a token to each row; logits [rows, vocabulary] of the next."""
        ...


def decode(student: Student, prompts: Sequence[Sequence[int]], owners: Sequence[int], pick: Pick) -> list[list[int]]:
    """Generate a sequence for each row.

    Args:
        student: its model must be in evaluation mode, with the right head in use.
        prompts: token ids of distinct prompts.
        owners: for each row the number of its prompt.
        pick: chooses the next tokens.

    Returns:
        For each row its tokens; the last is the end marker, unless the length limit came first.
    """
    device = next(student.model.parameters()).device
    written: list[list[int]] = [[] for _ in owners]
    with torch.inference_mode():
        decoder = _DECODERS[student.seq2seq](student, prompts, device)
        expansion = torch.tensor(list(owners), device=device)
        logits = decoder.start()[expansion]
        decoder.select(expansion)
        with _single_token_attention(student.model, device):
            _write(student, decoder, logits, pick, written)
    return written


def _write(student: Student, decoder: _Decoder, logits: torch.Tensor, pick: Pick, written: list[list[int]]) -> None:
    eos, length = student.tokenizer.eos_token_id, student.limits.target
    live = torch.arange(len(written))
    for position in range(length):
        tokens = pick(logits, live, position)
        going = _append(written, live, tokens.tolist(), eos)
        if not going or position + 1 == length:
            return
        if len(going) <= _SHRINK * len(live):
            rows = torch.tensor(going, device=tokens.device)
            decoder.select(rows)
            tokens, live = tokens[rows], live[going]
        logits = decoder.step(tokens)


@contextmanager
def _single_token_attention(model: Any, device: torch.device) -> Iterator[None]:
    """Plain attention while rows are written on a processor: torch's fused kernel takes twice as long for one token."""
    usual = model.config._attn_implementation
    if device.type == "cpu":
        model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(usual)


def _append(written: list[list[int]], live: torch.Tensor, tokens: list[int], eos: int) -> list[int]:
    """Append each row's token unless it is finished; returns the places of the rows that go on."""
    going = []
    for place, (row, token) in enumerate(zip(live.tolist(), tokens, strict=True)):
        if written[row] and written[row][-1] == eos:
            continue
        written[row].append(token)
        if token != eos:
            going.append(place)
    return going


class _Seq2Seq:
    """Encoder and decoder: the prompt is read by the encoder."""

    def __init__(self, student: Student, prompts: Sequence[Sequence[int]], device: torch.device) -> None:
        self._model = student.model
        self._mask, ids = padded(prompts, student.tokenizer.pad_token_id, device, left=False)
        self._hidden = self._model.get_encoder()(input_ids=ids, attention_mask=self._mask).last_hidden_state
        self._cache = EncoderDecoderCache(growing_cache(), DynamicCache())

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
    """One sequence: prompts are padded on the left, so that all rows write at the same place."""

    def __init__(self, student: Student, prompts: Sequence[Sequence[int]], device: torch.device) -> None:
        self._model = student.model
        self._mask, self._ids = padded(prompts, student.tokenizer.pad_token_id, device, left=True)
        self._cache = growing_cache()
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
        # Not every architecture counts positions, or can leave out the logits that nobody reads.
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


def padded(
    rows: Sequence[Sequence[int]], pad: int, device: torch.device, *, left: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mask and ids [rows, longest row] of rows of different lengths; the mask is 1 on tokens and 0 on padding."""
    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), pad)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    for number, row in enumerate(rows):
        place = slice(longest - len(row), longest) if left else slice(0, len(row))
        ids[number, place] = torch.as_tensor(row)
        mask[number, place] = 1
    return mask.to(device), ids.to(device)
