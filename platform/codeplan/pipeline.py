"""The pipeline, on one screen.

    problems ──> plans ──────> student ───────> samples ──────> verdicts ─────> report
     readers     backward       multi-task       plan sampling   unit tests     pass@k, tables,
                 reasoning      fine-tuning                      in a sandbox   figures

Each arrow is a stage. A stage reads the records that earlier stages wrote and writes its own; nothing else passes
between them. `build` says what each stage is, and so what its fingerprint covers; `codeplan.stages` says what it does.
"""

from __future__ import annotations

import platform
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

import codeplan
from codeplan import stages
from codeplan.config import Config, Settings
from codeplan.stage import Stage, StageError, StageResult, require_same_inputs
from codeplan.stages import StageRun, distill, finetune, judge, problems, report, sample
from codeplan.teacher.offline import MODEL as OFFLINE
from codeplan.tracking import Tracker

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
    specs = _specs(config)
    built: dict[str, Stage] = {}
    for role in _required(specs, goal):
        spec = specs[role]
        inputs = {source: built[source] for source in spec.inputs if source in built}
        built[role] = Stage(role, spec.name, spec.version, spec.settings(), inputs, home)
    return built


@dataclass(frozen=True)
class _Spec:
    """A stage whose settings are not looked up yet: that may read files, or ask a hub."""

    name: str
    version: int
    settings: Callable[[], Settings]
    inputs: tuple[str, ...] = ()


def _specs(config: Config) -> dict[str, _Spec]:
    train, test = config.problems.train, config.problems.test
    teacher, budget = config.teacher, config.execution.budget_usd
    specs = {
        "train": _Spec("problems", problems.VERSION, lambda: problems.settings(train)),
        "test": _Spec("problems", problems.VERSION, lambda: problems.settings(test)),
        "plans": _Spec("distill", distill.VERSION, lambda: distill.settings(teacher, budget, "plans"), ("train",)),
        "oracle": _Spec("distill", distill.VERSION, lambda: distill.settings(teacher, budget, "oracle"), ("test",)),
        "student": _Spec(
            "finetune", finetune.VERSION, lambda: finetune.settings(config.student, config.training), ("train", "plans")
        ),
        "samples": _Spec(
            "sample",
            sample.VERSION,
            lambda: sample.settings(config.sampling, config.judging, config.report, config.training),
            ("test", "oracle", "student"),
        ),
        "verdicts": _Spec("judge", judge.VERSION, lambda: judge.settings(config.judging), ("test", "samples")),
        "report": _Spec(
            "report",
            report.VERSION,
            lambda: report.settings(config.report),
            ("test", "plans", "oracle", "samples", "verdicts"),
        ),
    }
    if not config.sampling.oracle:
        del specs["oracle"]
    return specs


def _required(specs: Mapping[str, _Spec], goal: str) -> list[str]:
    """The roles of the stages of that name and of all that they read from, in the order in which they run."""
    wanted: set[str] = set()

    def add(role: str) -> None:
        wanted.add(role)
        for source in specs[role].inputs:
            if source in specs:
                add(source)

    for role, spec in specs.items():
        if spec.name == goal:
            add(role)
    return [role for role in specs if role in wanted]


def titles(pipeline: Pipeline) -> dict[str, str]:
    """Display names by role: the stage's name, with the role where two stages share a name."""
    once = {stage.name for stage in pipeline.values()} - {"problems", "distill"}
    return {role: stage.name if stage.name in once else f"{stage.name} {role}" for role, stage in pipeline.items()}


def run(config: Config, goal: str, tracker: Tracker, console: Console) -> Pipeline:
    """Run every stage called ``goal`` and all that they read from; finished stages are reused.

    Args:
        config: the experiment.
        goal: a stage's name: problems, distill, finetune, sample, judge or report.
        tracker: where runs are logged.
        console: where progress is shown.

    Returns:
        The stages.
    """
    pipeline = build(config, goal)
    require_same_inputs(pipeline.values())
    named = titles(pipeline)
    tags = {"kind": "experiment", "goal": goal, "teacher": config.teacher.model, **_versions()}
    with ExitStack() as exit_stack, tracker.experiment(config, tags) as parent:
        teacher = config.teacher.model + (", which is not an LLM" if config.teacher.model == OFFLINE else "")
        where = escape(f"home {config.execution.home}  teacher {teacher}")
        console.print(f"[bold]{escape(config.name)}[/bold]  {where}", highlight=False)
        for role, stage in pipeline.items():
            kind = {"stage": stage.name, "role": role, "fingerprint": stage.fingerprint}
            with tracker.stage(parent, named[role], kind) as tracking:
                result = _run_stage(StageRun(stage, named[role], config.execution, tracking, console, exit_stack))
            if stage.name == "problems":
                problems.require_usable(role, stage, result)
            elif stage.name == "distill":
                require_same_inputs(pipeline.values())
        if goal == "report":
            report.show(pipeline["report"], parent, console)
    return pipeline


def _run_stage(work: StageRun) -> StageResult:
    started = time.monotonic()
    maker = work.folder / "mlflow_run"

    def tell_waiting(holder: str) -> None:
        line = f"  {work.title}: another run works on this stage ({holder}); waiting for it"
        work.console.print(line, highlight=False, markup=False, soft_wrap=True)

    result = work.stage.done()
    how = "reused"
    if result is None:
        with work.stage.lock(tell_waiting, work.tracking.run_id):
            result = work.stage.done()  # by the run that this one waited for
            if result is None:
                maker.write_text(work.tracking.run_id)
                result = stages.RUN[work.stage.name](work)
                work.stage.finish(result)
                how = f"{time.monotonic() - started:.1f} s"
    if how == "reused":
        work.tracking.tag(reused_from=maker.read_text() if maker.exists() else "unknown")
    _show(work, result, how)
    return result


def _show(work: StageRun, result: StageResult, how: str) -> None:
    metrics = dict(result.metrics)
    parts = []
    for rows, account in result.accounts.items():
        metrics |= {f"rows.{rows}.in": account.rows_in, f"rows.{rows}.out": account.rows_out}
        metrics |= {f"rows.{rows}.dropped.{reason}": count for reason, count in account.dropped.items()}
        dropped = "".join(f", {count:,} {name.replace('_', ' ')}" for name, count in account.dropped.items() if count)
        parts.append(f"{account.rows_in:,} {rows} in, {account.rows_out:,} out{dropped}")
    work.tracking.metrics(metrics)
    line = f"[green]✓[/green] {work.title:<16}[dim]{how:>9}[/dim]  {escape('; '.join(parts))}"
    work.console.print(line, highlight=False)


def _versions() -> dict[str, str]:
    """The code that ran, for a user who compares runs later."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "version": codeplan.__version__,
        "python": platform.python_version(),
        "commit": commit.stdout.strip() or "unknown",
    }
