"""Other students, trained for comparison with the one that learns from plans."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from codeplan.config.base import Settings

CodeOnly = Literal["steps", "examples"]
CODE_ONLY: tuple[CodeOnly, ...] = ("steps", "examples")


class BaselinesConfig(Settings):
    """Other students, trained for comparison with the one that learns from plans."""

    code_only: tuple[CodeOnly, ...] = ()
    """Also train students on the code task alone, as in conventional fine-tuning. ``steps``: for ``training.steps``;
    ``examples``: for as many steps as the code task has in ``training.mixing``, so on as many examples of code. Each
    gets a greedy program, and programs for an equal-budget control of its own."""

    @field_validator("code_only")
    @classmethod
    def _each_once(cls, kinds: tuple[CodeOnly, ...]) -> tuple[CodeOnly, ...]:
        if len(set(kinds)) < len(kinds):
            raise ValueError(f"{', '.join(kinds)} names one of them twice")
        return kinds
