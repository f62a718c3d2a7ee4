"""What a reader must know to judge a sweep's numbers, in sentences."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING

from codeplan.config import SweepConfig
from codeplan.sweeps.objective import Objective
from codeplan.sweeps.titles import number, title

if TYPE_CHECKING:
    from codeplan.sweeps.summary import PointSummary


def notes(
    points: Sequence[PointSummary], best: PointSummary | None, sweep: SweepConfig, objectives: Sequence[Objective]
) -> tuple[str, ...]:
    """The notes, the most important first."""
    first = objectives[0]
    made = [_counts(points, sweep)]
    having = [point for point in points if point.objectives[first.name].n]
    if best is None:
        made.append(f"No trial has {title(first)} yet, so there is no best point.")
    elif len(having) > 1:
        made += _selection(having, best, first)
    if best is not None and not best.complete(first):
        made.append("No point has all of its seeds, so the best one is the best of incomplete points.")
    elif any(not point.complete(first) for point in having):
        made.append("Points with missing seeds are marked; they are never the best while a complete one exists.")
    if having and max(point.objectives[first.name].n for point in having) == 1:
        made.append("Every point has one seed, so the spread over seeds is not known: set sweep.repeats to 3 or more.")
    if any(trial.state == "stopped" for point in points for trial in point.trials):
        made.append("Trials that the scheduler stopped have the numbers of a shorter training and are not counted.")
    if first.is_rate and having:
        made.append(_intervals(having, first))
    if sweep.search == "optuna" or sweep.scheduler == "pbt":
        made.append(
            "The search chose later points by the results of earlier ones, so that axes are not compared evenly."
        )
    return tuple(made)


def seed_lift(points: Sequence[PointSummary], objective: Objective) -> float | None:
    """By how much chance alone would lift the best of these points above their mean, if all were equally good.

    The expected maximum of N standard normal numbers (Blom 1958: the normal quantile of ``(N - 3/8) / (N + 1/4)``)
    times the standard error that the pooled standard deviation over seeds gives a mean. None where no point has two
    seeds. It leaves out the choice of problems, which all points share.
    """
    spreads = [point.objectives[objective.name] for point in points]
    freedom = sum(spread.n - 1 for spread in spreads)
    if not freedom or len(points) < 2:
        return None
    squares = math.fsum((spread.n - 1) * spread.deviation**2 for spread in spreads if spread.deviation is not None)
    seeds = len(spreads) / math.fsum(1 / spread.n for spread in spreads)
    count = len(points)
    return NormalDist().inv_cdf((count - 0.375) / (count + 0.25)) * math.sqrt(squares / freedom / seeds)


def _counts(points: Sequence[PointSummary], sweep: SweepConfig) -> str:
    counts: Counter[str] = Counter()
    for point in points:
        counts.update(point.states)
    states = ", ".join(f"{count:,} {state}" for state, count in sorted(counts.items())) or "none"
    seeds = f"{sweep.repeats} seed{'s' if sweep.repeats > 1 else ''}"
    each = " each" if len(points) != 1 else ""
    return f"{_many(len(points), 'point')} with {seeds}{each}; trials: {states}."


def _selection(having: Sequence[PointSummary], best: PointSummary, objective: Objective) -> list[str]:
    biased = "upward" if objective.direction == "maximize" else "downward"
    sentence = (
        f"The best of {len(having):,} points is chosen by the same numbers that are shown, so its {title(objective)} "
        f"is biased {biased}: before you report it, run best.yaml with new seeds, on problems that did not choose it."
    )
    lift = seed_lift(having, objective)
    if lift is None or not lift:
        return [sentence]
    top = best.objectives[objective.name].mean
    shown = f"{100 * lift:.1f} points" if objective.is_rate else number(objective, lift)
    near = sum(abs(point.objectives[objective.name].mean - top) <= lift for point in having) - 1
    noise = (
        f"If all {len(having):,} points were equally good, the noise of the seeds alone would put the best of them "
        f"about {shown} {'above' if biased == 'upward' else 'below'} their mean; "
        f"{_many(near, 'other point')} lie{'s' if near == 1 else ''} within that of the best."
    )
    return [sentence, noise]


def _intervals(having: Sequence[PointSummary], objective: Objective) -> str:
    counts = sorted({s.problems.n for point in having if (s := point.objectives[objective.name]).problems})
    missing = sum(point.objectives[objective.name].problems is None for point in having)
    shown = " or ".join(f"{count:,}" for count in counts) or "an unknown number of"
    left = f" It is missing for {_many(missing, 'point')} whose report is gone." if missing else ""
    both = ""
    if any(point.objectives[objective.name].both for point in having):
        both = (
            " The interval over both is that of the mean for other seeds and other problems: a hierarchical bootstrap "
            "that draws seeds, and problems for all of them, or where they end farther out, the t interval over seeds "
            "and that over problems."
        )
    return (
        f"The interval over problems is the 95 % interval of the mean over seeds for {shown} problems, which all "
        f"points share; the range over seeds is beside it, and neither contains the other.{both}{left}"
    )


def _many(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
