"""sample: sample plans and programs for the test problems, in the three phases of plan sampling."""

from __future__ import annotations

from codeplan import problems
from codeplan.config import Config, ExecutionConfig
from codeplan.inference.sample_pool import SamplePool
from codeplan.inference.settings import SampleSettings
from codeplan.pool import BlockMarkers, blocks
from codeplan.records import Plan, Problem
from codeplan.stage import Account, StageResult
from codeplan.stages.run import PLANS, PROBLEMS, TABLE_ROWS, StageRun, account, columns

VERSION = 5


def settings(config: Config) -> SampleSettings:
    """How many samples, and how they are chosen from."""
    return SampleSettings.of(config)


def resources(execution: ExecutionConfig) -> tuple[float, float]:
    """Half a CPU per sampling actor and per judge, which take turns, and the samplers' GPUs."""
    return (execution.sample_actors + execution.judge_actors) / 2, execution.sample_actors * execution.gpus_per_worker


def run(work: StageRun) -> StageResult:
    """Add to the pool what is missing there."""
    from codeplan.on_ray.judge_actors import JudgeActors
    from codeplan.on_ray.sample import Sampling, sample_all

    samples = SamplePool.of(work.stage)
    given = [
        problems.with_comparator(problem, samples.settings.comparator)
        for problem in work.read("test", PROBLEMS, Problem)
    ]
    oracle = {plan.problem_id: plan for plan in work.read("oracle", PLANS, Plan)}
    markers = BlockMarkers(work.folder)
    in_blocks = blocks(given)
    missing = markers.missing(len(in_blocks))
    work.connect_ray(*resources(work.execution))
    with work.bar(len(given), "problems") as bar:
        bar.skip(len(given) - sum(len(in_blocks[block]) for block in missing))
        judges = JudgeActors.start(work.execution.judge_actors, samples.settings.example_tests.limits())
        try:
            model = work.stage.inputs["student"].folder / "student"
            sampling = Sampling(model.resolve(), samples, markers, judges, work.execution)
            sample_all(given, oracle, sampling, bar.advance)
        finally:
            judges.stop()
    return _result(work, samples, markers.total(len(in_blocks)))


def _result(work: StageRun, samples: SamplePool, totals: dict[str, int]) -> StageResult:
    plans = samples.read(0).plans[:TABLE_ROWS]
    work.tracking.table([columns(plan, "problem_id", "sample_index", "text") for plan in plans], "student_plans.json")
    metrics = {
        "sampled.plans": totals["plans"],
        "sampled.programs": totals["programs"],
        "sampled.tokens": totals["tokens"],
        "sampled.unfinished_programs": totals["programs.unfinished"],
        "sampled.unfinished_plans": totals["plans.unfinished"],
        "sampled.new_sequences": totals["new.sequences"],
        "sampled.new_example_verdicts": totals["new.verdicts"],
    }
    accounts = {"problems": Account(totals["problems"], totals["problems.answered"])}
    accounts |= {rows: account(totals, rows) for rows in ("plans", "programs")}
    return StageResult(accounts, metrics, (samples.pool.relative(work.stage.home),))
