"""What a report holds: plain numbers, ready for tables, figures and the tracking server."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter

from codeplan.evaluation.arms import ArmName
from codeplan.evaluation.estimators import Estimate
from codeplan.evaluation.plan_quality import PlanQuality

ALL = "all"
"""The row over all levels."""

_LEVELS = ("introductory", "interview", "competition")


@dataclass(frozen=True, slots=True)
class ArmRow:
    """The share of a level's problems that an arm solves with one answer each: pass@1, at the largest plan count."""

    arm: ArmName
    level: str
    solved: Estimate


@dataclass(frozen=True, slots=True)
class PassAtKRow:
    """pass@k of the programs sampled without plans: an answer is any of k programs."""

    k: int
    level: str
    solved: Estimate


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What an arm solves of all problems with ``plans`` plans, or without plans for the same ``sequences``."""

    arm: ArmName
    plans: int
    sequences: int
    solved: Estimate


@dataclass(frozen=True, slots=True)
class Comparison:
    """The mean difference ``left - right`` over the problems that both arms answer, with a paired interval.

    Attributes:
        left: the arm that is compared.
        right: the arm that it is compared with.
        plans: the plan count.
        difference: the mean, -1 to 1, and its interval.
        differing: how many of the problems tell the two arms apart.
    """

    left: ArmName
    right: ArmName
    plans: int
    difference: Estimate
    differing: int


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that one evaluation found.

    Attributes:
        problems: how many problems; the denominator of all rows but the oracle's.
        plans: the largest plan count.
        trials: trial programs a plan.
        sequences: sequences generated for one answer with that many plans, and programs given to the control.
        teachers: who wrote the plans that the student learned from, and the oracle's.
        rows: by arm and level, ``all`` last; a level without problems for an arm has no row.
        pass_at_k: by k and level.
        curve: by arm and plan count.
        comparisons: by pair of arms and plan count.
        outcomes: by arm, the share of its problems by how its answer ends, most frequent outcome first.
        quality: what the plans themselves are worth.
        conclusions: what the comparisons say, in words.
        notes: what a reader must know to judge the numbers.
    """

    problems: int
    plans: int
    trials: int
    sequences: int
    teachers: tuple[str, ...]
    rows: tuple[ArmRow, ...]
    pass_at_k: tuple[PassAtKRow, ...]
    curve: tuple[CurvePoint, ...]
    comparisons: tuple[Comparison, ...]
    outcomes: Mapping[ArmName, Mapping[str, float]]
    quality: PlanQuality
    conclusions: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def levels(self) -> list[str]:
        """The levels in the order of reading, ``all`` last."""
        return list(dict.fromkeys(row.level for row in self.rows))

    @property
    def arms(self) -> list[ArmName]:
        """The arms in the order of reading."""
        return list(dict.fromkeys(row.arm for row in self.rows))

    def row(self, arm: ArmName, level: str = ALL) -> Estimate | None:
        """What an arm solves of a level, or None where it has no problem there."""
        return next((row.solved for row in self.rows if (row.arm, row.level) == (arm, level)), None)

    def to_json(self) -> str:
        """The whole report as JSON text; the same report gives the same text."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Read a report that `to_json` wrote; raises pydantic.ValidationError, which names what does not fit."""
        return TypeAdapter(cls).validate_json(text)

    def metrics(self) -> dict[str, float]:
        """The numbers worth comparing between runs, by names like ``pass_at_1.codeplan.all``."""
        named = {f"pass_at_1.{row.arm}.{row.level}": row.solved.mean for row in self.rows}
        named |= {f"pass_at_{row.k}.sampled.{row.level}": row.solved.mean for row in self.pass_at_k}
        named |= {f"gain.{each.left}-{each.right}": each.difference.mean for each in self.comparisons_at(self.plans)}
        quality = {f"plan_quality.{name}": value for name, value in asdict(self.quality).items() if value is not None}
        return named | quality

    def comparisons_at(self, plans: int) -> list[Comparison]:
        """The comparisons with this many plans."""
        return [each for each in self.comparisons if each.plans == plans]


def level_title(level: str) -> str:
    """A level as tables and figures show it: on one line, and never empty."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in level).split()) or "(no level)"


def ordered_levels(levels: Iterable[str]) -> list[str]:
    """Each level once: those of APPS from easy to hard, then the others by name."""
    found = set(levels)
    return [level for level in _LEVELS if level in found] + sorted(found - set(_LEVELS))
