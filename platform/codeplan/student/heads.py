"""Two output heads on one model: programs keep the model's own head, plans get a copy of it that learns apart."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from codeplan.student.errors import StudentError
from codeplan.student.tasks import Head


class Heads(nn.Module):
    """Takes the place of a Hugging Face model's output head, and applies the active head.

    Attributes:
        code: the model's own head, which may be tied to its input embeddings.
        plan: a head of its own, never tied.
        active: the head that `forward` applies.
    """

    def __init__(self, code: nn.Module) -> None:
        super().__init__()
        self.code = code
        self.plan = copy.deepcopy(code)
        self.active: Head = "code"

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits [batch, length, vocabulary] from hidden states [batch, length, width]."""
        if not self.training:
            return self._modules_by_name()[self.active](hidden)  # type: ignore[no-any-return]  # modules return Any
        # Workers may train different tasks in one step. Each must run every module, in the same order, and have a
        # gradient for every parameter, or ZeRO's collective operations would not match.
        one_position = hidden[:1, :1]
        logits = {
            name: head(hidden if name == self.active else one_position)
            for name, head in self._modules_by_name().items()
        }
        idle = sum(values.sum() * 0.0 for name, values in logits.items() if name != self.active)
        return logits[self.active] + idle  # type: ignore[no-any-return]  # modules return Any

    def _modules_by_name(self) -> dict[Head, nn.Module]:
        return {"code": self.code, "plan": self.plan}


def attach_plan_head(model: Any) -> Heads:
    """Give a model a plan head, cloned from its output head.

    Raises:
        StudentError: the model has no output head to clone.
    """
    head = model.get_output_embeddings()
    if head is None:
        raise StudentError(f"{type(model).__name__} has no output head to clone; set student.plan_head to shared")
    heads = Heads(head)
    model.set_output_embeddings(heads)
    return heads
