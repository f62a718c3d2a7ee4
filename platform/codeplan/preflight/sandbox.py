"""The sandbox: the isolation tier of the nodes that judge, and what the stronger ones lack."""

from __future__ import annotations

from collections.abc import Iterator

from codeplan.preflight.context import CheckContext
from codeplan.preflight.findings import Finding, failed, ok, skipped, warning
from codeplan_sandbox import TIERS, Judge, SandboxError, survey

_ROOM_S = 60.0
"""How long a check waits for a sandbox. The stages wait without a limit."""
_DOCTOR = "programs are never run without a sandbox; for details: python -m codeplan_sandbox doctor"


def check(context: CheckContext) -> Iterator[Finding]:
    """Start a sandbox, which verifies its layers by attacks from inside; the reference solutions are judged in it.

    It runs on this machine, or, where sandboxes have nodes of their own, on one of these.
    """
    apart = context.config.execution.sandboxes_apart
    if context.sandbox_nodes_unused:
        yield skipped("not checked: sandboxes belong on nodes that the configuration does not name")
        return
    if apart and not context.connected:
        yield skipped("not checked: sandboxes run on nodes of their own, and no usable cluster is connected")
        return
    try:
        yield from _on_a_node(context) if apart else _here(context)
    except SandboxError as error:
        finding = failed if context.unfinished & {"sample", "judge"} else warning
        yield finding(str(error), _DOCTOR)


def _here(context: CheckContext) -> Iterator[Finding]:
    judging = context.config.judging
    judge = Judge(judging.hidden_tests.limits(), program_packages=judging.packages)
    context.while_checking.callback(judge.close)
    context.judge, context.tier = judge, judge.tier
    yield ok(f"tier {judge.tier}, every layer verified from inside")
    if judge.tier != TIERS[0]:
        for status in survey():
            if not status.holds and TIERS.index(status.tier) < TIERS.index(judge.tier):
                yield warning(f"the stronger tier {status.tier} is not available: {status.reason}")


def _on_a_node(context: CheckContext) -> Iterator[Finding]:
    from codeplan.on_ray.judge_actors import JudgeActors, NoRoomError

    execution = context.config.execution.model_copy(update={"judge_actors": 1})
    judging = context.config.judging
    limits = judging.hidden_tests.limits()
    try:
        context.judges = JudgeActors.start(execution, limits, packages=judging.packages, within_s=_ROOM_S)
    except NoRoomError:  # Another run has them all, or their nodes are being started.
        yield warning(
            f"not checked: the nodes that are kept for sandboxes had no room for one within {_ROOM_S:g} s",
            "the stages that judge wait for room, and say what they wait for",
        )
        return
    context.while_checking.callback(context.judges.stop)
    (context.tier,) = context.judges.tiers()
    yield ok(f"tier {context.tier} on a node that is kept for sandboxes, every layer verified from inside")
    if context.tier != TIERS[0]:
        yield warning(
            f"the nodes that are kept for sandboxes have tier {context.tier}, and not the stronger {TIERS[0]}",
            "for the reason, on such a node: python -m codeplan_sandbox doctor",
        )
    if context.all_solutions:  # All sandboxes are started for those.
        context.judges.stop()
