"""Gives the counts of a process to Ray, which serves them to Prometheus on each node's metrics port."""

from __future__ import annotations

import threading
from typing import Any

from ray.util.metrics import Counter, Gauge, Histogram

from codeplan.watching.log import worker_log
from codeplan.watching.metrics import COMMON_TAGS, Metric
from codeplan.watching.watch import Watch, export_to


def watch_worker(watch: Watch) -> None:
    """In an actor's process: export what it counts, and log its events."""
    export_to_ray()
    worker_log(watch)


def export_to_ray() -> None:
    """From now on export what this process counts. It is connected to Ray."""
    export_to(_RAY)


class RayExporter:
    """Ray's metrics, made when they are first recorded."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}
        self._lock = threading.Lock()

    def record(self, metric: Metric, value: float, tags: dict[str, str]) -> None:
        """Pass a value on, to a buffer in this process: Ray sends it to the node's agent every few seconds."""
        made = self._made.get(metric.name) or self._make(metric)
        if metric.kind == "counter":
            made.inc(value, tags)
        elif metric.kind == "gauge":
            made.set(value, tags)
        else:
            made.observe(value, tags)

    def _make(self, metric: Metric) -> Any:
        with self._lock:
            if metric.name not in self._made:
                tags = (*COMMON_TAGS, *metric.tags)
                if metric.kind == "histogram":
                    made: Any = Histogram(metric.name, metric.description, list(metric.buckets), tags)
                else:
                    made = (Counter if metric.kind == "counter" else Gauge)(metric.name, metric.description, tags)
                self._made[metric.name] = made
            return self._made[metric.name]


_RAY = RayExporter()
