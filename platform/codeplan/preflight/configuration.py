"""The configuration: it was read, so its keys and values fit; here is what it points to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from codeplan.config import FileSource
from codeplan.errors import UserError
from codeplan.preflight.findings import Finding, failed, ok, warning
from codeplan.preflight.subject import Subject
from codeplan.teacher.prompts import prompt_version


def check(subject: Subject) -> Iterator[Finding]:
    """Files that are missing, and names that mean nothing."""
    config = subject.config
    found = [*_missing(subject), *_unknown(subject)]
    yield from found
    if not found:
        yield ok(f"{config.name}: every key is known and every file is there")
    report = config.report
    if report.resamples < _FEW_RESAMPLES:
        yield warning(
            f"report.resamples = {report.resamples} makes intervals of differences rough",
            f"{_FEW_RESAMPLES} or more are usual",
        )


_FEW_RESAMPLES = 200  # the 2.5th percentile of fewer rests on less than five resamples


def _missing(subject: Subject) -> Iterator[Finding]:
    sources = subject.config.problems
    for role, source in (("train", sources.train), ("test", sources.test)):
        if not isinstance(source, FileSource):
            continue
        for key in ("path", "examples_path"):
            path = getattr(source, key)
            if (path or key == "path") and not Path(path).exists():
                yield failed(
                    f"problems.{role}.{key}: {path or 'nothing'}: there is no such file or folder",
                    f"relative paths are looked up from {Path.cwd()}",
                )
    student = subject.config.student
    if student.init == "pretrained" and _is_path(student.model) and not Path(student.model).is_dir():
        yield failed(f"student.model: {student.model}: there is no such folder", "name a folder, or a model of the hub")


def _is_path(model: str) -> bool:
    return model.startswith(("/", "./", "../", "~"))


def _unknown(subject: Subject) -> Iterator[Finding]:
    try:
        prompt_version(subject.config.teacher.prompt)
    except UserError as error:
        yield failed(f"teacher.prompt: {error}")
