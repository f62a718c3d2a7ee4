"""report: count, compare, and draw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count, takewhile
from typing import TYPE_CHECKING

from rich.console import Console

from codeplan.config import CODE_ONLY, CodeOnly, MiniAppsSource, ReportConfig, Settings
from codeplan.inference.sample_pool import SamplePool
from codeplan.inference.samples import Samples
from codeplan.inference.verdict_pool import JudgeSettings, VerdictPool
from codeplan.pool import blocks
from codeplan.problems import ReadSettings, shown_among_hidden, with_comparator
from codeplan.records import Plan, Problem
from codeplan.stage import Account, Stage, StageResult
from codeplan.stages import lineage
from codeplan.stages.distill import REQUESTS
from codeplan.stages.problems import CEILING_WITH_EXAMPLES, DIRECT_CEILING
from codeplan.stages.roles import role
from codeplan.stages.run import PLANS, PROBLEMS, StageRun
from codeplan.student.settings import FinetuneSettings
from codeplan.tracking import Run, flatten

if TYPE_CHECKING:
    from codeplan.evaluation.notes import DirectCeiling
    from codeplan.evaluation.problem_details import PageProblem
    from codeplan.evaluation.results import Report
    from codeplan.evaluation.student_samples import StudentSamples

VERSION = 8
FILES = {".png", ".md", ".html", ".json", ".csv"}
"""The kinds of files that go to MLflow."""
DISTILLED = ("plans", "oracle", "forward")
"""The roles of stages that ask the teacher."""
FIRST = "pass_at_1.codeplan.all"
"""The metric that is logged first."""


class ReportSettings(Settings):
    """The settings of the report stage."""

    report: ReportConfig


def settings(report: ReportConfig) -> ReportSettings:
    """What is counted."""
    return ReportSettings(report=report)


def run(work: StageRun) -> StageResult:
    """Count what every arm solves; write the tables, the figures, the page of problems, and what comparisons need."""
    from codeplan.evaluation import lineage, problem_page, rates
    from codeplan.evaluation import report as reports
    from codeplan.evaluation.judged_problems import IncompleteSamplesError

    judging = work.stage.inputs["verdicts"].settings
    assert isinstance(work.stage.settings, ReportSettings)
    assert isinstance(judging, JudgeSettings)
    given = work.read("test", PROBLEMS, Problem)
    pools = _pools(work.stage)
    sampling = pools["samples"].settings
    oracle_plans, forward_plans = (work.read(name, PLANS, Plan) for name in ("oracle", "forward"))
    repeats = takewhile(lambda repeat: role("samples", repeat=repeat) in pools, count())
    seeds = [_student_samples(work.stage, pools, given, repeat) for repeat in repeats]
    try:
        made, solve_rates = reports.build(
            given,
            plans=work.read("plans", PLANS, Plan),
            oracle_plans=oracle_plans,
            forward_plans=forward_plans,
            seeds=seeds,
            sampling=sampling,
            report=work.stage.settings.report,
            shown_hidden_tests=[shown_among_hidden(problem) for problem in given],
            shown_left_out=judging.hidden_without_examples,
            plan_requests=_plan_requests(work.stage),
            code_only_steps=_code_only_steps(work.stage),
            ceiling=_ceiling(work.stage),
        )
        problem_page.write(
            _page_blocks(work, pools, given, oracle_plans, forward_plans),
            work.folder / problem_page.FILE,
            problems=len(given),
            sampling=sampling,
            final=work.stage.settings.report.final,
        )
    except IncompleteSamplesError as error:
        folders = " or ".join(dict.fromkeys(str(pool.folder) for pool in pools.values()))
        raise IncompleteSamplesError(f"{error}; delete the folder {folders} and run the same command") from error
    reports.write(made, work.folder)
    as_judged = [with_comparator(problem, judging.comparator) for problem in given]
    rates.write(rates.collect(as_judged, solve_rates, sampling, flatten(judging.identity())), work.folder)
    lineage.write(lineage.Lineage.of(work.stage), work.folder)
    return StageResult(accounts={"problems": Account(len(given), made.problems)}, metrics=made.metrics())


def _plan_requests(stage: Stage) -> dict[str, Account]:
    """What became of the plan requests, by role."""
    results = {role: stage.inputs[role].done() for role in DISTILLED if role in stage.inputs}
    return {
        role: result.accounts[REQUESTS] for role, result in results.items() if result and REQUESTS in result.accounts
    }


def _ceiling(stage: Stage) -> DirectCeiling | None:
    """What a direct student can solve at most, where the test problems' stage says so."""
    from codeplan.evaluation.notes import DirectCeiling

    test = stage.inputs["test"]
    assert isinstance(test.settings, ReadSettings)
    source, result = test.settings.source, test.done()
    if not isinstance(source, MiniAppsSource) or result is None or DIRECT_CEILING not in result.metrics:
        return None
    words, with_examples = (result.metrics[name] for name in (DIRECT_CEILING, CEILING_WITH_EXAMPLES))
    return DirectCeiling(words, with_examples, source.show_examples)


def _pools(stage: Stage) -> dict[str, SamplePool]:
    """The pools of the students' samples, by role."""
    return {name: SamplePool.of(source) for name, source in stage.inputs.items() if source.name == "sample"}


def _student_samples(
    stage: Stage, pools: Mapping[str, SamplePool], given: Sequence[Problem], repeat: int
) -> StudentSamples:
    """What the students of a repeat were sampled, with all verdicts."""
    from codeplan.evaluation.student_samples import StudentSamples

    found = StudentSamples(Samples(), {same: Samples() for same in CODE_ONLY if role("samples", same, repeat) in pools})
    for block in range(len(blocks(given))):
        of_block = _block(stage, pools, block, repeat)
        found.with_plans.extend(of_block.with_plans)
        for same, samples in found.code_only.items():
            samples.extend(of_block.code_only[same])
    return found


def _block(stage: Stage, pools: Mapping[str, SamplePool], block: int, repeat: int = 0) -> StudentSamples:
    """What the students of a repeat were sampled for one block of problems, with all verdicts."""
    from codeplan.evaluation.student_samples import StudentSamples

    def samples(code_only: str = "") -> Samples:
        sampled = pools[role("samples", code_only, repeat)].read(block)
        verdicts = VerdictPool.of(stage.inputs[role("verdicts", code_only, repeat)]).read(block, sampled.programs)
        return Samples(sampled.plans, sampled.programs, [*sampled.verdicts, *verdicts])

    return StudentSamples(
        samples(), {same: samples(same) for same in CODE_ONLY if role("samples", same, repeat) in pools}
    )


def _page_blocks(
    work: StageRun,
    pools: Mapping[str, SamplePool],
    given: Sequence[Problem],
    oracle_plans: Sequence[Plan],
    forward_plans: Sequence[Plan],
) -> Iterator[Iterator[PageProblem]]:
    """The problems as their page shows them, read again block by block: of the first training seed."""
    from codeplan.evaluation.problem_page import page_problems
    from codeplan.evaluation.student_samples import JudgedStudents

    assert isinstance(work.stage.settings, ReportSettings)
    sampling, final = pools["samples"].settings, work.stage.settings.report.final
    for block, problems in enumerate(blocks(given)):
        names = {problem.problem_id for problem in problems}
        oracle, forward = (
            [plan for plan in plans if plan.problem_id in names] for plans in (oracle_plans, forward_plans)
        )
        students = JudgedStudents.of(problems, oracle, forward, _block(work.stage, pools, block), sampling)
        yield page_problems(students, [*oracle, *forward], sampling, final)


def _code_only_steps(stage: Stage) -> dict[CodeOnly, int]:
    """Optimizer steps of the students that learned from code alone."""
    trained = {
        same: stage.inputs[role("samples", same)].inputs["student"].settings
        for same in CODE_ONLY
        if role("samples", same) in stage.inputs
    }
    return {same: found.training.steps for same, found in trained.items() if isinstance(found, FinetuneSettings)}


def show(stage: Stage, run: Run, console: Console) -> None:
    """Print the table, and keep the report's files with the experiment's run."""
    from codeplan.evaluation import report as reports
    from codeplan.evaluation.tables import split_table, table

    made = reports.load(stage.folder)
    console.print()
    console.print(table(made))
    if (by_split := split_table(made)) is not None:
        console.print(by_split)
    for sentence in made.conclusions:
        console.print(f"- {sentence}", highlight=False, markup=False)
    console.print(f"\nfigure  {stage.folder / 'figure_plans.png'}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"report  {stage.folder / 'report.md'}", highlight=False, markup=False, soft_wrap=True)
    student, test = stage.inputs["samples"].inputs["student"], stage.inputs["test"]
    # MLflow's comparison of runs begins with the first metric.
    metrics = dict(sorted(made.metrics().items(), key=lambda metric: metric[0] != FIRST))
    if made.seeds > 1:
        run.metrics(metrics)  # means over students, and scores of none of them
    else:
        run.scores(metrics, student.fingerprint, (lineage.data_set(test)[0], test.fingerprint[:32]))
    run.curve(made.curves())
    run.describe(_description(made, run))
    for path in sorted(path for path in stage.folder.iterdir() if path.suffix in FILES):
        if path.name not in {"done.json", "identity.json"}:
            run.file(path, "report")


def _description(made: Report, run: Run) -> str:
    """The report's start, with links to the rest: figures in a description are wider than its column in MLflow."""
    from codeplan.evaluation.figures import FIGURES
    from codeplan.evaluation.tables import as_summary

    files = {"whole report": "report.md", "questions, plans and programs": "problems.html"}
    files |= {f"figure: {caption}": f"figure_{name}.png" for name, (caption, _) in FIGURES.items()}
    links = [f"- [{title}]({run.link}/artifacts/report/{name})" for title, name in files.items()]
    return "\n".join([as_summary(made), "", *links])
