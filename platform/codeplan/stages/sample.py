"""sample: sample plans and programs for the test problems, in the three phases of plan sampling."""

from __future__ import annotations

from codeplan.config import ExecutionConfig, JudgingConfig, ReportConfig, SamplingConfig, TrainingConfig
from codeplan.inference.plan_sampling import TeacherPlans
from codeplan.inference.sample_pool import SamplePool
from codeplan.inference.settings import SampleSettings
from codeplan.pool import BlockMarkers
from codeplan.problem_blocks import ProblemBlocks
from codeplan.records import Plan
from codeplan.stage import Account, StageError, StageResult
from codeplan.stages.run import PLANS, PROBLEMS, TABLE_ROWS, StageRun, account, columns
from codeplan.watching.metrics import SAMPLE_PENDING, SAMPLED_PROBLEMS

VERSION = 6


def settings(
    sampling: SamplingConfig,
    judging: JudgingConfig,
    report: ReportConfig,
    training: TrainingConfig,
    *,
    code_only: bool = False,
) -> SampleSettings:
    """How many samples, and how they are chosen from.

    Args:
        sampling: the section.
        judging: how the example tests judge.
        report: which plan counts there are.
        training: of the student that learns from plans.
        code_only: whether the student learns from code alone.

    Raises:
        StageError: the student is not trained on a task that sampling needs.
    """
    made = SampleSettings.of(sampling, judging, report)
    if code_only:
        return made.code_only()
    require_tasks(training)
    return made


def require_tasks(training: TrainingConfig) -> None:
    """Check that the student is trained on what plan sampling asks it for.

    Raises:
        StageError: names the task.
    """
    for task in training.missing_tasks():
        raise StageError(
            f"sampling needs the task {task}, but training.mixing.{task} is 0; set it above 0, or run codeplan "
            "finetune only"
        )


def resources(execution: ExecutionConfig) -> tuple[float, float]:
    """Half a CPU per sampling actor and per judge, which take turns, and the samplers' GPUs."""
    cpus = execution.sample_actors / 2 + execution.judge_actors * execution.cpus_per_judge
    return cpus, execution.sample_actors * execution.gpus_per_sampler


def run(work: StageRun) -> StageResult:
    """Add to the pool what is missing there."""
    from codeplan.on_ray.judge_actors import JudgeActors
    from codeplan.on_ray.sample import Sampling, sample_all

    samples = SamplePool.of(work.stage)
    given = ProblemBlocks(work.stage.inputs["test"].folder / PROBLEMS)
    oracle, forward = (
        {plan.problem_id: plan for plan in work.read(role, PLANS, Plan)} for role in ("oracle", "forward")
    )
    markers = BlockMarkers.of(work.stage)
    missing = markers.missing(given.count)
    work.connect_ray(*resources(work.execution))
    # Before there are actors, which would hold GPUs while they wait.
    with samples.pool.lock_whole(work.tell_waiting("the samples")), work.bar(given.total, "problems") as bar:
        bar.skip(given.total - sum(map(given.size, missing)))

        def advance(done: int) -> None:
            bar.advance(done)
            work.watch.count(SAMPLED_PROBLEMS, done)
            work.watch.record(SAMPLE_PENDING, given.total - bar.rows)

        work.watch.record(SAMPLE_PENDING, given.total - bar.rows)
        limits, packages = samples.settings.example_tests.limits(), samples.settings.packages
        judges = JudgeActors.start(work.execution, limits, work.watch, packages=packages)
        try:
            model = work.stage.inputs["student"].folder / "student"
            sampling = Sampling(model.resolve(), given, samples, markers, judges, work.execution, work.watch)
            sample_all(TeacherPlans(oracle, forward), sampling, advance)
        finally:
            judges.stop()
    return _result(work, samples, markers, given.count)


def _result(work: StageRun, samples: SamplePool, markers: BlockMarkers, num_blocks: int) -> StageResult:
    totals = markers.total(num_blocks)
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
    return StageResult(accounts, metrics, markers.parts(num_blocks))
