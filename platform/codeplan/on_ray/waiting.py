"""Says what a stage waits for while the cluster has no room for it: Ray itself waits in silence."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

import ray

SECONDS = 60.0
"""How long nothing may get done before a stage says what it waits for, and between its messages."""

_SHOWN = ("CPU", "GPU")


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
    with suppress(Exception):  # the head may be away for a while; that shows elsewhere
        status = get_cluster_status(ray.get_runtime_context().gcs_address)
        demands = status.resource_demands
        for demand in (*demands.placement_group_demand, *demands.ray_task_actor_demand):
            for request in demand.bundles_by_count:
                asked[_shown(request.bundle)] += request.count
    asked.pop("", None)
    if not asked:
        return ""
    has, free = ray.cluster_resources(), ray.available_resources()
    room = ", ".join(
        f"{free.get(kind, 0.0):g} of {has.get(kind, 0.0):g} {kind}s" for kind in _SHOWN if any(kind in a for a in asked)
    )
    wanted = ", ".join(f"{count} x {bundle}" for bundle, count in sorted(asked.items()))
    return f"{wanted}; free in the cluster: {room}"


def _shown(bundle: Mapping[str, float]) -> str:
    """CPUs and GPUs of a request, such as ``1 CPU and 0.5 GPU``; empty if it asks for neither."""
    return " and ".join(f"{bundle[kind]:g} {kind}" for kind in _SHOWN if bundle.get(kind))
