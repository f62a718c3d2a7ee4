"""The student: it can be built or loaded, its tokenizer reproduces programs and plans, and its limits fit the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

from codeplan import records
from codeplan.preflight.context import CheckContext
from codeplan.preflight.findings import Finding, failed, ok, skipped, warning
from codeplan.records import Plan, Problem
from codeplan.student.settings import FinetuneSettings

VERSION = 1
"""Raised when this area finds something else about the same student."""

SAMPLE = 512
"""Training problems that are checked, evenly spaced."""
_LIBRARIES = ("tokenizers", "torch", "transformers")


def check(context: CheckContext) -> Iterator[Finding]:
    """Build the student, and check it on the training problems and on the plans that there are."""
    found = context.problems.get("train", [])
    if not any(problem.solutions for problem in found):
        yield skipped("not checked: there are no training problems with a solution to check it on")
        return
    plans = _plans(context)
    step = -(-len(found) // SAMPLE)
    settings = FinetuneSettings.of(context.config.student, context.config.training)
    identity = _identity(context, settings, plans)
    yield from context.cached_findings("student", identity, lambda: _check(settings, found[::step], plans))


def _identity(context: CheckContext, settings: FinetuneSettings, plans: Sequence[Plan]) -> dict[str, Any]:
    return {
        "version": VERSION,
        "student": {key: value for key, value in settings.identity().items() if key != "training"},
        "problems": context.fingerprint("train"),
        "plans": context.fingerprint("plans") if plans else "",
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def _check(settings: FinetuneSettings, problems: Sequence[Problem], plans: Sequence[Plan]) -> Iterator[Finding]:
    from codeplan.student.fitness import check_student

    config = settings.pinned_student
    known = {problem.problem_id for problem in problems}
    fitness = check_student(config, problems, [plan for plan in plans if plan.problem_id in known])
    for finding in fitness.findings:
        yield failed(finding.message) if finding.severity == "error" else warning(finding.message)
    if not fitness.errors:
        name = f"a {config.architecture.get('model_type')} from scratch" if config.init == "scratch" else config.model
        texts = f"{fitness.counts['solutions.checked']:,} solutions and {fitness.counts['plans.checked']:,} plans"
        yield ok(f"{name} can be built, answers a prompt, and was checked on {texts}")


def _plans(context: CheckContext) -> list[Plan]:
    """The teacher's plans, where they exist already."""
    stage = context.stages.get("plans")
    return records.read(Plan, stage.folder / "plans.parquet") if stage is not None and stage.done() else []
