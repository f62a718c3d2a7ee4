"""From examples to padded tensors, for models with an encoder and for models of one sequence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from codeplan.student.examples import Example
from codeplan.student.model import Student

IGNORED = -100
"""Label of a place that no loss is taken from: padding, and the prompt in models of one sequence."""


def collate(examples: Sequence[Example], student: Student) -> dict[str, torch.Tensor]:
    """What the model's forward takes, and ``labels`` to compare its logits with.

    Returns:
        Seq2seq: ``input_ids`` and ``attention_mask`` [batch, longest prompt], ``decoder_input_ids``,
        ``decoder_attention_mask`` and ``labels`` [batch, longest target]; the logits of a place predict its label.
        Causal: ``input_ids``, ``attention_mask`` and ``labels`` [batch, longest prompt and target]; labels stand one
        place before their token, so that here, too, the logits of a place predict its label.
    """
    pad = student.tokenizer.pad_token_id
    if student.seq2seq:
        labels = _padded([each.target for each in examples], IGNORED)
        return {
            "input_ids": _padded([each.source for each in examples], pad),
            "attention_mask": _mask([len(each.source) for each in examples]),
            "decoder_input_ids": student.model.prepare_decoder_input_ids_from_labels(labels=labels),
            "decoder_attention_mask": _mask([len(each.target) for each in examples]),
            "labels": labels,
        }
    whole = [np.concatenate([each.source, each.target]) for each in examples]
    labels = _padded([_next_tokens(each) for each in examples], IGNORED)
    return {"input_ids": _padded(whole, pad), "attention_mask": _mask([len(row) for row in whole]), "labels": labels}


def _next_tokens(example: Example) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    labels = np.full(len(example.source) + len(example.target), IGNORED, dtype=np.int32)
    labels[len(example.source) - 1 : -1] = example.target
    return labels


def _padded(rows: Sequence[np.ndarray[tuple[int], np.dtype[np.int32]]], fill: int) -> torch.Tensor:
    padded = np.full((len(rows), max(len(row) for row in rows)), fill, dtype=np.int64)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = row
    return torch.from_numpy(padded)


def _mask(lengths: Sequence[int]) -> torch.Tensor:
    return (torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(-1)).long()
