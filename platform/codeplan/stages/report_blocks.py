"""What a report is made of, block by block: the records of a block are read, counted, and let go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import count, takewhile

from codeplan import records
from codeplan.config import CODE_ONLY, ReportConfig
from codeplan.evaluation.judged_problems import IncompleteSamplesError
from codeplan.evaluation.problem_page import ROOM, PageBlock, page_problems
from codeplan.evaluation.problem_summary import ProblemSummary
from codeplan.evaluation.rates import ProblemDigests
from codeplan.evaluation.student_samples import JudgedStudents, StudentSamples
from codeplan.inference.sample_pool import SamplePool
from codeplan.inference.samples import Samples
from codeplan.inference.settings import SampleSettings
from codeplan.inference.verdict_pool import JudgeSettings, VerdictPool
from codeplan.problem_blocks import ProblemBlocks
from codeplan.problems import shown_among_hidden, with_comparator
from codeplan.records import Plan
from codeplan.stage import Stage
from codeplan.stages.roles import role
from codeplan.stages.run import PLANS, PROBLEMS


@dataclass(frozen=True)
class BlockSummary:
    """What the report keeps of a block of problems.

    Attributes:
        problems: the problems.
        shown_hidden_tests: per problem, the number of hidden tests that its question shows as example tests.
        seeds: by training seed, the problems' summaries.
        page: what the problem page has of the first training seed.
    """

    problems: list[ProblemDigests]
    shown_hidden_tests: list[int]
    seeds: list[list[ProblemSummary]]
    page: PageBlock


@dataclass(frozen=True)
class ReportBlocks:
    """The blocks of a report stage.

    Attributes:
        stage: the report.
        report: its settings.
    """

    stage: Stage
    report: ReportConfig

    @cached_property
    def pools(self) -> Mapping[str, SamplePool]:
        """The pools of the students' samples, by role."""
        return {name: SamplePool.of(stage) for name, stage in self.stage.inputs.items() if stage.name == "sample"}

    @property
    def sampling(self) -> SampleSettings:
        """The settings that the programs were sampled with, but for the seed."""
        return self.pools["samples"].settings

    @property
    def judging(self) -> JudgeSettings:
        """How the hidden tests judged."""
        settings = self.stage.inputs["verdicts"].settings
        assert isinstance(settings, JudgeSettings)
        return settings

    @property
    def seeds(self) -> int:
        """The number of training seeds."""
        return len(list(takewhile(lambda repeat: role("samples", repeat=repeat) in self.pools, count())))

    @cached_property
    def problems(self) -> ProblemBlocks:
        """The test problems."""
        return ProblemBlocks(self.stage.inputs["test"].folder / PROBLEMS)

    def summary(self, block: int) -> BlockSummary:
        """Count a block; raises as `judged` does."""
        given = self.problems.read(block)
        as_judged = [with_comparator(problem, self.judging.comparator) for problem in given]
        first, plans = self.judged(block)
        others = [self.judged(block, repeat)[0] for repeat in range(1, self.seeds)]
        sampling, final = self.sampling, self.report.final
        share = ROOM * len(given) // self.problems.total
        return BlockSummary(
            list(map(ProblemDigests.of, as_judged)),
            list(map(shown_among_hidden, given)),
            [students.summaries(sampling, self.report) for students in (first, *others)],
            PageBlock.of(page_problems(first, plans, sampling, final), final, share),
        )

    def judged(self, block: int, repeat: int = 0) -> tuple[JudgedStudents, list[Plan]]:
        """The programs of a block with their verdicts, and the teacher's plans for its problems.

        Raises:
            IncompleteSamplesError: a record is missing or belongs to no problem; says what to do.
        """
        given = self.problems.read(block)
        names = {problem.problem_id for problem in given}
        oracle_plans, forward_plans = (self.plans(name, names) for name in ("oracle", "forward"))
        found = self.samples(block, repeat)
        try:
            judged = JudgedStudents.of(given, oracle_plans, forward_plans, found, self.sampling)
        except IncompleteSamplesError as error:
            folders = " or ".join(dict.fromkeys(str(pool.folder) for pool in self.pools.values()))
            raise IncompleteSamplesError(f"{error}; delete the folder {folders} and run the same command") from error
        return judged, [*oracle_plans, *forward_plans]

    def plans(self, name: str, problem_ids: Iterable[str]) -> list[Plan]:
        """The teacher's plans for some problems; none where the pipeline has none by that name."""
        if name not in self.stage.inputs:
            return []
        wanted = set(problem_ids)
        return [
            plan for plan in records.read(Plan, self.stage.inputs[name].folder / PLANS) if plan.problem_id in wanted
        ]

    def samples(self, block: int, repeat: int) -> StudentSamples:
        """What the students of a repeat were sampled for a block, with all verdicts."""

        def found(code_only: str = "") -> Samples:
            sampled = self.pools[role("samples", code_only, repeat)].read(block)
            verdicts = VerdictPool.of(self.stage.inputs[role("verdicts", code_only, repeat)])
            hidden = verdicts.read(block, sampled.programs)
            return Samples(sampled.plans, sampled.programs, [*sampled.verdicts, *hidden])

        alone = {same: found(same) for same in CODE_ONLY if role("samples", same, repeat) in self.pools}
        return StudentSamples(found(), alone)
