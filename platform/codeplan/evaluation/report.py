"""Build a report from records, write it to files and read it back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from codeplan.config import CodeOnly, ReportConfig
from codeplan.evaluation import figures
from codeplan.evaluation.arms import BY_PLANS, CHOOSING, TITLES, ArmName, SolveRates
from codeplan.evaluation.comparisons import compare_arms
from codeplan.evaluation.conclusions import PoolSizes, conclude
from codeplan.evaluation.estimators import estimate
from codeplan.evaluation.notes import DirectCeiling, GivenData, notes
from codeplan.evaluation.plan_quality import plan_quality
from codeplan.evaluation.problem_summary import ProblemSummary
from codeplan.evaluation.results import ALL, FILE, ArmRow, CurvePoint, PassAtKRow, RegretRow, Report, ordered_levels
from codeplan.evaluation.student_samples import JudgedStudents, StudentSamples, mean_over_seeds
from codeplan.evaluation.tables import as_csv, as_markdown
from codeplan.files import write_text
from codeplan.inference.settings import SampleSettings
from codeplan.records import Plan, Problem
from codeplan.stage import Account

_Groups = list[tuple[str, Sequence[SolveRates]]]
"""Problems' rates by level or by split, with its name."""


@dataclass(frozen=True)
class TeachersPlans:
    """What a report says of the teacher's plans, without their texts.

    Attributes:
        names: the teachers that wrote plans, sorted.
        leakage: of the plans that the student learned from, see `Plan.leakage`.
        oracle_leakage: of the plans for the test problems.
    """

    names: tuple[str, ...]
    leakage: Sequence[float]
    oracle_leakage: Sequence[float]

    @classmethod
    def of(cls, plans: Sequence[Plan], oracle_plans: Sequence[Plan], forward_plans: Sequence[Plan]) -> TeachersPlans:
        """The same, from the plans."""
        names = {plan.author for plan in (*plans, *oracle_plans, *forward_plans)}
        leakage, oracle_leakage = ([plan.leakage for plan in found] for found in (plans, oracle_plans))
        return cls(tuple(sorted(names)), leakage, oracle_leakage)


def build(
    problems: Sequence[Problem],
    *,
    plans: Sequence[Plan],
    oracle_plans: Sequence[Plan],
    forward_plans: Sequence[Plan] = (),
    seeds: Sequence[StudentSamples],
    sampling: SampleSettings,
    report: ReportConfig,
    shown_hidden_tests: Sequence[int],
    shown_left_out: bool = False,
    plan_requests: Mapping[str, Account] | None = None,
    code_only_steps: Mapping[CodeOnly, int] | None = None,
    ceiling: DirectCeiling | None = None,
) -> tuple[Report, list[SolveRates]]:
    """Evaluate every arm: the report, and what it was counted from, one entry per problem in the problems' order.

    With several training seeds every number is the mean over them.

    Args:
        problems: the test problems; all count in every denominator but those of arms that follow the teacher's plans,
            which count the problems that have one.
        plans: the teacher's plans that the student learned from.
        oracle_plans: the teacher's plans for the test problems.
        forward_plans: its plans for their questions alone.
        seeds: by training seed, the students' ``sampling.plans`` plans per problem, their programs of all arms and
            phases, and the verdicts of both suites; a program without a verdict on the hidden tests counts as not
            solved. All seeds have the same students.
        sampling: the settings that the programs were sampled with, but for the seed.
        report: the plan counts and k to report, and the settings of the bootstrap.
        shown_hidden_tests: per problem, the number of hidden tests that its question shows as example tests.
        shown_left_out: whether the programs were judged without these.
        plan_requests: what became of the requests to the teacher, by role: ``plans``, ``oracle`` and ``forward``.
        code_only_steps: optimizer steps of the students that learned from code alone.
        ceiling: what a direct student can solve at most, where that is known.

    Raises:
        IncompleteSamplesError: a record is missing or belongs to no problem, see `judged_problems.gather`.
        ValueError: there are no problems.
    """
    teachers = TeachersPlans.of(plans, oracle_plans, forward_plans)
    given = GivenData(shown_hidden_tests, shown_left_out, plan_requests or {}, code_only_steps or {}, ceiling)
    judged = [JudgedStudents.of(problems, oracle_plans, forward_plans, found, sampling) for found in seeds]
    summaries = [students.summaries(sampling, report) for students in judged]
    return of_summaries(summaries, teachers=teachers, sampling=sampling, report=report, given=given)


def of_summaries(
    seeds: Sequence[Sequence[ProblemSummary]],
    *,
    teachers: TeachersPlans,
    sampling: SampleSettings,
    report: ReportConfig,
    given: GivenData,
) -> tuple[Report, list[SolveRates]]:
    """The report of all its problems, and what it was counted from.

    Args:
        seeds: by training seed, the problems' summaries in the problems' order.
        teachers: what the report says of the teacher's plans.
        sampling: the settings that the programs were sampled with, but for the seed.
        report: the plan counts and k to report, and the settings of the bootstrap.
        given: what it is told of its data.

    Raises:
        ValueError: there are no problems.
    """
    if not seeds[0]:
        raise ValueError("a report needs at least one test problem; look at problems.test in the configuration")
    size = sampling.budget(sampling.plans)
    pass_k = sorted(set(report.pass_k))
    counts = report.counts(sampling.plans)
    by_seed = [[problem.rates for problem in of_seed] for of_seed in seeds]
    rates = mean_over_seeds(by_seed)
    comparisons = compare_arms(by_seed, sampling.plans, report)
    splits = [problem.split for problem in seeds[0]]
    qualities = [problem.quality for of_seed in seeds for problem in of_seed]
    made = Report(
        problems=len(rates),
        plans=sampling.plans,
        trials=sampling.trials,
        sequences=size,
        teachers=teachers.names,
        rows=_rows(rates, by_seed, sampling, _by_level),
        pass_at_k=_pass_at_k(rates),
        curve=_curve(rates, sampling, counts),
        comparisons=comparisons,
        regrets=_regrets(rates, sampling),
        outcomes=_outcomes(rates),
        quality=plan_quality(qualities, teachers.leakage, teachers.oracle_leakage),
        conclusions=conclude(comparisons, PoolSizes.of(sampling)),
        notes=notes(seeds, sampling, pass_k, teachers.names, given),
        seeds=len(seeds),
        by_split=_rows(rates, by_seed, sampling, _grouping(splits)) if len(set(splits)) > 1 else (),
    )
    return made, rates


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
        folder / FILE: report.to_json(),
        folder / "table.csv": as_csv(report),
        folder / "report.md": as_markdown(report, {caption: path.name for caption, path in drawn.items()}),
    }
    for path, text in texts.items():
        write_text(path, text)
    return [*texts, *drawn.values()]


def load(folder: Path) -> Report:
    """Read the report that `write` wrote into a folder."""
    return Report.from_json((folder / FILE).read_text(encoding="utf-8"))


def _rows(
    rates: Sequence[SolveRates],
    by_seed: Sequence[Sequence[SolveRates]],
    sampling: SampleSettings,
    grouped: Callable[[Sequence[SolveRates]], _Groups],
) -> tuple[ArmRow, ...]:
    def values(group: Sequence[SolveRates], arm: ArmName) -> list[float]:
        return [rate for problem in group if (rate := problem.rate(arm, sampling.plans)) is not None]

    seeds = [dict(grouped(of_seed)) for of_seed in by_seed] if len(by_seed) > 1 else []
    return tuple(
        ArmRow(arm, name, estimate(found), tuple(fmean(values(of_seed[name], arm)) for of_seed in seeds))
        for arm in TITLES
        for name, group in grouped(rates)
        if (found := values(group, arm))
    )


def _grouping(names: Sequence[str]) -> Callable[[Sequence[SolveRates]], _Groups]:
    """Grouping by what each problem is named, in the problems' order."""

    def grouped(rates: Sequence[SolveRates]) -> _Groups:
        pairs = list(zip(names, rates, strict=True))
        return [(name, [of_problem for other, of_problem in pairs if other == name]) for name in sorted(set(names))]

    return grouped


def _pass_at_k(rates: Sequence[SolveRates]) -> tuple[PassAtKRow, ...]:
    by_level = _by_level(rates)
    return (
        *(
            PassAtKRow("sampled", k, level, estimate([problem.pass_at_k[k] for problem in of_level]))
            for k in rates[0].pass_at_k
            for level, of_level in by_level
        ),
        *(
            PassAtKRow("codeplan", k, level, estimate([problem.codeplan_pass_at_k[k] for problem in of_level]))
            for k in rates[0].codeplan_pass_at_k
            for level, of_level in by_level
        ),
    )


def _by_level(rates: Sequence[SolveRates]) -> _Groups:
    levels = ordered_levels(problem.level for problem in rates)
    groups = [(level, [problem for problem in rates if problem.level == level]) for level in levels]
    # A data set's own level "all" must not be confused with the row over all levels.
    return [*((f"{level} (level)" if level == ALL else level, group) for level, group in groups), (ALL, rates)]


def _curve(rates: Sequence[SolveRates], sampling: SampleSettings, counts: Sequence[int]) -> tuple[CurvePoint, ...]:
    return tuple(
        CurvePoint(
            arm,
            count,
            _mean_sequences(rates, count) if arm == "plan_after_trial" else sampling.budget(count),
            estimate([problem.known_rate(arm, count) for problem in rates]),
        )
        for arm in BY_PLANS
        for count in counts
        if rates[0].rate(arm, count) is not None
    )


def _regrets(rates: Sequence[SolveRates], sampling: SampleSettings) -> tuple[RegretRow, ...]:
    sizes = PoolSizes.of(sampling)
    rows = []
    for arm in (arm for arm in CHOOSING if arm in rates[0].available):
        programs = sizes.trials if arm == "best_trial" else sizes.control
        for level, of_level in _by_level(rates):
            available = [problem.available[arm] for problem in of_level]
            # Rounding must not make a regret negative.
            regrets = [
                max(0.0, problem.available[arm] - problem.known_rate(arm, sampling.plans)) for problem in of_level
            ]
            rows.append(RegretRow(arm, level, programs, estimate(available), estimate(regrets)))
    return tuple(rows)


def _mean_sequences(rates: Sequence[SolveRates], count: int) -> float:
    """What plan after trial generates per problem, at the budget of so many plans."""
    return math.fsum(problem.after_trial_sequences[count] for problem in rates) / len(rates)


def _outcomes(rates: Sequence[SolveRates]) -> dict[ArmName, dict[str, float]]:
    fractions: dict[ArmName, dict[str, float]] = {}
    for arm in TITLES:
        answers = [problem.outcomes[arm] for problem in rates if problem.outcomes.get(arm)]
        names = sorted({name for answer in answers for name in answer})
        totals = {name: math.fsum(answer.get(name, 0.0) for answer in answers) / len(answers) for name in names}
        if totals:
            fractions[arm] = dict(sorted(totals.items(), key=lambda item: -item[1]))
    return fractions
