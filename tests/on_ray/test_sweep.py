"""Sweeps of whole pipelines: what is shared, what is stopped, what is resumed, and what comes out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml
from rich.console import Console
from small_pipeline import changed
from sweep_process import SweepProcess
from typer.testing import CliRunner

from codeplan.cli.main import app
from codeplan.config.loading import load, parse
from codeplan.sweeps.run import concurrent_trials, run
from codeplan.sweeps.sweep import Sweep
from codeplan.sweeps.trials import Trial
from codeplan.tracking import Tracker

pytestmark = pytest.mark.usefixtures("ray_cluster")

MIXING = [{"code": 1, "plan": 1}, {"code": 1, "plan": 1, "plan_code": 1}]


@pytest.fixture
def home(tmp_path: Path, new_home: Callable[[Path], Path]) -> Path:
    return new_home(tmp_path / "home")


def sweep_of(home: Path, sweep: dict[str, Any], *overrides: tuple[str, Any]) -> Sweep:
    plain = changed(*overrides, ("execution.home", str(home)), ("report", {"resamples": 50}), ("name", "tiny"))
    return Sweep.of(parse({**plain, "sweep": sweep}))


def run_sweep(sweep: Sweep) -> list[Trial]:
    tracker = Tracker(sweep.config.tracking, sweep.home)
    with ExitStack() as stack:
        return run(sweep, tracker, Console(quiet=True), stack)


def trials_experiment(home: Path) -> str:
    """Id of the experiment of a home's runs."""
    found = mlflow.MlflowClient(f"sqlite:///{home / 'mlflow.db'}").get_experiment_by_name("codeplan")
    assert found is not None
    return str(found.experiment_id)


def computed(trials: list[Trial]) -> Counter[str]:
    """How many stages of each kind the trials did themselves."""
    return Counter(stage.name for trial in trials for stage in trial.stages.values() if stage.computed)


def test_trials_share_their_stages_and_points_and_seeds_can_be_added(home: Path) -> None:
    axes = {"training.mixing": {"grid": MIXING}, "sampling.plans": {"grid": [1, 2]}}
    # Two at once on two CPUs, each with a training of one worker: equal stages are asked for at the same moment.
    small = (("execution.sample_actors", 1), ("execution.judge_actors", 1))
    sweep = sweep_of(home, {"axes": axes}, *small)
    trials = run_sweep(sweep)
    assert concurrent_trials(sweep) == 2
    assert [trial.state for trial in trials] == ["done"] * 4
    done = computed(trials)
    assert (done["distill"], done["finetune"]) == (1, 2)
    assert len(list((home / "pools" / "samples").iterdir())) == 2
    assert all("pass_at_1.codeplan.all" in trial.metrics for trial in trials)

    best = load(sweep.folder / "best.yaml")
    assert best.training.mixing in MIXING
    for name in ("table.csv", "table.md", "page.html", "summary.json"):
        assert (sweep.folder / name).stat().st_size > 100

    more = {"training.mixing": {"grid": MIXING}, "sampling.plans": {"grid": [1, 2, 3]}}
    again = run_sweep(sweep_of(home, {"axes": more}, *small))
    assert len(again) == 6
    assert computed(again)["finetune"] == 2, "more plans add samples, and train nothing"
    before = {trial.trial_id: trial for trial in trials}
    assert all(before[trial.trial_id] == trial for trial in again if trial.trial_id in before)
    runs = mlflow.MlflowClient(f"sqlite:///{home / 'mlflow.db'}").search_runs([trials_experiment(home)])
    (parent,) = [run for run in runs if run.data.tags["codeplan.kind"] == "sweep"]
    below = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert parent.info.status == "FINISHED"
    assert len(below) == 6, "added trials are under the same run"
    sets = Counter(used.dataset.name.split("-")[-1] for used in parent.inputs.dataset_inputs)
    assert sets == {"train": 1, "test": 1, "plans": 1}


def test_repeats_differ_by_their_seeds_alone(home: Path) -> None:
    sweep = sweep_of(
        home, {"axes": {"sampling.plans": {"grid": [1]}}, "repeats": 2, "objective": "validation_loss/code"}
    )
    assert sweep.goal == "finetune", "nothing is sampled where only a loss is wanted"
    trials = run_sweep(sweep)
    assert [trial.repeat for trial in trials] == [0, 1]
    identities = []
    for trial in trials:
        (folder,) = (home / "stages" / "finetune").glob(f"{trial.stages['student'].fingerprint[:16]}")
        identities.append(json.loads((folder / "identity.json").read_text()))
    for section in ("student", "training"):
        assert [identity["settings"][section].pop("seed") for identity in identities] == [0, 1]
    assert identities[0] == identities[1]
    assert trials[0].metrics["validation_loss/code"] != trials[1].metrics["validation_loss/code"]


def test_a_sweep_that_asks_for_more_than_the_cluster_has_is_refused(home: Path, tmp_path: Path) -> None:
    plain = changed(
        ("execution", {"home": str(home), "sample_actors": 64}), ("sweep.axes", {"training.steps": {"grid": [1, 2]}})
    )
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(plain))
    found = CliRunner().invoke(app, ["sweep", str(tmp_path / "sweep.yaml")])
    assert found.exit_code == 1
    assert "stage sample asks for" in found.output
    assert not (home / "stages").exists()
    assert not (home / "sweeps").exists()


def test_a_trial_that_fails_stops_no_other_and_is_tried_again(home: Path) -> None:
    axes = {"student.max_plan_source_tokens": {"grid": [224, 4]}}  # no prompt fits into four tokens
    sweep = sweep_of(home, {"axes": axes, "objective": "validation_loss/code"})
    trials = {trial.values["student.max_plan_source_tokens"]: trial for trial in run_sweep(sweep)}
    assert trials[224].state == "done"
    assert trials[4].state == "failed"
    assert "there is no example of task plan_code" in trials[4].error
    again = {trial.values["student.max_plan_source_tokens"]: trial for trial in run_sweep(sweep)}
    assert again[224] == trials[224]
    assert again[4].state == "failed"
    assert again[4].mlflow_run != trials[4].mlflow_run


@pytest.mark.long
def test_an_interrupted_and_killed_sweep_resumes_and_makes_no_finished_stage_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    sweep = SweepProcess(tmp_path, home, "sweep.objective=validation_loss/code")
    sweep.start()
    assert sweep.interrupt_when(lambda: any(home.glob("stages/finetune/*/train/checkpoint_*")), 300) == 130
    assert "stopping: running trials keep their work and end" in sweep.said()
    assert "run the same command to resume" in sweep.said()
    assert "interrupted" in sweep.states()
    assert "running" not in sweep.states()
    checkpoints = len(list(home.glob("stages/finetune/*/train/checkpoint_*")))
    sweep.start()
    assert sweep.kill_when(lambda: len(list(home.glob("stages/finetune/*/train/checkpoint_*"))) > checkpoints, 300)
    finished = sweep.finished_stages()
    assert {Path(folder).parent.name for folder in finished} == {"problems", "distill"}
    assert "running" in sweep.states()
    sweep.start()
    sweep.finish(300)
    now = sweep.finished_stages()
    assert {folder: now[folder] for folder in finished} == finished
    assert sweep.states() == ["done"] * 4
    losses = [row["validation_loss/code.mean"] for row in sweep.results]
    assert len(losses) == 4
    assert len(set(losses)) == 2, "plan counts share a training"


@pytest.mark.long
def test_asha_stops_poor_trainings_which_could_be_resumed(home: Path) -> None:
    axes = {"training.learning_rate": {"grid": [3e-3, 1e-3, 1e-7, 1e-8]}}
    sweep = sweep_of(
        home,
        {"axes": axes, "scheduler": "asha", "grace_steps": 20, "reduction": 2, "objective": "validation_loss/code"},
        ("training.steps", 200),  # long enough that a stop arrives before the end
    )
    trials = {trial.values["training.learning_rate"]: trial for trial in run_sweep(sweep)}
    assert trials[3e-3].state == "done"
    assert trials[1e-8].state == "stopped"
    assert trials[1e-8].metrics["step"] < 200
    stopped = trials[1e-8].point.config(sweep.base)
    from codeplan.pipeline import build
    from codeplan.stages.finetune import steps_done

    assert steps_done(build(stopped, "finetune")["student"].folder) == trials[1e-8].metrics["step"]


@pytest.mark.long
def test_a_population_ends_with_a_configuration_that_can_be_run_again(home: Path) -> None:
    settings = {
        "axes": {"training.learning_rate": {"loguniform": [1e-5, 1e-2]}},
        "search": "random",
        "scheduler": "pbt",
        "points": 4,
        "grace_steps": 10,
        "objective": "validation_loss/code",
    }
    sweep = sweep_of(home, settings, ("training.steps", 20))
    trials = run_sweep(sweep)
    assert [trial.member for trial in trials] == [f"member-{index:03d}" for index in range(4)]
    assert {trial.state for trial in trials} == {"done"}
    donors = Counter(json.dumps(trial.values["training.earlier"]) for trial in trials)
    assert sorted(donors.values()) == [1, 1, 2], "the worst member continues from the best"
    best = load(sweep.folder / "best.yaml")
    assert [segment.until for segment in best.training.earlier] == [10]

    from codeplan.pipeline import build

    student = build(best, "finetune")["student"]
    assert student.done() is not None, "running it again reuses the member's own stages"
    again = run_sweep(sweep_of(home, settings, ("training.steps", 20)))
    assert [(trial.values, trial.metrics) for trial in again] == [(trial.values, trial.metrics) for trial in trials]
    assert not computed(again), "the same seed gives the same members, whose segments are there"
