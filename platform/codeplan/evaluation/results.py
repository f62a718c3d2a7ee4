"""The contents of a report: plain numbers for tables, figures and the tracking server."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

from pydantic import TypeAdapter

from codeplan.evaluation.arms import ArmName, Compared
from codeplan.evaluation.estimators import Estimate
from codeplan.evaluation.over_seeds import Ends, SeedsEstimate, t_interval
from codeplan.evaluation.plan_quality import PlanQuality

FILE = "report.json"
"""The file of a report's numbers, in its folder."""

ALL = "all"
"""Name of the row over all levels."""

_LEVELS = ("introductory", "interview", "competition")


@dataclass(frozen=True, slots=True)
class ArmRow:
    """The fraction of a level's problems that an arm solves with one answer: pass@1, at the largest plan count.

    Attributes:
        arm: the arm.
        level: the problems' level; in `Report.by_split` their split.
        solved: the mean over training seeds, with its interval over problems.
        by_seed: the fraction of each training seed, where there are several; else empty.
    """

    arm: ArmName
    level: str
    solved: Estimate
    by_seed: tuple[float, ...] = ()

    @property
    def over_seeds(self) -> Ends | None:
        """Student's 95 % t interval of the mean over training seeds, within 0 and 1; None for one seed."""
        found = t_interval(self.by_seed)
        return (max(0.0, found[0]), min(1.0, found[1])) if found else None

    @property
    def widest(self) -> Estimate:
        """The mean with an interval that spans that over problems and that over seeds."""
        low, high = self.over_seeds or (self.solved.low, self.solved.high)
        return replace(self.solved, low=min(low, self.solved.low), high=max(high, self.solved.high))


@dataclass(frozen=True, slots=True)
class PassAtKRow:
    """pass@k of the programs sampled without plans, or of those sampled from the chosen plan."""

    arm: Literal["sampled", "codeplan"]
    k: int
    level: str
    solved: Estimate


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The fraction of all problems that an arm solves with ``plans`` plans, or without plans at equal ``sequences``.

    Of plan after trial ``sequences`` is the mean over problems: it stops where a first program passes.
    """

    arm: ArmName
    plans: int
    sequences: float
    solved: Estimate


@dataclass(frozen=True, slots=True)
class Comparison:
    """The mean difference ``left - right`` over the problems that both arms answer, with a paired interval.

    Attributes:
        left: the arm that is compared.
        right: what it is compared with.
        plans: the plan count.
        difference: the mean, -1 to 1, and the interval to conclude from: that over problems for one training seed,
            `SeedsEstimate.widest` for several; degenerate where it is the same on every problem.
        differing: number of problems on which the two differ.
        p: p-value of the paired permutation test; None at smaller plan counts, where nothing is concluded.
        corrected: the same, corrected by Holm's method for all comparisons of the report that have one.
        over_seeds: the intervals over problems, over training seeds and over both; None for one seed.
    """

    left: ArmName
    right: Compared
    plans: int
    difference: Estimate
    differing: int
    p: float | None = None
    corrected: float | None = None
    over_seeds: SeedsEstimate | None = None


@dataclass(frozen=True, slots=True)
class RegretRow:
    """What choosing among programs by example tests leaves unsolved, at the largest plan count.

    Attributes:
        arm: the arm that chooses.
        level: the problems' level.
        programs: number of programs that it chooses from, per problem.
        available: fraction of problems that at least one of these programs solves.
        regret: ``available`` minus the fraction that the selected program solves.
    """

    arm: ArmName
    level: str
    programs: int
    available: Estimate
    regret: Estimate


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one evaluation.

    Attributes:
        problems: number of problems; the denominator of all rows but the oracle's.
        plans: the largest plan count.
        trials: trial programs per plan.
        sequences: sequences generated per answer with that many plans, and programs given to the control.
        teachers: the teachers that wrote the plans for training and for the oracle.
        rows: by arm and level, ``all`` last; a level without problems for an arm has no row.
        pass_at_k: by arm, k and level.
        curve: by arm and plan count.
        comparisons: by pair and plan count.
        regrets: by arm that chooses among programs, and level.
        outcomes: by arm, the fraction of its problems per outcome of the answer, most frequent outcome first.
        quality: quality of the plans.
        conclusions: the comparisons in sentences.
        notes: what a reader must know to judge the numbers.
        seeds: number of training seeds that every number is the mean of.
        by_split: as ``rows``, by split in place of the level; empty where the problems are of one split.
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
    regrets: tuple[RegretRow, ...]
    outcomes: Mapping[ArmName, Mapping[str, float]]
    quality: PlanQuality
    conclusions: tuple[str, ...]
    notes: tuple[str, ...]
    seeds: int = 1
    by_split: tuple[ArmRow, ...] = ()

    @property
    def levels(self) -> list[str]:
        """The levels in the order shown, ``all`` last."""
        return list(dict.fromkeys(row.level for row in self.rows))

    @property
    def arms(self) -> list[ArmName]:
        """The arms in the order shown."""
        return list(dict.fromkeys(row.arm for row in self.rows))

    def row(self, arm: ArmName, level: str = ALL) -> Estimate | None:
        """The fraction of a level's problems that an arm solves, or None where it has no problem there."""
        found = self.arm_row(arm, level)
        return found.solved if found is not None else None

    def arm_row(self, arm: ArmName, level: str = ALL) -> ArmRow | None:
        """The row of an arm and a level; None where the arm has no problem there."""
        return next((row for row in self.rows if (row.arm, row.level) == (arm, level)), None)

    def to_json(self) -> str:
        """The whole report as JSON text; the same report gives the same text."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Read a report that `to_json` wrote; raises pydantic.ValidationError, which names the invalid fields."""
        return TypeAdapter(cls).validate_json(text)

    def metrics(self) -> dict[str, float]:
        """The metrics to compare between runs, by names like ``pass_at_1.codeplan.all``."""
        named = {"problems": float(self.problems)}
        named |= {f"pass_at_1.{row.arm}.{row.level}": row.solved.mean for row in self.rows}
        named |= {f"pass_at_1.{row.arm}.split.{row.level}": row.solved.mean for row in self.by_split}
        named |= {f"pass_at_{row.k}.{row.arm}.{row.level}": row.solved.mean for row in self.pass_at_k}
        named |= {f"gain.{pair.left}-{pair.right}": pair.difference.mean for pair in self.comparisons_at(self.plans)}
        named |= {f"regret.{row.arm}.{row.level}": row.regret.mean for row in self.regrets}
        quality = {f"plan_quality.{name}": value for name, value in asdict(self.quality).items() if value is not None}
        seeds = {"seeds": float(self.seeds)} if self.seeds > 1 else {}
        return named | quality | seeds | {"sequences": float(self.sequences)}

    def curves(self) -> list[tuple[str, int, float]]:
        """Metrics whose step is a count, as (name, count, fraction solved).

        ``curve/ARM`` is over plan counts, with the arm direct, which has no plans, as a flat line; ``budget/ARM`` over
        the sequences generated per problem.
        """
        direct = self.row("direct")
        points = [(f"curve/{point.arm}", point.plans, point.solved.mean) for point in self.curve]
        points += [(f"budget/{point.arm}", round(point.sequences), point.solved.mean) for point in self.curve]
        if direct is not None:
            points += [("curve/direct", plans, direct.mean) for plans in sorted({point.plans for point in self.curve})]
        return points

    def comparisons_at(self, plans: int) -> list[Comparison]:
        """The comparisons with this many plans."""
        return [comparison for comparison in self.comparisons if comparison.plans == plans]


def level_title(level: str) -> str:
    """A level as tables and figures show it: on one line, and never empty."""
    return (
        " ".join("".join(character if character.isprintable() else " " for character in level).split()) or "(no level)"
    )


def ordered_levels(levels: Iterable[str]) -> list[str]:
    """The distinct levels: those of APPS from easy to hard, then the others by name."""
    found = set(levels)
    return [level for level in _LEVELS if level in found] + sorted(found - set(_LEVELS))
