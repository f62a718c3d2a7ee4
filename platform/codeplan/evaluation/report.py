"""From records to a report, and from a report to files."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from codeplan.config import ReportConfig, SamplingConfig
from codeplan.evaluation import figures
from codeplan.evaluation.arms import TITLES, ArmName, Solved, measure
from codeplan.evaluation.conclusions import READINGS, conclude
from codeplan.evaluation.estimators import estimate, paired_difference
from codeplan.evaluation.notes import notes
from codeplan.evaluation.plan_quality import plan_quality
from codeplan.evaluation.pools import gather
from codeplan.evaluation.results import ALL, ArmRow, Comparison, CurvePoint, PassAtKRow, Report, ordered_levels
from codeplan.evaluation.selection import pool_size
from codeplan.evaluation.tables import as_csv, as_markdown
from codeplan.records import Plan, Problem, Program, Verdict
from codeplan.stages import write_text

REPORT = "report.json"

_CURVE: tuple[ArmName, ...] = ("control", "codeplan", "best_trial")
"""The arms that change with the number of plans."""


def build(
    problems: Sequence[Problem],
    *,
    plans: Sequence[Plan],
    oracle_plans: Sequence[Plan],
    student_plans: Iterable[Plan],
    programs: Iterable[Program],
    verdicts: Collection[Verdict],
    sampling: SamplingConfig,
    report: ReportConfig,
) -> Report:
    """Count what every arm solves.

    Args:
        problems: the test problems; every one counts in every denominator, except that the oracle's counts those that
            have an oracle plan.
        plans: the teacher's plans that the student learned from.
        oracle_plans: the teacher's plans for the test problems.
        student_plans: the plans that were sampled, ``sampling.plans`` a problem.
        programs: the programs of all arms and phases.
        verdicts: of both suites; a program without a verdict on the hidden tests counts as not solved.
        sampling: the settings that the programs were sampled with.
        report: what to count.

    Raises:
        PoolError: a record is missing or does not belong, see `codeplan.evaluation.pools.gather`.
        ValueError: there are no problems.
    """
    if not problems:
        raise ValueError("a report needs at least one test problem; look at problems.test in the configuration")
    pools = gather(
        problems,
        oracle_plans=oracle_plans,
        student_plans=student_plans,
        programs=programs,
        verdicts=verdicts,
        sampling=sampling,
    )
    size = pool_size(sampling, sampling.plans)
    pass_k = [k for k in sorted(set(report.pass_k)) if 1 <= k <= size]
    solved = [measure(pool, sampling, pass_k) for pool in pools]
    comparisons = _comparisons(solved, sampling, report)
    teachers = tuple(sorted({plan.author for plan in [*plans, *oracle_plans]}))
    return Report(
        problems=len(problems),
        plans=sampling.plans,
        trials=sampling.trials,
        sequences=size,
        teachers=teachers,
        rows=_rows(solved, sampling),
        pass_at_k=_pass_at_k(solved, pass_k),
        curve=_curve(solved, sampling),
        comparisons=comparisons,
        outcomes=_outcomes(solved),
        quality=plan_quality(pools, plans, oracle_plans),
        conclusions=conclude([each for each in comparisons if each.plans == sampling.plans]),
        notes=notes(pools, sampling, teachers, [k for k in report.pass_k if k not in pass_k]),
    )


def write(report: Report, folder: Path) -> list[Path]:
    """Write report.json, table.csv, report.md and the figures; the same report gives the same bytes.

    Returns:
        The files that were written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {caption: folder / f"figure_{name}.png" for name, (caption, _) in figures.FIGURES.items()}
    for (_, draw), path in zip(figures.FIGURES.values(), drawn.values(), strict=True):
        draw(report, path)
    texts = {
        folder / REPORT: report.to_json(),
        folder / "table.csv": as_csv(report),
        folder / "report.md": as_markdown(report, {caption: path.name for caption, path in drawn.items()}),
    }
    for path, text in texts.items():
        write_text(path, text)
    return [*texts, *drawn.values()]


def load(folder: Path) -> Report:
    """Read the report that `write` wrote into a folder."""
    return Report.from_json((folder / REPORT).read_text(encoding="utf-8"))


def _rows(solved: Sequence[Solved], sampling: SamplingConfig) -> tuple[ArmRow, ...]:
    rows = []
    for arm in TITLES:
        for level, of_level in _by_level(solved):
            values = [value for each in of_level if (value := each.by(arm, sampling.plans)) is not None]
            if values:
                rows.append(ArmRow(arm, level, estimate(values)))
    return tuple(rows)


def _pass_at_k(solved: Sequence[Solved], pass_k: Sequence[int]) -> tuple[PassAtKRow, ...]:
    return tuple(
        PassAtKRow(k, level, estimate([each.pass_at_k[k] for each in of_level]))
        for k in pass_k
        for level, of_level in _by_level(solved)
    )


def _by_level(solved: Sequence[Solved]) -> list[tuple[str, Sequence[Solved]]]:
    levels = ordered_levels(each.level for each in solved)
    groups = [(level, [each for each in solved if each.level == level]) for level in levels]
    # A data set's own level of that name must not be taken for the row over all levels.
    return [*((f"{level} (level)" if level == ALL else level, group) for level, group in groups), (ALL, solved)]


def _curve(solved: Sequence[Solved], sampling: SamplingConfig) -> tuple[CurvePoint, ...]:
    return tuple(
        CurvePoint(arm, count, pool_size(sampling, count), estimate([_at(each, arm, count) for each in solved]))
        for arm in _CURVE
        for count in sampling.counts()
    )


def _comparisons(solved: Sequence[Solved], sampling: SamplingConfig, settings: ReportConfig) -> tuple[Comparison, ...]:
    comparisons = []
    for left, right in READINGS:
        both = [each for each in solved if each.by(left, sampling.plans) is not None]
        counts = sampling.counts() if left in _CURVE else (sampling.plans,)
        for count in counts if both else ():
            a, b = ([_at(each, arm, count) for each in both] for arm in (left, right))
            difference = paired_difference(a, b, resamples=settings.resamples, seed=settings.seed)
            differing = sum(not math.isclose(x, y, abs_tol=1e-9) for x, y in zip(a, b, strict=True))
            comparisons.append(Comparison(left, right, count, difference, differing))
    return tuple(comparisons)


def _at(solved: Solved, arm: ArmName, count: int) -> float:
    value = solved.by(arm, count)
    if value is None:
        raise ValueError(f"{solved.problem_id} has no number for arm {arm}")
    return value


def _outcomes(solved: Sequence[Solved]) -> dict[ArmName, dict[str, float]]:
    shares: dict[ArmName, dict[str, float]] = {}
    for arm in TITLES:
        answers = [each.outcomes[arm] for each in solved if each.outcomes[arm]]
        names = sorted({name for answer in answers for name in answer})
        totals = {name: math.fsum(answer.get(name, 0.0) for answer in answers) / len(answers) for name in names}
        if totals:
            shares[arm] = dict(sorted(totals.items(), key=lambda item: -item[1]))
    return shares
