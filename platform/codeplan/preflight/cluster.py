"""Ray: the cluster answers within a minute, and can give what every stage asks for."""

from __future__ import annotations

from collections.abc import Iterator

from codeplan.preflight.findings import Finding, failed, ok, warning
from codeplan.preflight.subject import Subject
from codeplan.steps import needs


def check(subject: Subject) -> Iterator[Finding]:
    """Join the named cluster, or start the own one where a run follows, and compare what it has with what stages need.

    Alone, a check asks the named cluster, or reads off this machine what an own one would have: to start one takes
    seconds.
    """
    from codeplan.on_ray.cluster import cluster, connected, lacking, probe

    execution = subject.config.execution
    if subject.followed:
        subject.stack.enter_context(cluster(execution))
        has = connected(execution)
    else:
        has = probe(execution)
    yield ok(str(has))
    for stage, (cpus, gpus) in needs(execution).items():
        missing = lacking(stage, has, cpus, gpus) if stage in subject.unfinished else ""
        if missing and execution.ray_address:
            yield warning(missing, "a cluster that cannot grow leaves the stage waiting")
        elif missing:
            yield failed(missing)
