"""The sandbox: the isolation tier that this machine provides, and what the stronger ones lack."""

from __future__ import annotations

from collections.abc import Iterator

from codeplan.preflight.context import CheckContext
from codeplan.preflight.findings import Finding, failed, ok, warning
from codeplan_sandbox import TIERS, Judge, SandboxError, survey


def check(context: CheckContext) -> Iterator[Finding]:
    """Start a sandbox, which verifies its layers by attacks from inside; the reference solutions are judged in it."""
    try:
        judge = Judge(context.config.judging.hidden_tests.limits())
    except SandboxError as error:
        finding = failed if context.unfinished & {"sample", "judge"} else warning
        yield finding(
            str(error), "programs are never run without a sandbox; for details: python -m codeplan_sandbox doctor"
        )
        return
    context.exit_stack.callback(judge.close)
    context.judge = judge
    yield ok(f"tier {judge.tier}, every layer verified from inside")
    if judge.tier != TIERS[0]:
        for status in survey():
            if not status.holds and TIERS.index(status.tier) < TIERS.index(judge.tier):
                yield warning(f"the stronger tier {status.tier} is not available: {status.reason}")
