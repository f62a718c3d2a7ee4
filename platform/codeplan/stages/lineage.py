"""Where a stage's result comes from, on its run in MLflow: data sets with digests, the student, links to other runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from codeplan import records
from codeplan.config import TrackingConfig
from codeplan.problems.settings import ReadSettings
from codeplan.stage import Stage, StageResult
from codeplan.stages.distill import DistillSettings
from codeplan.stages.roles import is_first
from codeplan.stages.run import PROBLEMS
from codeplan.student.mixture import whole_ratio
from codeplan.student.serving import PARAMS, REFERENCE
from codeplan.student.settings import FinetuneSettings
from codeplan.tracking import Run, StudentModel, flatten
from codeplan.tracking.tags import dataset_name, student_name

DIGEST = 12
"""Digits of a fingerprint in a text for people."""


def data_set(stage: Stage) -> tuple[str, str]:
    """Name and fingerprint of the data set that a stage wrote: its problems, or the teacher's plans."""
    if isinstance(stage.settings, ReadSettings):
        return f"{dataset_name(stage.settings.source)}-{stage.role}", stage.fingerprint
    return {"oracle": "oracle-plans", "forward": "forward-plans"}.get(stage.role, stage.role), stage.fingerprint


def log_data_set(stage: Stage, result: StageResult, run: Run) -> None:
    """Record the data set of a stage on a run that made or read it; a stage of another kind has none."""
    if isinstance(stage.settings, ReadSettings):
        rows = result.metrics["problems"]
        source = stage.settings.source.model_dump(mode="json")
    elif isinstance(stage.settings, DistillSettings):
        rows = result.metrics["plans"]
        source = {"teacher": stage.settings.teacher.model, **stage.settings.identity()}
    else:
        return
    name, fingerprint = data_set(stage)
    counts = {key: value for key, value in result.metrics.items() if key.startswith(("problems.", "plan."))}
    run.dataset(name, fingerprint, stage.role, source, {"num_rows": rows, **counts})


def log_inputs(stage: Stage, run: Run, runs: Mapping[str, Run]) -> None:
    """Before a stage runs: what it reads, as data sets, as the student and as links.

    Args:
        stage: the stage.
        run: its run.
        runs: the runs of the stages before it, by role.
    """
    for source in stage.inputs.values():
        if (result := source.done()) is not None:
            log_data_set(source, result, run)
        if isinstance(source.settings, FinetuneSettings):
            run.uses_student(source.fingerprint)
    run.describe(description(stage, runs))


def description(stage: Stage, runs: Mapping[str, Run], reused: str = "") -> str:
    """What a stage is and reads, in Markdown.

    Args:
        stage: the stage.
        runs: the runs of the stages before it, by role.
        reused: the address of the run's page that made it, where another run did.
    """
    text = f"Stage **{stage.name}**, role {stage.role}, identity `{stage.fingerprint[:DIGEST]}`"
    if reads := [f"[{role}]({runs[role].link})" for role in stage.inputs if role in runs]:
        text += f", reads {', '.join(reads)}"
    text += f".\n\nFolder `{stage.folder.resolve()}`"
    if reused:
        text = f"**Reused**: [the run that made it]({reused}) has its tables, figures and training curves.\n\n{text}"
    return text


def log_student(stage: Stage, tracked: TrackingConfig, runs: Mapping[str, Run], parent: Run) -> None:
    """After training: the student as a logged model of its stage's run; the first one also of the pipeline's, and
    registered on request.
    """
    if tracked.log_model == "none":
        return
    model = _model(stage, runs, parent, copy=tracked.log_model == "copy")
    first = is_first(stage.role)
    for run in (runs[stage.role], parent) if first else (runs[stage.role],):
        run.student(model)
    if tracked.register_model and first:
        runs[stage.role].register(stage.fingerprint, tracked.register_model, tracked.model_alias)


def _model(stage: Stage, runs: Mapping[str, Run], parent: Run, *, copy: bool) -> StudentModel:
    assert isinstance(stage.settings, FinetuneSettings)
    trained = stage.settings
    student = student_name(trained.student)
    folder = str((stage.folder / "student").resolve())
    sets = {role: data_set(source) for role, source in stage.inputs.items()}
    teacher, about_plans = _teacher(stage, runs)
    lines = [
        f"**{student}**, trained in [finetune]({runs[stage.role].link}) of [this pipeline]({parent.link}).",
        f"- data: [{sets['train'][0]}]({runs['train'].link}), digest `{sets['train'][1][:32]}`",
        *about_plans,
        f"- identity `{stage.fingerprint}`",
        f"- folder `{folder}`"
        + ("" if copy else ", which this model refers to (`tracking.log_model=copy` uploads it)"),
    ]
    return StudentModel(
        experiment_id=parent.experiment_id,
        identity=stage.fingerprint,
        name=_model_name(student, stage.fingerprint),
        folder=folder,
        copy=copy,
        tags={
            "student": student,
            "dataset": sets["train"][0],
            "dataset_digest": sets["train"][1][:32],
            **teacher,
            "pipeline": parent.run_id,
        },
        params=flatten(trained.model_dump(mode="json", include={"student", "training"})),
        description="\n".join(lines),
        example=_example(stage.inputs["train"].folder / PROBLEMS),
        generation=PARAMS,
        reference=REFERENCE,
    )


def _teacher(stage: Stage, runs: Mapping[str, Run]) -> tuple[dict[str, str], list[str]]:
    """Tags and a line about the plans that a student learned from; nothing where it learned from code alone."""
    assert isinstance(stage.settings, FinetuneSettings)
    if set(whole_ratio(stage.settings.training.mixing)) == {"code"}:
        return {}, ["- plans: none, it learned from code alone"]
    plans, (_, digest) = stage.inputs["plans"].settings, data_set(stage.inputs["plans"])
    assert isinstance(plans, DistillSettings)
    prompt = f"{plans.teacher.prompt} {plans.prompt_version[:DIGEST]}"
    line = f"- plans: [{plans.teacher.model}]({runs['plans'].link}), prompt `{prompt}`, digest `{digest[:32]}`"
    return {"teacher": plans.teacher.model, "prompt": prompt, "plans_digest": digest[:32]}, [line]


def _model_name(student: str, fingerprint: str) -> str:
    # MLflow allows fewer characters here than in other names.
    return f"{''.join(c if c.isalnum() else '-' for c in student)}-{fingerprint[:8]}"


def _example(problems: Path) -> dict[str, str]:
    first = records.first(problems, "question", "starter_code")
    return {"question": "", "starter_code": "", **first, "plan": ""}
