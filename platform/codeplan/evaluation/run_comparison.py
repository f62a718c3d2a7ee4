"""Differences between runs, arm by arm, paired by problem; only where both judged the same problems alike."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from codeplan.config import ReportConfig
from codeplan.evaluation.arms import BY_PLANS, ArmName
from codeplan.evaluation.estimators import Estimate, paired_difference
from codeplan.evaluation.permutation import PValue, holm, paired_p_value
from codeplan.evaluation.rates import Rates

Plans = tuple[int, int] | None
"""The plan counts of the reference and of the compared run; None for an arm without plans."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One arm of a run against the same arm of the reference.

    Attributes:
        arm: the arm.
        plans: the two plan counts; where they differ, so do the budgets.
        reference: pass@1 of the reference over the problems that both have.
        compared: pass@1 of the compared run over the same problems.
        difference: the mean over these problems of compared minus reference, with its 95 % interval.
        p: the paired permutation test of no difference.
        corrected: the p-value corrected for all tests of the comparison; see `compare_runs`.
    """

    arm: ArmName
    plans: Plans
    reference: float
    compared: float
    difference: Estimate
    p: PValue
    corrected: float


@dataclass(frozen=True, slots=True)
class RunComparison:
    """A run against the reference.

    Attributes:
        refused: why the two cannot be compared; empty where they can.
        problems: the number of problems that both have.
        left_out: the numbers of problems that only the reference has, and only the compared run.
        differences: by arm; the arms at an equal plan count first, where there is one.
    """

    refused: str = ""
    problems: int = 0
    left_out: tuple[int, int] = (0, 0)
    differences: tuple[Difference, ...] = ()


def compare_runs(reference: Rates, others: Sequence[Rates]) -> list[RunComparison]:
    """Compare runs with a reference, over the problems that they share with it.

    An arm that depends on the number of plans is compared at the largest count that both reported, and also at each
    run's own largest count where these differ. The p-values of all differences, over all arms and runs, are corrected
    together by `permutation.holm`. Differences that are zero on every problem count for nothing there: whatever the
    signs, they could never be significant (Tarone 1990, "A Modified Bonferroni Method for Discrete Data").
    """
    found = [_compare(reference, other) for other in others]
    tested = [difference for one in found for difference in one.differences if difference.p.differing]
    corrected = iter(holm([difference.p.value for difference in tested]))
    return [
        replace(
            one,
            differences=tuple(
                replace(difference, corrected=next(corrected)) if difference.p.differing else difference
                for difference in one.differences
            ),
        )
        for one in found
    ]


def why_not_comparable(reference: Rates, other: Rates) -> str:
    """Why rates cannot be subtracted problem by problem; empty where they can.

    Problems are the same by name, and must then have the same question and hidden tests, judged within the same limits:
    else the difference would measure the tests. Where the problems were read from does not matter.
    """
    here, there = _positions(reference), _positions(other)
    shared = [problem for problem in here if problem in there]
    if not shared:
        return (
            f"they have no problem in common: {_examples(reference)} in the reference, {_examples(other)} in the other"
        )
    reasons = []
    for name, what in (("questions", "have another question"), ("hidden_tests", "have other hidden tests")):
        a, b = getattr(reference, name), getattr(other, name)
        differing = [problem for problem in shared if a[here[problem]] != b[there[problem]]]
        if differing:
            reasons.append(f"{len(differing):,} of {len(shared):,} shared problems {what}, first {differing[0]}")
    names = sorted({*reference.judging, *other.judging})
    settings = [name for name in names if reference.judging.get(name) != other.judging.get(name)]
    # Another comparator changes the digests of the suites that it judges by, and only those.
    limits = [name for name in settings if name != "comparator"]
    if limits:
        values = ", ".join(
            f"judging.{name} {reference.judging.get(name)} and {other.judging.get(name)}" for name in limits
        )
        reasons.append(f"the limits or packages of the hidden tests differ: {values}")
    elif reasons and "comparator" in settings:
        values = " and ".join(str(rates.judging["comparator"]) for rates in (reference, other))
        reasons.append(f"judging.comparator is {values}")
    return "; ".join(reasons)


def _compare(reference: Rates, other: Rates) -> RunComparison:
    refused = why_not_comparable(reference, other)
    if refused:
        return RunComparison(refused)
    here, there = _positions(reference), _positions(other)
    shared = [(here[problem], there[problem]) for problem in here if problem in there]
    left_out = (len(here) - len(shared), len(there) - len(shared))
    arms = [arm for arm in reference.arms if arm in other.arms]
    cases = [(arm, plans) for arm in arms for plans in _plans(arm, reference, other)]
    differences = [_difference(arm, plans, reference, other, shared) for arm, plans in cases]
    return RunComparison("", len(shared), left_out, tuple(found for found in differences if found is not None))


def _plans(arm: ArmName, reference: Rates, other: Rates) -> Iterator[Plans]:
    if arm not in BY_PLANS:
        yield None
        return
    common = set(reference.plan_counts) & set(other.plan_counts)
    if common:
        yield (max(common), max(common))
    largest = (reference.plan_counts[-1], other.plan_counts[-1])
    if largest[0] != largest[1]:
        yield largest


def _difference(
    arm: ArmName, plans: Plans, reference: Rates, other: Rates, shared: Sequence[tuple[int, int]]
) -> Difference | None:
    of_plans = plans or (reference.plan_counts[-1], other.plan_counts[-1])
    a, b = reference.of(arm, of_plans[0]), other.of(arm, of_plans[1])
    pairs = [(x, y) for i, j in shared if (x := a[i]) is not None and (y := b[j]) is not None]
    if not pairs:
        return None
    before, after = [x for x, _ in pairs], [y for _, y in pairs]
    bootstrap = ReportConfig()
    interval = paired_difference(after, before, bootstrap.resamples, bootstrap.seed)
    p = paired_p_value(after, before)
    reference_mean, mean = (math.fsum(values) / len(values) for values in (before, after))
    return Difference(arm, plans, reference_mean, mean, interval, p, p.value)


def _positions(rates: Rates) -> dict[str, int]:
    return {problem: position for position, problem in enumerate(rates.problem_ids)}


def _examples(rates: Rates) -> str:
    return f"{len(rates.problem_ids):,} such as {rates.problem_ids[0]}" if rates.problem_ids else "none"
