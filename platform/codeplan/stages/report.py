"""report: count, compare, and draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console

from codeplan import records
from codeplan.config import CODE_ONLY, CodeOnly, ExecutionConfig, MiniAppsSource, ReportConfig, Settings
from codeplan.problems import ReadSettings
from codeplan.stage import Account, Stage, StageResult
from codeplan.stages import lineage
from codeplan.stages.distill import REQUESTS
from codeplan.stages.problems import CEILING_WITH_EXAMPLES, DIRECT_CEILING
from codeplan.stages.report_blocks import BlockSummary, ReportBlocks
from codeplan.stages.roles import role
from codeplan.stages.run import PLANS, StageRun
from codeplan.student.settings import FinetuneSettings
from codeplan.tracking import Run, flatten

if TYPE_CHECKING:
    from codeplan.evaluation.notes import DirectCeiling
    from codeplan.evaluation.report import TeachersPlans
    from codeplan.evaluation.results import Report

VERSION = 8
FILES = {".png", ".md", ".html", ".json", ".csv"}
"""The kinds of files that go to MLflow."""
DISTILLED = ("plans", "oracle", "forward")
"""The roles of stages that ask the teacher."""
FEW_BLOCKS = 8
"""The most blocks that are counted in the stage's own process: as quick as starting Ray."""
FIRST = "pass_at_1.codeplan.all"
"""The metric that is logged first."""


class ReportSettings(Settings):
    """The settings of the report stage."""

    report: ReportConfig


def settings(report: ReportConfig) -> ReportSettings:
    """What is counted."""
    return ReportSettings(report=report)


def resources(_: ExecutionConfig) -> tuple[float, float]:
    """A CPU for each block that is counted; one at least."""
    return 1.0, 0.0


def run(work: StageRun) -> StageResult:
    """Count what every arm solves; write the tables, the figures, the page of problems, and what comparisons need."""
    from codeplan.evaluation import lineage, problem_page, rates
    from codeplan.evaluation import report as reports
    from codeplan.evaluation.notes import GivenData

    assert isinstance(work.stage.settings, ReportSettings)
    blocks = ReportBlocks(work.stage, work.stage.settings.report)
    found = _summaries(work, blocks)
    problems = [problem for block in found for problem in block.problems]
    made, solve_rates = reports.of_summaries(
        [[problem for block in found for problem in block.seeds[seed]] for seed in range(blocks.seeds)],
        teachers=_teachers_plans(work.stage),
        sampling=blocks.sampling,
        report=blocks.report,
        given=GivenData(
            [shown for block in found for shown in block.shown_hidden_tests],
            blocks.judging.hidden_without_examples,
            _plan_requests(work.stage),
            _code_only_steps(work.stage),
            _ceiling(work.stage),
        ),
    )
    reports.write(made, work.folder)
    rates.write(rates.collect(problems, solve_rates, blocks.sampling, flatten(blocks.judging.identity())), work.folder)
    lineage.write(lineage.Lineage.of(work.stage), work.folder)
    pages = (block.page for block in found)
    problem_page.write(pages, work.folder / problem_page.FILE, sampling=blocks.sampling, final=blocks.report.final)
    return StageResult(accounts={"problems": Account(len(problems), made.problems)}, metrics=made.metrics())


def _summaries(work: StageRun, blocks: ReportBlocks) -> list[BlockSummary]:
    """The summaries of all blocks: made here where there are few, else by tasks on Ray."""
    from codeplan.on_ray.block_tasks import each_block

    found = []
    many = blocks.problems.count > FEW_BLOCKS
    if many:
        work.connect_ray(*resources(work.execution))
    with work.bar(blocks.problems.total, "problems") as bar:
        for summary in (each_block if many else map)(blocks.summary, range(blocks.problems.count)):
            found.append(summary)
            bar.advance(len(summary.problems))
    return found


def _teachers_plans(stage: Stage) -> TeachersPlans:
    """What the report says of the teacher's plans."""
    from codeplan.evaluation.report import TeachersPlans

    none: dict[str, list[Any]] = {"author": [], "leakage": []}
    found = {
        name: records.columns(stage.inputs[name].folder / PLANS, *none) if name in stage.inputs else none
        for name in DISTILLED
    }
    names = {author for columns in found.values() for author in columns["author"]}
    return TeachersPlans(tuple(sorted(names)), found["plans"]["leakage"], found["oracle"]["leakage"])


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
        console.print()
        console.print(by_split)
        console.print()
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
