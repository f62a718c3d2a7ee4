"""A smoke test of a student on one small prompt: is its loss finite, can it generate, is a causal model causal?"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from codeplan.records import Problem
from codeplan.student.batches import collate
from codeplan.student.decoding import decode
from codeplan.student.errors import StudentError, library_errors
from codeplan.student.examples import Example
from codeplan.student.model import Student
from codeplan.student.tasks import encode_source, encode_target

_PROBLEM = Problem(problem_id="smoke/test/0", dataset="smoke", split="test", level="test", question="Add one.")
_PROGRAM = "print(int(input()) + 1)"
_TOLERANCE = 3e-5
"""Fraction of the largest logit: causal models differ by rounding (1e-7), untrained encoders by more than 1e-4."""


def smoke_test(student: Student) -> list[str]:
    """What is wrong with a student's answers to one prompt, one line per fault; nothing is trained.

    The loss of one example must be finite, two tokens must be written, and a causal model must not see later tokens
    (an encoder-only model such as BERT does, and generates nonsense).
    """
    was_training = student.model.training
    student.model.eval()
    try:
        with library_errors("the student's model fails on a test prompt"), torch.no_grad():
            return _try(student)
    except StudentError as error:
        return [str(error)]
    finally:
        student.model.train(was_training)


def _try(student: Student) -> list[str]:
    broken = sum(not bool(torch.isfinite(weights).all()) for weights in student.model.parameters())
    if broken:
        return [f"{broken} of the student's weight tensors contain NaN or infinity; download its files again"]
    source = encode_source("code", _PROBLEM, "", student.tokenizer, student.limits).ids
    target = encode_target(_PROGRAM, student.tokenizer, student.limits).ids
    example = Example(np.asarray(source, dtype=np.int32), np.asarray(target, dtype=np.int32))
    student.use("code")
    batch = collate([example], student)
    labels = batch.pop("labels")
    logits = student.model(**batch).logits
    chosen = labels[labels >= 0]
    loss = torch.nn.functional.cross_entropy(logits[labels >= 0].float(), chosen)
    if not bool(torch.isfinite(loss)):
        return ["the student's loss on a test prompt is not finite; its weights are damaged"]
    if not student.seq2seq and _sees_later_tokens(student, batch):
        kind = student.model.config.model_type
        what = f"the student's model ({kind}) attends to later tokens, as encoders do, and cannot generate text"
        return [f"{what}; choose another"]
    short = dataclasses.replace(student, limits=dataclasses.replace(student.limits, target=2))
    decode(short, [source], [0], lambda given, _rows, _position: given.argmax(dim=-1))
    return []


def _sees_later_tokens(student: Student, batch: dict[str, torch.Tensor]) -> bool:
    """Whether the logits at earlier positions change when the last token does."""
    ids = batch["input_ids"]
    other = ids.clone()
    other[0, -1] = ids[0, 0] if int(ids[0, -1]) != int(ids[0, 0]) else ids[0, 1]
    rows = {"input_ids": torch.cat([ids, other]), "attention_mask": torch.cat([batch["attention_mask"]] * 2)}
    first, second = student.model(**rows).logits[:, :-1].float()
    return bool((first - second).abs().max() > _TOLERANCE * first.abs().max())
