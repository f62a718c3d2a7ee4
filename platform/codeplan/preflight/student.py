"""The student: it can be built or loaded, gives programs and plans back, and has room for the data's texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

from codeplan import records
from codeplan.preflight.findings import Finding, failed, ok, skipped, warning
from codeplan.preflight.subject import Subject
from codeplan.records import Plan, Problem
from codeplan.student.identity import student_identity

VERSION = 1
"""Raised when this area finds something else about the same student."""

SAMPLE = 512
"""Training problems that are looked at, evenly spaced."""
_LIBRARIES = ("tokenizers", "torch", "transformers")


def check(subject: Subject) -> Iterator[Finding]:
    """Build the student for real, and try it on the training problems and on the plans that there are."""
    found = subject.problems.get("train", [])
    if not any(problem.solutions for problem in found):
        yield skipped("not tried, as there are no training problems to try it on")
        return
    plans = _plans(subject)
    step = -(-len(found) // SAMPLE)
    yield from subject.remembered("student", _identity(subject, plans), lambda: _tried(subject, found[::step], plans))


def _identity(subject: Subject, plans: Sequence[Plan]) -> dict[str, Any]:
    return {
        "version": VERSION,
        "student": student_identity(subject.config.student),
        "problems": subject.fingerprint("train"),
        "plans": subject.fingerprint("plans") if plans else "",
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def _tried(subject: Subject, problems: Sequence[Problem], plans: Sequence[Plan]) -> Iterator[Finding]:
    from codeplan.student.fitness import check_student

    config = subject.config.student
    known = {problem.problem_id for problem in problems}
    fitness = check_student(config, problems, [plan for plan in plans if plan.problem_id in known])
    for finding in fitness.findings:
        yield failed(finding.message) if finding.severity == "error" else warning(finding.message)
    if not fitness.errors:
        name = f"a {config.architecture.get('model_type')} from scratch" if config.init == "scratch" else config.model
        texts = f"{fitness.counts['solutions.checked']:,} solutions and {fitness.counts['plans.checked']:,} plans"
        yield ok(f"{name} can be built, answers a prompt, and was tried on {texts}")


def _plans(subject: Subject) -> list[Plan]:
    """The teacher's plans, where they are written already."""
    stage = subject.stages.get("plans")
    return records.read(Plan, stage.folder / "plans.parquet") if stage is not None and stage.done() else []
