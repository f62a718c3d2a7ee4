"""The intervals of a point's number over problems, and over seeds and problems, from the reports of its seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

from pydantic import TypeAdapter, ValidationError

from codeplan.config import ReportConfig
from codeplan.evaluation.arms import ArmName
from codeplan.evaluation.conclusions import PoolSizes, conclude_over_seeds
from codeplan.evaluation.estimators import Estimate, paired_difference, wilson
from codeplan.evaluation.over_seeds import SeedsEstimate, difference_over_seeds
from codeplan.evaluation.rates import Rates, RatesError, read
from codeplan.evaluation.results import FILE, Report
from codeplan.evaluation.wordings import WORDINGS
from codeplan.sweeps.spread import Spread
from codeplan.sweeps.trials import Trial

_PREFIX = "pass_at_1."
_BySeed = tuple[tuple[float, ...], ...]
_READER = TypeAdapter(Report)  # made once: it takes longer to make than a report to read


@dataclass(frozen=True)
class Judged:
    """What a trial's report has.

    Attributes:
        report: the estimates.
        rates: the solve rates by problem; None where they are gone or of another version.
    """

    report: Report
    rates: Rates | None


class Reports:
    """Reads the reports of trials, each folder once: trials that share a report share its numbers.

    Args:
        home: what their folders are relative to.
        by_problem: whether the rates by problem are needed, which only differences of arms do.
    """

    def __init__(self, home: Path, *, by_problem: bool) -> None:
        self._home = home
        self._by_problem = by_problem
        self._read: dict[str, Judged | None] = {}

    def of(self, trial: Trial) -> Judged | None:
        """A trial's report; None where it has none, or where it was removed or is of another version."""
        if trial.report not in self._read:
            self._read[trial.report] = self._load(self._home / trial.report) if trial.report else None
        return self._read[trial.report]

    def _load(self, folder: Path) -> Judged | None:
        try:
            report = _READER.validate_json((folder / FILE).read_bytes())
        except (FileNotFoundError, NotADirectoryError, ValidationError):
            return None
        try:
            return Judged(report, read(folder) if self._by_problem else None)
        except RatesError:
            return Judged(report, None)


def over_problems(
    metrics: Sequence[str], values: Mapping[int, float], judged: Mapping[int, Judged], bootstrap: ReportConfig
) -> Estimate | None:
    """The mean over seeds with its 95 % interval over problems: that of the per-problem mean over seeds.

    A fraction of problems has Wilson's interval, a difference of two arms the paired bootstrap over the problems that
    both have, each as in the report of a single seed. Wilson's interval needs no more than the mean and the number of
    problems. A difference of which some seed's rates by problem are gone has the mean of the seeds' intervals; the
    standard deviation of a mean is at most the mean of the standard deviations, so that it is wider rather than
    narrower.

    Args:
        metrics: one ``pass_at_1.<arm>.<level>``, or two whose difference the number is.
        values: the number by repeat.
        judged: the reports by repeat.
        bootstrap: resamples and seed.

    Returns:
        None where the number is not of this kind, a seed has no report, or the reports count different problems.
    """
    if not values or not set(values) <= set(judged) or not all(name.startswith(_PREFIX) for name in metrics):
        return None
    of_seeds = [judged[repeat] for repeat in values]
    arm, _, level = metrics[0].removeprefix(_PREFIX).partition(".")
    if len(metrics) == 1:
        mean = math.fsum(values.values()) / len(values)
        return _fraction(mean, [_row(found.report, arm, level) for found in of_seeds])
    other, _, _ = metrics[1].removeprefix(_PREFIX).partition(".")
    rates = [found.rates for found in of_seeds if found.rates]
    if len(rates) == len(of_seeds) and len({found.problem_ids for found in rates}) == 1:
        return _paired(cast(ArmName, arm), cast(ArmName, other), rates, bootstrap)
    return _averaged([_difference(found.report, arm, other) for found in of_seeds])


def over_seeds_and_problems(
    metrics: Sequence[str], values: Mapping[int, float], judged: Mapping[int, Judged], bootstrap: ReportConfig
) -> SeedsEstimate | None:
    """A difference between two arms with its intervals over problems, over seeds, and over both.

    Args:
        metrics: two of ``pass_at_1.<arm>.all``, whose difference the number is.
        values: the number by repeat.
        judged: the reports by repeat.
        bootstrap: resamples and seed.

    Returns:
        None where the number is not of this kind, there are fewer than two seeds, some seed's rates by problem are
        gone, or the seeds have different problems.
    """
    if len(metrics) != 2 or len(values) < 2 or not set(values) <= set(judged):
        return None
    rates = [found for repeat in values if (found := judged[repeat].rates)]
    if len(rates) < len(values) or len({found.problem_ids for found in rates}) > 1:
        return None
    names = [cast(ArmName, name.removeprefix(_PREFIX).partition(".")[0]) for name in metrics]
    sides = [[found.of(arm, found.plan_counts[-1]) for found in rates] for arm in names]
    answered = [index for index, rate in enumerate(zip(*sides[0], *sides[1], strict=True)) if None not in rate]
    if not answered:
        return None
    left, right = (
        tuple(tuple(cast(float, of_seed[index]) for index in answered) for of_seed in side) for side in sides
    )
    return _over_seeds(left, right, bootstrap.resamples, bootstrap.seed)


def conclusion(metrics: Sequence[str], spread: Spread, judged: Mapping[int, Judged]) -> str:
    """What a difference between two arms shows over several seeds, in a sentence; empty where nothing is to be said.

    Args:
        metrics: of the difference.
        spread: its numbers.
        judged: the reports by repeat.
    """
    if spread.both is None:
        return ""
    left, right = (cast(ArmName, name.removeprefix(_PREFIX).partition(".")[0]) for name in metrics)
    if (left, right) not in WORDINGS:
        return ""
    report = next(iter(judged.values())).report
    sizes = PoolSizes(report.plans * report.trials, report.sequences)
    return conclude_over_seeds(left, right, report.plans, spread.both, sizes)


def _fraction(mean: float, rows: Sequence[Estimate | None]) -> Estimate | None:
    counts = {row.n if row else 0 for row in rows}
    if len(counts) != 1 or counts == {0}:
        return None
    (n,) = counts
    bounded = min(1.0, max(0.0, mean))  # rounding
    return Estimate(n, bounded, *wilson(bounded, n))


def _paired(left: ArmName, right: ArmName, rates: Sequence[Rates], bootstrap: ReportConfig) -> Estimate | None:
    """The difference over the problems for which every seed has both arms; the oracle has not all of them."""
    means = [_means([found.of(arm, found.plan_counts[-1]) for found in rates]) for arm in (left, right)]
    both = [(a, b) for a, b in zip(*means, strict=True) if a is not None and b is not None]
    if not both:
        return None
    a, b = zip(*both, strict=True)
    return _bootstrap(a, b, bootstrap.resamples, bootstrap.seed)


@lru_cache(maxsize=4096)
def _bootstrap(a: tuple[float, ...], b: tuple[float, ...], resamples: int, seed: int) -> Estimate:
    """Cached, as the summary of a running sweep is made again and again from mostly the same trials."""
    return paired_difference(a, b, resamples=resamples, seed=seed)


@lru_cache(maxsize=1024)
def _over_seeds(a: _BySeed, b: _BySeed, resamples: int, seed: int) -> SeedsEstimate:
    """Cached for the same reason."""
    return difference_over_seeds(a, b, resamples=resamples, seed=seed)


def _means(of_seeds: Sequence[Sequence[float | None]]) -> list[float | None]:
    """Per problem the mean over seeds; None where a seed has none."""
    means: list[float | None] = []
    for rates in zip(*of_seeds, strict=True):
        known = [rate for rate in rates if rate is not None]
        means.append(math.fsum(known) / len(known) if len(known) == len(of_seeds) else None)
    return means


def _averaged(differences: Sequence[Estimate | None]) -> Estimate | None:
    known = [difference for difference in differences if difference is not None]
    if len(known) < len(differences) or len({difference.n for difference in known}) != 1:
        return None
    mean, low, high = (
        math.fsum(getattr(difference, name) for difference in known) / len(known) for name in ("mean", "low", "high")
    )
    return Estimate(known[0].n, mean, low, high)


def _row(report: Report, arm: str, level: str) -> Estimate | None:
    return next((row.solved for row in report.rows if (row.arm, row.level) == (arm, level)), None)


def _difference(report: Report, left: str, right: str) -> Estimate | None:
    for pair in report.comparisons_at(report.plans):
        if (pair.left, pair.right) == (left, right):
            return pair.difference
        if (pair.left, pair.right) == (right, left):
            swapped = pair.difference
            return Estimate(swapped.n, -swapped.mean, -swapped.high, -swapped.low)
    return None
