"""The pipeline, on one screen.

    problems ──> plans ──────> student ───────> samples ──────> verdicts ─────> report
     readers     backward       multi-task       plan sampling   unit tests     pass@k, tables,
                 reasoning      fine-tuning                      in a sandbox   figures

Each arrow is a stage. A stage reads the records that earlier stages wrote and writes its own; nothing else passes
between them. `codeplan.specs` says what each stage is, and so what its fingerprint covers; `codeplan.stages` says what
it does.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from codeplan import stages
from codeplan.config import Config
from codeplan.specs import Spec, specs
from codeplan.stage import Stage, StageError, StageResult, require_same_inputs
from codeplan.stages import Observer, StageRun, lineage, problems, report
from codeplan.stages.events import log_end, watched_run, watched_stage
from codeplan.stages.roles import is_student
from codeplan.teacher.offline import MODEL as OFFLINE
from codeplan.tracking import Run, Tracker, run_name, system_metrics, tags

MEASURED = ("finetune", "sample")
"""Stages whose use of the machine is measured."""

Pipeline = Mapping[str, Stage]
"""Stages by role, in the order in which they run."""


def build(config: Config, goal: str = "report") -> Pipeline:
    """Every stage of that name and all that they read from.

    Args:
        config: the experiment.
        goal: a stage's name: problems, distill, finetune, sample, judge or report.

    Raises:
        UserError: a file of problems or a folder of a student is missing, a name cannot be resolved, the home is not a
            folder, or samples are wanted of a student that is not trained to write plans or programs.
    """
    home = Path(config.execution.home)
    if not next(path for path in (home, *home.absolute().parents) if path.exists()).is_dir():
        raise StageError(f"execution.home is {home}, which is not a folder and not in one; name a folder")
    found = specs(config)
    built: dict[str, Stage] = {}
    for role in _required(found, goal):
        spec = found[role]
        inputs = {name: built[source] for name, source in spec.inputs.items() if source in built}
        built[role] = Stage(role, spec.name, spec.version, spec.settings(), inputs, home)
    return built


def _required(specs: Mapping[str, Spec], goal: str) -> list[str]:
    """The roles of the stages of that name and of all that they read from, in the order in which they run."""
    wanted: set[str] = set()

    def add(role: str) -> None:
        wanted.add(role)
        for source in specs[role].inputs.values():
            if source in specs:
                add(source)

    for role, spec in specs.items():
        if spec.name == goal:
            add(role)
    return [role for role in specs if role in wanted]


def titles(pipeline: Pipeline) -> dict[str, str]:
    """Display names by role: the stage's name, with the role where two stages share a name."""
    count = Counter(stage.name for stage in pipeline.values())
    once = {name for name in count if count[name] == 1} - {"problems", "distill"}
    return {role: stage.name if stage.name in once else f"{stage.name} {role}" for role, stage in pipeline.items()}


@dataclass(frozen=True)
class Trial:
    """A pipeline's place in a sweep.

    Attributes:
        parent: id of the sweep's run in MLflow.
        sweep: the sweep's name.
        name: of the trial's run in MLflow.
        tags: more of them, to filter by.
        axes: values of the sweep's axes as numbers, for charts.
    """

    parent: str
    sweep: str
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    axes: Mapping[str, float] = field(default_factory=dict)


def run(
    config: Config,
    goal: str,
    tracker: Tracker,
    console: Console,
    *,
    differs: Mapping[str, Any] | None = None,
    trial: Trial | None = None,
    observer: Observer | None = None,
) -> Pipeline:
    """Run every stage called ``goal`` and all that they read from, and return them; finished stages are reused.

    Args:
        config: the experiment.
        goal: a stage's name: problems, distill, finetune, sample, judge or report.
        tracker: where runs are logged.
        console: where progress is shown.
        differs: the settings that differ from the base configuration, by ``section.key``: they name the run.
        trial: where a sweep runs the pipeline, the place in it.
        observer: who follows the run, and may stop it.
    """
    pipeline = build(config, goal)
    require_same_inputs(pipeline.values())
    named = titles(pipeline)
    observer = observer or Observer()
    runs: dict[str, Run] = {}
    about = {"goal": goal, "identity": list(pipeline.values())[-1].fingerprint}
    with ExitStack() as exit_stack, _tracked(config, tracker, about, differs or {}, trial) as parent:
        log = exit_stack.enter_context(watched_run(config.name, goal, parent.run_id, config.execution))
        observer.run_started(parent.run_id)
        _show_start(config, console)
        if trial is None:
            show_run(parent.run_id, console)
        parent.tag(**{f"identity.{role}": stage.fingerprint for role, stage in pipeline.items()})
        for role, stage in pipeline.items():
            title = named[role]
            log.watch = watch = log.watch.at(title, stage.fingerprint)
            about = {"stage": stage.name, "role": role, "identity": stage.fingerprint}
            with tracker.stage(parent, title, about | tags.of_config(config)) as runs[role], watched_stage(watch):
                work = StageRun(
                    stage, title, config.execution, runs[role], config.tracking, console, exit_stack, observer, watch
                )
                result = _run_and_log(work, runs, parent)
            if stage.name == "problems":
                problems.require_usable(role, stage, result)
            elif stage.name == "distill":
                require_same_inputs(pipeline.values())
        if goal == "report":
            report.show(pipeline["report"], parent, console)
    return pipeline


def _show_start(config: Config, console: Console) -> None:
    teacher = config.teacher.model + (", which is not an LLM" if config.teacher.model == OFFLINE else "")
    where = escape(f"home {config.execution.home}  teacher {teacher}")
    console.print(f"[bold]{escape(config.name)}[/bold]  {where}", highlight=False)


def show_run(run_id: str, console: Console) -> None:
    """In a Ray job, name its run in MLflow: `codeplan jobs` looks for this line in the job's log."""
    if job := tags.ray_job_id():
        console.print(f"MLflow run {run_id} of Ray job {job}", highlight=False, markup=False, soft_wrap=True)


def _tracked(
    config: Config, tracker: Tracker, about: Mapping[str, str], differs: Mapping[str, Any], trial: Trial | None
) -> AbstractContextManager[Run]:
    """The pipeline's run."""
    name = run_name(config.name, differs)
    about = {**about, **tags.of_config(config), **tags.of_process()}
    if trial is None:
        return tracker.experiment(config, about, name=name, differs=differs)
    about |= {"sweep": trial.sweep, **trial.tags}
    return tracker.experiment(config, about, name=trial.name, differs=trial.axes, parent=trial.parent, kind="trial")


def _run_and_log(work: StageRun, runs: Mapping[str, Run], parent: Run) -> StageResult:
    """Run a stage, and log what it read and made, also on the pipeline's run."""
    stage = work.stage
    lineage.log_inputs(stage, work.tracking, runs)
    result = _run_stage(work, runs)
    for shown_on in (work.tracking, parent):
        lineage.log_data_set(stage, result, shown_on)
    if is_student(stage.role):
        lineage.log_student(stage, work.tracked, runs, parent)
    return result


def _run_stage(work: StageRun, runs: Mapping[str, Run]) -> StageResult:
    started = time.monotonic()
    work.observer.stage_started(work.title)
    maker = work.folder / "mlflow_run"

    result = work.stage.done()
    computed = False
    if result is None:
        with work.stage.lock(work.tell_waiting_for_stage, work.tracking.run_id):
            result = work.stage.done()  # by the run that this one waited for
            if result is None:
                maker.write_text(f"{work.tracking.experiment_id}/{work.tracking.run_id}")
                measured = work.stage.name in MEASURED
                with system_metrics(work.tracking, work.tracked.system_metrics_s if measured else 0.0):
                    result = stages.RUN[work.stage.name](work)
                work.stage.finish(result)
                computed = True
    seconds = time.monotonic() - started
    if not computed:
        experiment, _, run_id = (maker.read_text() if maker.exists() else "unknown").rpartition("/")
        work.tracking.tag(reused_from=run_id)
        made_by = Run.page(experiment or work.tracking.experiment_id, run_id)
        work.tracking.describe(lineage.description(work.stage, runs, "" if run_id == "unknown" else made_by))
    _show(work, result, f"{seconds:.1f} s" if computed else "reused")
    log_end(work.watch, result, seconds, computed=computed)
    work.observer.stage_finished(work.stage, result, seconds, computed=computed)
    return result


def _show(work: StageRun, result: StageResult, how: str) -> None:
    metrics = dict(result.metrics)
    parts = []
    for rows, account in result.accounts.items():
        metrics |= {f"rows.{rows}.in": account.rows_in, f"rows.{rows}.out": account.rows_out}
        metrics |= {f"rows.{rows}.dropped.{reason}": count for reason, count in account.dropped.items()}
        dropped = [f"{count:,} dropped ({name.replace('_', ' ')})" for name, count in account.dropped.items() if count]
        parts.append(", ".join((f"{account.rows_in:,} {rows} in", f"{account.rows_out:,} out", *dropped)))
    work.tracking.metrics(metrics)
    line = f"[green]✓[/green] {work.title:<16}[dim]{how:>9}[/dim]  {escape('; '.join(parts))}"
    work.console.print(line, highlight=False)
