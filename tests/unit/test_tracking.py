"""Runs in MLflow, against a real SQLite store."""

import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from codeplan.config import Config, TrackingConfig
from codeplan.loading import load, parse
from codeplan.tracking import PARENT, Tracker, TrackingError, flatten


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def tracker(home: Path) -> Tracker:
    return Tracker(TrackingConfig(), home)


@pytest.fixture
def client(tracker: Tracker) -> MlflowClient:
    return MlflowClient(tracker.uri)


def config(name: str = "test") -> Config:
    source = {"reader": "miniapps", "split": "train", "count": 1}
    return parse({"name": name, "problems": {"train": source, "test": source}, "student": {"model": "m"}})


def test_a_stage_is_a_child_with_metrics_steps_tables_and_data(tracker: Tracker, client: MlflowClient) -> None:
    with (
        tracker.experiment(config(), {"commit": "abc"}) as parent,
        tracker.stage(parent, "distill plans", {"stage": "distill"}) as stage,
    ):
        for step in (1, 2):
            stage.metrics({"loss": 1 / step, "rate": 5}, step)
        stage.table([{"plan": "1. Read.", "leakage": 0.0}], "plans.json")
        stage.dataset("miniapps-train", "f" * 64, [{"question": "?"}], "train")
    child = client.get_run(stage.run_id)
    assert child.data.tags[PARENT] == parent.run_id
    assert child.data.tags["codeplan.stage"] == "distill"
    assert [(each.step, each.value) for each in client.get_metric_history(stage.run_id, "loss")] == [(1, 1.0), (2, 0.5)]
    assert {each.path for each in client.list_artifacts(stage.run_id)} == {"plans.json"}
    assert child.inputs.dataset_inputs[0].dataset.name == "miniapps-train"
    whole = client.get_run(parent.run_id)
    assert whole.data.params["sampling.plans"] == "20"
    assert whole.data.tags["codeplan.commit"] == "abc"
    assert {whole.info.status, child.info.status} == {"FINISHED"}
    kept = client.download_artifacts(parent.run_id, "config.yaml")
    assert load(kept) == config(), "the resolved configuration runs the experiment again"


@pytest.mark.parametrize(("error", "status"), [(ValueError("broken row"), "FAILED"), (KeyboardInterrupt(), "KILLED")])
def test_a_run_that_ends_badly_says_how(
    tracker: Tracker, client: MlflowClient, error: BaseException, status: str
) -> None:
    with (
        pytest.raises(type(error)),
        tracker.experiment(config(), {}) as parent,
        tracker.stage(parent, "x", {}) as stage,
    ):
        raise error
    for run_id in (parent.run_id, stage.run_id):
        run = client.get_run(run_id)
        assert run.info.status == status
        assert type(error).__name__ in run.data.tags["codeplan.error"]


DIES = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_tracking import config
from codeplan.config import TrackingConfig
from codeplan.tracking import Tracker
with Tracker(TrackingConfig(), Path(sys.argv[1])).experiment(config("dies"), {}) as parent:
    print(parent.run_id, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_is_marked_by_the_next(home: Path, tracker: Tracker, client: MlflowClient) -> None:
    here = str(Path(__file__).parent)
    killed = subprocess.run([sys.executable, "-c", DIES, str(home), here], capture_output=True, text=True, check=False)
    run_id = killed.stdout.strip()
    assert client.get_run(run_id).info.status == "RUNNING"
    with tracker.experiment(config("alive"), {}) as alive:
        Tracker(TrackingConfig(), home)
        assert client.get_run(run_id).info.status == "FAILED"
        assert client.get_run(alive.run_id).info.status == "RUNNING", "the living are left alone"


def test_a_store_that_cannot_be_used_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is no database" * 99)
    with pytest.raises(TrackingError, match="cannot be used"):
        Tracker(TrackingConfig(), tmp_path)


def test_settings_are_flattened() -> None:
    assert flatten({"a": {"b": 1, "c": {}}, "d": [1]}) == {"a.b": 1, "a.c": {}, "d": [1]}
