"""The context of the checks: a configuration, its stages, and what earlier areas have read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from codeplan.config import Config
from codeplan.preflight.findings import Finding, FindingsStore
from codeplan.records import Problem
from codeplan.stage import Stage
from codeplan_sandbox import Judge

if TYPE_CHECKING:
    from codeplan.on_ray.judge_actors import JudgeActors


@dataclass
class CheckContext:
    """State that the areas share.

    Attributes:
        config: the experiment.
        stages: the pipeline's stages by role; empty where they cannot be determined, for example as a file is missing.
        unfinished: names of the stages that the run has to execute; without a run to follow, of all stages.
        before_run: whether a run follows, so that the Ray cluster which it needs is started now.
        all_solutions: whether all reference solutions are judged instead of a sample.
        console: where long checks show their progress.
        exit_stack: keeps open what the run after the checks uses too, such as a Ray cluster.
        while_checking: keeps open what the checks alone use, such as a sandbox.
        home_usable: whether the run's home is writable; if not, no paid answer could be kept.
        connected: whether this process is connected to a cluster that has what the stages request.
        sandbox_nodes_unused: whether the cluster keeps nodes for sandboxes, and the configuration names none.
        judge: a sandbox on this machine; None where it has no isolation tier, or sandboxes have nodes of their own.
        judges: a sandbox on a node of their own; None where they have none.
        tier: the isolation tier of the sandbox; empty without one.
        problems: the problems by role, once they are read; of generated problems only the first.
        counts: the number of problems by role.
    """

    config: Config
    stages: Mapping[str, Stage]
    unfinished: set[str]
    before_run: bool
    all_solutions: bool
    console: Console
    exit_stack: ExitStack
    while_checking: ExitStack
    home_usable: bool = True
    connected: bool = False
    sandbox_nodes_unused: bool = False
    judge: Judge | None = None
    judges: JudgeActors | None = None
    tier: str = ""
    problems: dict[str, list[Problem]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The run's home."""
        return Path(self.config.execution.home)

    @property
    def store(self) -> FindingsStore:
        """The cache of findings in the run's home."""
        return FindingsStore(self.home)

    def cached_findings(self, area: str, identity: Any, find: Callable[[], Iterable[Finding]]) -> list[Finding]:
        """Findings that take time: from the cache for this identity, or else found now and cached.

        Without stages there are no fingerprints to distinguish data sets by, and nothing is cached.
        """
        is_cached = self.home_usable and bool(self.stages)
        findings = self.store.get(area, identity) if is_cached else None
        if findings is None:
            findings = list(find())
            if is_cached:
                self.store.put(area, identity, findings)
        return findings

    def fingerprint(self, role: str) -> str:
        """The fingerprint of a role's stage; empty where it is not known."""
        return self.stages[role].fingerprint if role in self.stages else ""
