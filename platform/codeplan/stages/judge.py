"""judge: run every program on its problem's hidden tests; equal programs share a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from codeplan import problems
from codeplan.config import ExecutionConfig, JudgingConfig
from codeplan.inference.sample_pool import SamplePool
from codeplan.inference.verdict_pool import JudgeSettings, ProgramKey, VerdictPool, counts
from codeplan.pool import BlockMarkers
from codeplan.problem_blocks import ProblemBlocks
from codeplan.records import Problem, Program
from codeplan.stage import StageResult
from codeplan.stages.run import PROBLEMS, TABLE_ROWS, StageRun, account
from codeplan_sandbox import Suite

VERSION = 3


def settings(judging: JudgingConfig) -> JudgeSettings:
    """How the hidden tests judge."""
    return JudgeSettings(
        comparator=judging.comparator,
        hidden_tests=judging.hidden_tests,
        hidden_without_examples=judging.hidden_without_examples,
        packages=judging.packages,
    )


def resources(execution: ExecutionConfig) -> tuple[float, float]:
    """Half a CPU per judge, as its program runs while the judge waits; none where a custom resource is taken."""
    return execution.judge_actors * execution.cpus_per_judge, 0.0


def run(work: StageRun) -> StageResult:
    """Add to the pool the verdicts that are missing there."""
    from codeplan.on_ray.judge_actors import JudgeActors
    from codeplan.on_ray.judge_blocks import judge_block

    judging = work.stage.settings
    assert isinstance(judging, JudgeSettings)
    samples, verdicts = SamplePool.of(work.stage.inputs["samples"]), VerdictPool.of(work.stage)
    given = ProblemBlocks(work.stage.inputs["test"].folder / PROBLEMS)
    markers = BlockMarkers.of(work.stage)
    tell_waiting = work.tell_waiting("the verdicts")
    work.connect_ray(*resources(work.execution))
    with work.bar(_programs(work, given.count), "programs") as bar:
        limits = judging.hidden_tests.limits()
        judges = JudgeActors.start(work.execution, limits, work.watch, packages=judging.packages)
        try:
            for block in markers.missing(given.count):
                programs = samples.read(block).programs
                suites = hidden_suites(given.read(block, leave_out=("solutions",)), judging)
                new = judge_block(
                    block, _to_judge(programs, suites), judges, verdicts, bar, on_wait=tell_waiting, watch=work.watch
                )
                counted = counts(programs, verdicts.read(block, programs), new)
                markers.put(block, counted, [*samples.parts(block), *verdicts.parts(block)])
        finally:
            judges.stop()
    rows = [verdict.model_dump(mode="json") for verdict in verdicts.read(0, samples.read(0).programs)[:TABLE_ROWS]]
    work.tracking.table(rows, "verdicts.json")
    totals = markers.total(given.count)
    metrics = {name: value for name, value in totals.items() if name.startswith("verdicts")}
    metrics["judged.new_programs"] = totals["new.verdicts"]
    return StageResult({"programs": account(totals, "programs")}, metrics, markers.parts(given.count))


def _programs(work: StageRun, num_blocks: int) -> int:
    """How many different programs were sampled."""
    return BlockMarkers.of(work.stage.inputs["samples"]).total(num_blocks)["programs.distinct"]


def hidden_suites(given: Iterable[Problem], judging: JudgeSettings) -> dict[str, Suite]:
    """The tests that decide, by problem_id; without the problems that have none."""
    judged: Iterable[Problem] = (problems.with_comparator(problem, judging.comparator) for problem in given)
    if judging.hidden_without_examples:
        judged = map(problems.without_shown_tests, judged)
    return {problem.problem_id: problem.hidden_tests for problem in judged if problem.hidden_tests is not None}


def _to_judge(programs: Iterable[Program], suites: Mapping[str, Suite]) -> dict[ProgramKey, tuple[str, Suite]]:
    return {
        (program.problem_id, program.key): (program.code, suites[program.problem_id])
        for program in programs
        if not program.dropped and program.problem_id in suites
    }
