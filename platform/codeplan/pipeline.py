"""The road, on one screen.

    problems ──> plans ──────> student ───────> samples ──────> verdicts ─────> report
     readers     backward       multi-task       plan sampling   unit tests     pass@k, tables,
                 reasoning      fine-tuning                      in a sandbox   figures

Each arrow is a stage. A stage reads the records that earlier stages wrote and writes its own; nothing else passes
between them. `road` says what each stage is, and so what its fingerprint covers; `codeplan.steps` says what it does.
"""

from __future__ import annotations

import platform
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

import codeplan
from codeplan import problems, steps
from codeplan.config import Config, Source
from codeplan.stages import Outcome, Stage
from codeplan.student.identity import student_identity
from codeplan.teacher.offline import MODEL as OFFLINE
from codeplan.teacher.offline_server import offline_host
from codeplan.teacher.prompts import prompt_version
from codeplan.tracking import Tracker

ONCE = {"finetune", "sample", "judge", "report"}
"""Stages that play one role only, and so need no second name."""


def road(config: Config) -> dict[str, Stage]:
    """Every stage of an experiment, by the role it plays, in the order in which they run."""
    home = Path(config.execution.home)
    stages: dict[str, Stage] = {}

    def stage(role: str, name: str, version: int, settings: Mapping[str, Any], **inputs: str) -> None:
        wired = {key: stages[value] for key, value in inputs.items() if value in stages}
        stages[role] = Stage(name, version, settings, wired, home)

    def read(source: Source) -> dict[str, Any]:
        return {**problems.identity(source), "comparator": config.problems.comparator}

    ask = config.teacher.model_dump(mode="json", exclude={"base_url", "api_key_env", "lost_share"})
    ask["prompt_version"] = prompt_version(config.teacher.prompt)
    if config.teacher.model == OFFLINE:
        ask["offline_version"] = offline_host()
    once = {"solutions_per_problem": 1, "plans_per_solution": 1}
    student = {**student_identity(config.student), "training": config.training.model_dump(mode="json")}
    sampling = config.sampling.model_dump(mode="json", exclude={"plan_counts"}) | {"counts": config.sampling.counts()}
    judging = config.judging.model_dump(mode="json")

    stage("train", "problems", 1, read(config.problems.train))
    stage("test", "problems", 1, read(config.problems.test))
    stage("plans", "distill", 3, ask, problems="train")
    if config.sampling.oracle:
        stage("oracle", "distill", 3, {**ask, **once}, problems="test")
    stage("student", "finetune", 1, student, problems="train", plans="plans")
    stage("samples", "sample", 4, {**sampling, "judging": judging}, problems="test", oracle="oracle", student="student")
    stage("verdicts", "judge", 2, judging, problems="test", samples="samples")
    stage(
        "report",
        "report",
        2,
        config.report.model_dump(mode="json"),
        problems="test",
        plans="plans",
        oracle="oracle",
        samples="samples",
        verdicts="verdicts",
    )
    return stages


def travel(config: Config, name: str, tracker: Tracker, console: Console) -> dict[str, Stage]:
    """Run every stage called ``name`` and all they read from; finished stages are reused.

    Args:
        config: the experiment.
        name: a stage's name: problems, distill, finetune, sample, judge or report.
        tracker: where runs are logged.
        console: where progress is shown.

    Returns:
        The whole road, by role.
    """
    stages = road(config)
    wanted = set(upstream(stages, name))
    tags = {"kind": "experiment", "goal": name, "teacher": config.teacher.model, **_versions()}
    with ExitStack() as journey, tracker.experiment(config, tags) as parent:
        who = f"{config.teacher.model}, which is no LLM" if config.teacher.model == OFFLINE else config.teacher.model
        where = escape(f"home {config.execution.home}  teacher {who}")
        console.print(f"[bold]{escape(config.name)}[/bold]  {where}", highlight=False)
        for role, stage in stages.items():
            if role in wanted:
                title = stage.name if stage.name in ONCE else f"{stage.name} {role}"
                kind = {"stage": stage.name, "role": role, "fingerprint": stage.fingerprint}
                with tracker.stage(parent, title, kind) as run:
                    work = steps.Work(config, role, title, stage, run, console, journey)
                    _visit(work)
        if "report" in wanted:
            steps.show_report(stages["report"], parent, console)
    return stages


def _visit(work: steps.Work) -> None:
    started = time.monotonic()
    maker = work.folder / "mlflow_run"

    def tell_waiting(holder: str) -> None:
        line = f"  {work.title}: another run works on this stage ({holder}); waiting for it"
        work.console.print(line, highlight=False, markup=False, soft_wrap=True)

    outcome = work.stage.done()
    how = "reused"
    if outcome is None:
        with work.stage.claimed(work.run.run_id, tell_waiting):
            outcome = work.stage.done()  # by the run that this one waited for
            if outcome is None:
                maker.write_text(work.run.run_id)
                outcome = steps.STEPS[work.stage.name](work)
                work.stage.finish(outcome)
                how = f"{time.monotonic() - started:.1f} s"
    if how == "reused":
        work.run.tag(reused_from=maker.read_text() if maker.exists() else "unknown")
    _tell(work, outcome, how)


def _tell(work: steps.Work, outcome: Outcome, how: str) -> None:
    metrics = dict(outcome.metrics)
    parts = []
    for rows, account in outcome.accounts.items():
        metrics |= {f"rows.{rows}.in": account.rows_in, f"rows.{rows}.out": account.rows_out}
        metrics |= {f"rows.{rows}.lost.{loss}": count for loss, count in account.losses.items()}
        lost = "".join(f", {count:,} {loss.replace('_', ' ')}" for loss, count in account.losses.items() if count)
        parts.append(f"{account.rows_in:,} {rows} in, {account.rows_out:,} out{lost}")
    work.run.metrics(metrics)
    line = f"[green]✓[/green] {work.title:<16}[dim]{how:>9}[/dim]  {escape('; '.join(parts))}"
    work.console.print(line, highlight=False)


def upstream(stages: Mapping[str, Stage], name: str) -> Iterator[str]:
    """The roles of the stages of that name and of all that they read from; a role may come more than once."""
    roles = {stage.fingerprint: role for role, stage in stages.items()}

    def walk(stage: Stage) -> Iterator[str]:
        yield roles[stage.fingerprint]
        for each in stage.inputs.values():
            yield from walk(each)

    for stage in stages.values():
        if stage.name == name:
            yield from walk(stage)


def _versions() -> dict[str, str]:
    """The code that ran, for a person who compares runs later."""
    where = Path(__file__).parent
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=where,
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "version": codeplan.__version__,
        "python": platform.python_version(),
        "commit": commit.stdout.strip() or "unknown",
    }
