"""What a report is counted from: the samples of each training seed's students, and rates that are means over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from codeplan.config import CodeOnly, ReportConfig
from codeplan.config.inference import FinalRule
from codeplan.evaluation.arms import SolveRates, solve_rates
from codeplan.evaluation.code_only import with_code_only
from codeplan.evaluation.judged_problems import JudgedProblem, gather
from codeplan.evaluation.problem_summary import ProblemSummary
from codeplan.inference.samples import Samples
from codeplan.inference.settings import SampleSettings
from codeplan.records import Plan, Problem


@dataclass(frozen=True)
class StudentSamples:
    """What the students of one training seed were sampled, with the verdicts of both suites.

    Attributes:
        with_plans: of the student that learned from plans.
        code_only: of the students that learned from code alone.
    """

    with_plans: Samples
    code_only: Mapping[CodeOnly, Samples] = field(default_factory=dict)


@dataclass(frozen=True)
class JudgedStudents:
    """The programs of one training seed's students, by problem in the problems' order."""

    with_plans: Sequence[JudgedProblem]
    code_only: Mapping[CodeOnly, Sequence[JudgedProblem]]

    @classmethod
    def of(
        cls,
        problems: Sequence[Problem],
        oracle_plans: Iterable[Plan],
        forward_plans: Iterable[Plan],
        found: StudentSamples,
        sampling: SampleSettings,
    ) -> JudgedStudents:
        """Group the records by problem.

        Raises:
            IncompleteSamplesError: a record is missing or belongs to no problem, see `judged_problems.gather`.
        """

        def judged(samples: Samples, settings: SampleSettings) -> list[JudgedProblem]:
            return gather(
                problems,
                oracle_plans=oracle_plans,
                forward_plans=forward_plans,
                student_plans=samples.plans,
                programs=samples.programs,
                verdicts=samples.verdicts,
                sampling=settings,
            )

        alone = {same: judged(samples, sampling.code_only()) for same, samples in found.code_only.items()}
        return cls(judged(found.with_plans, sampling), alone)

    def summaries(self, sampling: SampleSettings, report: ReportConfig) -> list[ProblemSummary]:
        """What the report keeps of every problem."""
        rates = self.rates(sampling, report.counts(sampling.plans), sorted(set(report.pass_k)), report.final)
        return [
            ProblemSummary.of(judged, of_problem) for judged, of_problem in zip(self.with_plans, rates, strict=True)
        ]

    def rates(
        self, sampling: SampleSettings, counts: Sequence[int], pass_k: Sequence[int], final: FinalRule
    ) -> list[SolveRates]:
        """The solve rates of all arms, see `arms.solve_rates`."""
        made = [solve_rates(judged, sampling, counts, pass_k, final) for judged in self.with_plans]
        for same, alone in self.code_only.items():
            made = [
                with_code_only(rates, same, judged, sampling, counts) for rates, judged in zip(made, alone, strict=True)
            ]
        return made


def mean_over_seeds(seeds: Sequence[Sequence[SolveRates]]) -> list[SolveRates]:
    """The rates of each problem, averaged over seeds, which have the same problems and arms."""
    if len(seeds) == 1:
        return list(seeds[0])
    averaged = [spec.name for spec in fields(SolveRates) if spec.name not in {"problem_id", "level"}]
    return [
        replace(of_problem[0], **{name: _mean([getattr(rates, name) for rates in of_problem]) for name in averaged})
        for of_problem in zip(*seeds, strict=True)
    ]


def _mean(values: Sequence[Any]) -> Any:
    """Of numbers, or of mappings to them by key; None where one of them is; what a mapping lacks is 0."""
    if None in values:
        return None
    if isinstance(values[0], Mapping):
        keys = dict.fromkeys(key for value in values for key in value)
        return {key: _mean([value.get(key, 0.0) for value in values]) for key in keys}
    return math.fsum(values) / len(values)
