"""What is kept of a trial, one JSON file each: state while it runs, numbers when it is over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from codeplan.files import write_text
from codeplan.sweeps.points import Point

TrialState = Literal["waiting", "running", "done", "stopped", "failed", "interrupted"]

OVER: frozenset[TrialState] = frozenset({"done", "stopped"})
"""States of a trial that is not run again when its sweep is; failed and interrupted ones are."""


@dataclass(frozen=True)
class TrialStage:
    """A stage as a trial went through it.

    Attributes:
        name: for example ``finetune``.
        fingerprint: 64 hexadecimal digits.
        computed: whether this trial did the work; else it was reused.
        seconds: wall-clock time that this trial spent on it, waiting for another trial included.
    """

    name: str
    fingerprint: str
    computed: bool
    seconds: float


@dataclass(frozen=True)
class Trial:
    """One point of a sweep with one seed: a pipeline of its own, which shares stages with others.

    Attributes:
        values: the point's values by axis.
        repeat: which repeat of the point, from 0; it is added to the seeds of student, training and sampling.
        label: the point's values in a few characters.
        state: ``stopped`` is ended early by the scheduler, ``interrupted`` by a signal.
        error: why it failed; else empty.
        now: title of the stage that it works on; else empty.
        waits: what that stage waits for where the cluster has no room for it; else empty.
        seconds: wall-clock time since it was started.
        metrics: the numbers of all of its finished stages by name, and the last ones of an unfinished training.
        stages: by role, those that are finished.
        mlflow_run: id of its MLflow run; empty where there is none.
        report: folder of its report, relative to the home; empty where there is none.
        member: its name in a population, whose points change while it trains; else empty.
    """

    values: Mapping[str, Any]
    repeat: int
    label: str
    state: TrialState = "waiting"
    error: str = ""
    now: str = ""
    waits: str = ""
    seconds: float = 0.0
    metrics: Mapping[str, float] = field(default_factory=dict)
    stages: Mapping[str, TrialStage] = field(default_factory=dict)
    mlflow_run: str = ""
    report: str = ""
    member: str = ""

    @property
    def point(self) -> Point:
        """Its point."""
        return Point(self.values)

    @property
    def trial_id(self) -> str:
        """Name of its file: the point's id and the repeat, or its name in a population."""
        return self.member or f"{self.point.point_id}-{self.repeat:02d}"

    @property
    def cost_usd(self) -> float:
        """What the teacher's answers cost that this trial asked for itself."""
        asked = any(stage.name == "distill" and stage.computed for stage in self.stages.values())
        return self.metrics.get("teacher.cost_usd", 0.0) if asked else 0.0

    def with_(self, **changes: Any) -> Trial:
        """A copy with some attributes changed."""
        return replace(self, **changes)


_READER = TypeAdapter(Trial)


@dataclass(frozen=True)
class TrialFolder:
    """The trials of one sweep, a file each."""

    folder: Path
    _known: dict[Path, tuple[tuple[int, int], Trial]] = field(default_factory=dict, compare=False, repr=False)

    def put(self, trial: Trial) -> None:
        """Write a trial's file, all or nothing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(self._path(trial.trial_id), json.dumps(asdict(trial), indent=1))

    def get(self, trial_id: str) -> Trial | None:
        """One trial; None where it has not started."""
        try:
            return _READER.validate_json(self._path(trial_id).read_bytes())
        except FileNotFoundError:
            return None

    def all(self) -> list[Trial]:
        """All trials that have started, by id; only files that have changed since the last call are read."""
        found = []
        for path in sorted(self.folder.glob("[!.]*.json")):
            status = path.stat()
            changed = (status.st_mtime_ns, status.st_ino)  # each write is a new file
            if path not in self._known or self._known[path][0] != changed:
                self._known[path] = changed, _READER.validate_json(path.read_bytes())
            found.append(self._known[path][1])
        return found

    def _path(self, trial_id: str) -> Path:
        return self.folder / f"{trial_id}.json"
