"""The configuration: its keys and values were validated when it was loaded; here the files and names it refers to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from codeplan.config import FileSource
from codeplan.environment import ray_job
from codeplan.errors import UserError
from codeplan.preflight.context import CheckContext
from codeplan.preflight.findings import Finding, failed, ok, warning
from codeplan.stages.sample import require_tasks
from codeplan.teacher.prompts import require_prompt

_MIN_RESAMPLES = 200
"""Below it, fewer than five resamples lie beyond the 2.5th percentile."""


def check(context: CheckContext) -> Iterator[Finding]:
    """Find missing files, unknown names, and settings that contradict one another."""
    config = context.config
    findings = [*_missing_files(context), *_unknown_names(context), *_missing_tasks(context)]
    yield from findings
    if not findings:
        yield ok(f"{config.name}: every key is valid and every file exists")
    report = config.report
    if report.resamples < _MIN_RESAMPLES:
        yield warning(
            f"report.resamples = {report.resamples} gives imprecise intervals of differences",
            f"use {_MIN_RESAMPLES} or more",
        )


def _missing_files(context: CheckContext) -> Iterator[Finding]:
    sources = context.config.problems
    for role, source in (("train", sources.train), ("test", sources.test)):
        if not isinstance(source, FileSource):
            continue
        for key in ("path", "examples_path"):
            path = getattr(source, key)
            if (path or key == "path") and not Path(path).exists():
                yield failed(
                    f"problems.{role}.{key}: {path or '(empty)'}: no such file or folder", _where_paths_start()
                )
    student = context.config.student
    if student.init == "pretrained" and _is_path(student.model) and not Path(student.model).is_dir():
        yield failed(
            f"student.model: {student.model}: no such folder",
            "use an existing folder or a model of the Hugging Face hub",
        )


def _where_paths_start() -> str:
    if ray_job():
        return "data does not travel with a job: give an absolute path on storage that all nodes of the cluster share"
    return f"relative paths start from {Path.cwd()}"


def _is_path(model: str) -> bool:
    return model.startswith(("/", "./", "../", "~"))


def _unknown_names(context: CheckContext) -> Iterator[Finding]:
    try:
        require_prompt(context.config.teacher.prompt)
    except UserError as error:
        yield failed(str(error))


def _missing_tasks(context: CheckContext) -> Iterator[Finding]:
    """Tasks that plan sampling prompts for, but that the student is not trained on."""
    if "sample" not in context.unfinished:
        return
    try:
        require_tasks(context.config.training)
    except UserError as error:
        yield failed(str(error))
