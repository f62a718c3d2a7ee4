"""Two output heads on one model: programs keep the model's own head, plans get a copy of it that learns apart."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from codeplan.student.errors import StudentError
from codeplan.student.tasks import Head


class Heads(nn.Module):
    """Stands where a Hugging Face model has its output head, and answers with the head in use.

    Attributes:
        code: the model's own head, which may be tied to its input embeddings.
        plan: a head of its own, never tied.
        active: the head in use.
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
        # Workers of one step may be at different tasks. Every one of them must run every module, in one order, and have
        # a gradient for every parameter, or the collective operations of ZeRO do not meet.
        one_place = hidden[:1, :1]
        logits = {
            name: head(hidden if name == self.active else one_place) for name, head in self._modules_by_name().items()
        }
        idle = sum(each.sum() * 0.0 for name, each in logits.items() if name != self.active)
        return logits[self.active] + idle  # type: ignore[no-any-return]  # modules return Any

    def _modules_by_name(self) -> dict[Head, nn.Module]:
        return {"code": self.code, "plan": self.plan}


def attach_plan_head(model: Any) -> Heads:
    """Give a model a plan head, cloned from its output head.

    Raises:
        StudentError: the model shows no output head to clone.
    """
    head = model.get_output_embeddings()
    if head is None:
        raise StudentError(f"{type(model).__name__} shows no output head; set student.plan_head to shared")
    heads = Heads(head)
    model.set_output_embeddings(heads)
    return heads
