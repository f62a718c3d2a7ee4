"""Says what a stage waits for while the cluster has no room for it: Ray itself waits in silence."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

import ray

SECONDS = 60.0
"""How long nothing may get done before a stage says what it waits for, and between its messages."""

_COUNTED = ("CPU", "GPU")
"""Resources that are said in the plural; others are a cluster's own, as `execution.judge_resource`."""
_UNSAID = re.compile(r"(node:|accelerator_type:)|.*memory$|.*_group_")
"""Resources that Ray adds by itself."""


@contextmanager
def told_while_waiting(progress: Callable[[], int], tell: Callable[[str, bool], None]) -> Iterator[None]:
    """Look once a minute, while the block runs, whether something has got done; if not, say what the cluster lacks.

    Args:
        progress: a number that changes when something gets done.
        tell: called with a message and whether it waits, in a thread of its own.
    """
    over = threading.Event()

    def watch() -> None:
        before, waited = progress(), 0.0
        while not over.wait(SECONDS):
            now = progress()
            missing = waited_for() if now == before else ""
            if missing:
                waited += SECONDS
                tell(f"has waited {waited / 60:.0f} min for {missing}", True)
            elif waited:
                tell("waits no longer", False)
                waited = 0.0
            before = now

    thread = threading.Thread(target=watch, name="codeplan-waiting", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def waited_for() -> str:
    """What was asked of the cluster and not given yet, and what it has; empty if there is nothing."""
    from ray.autoscaler.v2.sdk import get_cluster_status

    if not ray.is_initialized():
        return ""
    asked: Counter[str] = Counter()
    kinds: set[str] = set()
    with suppress(Exception):  # the head may be away for a while; that shows elsewhere
        status = get_cluster_status(ray.get_runtime_context().gcs_address)
        demands = status.resource_demands
        for demand in (*demands.placement_group_demand, *demands.ray_task_actor_demand):
            for request in demand.bundles_by_count:
                asked[_shown(request.bundle)] += request.count
                kinds.update(_kinds(request.bundle))
    asked.pop("", None)
    if not asked:
        return ""
    has, free = ray.cluster_resources(), ray.available_resources()
    room = ", ".join(
        f"{free.get(kind, 0.0):g} of {has.get(kind, 0.0):g} {kind}{'s' if kind in _COUNTED else ''}"
        for kind in sorted(kinds)
    )
    wanted = ", ".join(f"{count} x {bundle}" for bundle, count in sorted(asked.items()))
    return f"{wanted}; free in the cluster: {room}"


def _shown(bundle: Mapping[str, float]) -> str:
    """What a request asks for, such as ``1 CPU and 0.5 GPU``; empty if only for memory."""
    return " and ".join(f"{bundle[kind]:g} {kind}" for kind in _kinds(bundle))


def _kinds(bundle: Mapping[str, float]) -> list[str]:
    return sorted(kind for kind, amount in bundle.items() if amount and not _UNSAID.match(kind))
