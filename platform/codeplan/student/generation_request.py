"""Requests to a student at inference and its generations; imports no PyTorch, so that callers need none."""

from __future__ import annotations

from dataclasses import dataclass

from codeplan.config import Task
from codeplan.records import Problem


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One sequence to generate.

    Attributes:
        problem: the problem in the prompt.
        task: which of the student's tasks; see `codeplan.student.tasks`.
        plan: the plan in the prompt; only ``plan_code`` has one.
        rng_key: names this sequence's random numbers, for example ``seed/problem/trial/3/0``: equal keys give equal
            samples, whatever else is in the batch.
        greedy: take the argmax token each time, and use no random numbers.
    """

    problem: Problem
    task: Task
    rng_key: str
    plan: str = ""
    greedy: bool = False


@dataclass(frozen=True, slots=True)
class Generation:
    """One generated sequence.

    Attributes:
        text: the generated text, without special tokens; empty where the request was dropped.
        tokens: how many tokens, the EOS token included.
        finished: whether the EOS token came before the length limit.
        dropped: why nothing was generated (the plan or the starter code is too long for a prompt); else empty.
    """

    text: str
    tokens: int
    finished: bool
    dropped: str = ""
