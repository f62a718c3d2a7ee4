"""From examples to padded tensors, for seq2seq and causal models."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import numpy as np
import torch

from codeplan.student.examples import Example
from codeplan.student.model import Student
from codeplan.student.padding import padded

IGNORED = -100
"""Label of a position that has no loss: padding and, in causal models, the prompt."""


def collate(examples: Sequence[Example], student: Student) -> dict[str, torch.Tensor]:
    """What the model's forward takes, and ``labels`` to compare its logits with.

    Returns:
        Seq2seq: ``input_ids`` and ``attention_mask`` [batch, longest prompt], ``decoder_input_ids``,
        ``decoder_attention_mask`` and ``labels`` [batch, longest target]; the logits at a position predict its label.
        Causal: ``input_ids`` and ``attention_mask`` [batch, longest prompt and target], and ``labels``, shifted by one
        position, so that here, too, the logits at a position predict its label. Where the model can leave logits out,
        ``logits_to_keep`` [kept] has the positions at which any example has a label, and ``labels`` is [batch, kept]:
        with a large vocabulary, the logits of prompts are most of a small model's work.
    """
    pad = student.tokenizer.pad_token_id
    if student.seq2seq:
        input_ids, attention_mask = padded([example.source for example in examples], pad)
        labels, target_mask = padded([example.target for example in examples], IGNORED)
        return {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "decoder_input_ids": student.model.prepare_decoder_input_ids_from_labels(labels=labels),
            "decoder_attention_mask": target_mask,
            "labels": labels,
        }
    whole = [np.concatenate([example.source, example.target]) for example in examples]
    input_ids, attention_mask = padded(whole, pad)
    labels, _ = padded([_next_tokens(example) for example in examples], IGNORED)
    batch = {"input_ids": input_ids, "attention_mask": attention_mask}
    if "logits_to_keep" not in inspect.signature(student.model.forward).parameters:
        return {**batch, "labels": labels}
    kept = (labels != IGNORED).any(dim=0).nonzero().squeeze(1)
    return {**batch, "labels": labels[:, kept], "logits_to_keep": kept}


def _next_tokens(example: Example) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    labels = np.full(len(example.source) + len(example.target), IGNORED, dtype=np.int32)
    labels[len(example.source) - 1 : -1] = example.target
    return labels
