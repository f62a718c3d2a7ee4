"""Counting and logging for one stage of one run, in any process."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass, replace
from typing import Protocol

from codeplan.watching.metrics import COMMON_TAGS, Metric

EVENTS = logging.getLogger("codeplan.events")
"""Where events go; it has no handler, and they go nowhere, unless `codeplan.watching.log` writes them to a file."""

_IDENTITY_CHARACTERS = 12


class Exporter(Protocol):
    """Where counts go."""

    def record(self, metric: Metric, value: float, tags: dict[str, str]) -> None:
        """Take one value of a metric, with a value for each of its tags."""


@dataclass(frozen=True)
class Watch:
    """What is watched, as tags of metrics and fields of log lines; it can be sent to actors.

    Attributes:
        run: id of the MLflow run.
        ray_job: submission id of the Ray job; empty outside one.
        stage: the stage's title.
        identity: the stage's fingerprint.
        log: path of the run's log file; empty where there is none.
    """

    run: str = ""
    ray_job: str = ""
    stage: str = ""
    identity: str = ""
    log: str = ""

    def at(self, stage: str, identity: str) -> Watch:
        """The same run in a stage."""
        return replace(self, stage=stage, identity=identity)

    def count(self, metric: Metric, value: float = 1, **tags: str) -> None:
        """Add to a counter; nothing is added for 0."""
        if value > 0:
            self.record(metric, value, **tags)

    def record(self, metric: Metric, value: float, **tags: str) -> None:
        """Set a gauge, or add a value to a histogram or counter; ``tags`` are the metric's own."""
        common = (self.run, self.ray_job, self.stage, self.identity[:_IDENTITY_CHARACTERS])
        _process.record(metric, value, dict(zip(COMMON_TAGS, common, strict=True)) | tags)

    def event(self, event: str, *, level: int = logging.INFO, **fields: object) -> None:
        """Log an event. Fields are JSON; neither a key nor a prompt may be among them."""
        if EVENTS.handlers:
            EVENTS.log(level, event, extra={"watch": self, "fields": fields})


UNWATCHED = Watch()
"""Belongs to no run: what is counted on it has empty tags."""


def export_to(exporter: Exporter | None) -> None:
    """From now on give all values of this process to the exporter, and first what was counted until now."""
    _process.export_to(exporter)


class _Process:
    """Where this process's counts go; as long as that is nowhere, counters are kept.

    So stages that are reused before the first one that needs Ray are counted when it comes.
    """

    def __init__(self) -> None:
        self._exporter: Exporter | None = None
        self._kept: Counter[tuple[Metric, tuple[tuple[str, str], ...]]] = Counter()
        self._lock = threading.Lock()

    def export_to(self, exporter: Exporter | None) -> None:
        with self._lock:
            self._exporter = exporter
            if exporter is None:
                return
            kept, self._kept = self._kept, Counter()
        for (metric, tags), value in kept.items():
            exporter.record(metric, value, dict(tags))

    def record(self, metric: Metric, value: float, tags: dict[str, str]) -> None:
        exporter = self._exporter
        if exporter is not None:
            exporter.record(metric, value, tags)
        elif metric.kind == "counter":
            with self._lock:
                self._kept[metric, tuple(tags.items())] += value  # type: ignore[assignment]


_process = _Process()
