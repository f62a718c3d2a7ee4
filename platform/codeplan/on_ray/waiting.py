"""Says what a stage waits for while the cluster has no room for it: Ray itself waits in silence."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

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
    if not ray.is_initialized():
        return ""
    asked: Counter[str] = Counter()
    kinds: set[str] = set()
    labels: set[tuple[str, str]] = set()
    with suppress(Exception):  # the head may be away for a while; that shows elsewhere
        for request, count in _pending():
            if shown := _shown(request.resources_bundle):
                wanted = _labels(request)
                asked[shown + (f" on a node with {_as_text(wanted)}" if wanted else "")] += count
                kinds.update(_kinds(request.resources_bundle))
                labels.update(wanted.items())
    if not asked:
        return ""
    asked_for = ", ".join(f"{count} x {bundle}" for bundle, count in sorted(asked.items()))
    try:
        return f"{asked_for}; free in the cluster: {_room(kinds, labels)}"
    except Exception:  # as above
        return asked_for


def _room(kinds: set[str], labels: set[tuple[str, str]]) -> str:
    """What the cluster has of these resources, and how many nodes have these labels."""
    has, free = ray.cluster_resources(), ray.available_resources()
    room = [
        f"{free.get(kind, 0.0):g} of {has.get(kind, 0.0):g} {kind}{'s' if kind in _COUNTED else ''}"
        for kind in sorted(kinds)
    ]
    nodes = [node.get("Labels", {}) for node in ray.nodes() if node["Alive"]]
    room += [
        f"{sum(node.get(name) == value for node in nodes)} of {len(nodes)} nodes have {name}={value}"
        for name, value in sorted(labels)
    ]
    return ", ".join(room)


def _pending() -> Iterator[tuple[Any, int]]:
    """Requests that wait, and how many there are of each: of tasks and actors, and of placement groups.

    Read from the reply of the GCS itself: Ray's own summary of it leaves labels out.
    """
    from ray._raylet import GcsClient  # type: ignore[attr-defined]
    from ray.autoscaler.v2.sdk import get_cluster_resource_state

    state = get_cluster_resource_state(GcsClient(ray.get_runtime_context().gcs_address))
    for group in state.pending_gang_resource_requests:
        for request in group.requests:
            yield request, 1
    for counted in state.pending_resource_requests:
        yield counted.request, counted.count


def _labels(request: Any) -> dict[str, str]:
    """Labels that a node must have for a request."""
    return {
        constraint.label_key: " or ".join(constraint.label_values)
        for selector in request.label_selectors
        for constraint in selector.label_constraints
    }


def _as_text(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(labels.items()))


def _shown(bundle: Mapping[str, float]) -> str:
    """What a request asks for, such as ``1 CPU and 0.5 GPU``; empty if only for memory."""
    return " and ".join(f"{bundle[kind]:g} {kind}" for kind in _kinds(bundle))


def _kinds(bundle: Mapping[str, float]) -> list[str]:
    return sorted(kind for kind, amount in bundle.items() if amount and not _UNSAID.match(kind))
