"""The sandbox: which isolation tier this machine gives, and what is missing in the stronger ones."""

from __future__ import annotations

from collections.abc import Iterator

from codeplan.preflight.findings import Finding, failed, ok, warning
from codeplan.preflight.subject import Subject
from codeplan.steps import limits
from codeplan_sandbox import TIERS, Judge, SandboxError, survey


def check(subject: Subject) -> Iterator[Finding]:
    """Start a sandbox, which proves its layers by attacks from inside; it stays for the reference solutions."""
    try:
        judge = Judge(limits(subject.config))
    except SandboxError as error:
        needed = subject.unfinished & {"sample", "judge"}
        found = failed if needed else warning
        yield found(str(error), "programs are never run without one; python -m codeplan_sandbox doctor says more")
        return
    subject.stack.callback(judge.close)
    subject.judge = judge
    yield ok(f"tier {judge.tier} holds, with every layer tried from inside")
    if judge.tier != TIERS[0]:
        for status in survey():
            if not status.holds and TIERS.index(status.tier) < TIERS.index(judge.tier):
                yield warning(f"the stronger tier {status.tier} is not available: {status.reason}")
