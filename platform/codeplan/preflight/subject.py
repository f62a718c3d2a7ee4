"""What is checked: a configuration, the stages that it asks for, and what earlier areas learned of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from codeplan.config import Config
from codeplan.preflight.findings import Finding, FindingsStore
from codeplan.records import Problem
from codeplan.stages import Stage
from codeplan_sandbox import Judge


@dataclass
class Subject:
    """What the areas share.

    Attributes:
        config: the experiment.
        stages: the pipeline's stages by role; empty where they cannot be worked out, as a file is missing.
        unfinished: names of the stages to be run; where no run follows, of all.
        followed: whether a run follows, so that the Ray cluster which it needs is started now.
        every: whether all reference solutions are judged, not a sample.
        console: where long work shows its progress.
        stack: what is opened for a check and stays open for the run after it, as a Ray cluster.
        home_usable: whether the run's home can be written to: where it cannot, no answer may be paid.
        judge: a sandbox on this machine; None where there is none that holds.
        problems: the problems of a split, by role, once they are read. Of generated ones only the first.
        counts: how many problems a split has.
    """

    config: Config
    stages: dict[str, Stage]
    unfinished: set[str]
    followed: bool
    every: bool
    console: Console
    stack: ExitStack
    home_usable: bool = True
    judge: Judge | None = None
    problems: dict[str, list[Problem]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The run's home."""
        return Path(self.config.execution.home)

    @property
    def store(self) -> FindingsStore:
        """Where findings are kept."""
        return FindingsStore(self.home)

    def remembered(self, area: str, identity: Any, find: Callable[[], Iterable[Finding]]) -> list[Finding]:
        """Findings that take time: those kept for the identity, or else found now, and kept.

        Where no stage has an identity, nothing tells one data set from another, and nothing is kept.
        """
        keeps = self.home_usable and bool(self.stages)
        findings = self.store.get(area, identity) if keeps else None
        if findings is None:
            findings = list(find())
            if keeps:
                self.store.put(area, identity, findings)
        return findings

    def fingerprint(self, role: str) -> str:
        """The fingerprint of a role's stage; empty where it is not known."""
        return self.stages[role].fingerprint if role in self.stages else ""
