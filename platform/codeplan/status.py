"""What a run would do, before it does anything: each stage's state, and what is left of its work."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from rich.table import Table

from codeplan import problems, records
from codeplan.config import Config, ExecutionConfig, TrainingConfig
from codeplan.errors import UserError
from codeplan.inference.sample_pool import SamplePool
from codeplan.inference.verdict_pool import JudgeSettings, VerdictPool
from codeplan.inference.work_left import WorkLeft, work_left
from codeplan.pipeline import Pipeline, build, titles
from codeplan.pool import BlockMarkers, blocks
from codeplan.problems.settings import ReadSettings
from codeplan.records import Problem
from codeplan.stage import IDENTITY, Stage, require_same_inputs
from codeplan.stages.distill import DistillSettings
from codeplan.stages.finetune import shorter_training, steps_done
from codeplan.stages.judge import hidden_suites
from codeplan.stages.run import PROBLEMS
from codeplan.student.settings import FinetuneSettings
from codeplan.teacher.cache import AnswerCache
from codeplan.teacher.estimate import estimate

State = Literal["done", "resumable", "missing"]


@dataclass(frozen=True)
class StageStatus:
    """One stage, and what a run would do for it.

    Attributes:
        title: its display name.
        stage: its name.
        identity: its fingerprint, 64 hexadecimal digits.
        state: ``done``: reused; ``resumable``: a part is there; ``missing``: nothing is.
        folder: where it writes.
        left: what is left to do at most, by unit: requests, prompt_tokens, completion_tokens, cost_usd, steps,
            sequences, programs; and how much is ``reused``. None where the settings do not say: a price that is not
            configured, answers without a length limit. Empty where the stage is done.
    """

    title: str
    stage: str
    identity: str
    state: State
    folder: str
    left: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """What the status of earlier pipelines was made of, by fingerprint: those of a sweep share most of their stages."""

    problems: dict[str, list[Problem]] = field(default_factory=dict)
    stages: dict[str, StageStatus] = field(default_factory=dict)


def status_of(config: Config, goal: str, seen: Seen | None = None) -> dict[str, StageStatus]:
    """The stages that lead to a goal, by role; reads problems and keys, and writes nothing but their empty pools.

    Args:
        config: the experiment.
        goal: a stage's name.
        seen: where nothing was computed since, what was found for other pipelines of the same home.

    Raises:
        UserError: the configuration names something that is not there, or a stage's folder is damaged.
    """
    pipeline = build(config, goal)
    require_same_inputs(pipeline.values())
    named = titles(pipeline)
    seen = seen or Seen()
    look = _Look(config, pipeline, seen.problems)
    for role, stage in pipeline.items():
        if stage.fingerprint not in seen.stages:
            left = {} if stage.done() else _LEFT[stage.name](look, stage)
            seen.stages[stage.fingerprint] = StageStatus(
                named[role], stage.name, stage.fingerprint, look.state(stage, left), str(stage.folder), left
            )
    return {
        role: replace(seen.stages[stage.fingerprint], title=named[role], folder=str(stage.folder))
        for role, stage in pipeline.items()
    }


def to_json(found: Mapping[str, StageStatus]) -> str:
    """The status as JSON: an object by role."""
    return json.dumps({role: asdict(status) for role, status in found.items()}, indent=1)


def as_table(name: str, found: Mapping[str, StageStatus]) -> Table:
    """The status for a terminal."""
    table = Table("stage", "state", "left to do, at most", "identity", title=f"{name}: what a run would do")
    for status in found.values():
        table.add_row(status.title, status.state, _sentence(status.left), status.identity[:16])
    return table


@dataclass(frozen=True)
class _Look:
    """What the stages' estimates read: problems, once."""

    config: Config
    pipeline: Pipeline
    _problems: dict[str, list[Problem]]

    def problems(self, role: str) -> list[Problem]:
        """The problems of a split: those that were read before, or read now."""
        stage = self.pipeline[role]
        if stage.fingerprint not in self._problems:
            if stage.done():
                self._problems[stage.fingerprint] = records.read(Problem, stage.folder / PROBLEMS)
            else:
                assert isinstance(stage.settings, ReadSettings)
                self._problems[stage.fingerprint] = problems.read(stage.settings.source).problems
        return self._problems[stage.fingerprint]

    def work_left(self, stage: Stage) -> list[WorkLeft]:
        """Per block, what a sample stage has left to do: nothing where the block is finished."""
        samples, markers, test = SamplePool.of(stage), BlockMarkers.of(stage), self.problems("test")
        oracle = {problem.problem_id for problem in test if any(text.strip() for text in problem.solutions)}
        left = []
        for block, part in enumerate(blocks(test)):
            work = work_left(samples, block, part, oracle)
            left.append(work if markers.get(block) is None else WorkLeft(0, 0, work.there))
        return left

    def state(self, stage: Stage, left: Mapping[str, float | None]) -> State:
        """Whether a stage is done, or a part of its work is."""
        if stage.done():
            return "done"
        begun = (stage.folder / IDENTITY).exists() or left.get("reused", 0)
        return "resumable" if begun else "missing"


def _read_left(look: _Look, stage: Stage) -> dict[str, float]:
    return {"problems": len(look.problems(stage.role))}


def _distill_left(look: _Look, stage: Stage) -> dict[str, float | None]:
    assert isinstance(stage.settings, DistillSettings)
    (role,) = stage.inputs
    cache = AnswerCache(stage.home / "answers")
    cost = estimate(look.problems(role), stage.settings.teacher, look.config.execution, cache)
    return {
        "requests": cost.requests - cost.cached,
        "reused": cost.cached,
        "prompt_tokens": cost.prompt_tokens_at_most,
        "completion_tokens": cost.completion_tokens_at_most,
        "cost_usd": cost.cost_usd_at_most,
    }


def _finetune_left(look: _Look, stage: Stage) -> dict[str, float]:
    assert isinstance(stage.settings, FinetuneSettings)
    training = stage.settings.training
    done = steps_done(stage.folder)
    start = shorter_training(stage)
    if not done and start is not None and _can_start_from(start, training, look.config.execution):
        done = steps_done(start)
    return {"steps": training.steps - done, "reused": done}


def _can_start_from(checkpoint: Path, training: TrainingConfig, execution: ExecutionConfig) -> bool:
    from codeplan.student.checkpoint import read_state
    from codeplan.student.engine import zero_stage  # which imports torch

    try:
        state = read_state(checkpoint)
    except UserError:
        return False  # the run says why, and trains from the first step
    return not state.mismatch(execution.train_workers, zero_stage(training, execution))


def _sample_left(look: _Look, stage: Stage) -> dict[str, float]:
    left = look.work_left(stage)
    return {
        "sequences": sum(block.plans + block.programs for block in left),
        "reused": sum(block.there for block in left),
    }


def _judge_left(look: _Look, stage: Stage) -> dict[str, float]:
    assert isinstance(stage.settings, JudgeSettings)
    sampled = stage.inputs["samples"]
    samples, verdicts = SamplePool.of(sampled), VerdictPool.of(stage)
    suites = hidden_suites(look.problems("test"), stage.settings)
    left = reused = 0
    for block, work in enumerate(look.work_left(sampled)):
        programs = {
            (program.problem_id, program.key)
            for program in samples.read(block).programs
            if not program.dropped and program.problem_id in suites
        }
        known = programs & verdicts.known(block)
        reused += len(known)
        left += len(programs - known) + work.programs
    return {"programs": left, "reused": reused}


def _nothing(look: _Look, stage: Stage) -> dict[str, float]:
    del look, stage
    return {}


_LEFT: Mapping[str, Callable[[_Look, Stage], Mapping[str, float | None]]] = {
    "problems": _read_left,
    "distill": _distill_left,
    "finetune": _finetune_left,
    "sample": _sample_left,
    "judge": _judge_left,
    "report": _nothing,
}


def _sentence(left: Mapping[str, float | None]) -> str:
    parts = []
    for unit, value in left.items():
        if unit == "cost_usd":
            parts.append("price unknown" if value is None else f"${value:,.2f}" if value else "")
        elif unit == "reused":
            parts.append(f"{value:,.0f} reused" if value else "")
        else:
            parts.append(f"{'unlimited' if value is None else f'{value:,.0f}'} {unit.replace('_', ' ')}")
    return ", ".join(part for part in parts if part)
