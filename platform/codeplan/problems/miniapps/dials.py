"""The dials of MiniAPPS beside ``inversion``: what its questions leave open, and what is held out for the test."""

from __future__ import annotations

from dataclasses import dataclass, replace

from codeplan.problems.miniapps.compose import HeldOut, Kinds


@dataclass(frozen=True)
class Dials:
    """What questions leave open, and what is held out; the defaults give the problems of version 1.

    Attributes:
        vague: the probability, per step, that the question names it by its aim only.
        goal: the probability that the question names no step, only what comes out and in how many steps.
        show_examples: whether the question shows its example tests.
        held_out: what train and test do not share; see `codeplan.problems.miniapps.compose`.
    """

    vague: float = 0.0
    goal: float = 0.0
    show_examples: bool = True
    held_out: Kinds = "compositions"

    def of_kind(self, held_out: HeldOut) -> Dials:
        """The same with test problems of one kind."""
        return replace(self, held_out=held_out)

    @property
    def leaves_open(self) -> bool:
        """Whether there can be questions that leave steps open."""
        return self.vague > 0 or self.goal > 0
