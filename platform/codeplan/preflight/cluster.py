"""Ray: the cluster answers within a minute, has the resources that every stage requests, and its nodes see the home."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from codeplan.config import ExecutionConfig
from codeplan.preflight.context import CheckContext
from codeplan.preflight.findings import Finding, failed, ok, warning
from codeplan.stages import RESOURCES

if TYPE_CHECKING:
    from codeplan.on_ray.cluster import ClusterResources

SANDBOX_RESOURCE = "sandbox"
"""The custom resource of nodes that are kept for untrusted programs, in cluster/ and docs/cluster.md."""
KEPT_RESOURCE = "CODEPLAN_JUDGE_RESOURCE"
"""Environment variable of a cluster's nodes: the resource of nodes that are kept for untrusted programs, which counts
also while none of these nodes is alive."""


def check(context: CheckContext) -> Iterator[Finding]:
    """Connect to the configured cluster, and compare its resources with those that the stages request.

    Before a run a local cluster is started where none is configured. A check alone does not start one, as that takes
    seconds: it reads off this machine what a local cluster would have.
    """
    from codeplan.on_ray.cluster import cluster, connected, probe

    execution = context.config.execution
    connects = context.before_run or bool(execution.ray_address)
    if connects:
        context.exit_stack.enter_context(cluster(execution))
    available = connected(execution) if connects else probe(execution)
    yield ok(str(available))
    findings = list(_sandbox_nodes(context)) if connects else []
    if connects and available.nodes > 1 and context.home_usable:
        findings += _shared_home(context)
    findings += _room(context, available)
    yield from findings
    context.connected = connects and not any(finding.status == "failed" for finding in findings)


def _room(context: CheckContext, available: ClusterResources) -> Iterator[Finding]:
    """Whether the cluster has what the stages request."""
    from codeplan.on_ray.cluster import lacking

    execution = context.config.execution
    for stage, resources in RESOURCES.items():
        missing = lacking(stage, available, *resources(execution)) if stage in context.unfinished else ""
        if missing and execution.ray_address:
            yield warning(missing, "unless the cluster scales up, the stage will wait forever")
        elif missing:
            yield failed(missing)


def _sandbox_nodes(context: CheckContext) -> Iterator[Finding]:
    """Whether any node takes the sandboxes, and those that the cluster keeps for them are used."""
    from codeplan.on_ray.cluster import nodes_with, total_of

    execution = context.config.execution
    kept = os.environ.get(KEPT_RESOURCE) or (SANDBOX_RESOURCE if total_of(SANDBOX_RESOURCE) else "")
    if kept and not execution.sandboxes_apart:
        context.sandbox_nodes_unused = True
        yield failed(
            f"the cluster keeps nodes for untrusted programs, which offer the resource {kept!r}, and "
            "execution.judge_resource is empty, so that programs would run on the other nodes",
            f"set execution.judge_resource={kept}, or execution.judge_labels to choose other nodes",
        )
    if execution.judge_labels and not nodes_with(execution.judge_labels):
        missing = f"no node of the cluster has the labels of execution.judge_labels, {execution.judge_labels}"
        yield _without_sandboxes(execution, missing, "--labels")
    offered = total_of(execution.judge_resource) if execution.judge_resource else execution.judge_actors
    if offered < execution.judge_actors:
        missing = (
            f"execution.judge_actors = {execution.judge_actors} sandboxes take one {execution.judge_resource!r} each "
            f"(execution.judge_resource), and the cluster has {offered:g}"
        )
        yield _without_sandboxes(execution, missing, "--resources")


def _without_sandboxes(execution: ExecutionConfig, missing: str, option: str) -> Finding:
    if execution.ray_address:
        return warning(missing, "unless the cluster scales up, judging will wait forever")
    return failed(f"{missing}; start nodes with ray start {option}, or leave the setting out")


def _shared_home(context: CheckContext) -> Iterator[Finding]:
    from codeplan.on_ray.shared_home import nodes_without

    execution = context.config.execution
    home = Path(execution.home)
    home.mkdir(parents=True, exist_ok=True)
    for node, why in nodes_without(home, execution.judge_resource).items():
        yield failed(
            f"node {node} does not see execution.home = {home.absolute()}: {why}; it must be a folder that all nodes "
            "of the cluster share, at the same path"
        )
