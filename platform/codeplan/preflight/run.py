"""Runs the areas that a run depends on, one after another, and shows their findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape

from codeplan.config import Config
from codeplan.errors import UserError, explain
from codeplan.pipeline import build
from codeplan.preflight import cluster, configuration, data, home, mlflow, sandbox, student, teacher
from codeplan.preflight.context import CheckContext
from codeplan.preflight.findings import MARKS, PLAIN_MARKS, Finding, FindingStatus, failed
from codeplan.stage import Stage
from codeplan.stages import IN_ORDER

ALL_STAGES = frozenset(IN_ORDER)
ON_RAY = ALL_STAGES - {"problems", "report"}


class PreflightError(UserError):
    """A check failed, and no stage was run."""


@dataclass(frozen=True)
class Area:
    """One thing that a run depends on.

    Attributes:
        name: shown before its findings.
        check: yields the findings.
        stages: the stages that depend on it; it is left out if none of these is to be run.
        expensive: whether it takes seconds or money; it is left out before a run that another check stops anyway.
    """

    name: str
    check: Callable[[CheckContext], Iterable[Finding]]
    stages: frozenset[str] = ALL_STAGES
    expensive: bool = False


AREAS = (
    Area("configuration", configuration.check),
    Area("home", home.check),
    Area("mlflow", mlflow.check),
    Area("sandbox", sandbox.check, ON_RAY | {"problems"}),
    Area("data", data.check, ON_RAY | {"problems"}),
    Area("student", student.check, frozenset({"finetune"})),
    Area("ray", cluster.check, ON_RAY, expensive=True),
    Area("teacher", teacher.check, frozenset({"distill"}), expensive=True),
)


def _in_order(config: Config) -> list[Area]:
    """The areas; a cluster at an address comes before the sandbox, which may belong on a node of its own there."""
    areas = list(AREAS)
    if config.execution.ray_address or config.execution.sandboxes_apart:
        names = [area.name for area in areas]
        areas.insert(names.index("sandbox"), areas.pop(names.index("ray")))
    return areas


def check(
    config: Config,
    goal: str,
    console: Console,
    exit_stack: ExitStack,
    *,
    all_solutions: bool = False,
    before_run: bool = False,
) -> None:
    """Check everything that a run depends on, and show the findings.

    Args:
        config: the experiment.
        goal: name of the last stage to run.
        console: where the findings are shown.
        exit_stack: keeps open what the run uses too, such as a local Ray cluster.
        all_solutions: judge all reference solutions instead of a sample.
        before_run: whether a run follows: then only warnings and the number of passed checks are shown.

    Raises:
        PreflightError: a check failed; before a run the message contains every failure.
    """
    with ExitStack() as while_checking:
        stages = _stages(config, goal, before_run=before_run)
        context = CheckContext(config, *stages, before_run, all_solutions, console, exit_stack, while_checking)
        found = list(_shown(context))
    failures = [finding.sentence for finding in found if finding.status == "failed"]
    if failures:
        raise PreflightError(_message(failures) if before_run else f"{len(failures)} of {len(found)} checks failed")
    if before_run and found:
        passed = sum(finding.status == "ok" for finding in found)
        warnings = sum(finding.status == "warning" for finding in found)
        summary = f"{passed} passed" + (f", {warnings} warning{'s' * (warnings != 1)}" if warnings else "")
        console.print(f"{_marks(console)['ok']} {'check':<16}[dim]{summary}[/dim]", highlight=False)


def _stages(config: Config, goal: str, *, before_run: bool) -> tuple[Mapping[str, Stage], set[str]]:
    """The stages by role, and the names of those to run; without a run to follow these are all up to the goal."""
    stages: Mapping[str, Stage] = {}
    with suppress(UserError):  # the areas report which file is missing
        stages = build(config, goal)
    if before_run and stages:
        return stages, {stage.name for stage in stages.values() if stage.done() is None}
    return stages, set(IN_ORDER[: IN_ORDER.index(goal) + 1])


def _shown(context: CheckContext) -> Iterator[Finding]:
    """Check the areas, and show what is found; before a run only warnings, as its failures end in one message."""
    has_failed = False
    for area in _in_order(context.config):
        if not area.stages & context.unfinished or (context.before_run and has_failed and area.expensive):
            continue
        # A terminal shows one live display at a time, and judging all solutions has its own progress bar.
        with nullcontext() if context.all_solutions else context.console.status(f"checking {area.name}"):
            findings = _findings(area, context)
        for finding in findings:
            has_failed |= finding.status == "failed"
            if not context.before_run or finding.status == "warning":
                _show(context.console, area.name, finding)
            yield finding


def _findings(area: Area, context: CheckContext) -> list[Finding]:
    findings: list[Finding] = []
    try:
        findings.extend(area.check(context))
    except Exception as error:
        message = explain(error)
        if message is None and isinstance(error, OSError):
            message = f"{error.filename or area.name}: {error.strerror or error}"
        if message is None:
            raise
        findings.append(failed(message))
    return findings


def _marks(console: Console) -> dict[FindingStatus, str]:
    return MARKS if console.encoding.startswith("utf") else PLAIN_MARKS


def _show(console: Console, name: str, finding: Finding) -> None:
    console.print(
        f"{_marks(console)[finding.status]} {name:<16}{escape(finding.sentence)}", highlight=False, soft_wrap=True
    )


def _message(failures: Sequence[str]) -> str:
    if len(failures) == 1:
        return failures[0]
    listed = "; ".join(f"({number}) {failure}" for number, failure in enumerate(failures, 1))
    return f"{len(failures)} checks failed, and no stage was run: {listed}"
