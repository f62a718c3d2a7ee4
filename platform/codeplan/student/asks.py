"""What is asked of a student at inference, and what it answers; light, so that callers need no torch."""

from __future__ import annotations

from dataclasses import dataclass

from codeplan.config import Task
from codeplan.records import Problem


@dataclass(frozen=True, slots=True)
class Ask:
    """One sequence to generate.

    Attributes:
        problem: what it is about.
        task: which of the student's tasks; see `codeplan.student.tasks`.
        plan: the plan in the prompt; only ``plan_code`` has one.
        stream: names the random numbers of this sequence, for example ``seed/problem/trial/3/0``: equal streams give
            equal samples, whatever else is in the batch.
        greedy: take the likeliest token each time, and no random number.
    """

    problem: Problem
    task: Task
    stream: str
    plan: str = ""
    greedy: bool = False


@dataclass(frozen=True, slots=True)
class Generation:
    """One generated sequence.

    Attributes:
        text: what was written, without special tokens; empty where nothing could be asked.
        tokens: how many tokens, the end marker included.
        finished: whether the end marker came before the length limit.
        lost: why nothing was asked (the plan or the starter code is too long for a prompt); empty where it was.
    """

    text: str
    tokens: int
    finished: bool
    lost: str = ""
