"""Pipelines that run for real, but for their samples and verdicts, which are made up."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from rich.console import Console
from typer.testing import CliRunner, Result

from codeplan import pipeline, problems, records
from codeplan.cli.main import app
from codeplan.config import Config
from codeplan.config.loading import parse
from codeplan.inference.sample_pool import SamplePool
from codeplan.inference.samples import Samples
from codeplan.inference.verdict_pool import VerdictPool
from codeplan.pool import blocks
from codeplan.problems.settings import ReadSettings
from codeplan.records import Arm, Phase, Plan, Problem, Program, Verdict
from codeplan.stage import Account, Stage, StageResult
from codeplan.stages.run import PLANS, PROBLEMS
from codeplan.tracking import Tracker
from codeplan_sandbox import Outcome

TEST = 40
SOLVED = 0.4

Change = tuple[str, Any]


def config(home: Path, name: str, *changes: Change) -> Config:
    plain: dict[str, Any] = {
        "name": name,
        "problems": {
            "train": {"reader": "miniapps", "split": "train", "count": 4},
            "test": {"reader": "miniapps", "split": "test", "count": TEST},
        },
        "student": {"init": "scratch", "architecture": {"model_type": "t5"}},
        "sampling": {"plans": 3, "trials": 1},
        "report": {"resamples": 50},
        "execution": {"home": str(home)},
    }
    for key, value in changes:
        section = plain
        *parts, last = key.split(".")
        for part in parts:
            section = section.setdefault(part, {})
        section[last] = value
    return parse(plain)


def run_pipeline(made: Config, solved: float = SOLVED) -> str:
    """Run a pipeline whose stages before the report are done: its programs solve that fraction of the problems.

    Returns:
        The id of its run in MLflow.
    """
    stages = pipeline.build(made)
    _finish(stages, solved)
    tracker = Tracker(made.tracking, Path(made.execution.home))
    pipeline.run(made, "report", tracker, Console(quiet=True))
    client = MlflowClient(tracker.uri)
    query = (
        f"tags.`codeplan.identity.report` = '{stages['report'].fingerprint}' AND attributes.run_name = '{made.name}'"
    )
    experiment = client.get_experiment_by_name(made.tracking.experiment)
    (run,) = client.search_runs([experiment.experiment_id], query)
    return str(run.info.run_id)


def _finish(stages: pipeline.Pipeline, solved: float) -> None:
    for role in ("train", "test"):
        settings = stages[role].settings
        assert isinstance(settings, ReadSettings)
        read = problems.read(settings.source)
        _done(stages[role], {"problems.with_solutions": 1.0, "problems.with_hidden_tests": 1.0, "problems": TEST})
        records.write(stages[role].folder / PROBLEMS, Problem, read.problems)
    for role in ("plans", "oracle"):
        _done(stages[role], {"teacher.cost_usd": 0.75, "plans": 0.0})
        records.write(stages[role].folder / PLANS, Plan, [])
    _done(stages["student"], {})
    for role in ("samples", "verdicts"):
        _done(stages[role], {})
    samples, verdicts = SamplePool.of(stages["samples"]), VerdictPool.of(stages["verdicts"])
    student = stages["student"].fingerprint
    for number, block in enumerate(blocks(records.read(Problem, stages["test"].folder / PROBLEMS))):
        wanted, hidden = Samples(), list[Verdict]()
        for problem in block:
            _sample(problem, samples, student, solved, wanted, hidden)
        known = samples.read_all(number)  # of a run that shares the pool
        texts = {program.code for program in known.programs}
        judged = verdicts.known(number)
        new = Samples(
            [] if known.plans else wanted.plans,
            [program for program in wanted.programs if program.code not in texts],
            [] if known.verdicts else wanted.verdicts,
        )
        samples.add(number, new)
        verdicts.add(number, [found for found in hidden if (found.problem_id, found.program_key) not in judged])


def _done(stage: Stage, metrics: dict[str, float]) -> None:
    accounts = {"problems": Account(TEST, TEST)} if stage.name == "problems" else {}
    with stage.lock(pytest.fail):
        stage.finish(StageResult(accounts, metrics))


def _sample(
    problem: Problem, pool: SamplePool, student: str, solved: float, samples: Samples, hidden: list[Verdict]
) -> None:
    plans, trials = pool.settings.plans, pool.settings.trials
    drawn: list[tuple[Arm, Phase, int, int]] = [("direct", "final", -1, 0)]
    drawn += [("sampled", "trial", -1, sample) for sample in range(pool.settings.budget(plans))]
    drawn += [("codeplan", "trial", plan, sample) for plan in range(plans) for sample in range(trials)]
    drawn += [("codeplan", "final", plan, 0) for plan in range(plans)]
    name = problem.problem_id
    samples.plans.extend(Plan(problem_id=name, author="student", sample_index=plan, text="1.") for plan in range(plans))
    for arm, phase, plan, sample in drawn:
        seed = 0 if arm == "direct" else pool.settings.seed
        code = f"print({(name, arm, phase, plan, sample, seed, student)})"
        common: dict[str, Any] = {"problem_id": name, "plan_index": plan, "sample_index": sample, "code": code}
        program = Program(arm=arm, phase=phase, tokens=5, finished=True, **common)
        samples.programs.append(program)
        outcome = Outcome.PASSED if random.Random(code).random() < solved else Outcome.WRONG_ANSWER
        verdict: dict[str, Any] = {"problem_id": name, "program_key": program.key, "total_tests": 1}
        verdict |= {"outcome": outcome, "passed_tests": int(outcome is Outcome.PASSED), "time_s": 0.1}
        samples.verdicts.append(Verdict(suite="example", memory_bytes=1, **verdict))
        hidden.append(Verdict(suite="hidden", memory_bytes=1, **verdict))


@dataclass(frozen=True)
class Runs:
    """A home with runs: their ids by name, and how they were made."""

    home: Path
    ids: dict[str, str]
    made: Any

    def compare(self, *names: str, options: tuple[str, ...] = ()) -> Result:
        tokens = [self.ids.get(name, name) for name in names]
        return CliRunner().invoke(app, ["compare", *tokens, "--home", str(self.home), *options])

    def json(self, *names: str) -> dict[str, Any]:
        result = self.compare(*names, options=("--json",))
        return json.loads(result.stdout)

    def changes(self, name: str) -> tuple[Change, ...]:
        return CHANGES[name][0]

    def folder(self, name: str) -> Path:
        return pipeline.build(config(self.home, name, *self.changes(name)))["report"].folder


CHANGES: dict[str, tuple[tuple[Change, ...], float]] = {
    "base": ((), SOLVED),
    "seed": ((("sampling.seed", 1),), SOLVED),
    "better": ((("training.learning_rate", 0.01), ("sampling.plans", 5)), 0.9),
    "harder": ((("problems.test.inversion", 1.0),), SOLVED),
}


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory, new_home: Callable[[Path], Path]) -> Runs:
    home = new_home(tmp_path_factory.mktemp("runs") / "home")
    ids = {name: run_pipeline(config(home, name, *changes), solved) for name, (changes, solved) in CHANGES.items()}
    return Runs(home, ids, MadePipelines())


class MadePipelines:
    """What the tests of this folder make runs with."""

    config = staticmethod(config)
    run = staticmethod(run_pipeline)


@pytest.fixture(scope="session")
def made_pipelines() -> MadePipelines:
    return MadePipelines()
