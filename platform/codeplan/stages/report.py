"""report: count, compare, and draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console

from codeplan.config import MiniAppsSource, ReportConfig, Settings
from codeplan.files import write_text
from codeplan.inference.sample_pool import SamplePool
from codeplan.inference.samples import Samples
from codeplan.inference.verdict_pool import JudgeSettings, VerdictPool
from codeplan.pool import blocks
from codeplan.problems import ReadSettings, shown_among_hidden, with_comparator
from codeplan.records import Plan, Problem, Verdict
from codeplan.stage import Account, Stage, StageResult
from codeplan.stages import lineage
from codeplan.stages.distill import REQUESTS
from codeplan.stages.problems import CEILING_WITH_EXAMPLES, DIRECT_CEILING
from codeplan.stages.run import PLANS, PROBLEMS, StageRun
from codeplan.tracking import Run, flatten

if TYPE_CHECKING:
    from codeplan.evaluation.notes import DirectCeiling
    from codeplan.evaluation.results import Report

VERSION = 5
FILES = {".png", ".md", ".html", ".json", ".csv"}
"""The kinds of files that go to MLflow."""
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
    pool = SamplePool.of(work.stage.inputs["samples"])
    sampled, hidden = _sampled(work.stage, pool, given)
    sampled_records: dict[str, Any] = {
        "oracle_plans": work.read("oracle", PLANS, Plan),
        "student_plans": sampled.plans,
        "programs": sampled.programs,
        "verdicts": [*sampled.verdicts, *hidden],
        "sampling": pool.settings,
    }
    plans = work.read("plans", PLANS, Plan)
    shown = [shown_among_hidden(problem) for problem in given]
    try:
        made, solve_rates = reports.build(
            given,
            plans=plans,
            report=work.stage.settings.report,
            shown_hidden_tests=shown,
            shown_left_out=_shown_left_out(work.stage),
            plan_requests=_plan_requests(work.stage),
            ceiling=_ceiling(work.stage),
            **sampled_records,
        )
        page = problem_page.render(given, final=work.stage.settings.report.final, **sampled_records)
    except IncompleteSamplesError as error:
        raise IncompleteSamplesError(f"{error}; delete the folder {pool.folder} and run the same command") from error
    reports.write(made, work.folder)
    as_judged = [with_comparator(problem, judging.comparator) for problem in given]
    rates.write(rates.collect(as_judged, solve_rates, pool.settings, flatten(judging.identity())), work.folder)
    lineage.write(lineage.Lineage.of(work.stage), work.folder)
    write_text(work.folder / "problems.html", page)
    return StageResult(accounts={"problems": Account(len(given), made.problems)}, metrics=made.metrics())


def _shown_left_out(stage: Stage) -> bool:
    judging = stage.inputs["verdicts"].settings
    assert isinstance(judging, JudgeSettings)
    return judging.hidden_without_examples


def _plan_requests(stage: Stage) -> dict[str, Account]:
    """What became of the plan requests of the student's plans and of the oracle's, by role."""
    results = {role: stage.inputs[role].done() for role in ("plans", "oracle") if role in stage.inputs}
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


def _sampled(stage: Stage, pool: SamplePool, given: list[Problem]) -> tuple[Samples, list[Verdict]]:
    verdicts = VerdictPool.of(stage.inputs["verdicts"])
    sampled, hidden = Samples(), list[Verdict]()
    for block in range(len(blocks(given))):
        of_block = pool.read(block)
        for whole, part in zip(vars(sampled).values(), vars(of_block).values(), strict=True):
            whole.extend(part)
        hidden += verdicts.read(block, of_block.programs)
    return sampled, hidden


def show(stage: Stage, run: Run, console: Console) -> None:
    """Print the table, and keep the report's files with the experiment's run."""
    from codeplan.evaluation import report as reports
    from codeplan.evaluation.tables import table

    made = reports.load(stage.folder)
    console.print()
    console.print(table(made))
    for sentence in made.conclusions:
        console.print(f"- {sentence}", highlight=False, markup=False)
    console.print(f"\nfigure  {stage.folder / 'figure_plans.png'}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"report  {stage.folder / 'report.md'}", highlight=False, markup=False, soft_wrap=True)
    student, test = stage.inputs["samples"].inputs["student"], stage.inputs["test"]
    # MLflow's comparison of runs begins with the first metric.
    metrics = dict(sorted(made.metrics().items(), key=lambda metric: metric[0] != FIRST))
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
