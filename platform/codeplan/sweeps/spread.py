"""A number of one point over its seeds, and beside it the interval over problems."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from codeplan.evaluation.estimators import Estimate
from codeplan.evaluation.over_seeds import SeedsEstimate, t_interval


@dataclass(frozen=True, slots=True)
class Spread:
    """A number of one point, once per seed.

    Two things make it uncertain, and neither contains the other. The **seeds**: training and sampling again gives
    another number. The **problems**: other problems of the same kind give another number.

    Attributes:
        values: by repeat, in order; finite numbers only.
        problems: the mean over seeds with its 95 % interval over problems; None for a number that is not a fraction of
            problems, or whose report is gone.
        both: the difference between two arms with its intervals over problems, over seeds, and over both together; None
            for any other number, for one seed, and where the rates by problem are gone.
    """

    values: Mapping[int, float] = field(default_factory=dict)
    problems: Estimate | None = None
    both: SeedsEstimate | None = None

    @property
    def n(self) -> int:
        """Seeds that have the number."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """Mean over seeds; raises ValueError where no seed has the number."""
        if not self.values:
            raise ValueError("there is no mean of no values")
        # Rounding must not move the mean out of the range.
        return min(self.high, max(self.low, math.fsum(self.values.values()) / self.n))

    @property
    def low(self) -> float:
        """The smallest value over seeds."""
        return min(self.values.values())

    @property
    def high(self) -> float:
        """The largest value over seeds."""
        return max(self.values.values())

    @property
    def deviation(self) -> float | None:
        """Standard deviation over seeds, with n - 1; None for fewer than two seeds."""
        if self.n < 2:
            return None
        mean = self.mean
        return math.sqrt(math.fsum((value - mean) ** 2 for value in self.values.values()) / (self.n - 1))

    @property
    def interval(self) -> tuple[float, float] | None:
        """Student's 95 % t interval of the mean over seeds; None for fewer than two seeds."""
        return t_interval(list(self.values.values()))

    @property
    def widest(self) -> tuple[float, float] | None:
        """The interval over seeds and problems that a difference is concluded from; see `SeedsEstimate.widest`."""
        return (self.both.widest.low, self.both.widest.high) if self.both else None

    def plain(self) -> dict[str, Any]:
        """All of it as JSON data."""
        if not self.values:
            return {"n": 0}
        problems = self.problems
        return {
            "n": self.n,
            "mean": self.mean,
            "min": self.low,
            "max": self.high,
            "deviation": self.deviation,
            "seeds_interval": self.interval,
            "problems_interval": (problems.low, problems.high) if problems else None,
            "seeds_and_problems_interval": self.widest,
            "problems": problems.n if problems else None,
            "by_repeat": {str(repeat): value for repeat, value in self.values.items()},
        }
