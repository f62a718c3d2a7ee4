"""All areas, one after another: which of them a run needs, and what becomes of what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape

from codeplan.config import Config
from codeplan.errors import UserError, explain
from codeplan.pipeline import road, upstream
from codeplan.preflight import cluster, configuration, data, home, mlflow, sandbox, student, teacher
from codeplan.preflight.findings import MARKS, PLAIN_MARKS, Finding, Status, failed
from codeplan.preflight.subject import Subject

IN_ORDER = ("problems", "distill", "finetune", "sample", "judge", "report")
ALL_STAGES = frozenset(IN_ORDER)
ON_RAY = ALL_STAGES - {"problems", "report"}


class PreflightError(UserError):
    """A check failed: nothing was run, and nothing is lost."""


@dataclass(frozen=True)
class Area:
    """One thing that a run depends on.

    Attributes:
        name: what a person reads before each of its lines.
        check: finds out, line by line.
        stages: the stages that depend on it; it is left out where a run does not need to run any of these.
        dear: whether it takes seconds or money, and is left out of a run that another check stops anyway.
    """

    name: str
    check: Callable[[Subject], Iterable[Finding]]
    stages: frozenset[str] = ALL_STAGES
    dear: bool = False


AREAS = (
    Area("configuration", configuration.check),
    Area("home", home.check),
    Area("mlflow", mlflow.check),
    Area("sandbox", sandbox.check, ON_RAY | {"problems"}),
    Area("data", data.check, ON_RAY | {"problems"}),
    Area("student", student.check, frozenset({"finetune"})),
    Area("ray", cluster.check, ON_RAY, dear=True),
    Area("teacher", teacher.check, frozenset({"distill"}), dear=True),
)


def check(
    config: Config, goal: str, console: Console, stack: ExitStack, *, every: bool = False, followed: bool = False
) -> None:
    """Look at everything that a run would need, and show what was found.

    Args:
        config: the experiment.
        goal: name of the stage that the run is to reach.
        console: where the lines go.
        stack: keeps open what was opened for a check and serves the run, as a local Ray cluster.
        every: judge all reference solutions, not a sample.
        followed: whether a run follows: then only warnings are shown, and how many checks passed.

    Raises:
        PreflightError: something failed; where a run should follow, the message holds every failure.
    """
    subject = _subject(config, goal, console, stack, every=every, followed=followed)
    found: list[tuple[str, Finding]] = []
    failures: list[str] = []
    for area in AREAS:
        if not area.stages & subject.unfinished or (followed and failures and area.dear):
            continue
        # A terminal shows one live line at a time, and judging all solutions has a bar of its own.
        with nullcontext() if every else console.status(f"checking {area.name}"):
            findings = _findings(area, subject)
        failures += [finding.sentence for finding in findings if finding.status == "failed"]
        for finding in findings:
            found.append((area.name, finding))
            if not followed or finding.status == "warning":
                _show(console, area.name, finding)
    if failures:
        raise PreflightError(_message(failures) if followed else f"{len(failures)} of {len(found)} checks failed")
    if followed and found:
        good = sum(finding.status == "ok" for _, finding in found)
        warned = sum(finding.status == "warning" for _, finding in found)
        said = f"{good} passed" + (f", {warned} warnings" if warned else "")
        console.print(f"{_marks(console)['ok']} {'check':<16}[dim]{said}[/dim]", highlight=False)


def _subject(config: Config, goal: str, console: Console, stack: ExitStack, *, every: bool, followed: bool) -> Subject:
    wanted = set(IN_ORDER[: IN_ORDER.index(goal) + 1])
    subject = Subject(config, {}, wanted, followed, every, console, stack)
    with suppress(UserError):  # where a file is missing, the areas say which
        subject.stages = road(config)
    if followed and subject.stages:
        roles = set(upstream(subject.stages, goal))
        subject.unfinished = {subject.stages[role].name for role in roles if subject.stages[role].done() is None}
    return subject


def _findings(area: Area, subject: Subject) -> list[Finding]:
    findings: list[Finding] = []
    try:
        findings.extend(area.check(subject))
    except Exception as error:
        message = explain(error)
        if message is None and isinstance(error, OSError):
            message = f"{error.filename or area.name}: {error.strerror or error}"
        if message is None:
            raise
        findings.append(failed(message))
    return findings


def _marks(console: Console) -> dict[Status, str]:
    return MARKS if console.encoding.startswith("utf") else PLAIN_MARKS


def _show(console: Console, name: str, finding: Finding) -> None:
    console.print(
        f"{_marks(console)[finding.status]} {name:<16}{escape(finding.sentence)}", highlight=False, soft_wrap=True
    )


def _message(failures: Sequence[str]) -> str:
    if len(failures) == 1:
        return failures[0]
    listed = "; ".join(f"({number}) {failure}" for number, failure in enumerate(failures, 1))
    return f"{len(failures)} checks failed, and nothing was run: {listed}"
