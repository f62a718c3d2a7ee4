"""Runs in MLflow, against a real SQLite store."""

import multiprocessing
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from codeplan.config import Config, TrackingConfig
from codeplan.config.loading import load, parse
from codeplan.tracking import PARENT, Tracker, TrackingError, flatten, redacted
from codeplan.tracking.mlflow_errors import retry_while_locked

NewHome = Callable[[Path], Path]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, new_home: NewHome) -> Path:
    return new_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def tracker(home: Path) -> Tracker:
    return Tracker(TrackingConfig(), home)


@pytest.fixture
def client(tracker: Tracker) -> MlflowClient:
    return MlflowClient(tracker.uri)


def config(name: str = "test") -> Config:
    source = {"reader": "miniapps", "split": "train", "count": 1}
    return parse({"name": name, "problems": {"train": source, "test": source}, "student": {"model": "m"}})


def test_stage_is_a_child_run_with_metrics_tables_and_data_sets(tracker: Tracker, client: MlflowClient) -> None:
    with (
        tracker.experiment(config(), {"commit": "abc"}) as parent,
        tracker.stage(parent, "distill plans", {"stage": "distill"}) as stage,
    ):
        for step in (1, 2):
            stage.metrics({"loss": 1 / step, "rate": 5}, step)
        stage.table([{"plan": "1. Read.", "leakage": 0.0}], "plans.json")
        stage.dataset("miniapps-train", "f" * 64, "train", {"reader": "miniapps"}, {"num_rows": 1})
    child = client.get_run(stage.run_id)
    assert child.data.tags[PARENT] == parent.run_id
    assert child.data.tags["codeplan.stage"] == "distill"
    assert [(point.step, point.value) for point in client.get_metric_history(stage.run_id, "loss")] == [
        (1, 1.0),
        (2, 0.5),
    ]
    assert {file.path for file in client.list_artifacts(stage.run_id)} == {"plans.json"}
    assert child.inputs.dataset_inputs[0].dataset.name == "miniapps-train"
    experiment = client.get_run(parent.run_id)
    assert experiment.data.params["sampling.plans"] == "20"
    assert experiment.data.tags["codeplan.commit"] == "abc"
    assert {experiment.info.status, child.info.status} == {"FINISHED"}
    kept = client.download_artifacts(parent.run_id, "config.yaml")
    assert load(kept) == config(), "the logged configuration reproduces the experiment"


@pytest.mark.parametrize(("error", "status"), [(ValueError("broken row"), "FAILED"), (KeyboardInterrupt(), "KILLED")])
def test_failed_and_interrupted_runs_have_their_status_and_error(
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


def test_run_of_a_killed_process_is_closed_by_the_next_run(home: Path, tracker: Tracker, client: MlflowClient) -> None:
    here = str(Path(__file__).parent)
    killed = subprocess.run([sys.executable, "-c", DIES, str(home), here], capture_output=True, text=True, check=False)
    run_id = killed.stdout.strip()
    assert client.get_run(run_id).info.status == "RUNNING"
    with tracker.experiment(config("alive"), {}) as alive:
        Tracker(TrackingConfig(), home)
        assert client.get_run(run_id).info.status == "FAILED"
        assert client.get_run(alive.run_id).info.status == "RUNNING", "running runs are left as they are"


def _open(home: Path, start: Any) -> None:
    start.wait(60)
    with Tracker(TrackingConfig(), home).experiment(config("first"), {}) as run:
        run.metrics({"a": 1.0})


def test_concurrent_first_runs_repair_and_share_an_incomplete_database(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "mlflow.db") as incomplete:
        incomplete.execute("CREATE TABLE experiments (experiment_id INTEGER)")
    (tmp_path / ".mlflow.db.new").write_bytes(b"half")
    context = multiprocessing.get_context("fork")  # MLflow takes seconds to import
    start = context.Barrier(3)
    runs = [context.Process(target=_open, args=(tmp_path, start)) for _ in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [0, 0, 0]
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        assert database.execute("SELECT COUNT(*), MIN(status), MAX(status) FROM runs").fetchone() == (
            3,
            "FINISHED",
            "FINISHED",
        )
        assert database.execute("SELECT COUNT(*) FROM experiments WHERE name = 'codeplan'").fetchone() == (1,)


def test_write_is_retried_while_the_database_is_locked(tmp_path: Path) -> None:
    holder = sqlite3.connect(tmp_path / "one.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    errors: list[str] = []

    def write() -> str:
        try:
            with sqlite3.connect(tmp_path / "one.db", timeout=0) as connection:
                connection.execute("CREATE TABLE written (x)")
        except sqlite3.OperationalError as error:
            errors.append(str(error))
            holder.rollback()
            raise
        return "written"

    assert retry_while_locked(write) == "written"
    assert errors == ["database is locked"]
    holder.close()


def _text(home: Path) -> None:
    (home / "mlflow.db").write_text("this is not a database" * 99)


def _folder(home: Path) -> None:
    (home / "mlflow.db").unlink()
    (home / "mlflow.db").mkdir()


def _of_another_version(home: Path) -> None:
    with sqlite3.connect(home / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'abc'")
        database.execute("INSERT INTO runs (run_uuid) VALUES ('paid')")


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (_text, "file is not a database; move it away"),
        (_folder, "Is a directory"),
        (_of_another_version, "written by another version of MLflow .its schema is abc"),
    ],
)
def test_unusable_database_is_an_error(tmp_path: Path, new_home: NewHome, break_it: Any, message: str) -> None:
    break_it(new_home(tmp_path))
    before = (tmp_path / "mlflow.db").read_bytes() if break_it is not _folder else b""
    with pytest.raises(TrackingError, match=message) as error:
        Tracker(TrackingConfig(), tmp_path)
    assert "\n" not in str(error.value)
    assert not before or (tmp_path / "mlflow.db").read_bytes() == before, "the existing file is kept"


@pytest.mark.parametrize("name", ["file", "file/below", "x" * 300])
def test_home_that_cannot_be_created_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrackingError, match=r"execution\.home"):
        Tracker(TrackingConfig(), tmp_path / name)


@pytest.mark.parametrize(
    "name", ["a?b", "a#b", "100%", "%3F", "a b", 'it\'s "x"', "ü 普", "a:b", "a\nb", "a;b&c=d", "[b]"]
)
def test_home_with_special_characters(tmp_path: Path, new_home: NewHome, name: str) -> None:
    home = new_home(tmp_path / name)
    tracker = Tracker(TrackingConfig(), home)
    with tracker.experiment(config(), {}) as run:
        run.text("kept", "folder/note.txt")
    client = MlflowClient(tracker.uri)
    assert client.get_run(run.run_id).info.status == "FINISHED"
    (note,) = (home / "artifacts").glob("**/note.txt")
    assert note.read_text() == "kept"
    assert [file.path for file in client.list_artifacts(run.run_id, "folder")] == ["folder/note.txt"]
    assert [path.name for path in tmp_path.iterdir()] == [name], "nothing is written outside the home"


def test_deleted_experiment_is_an_error(tmp_path: Path, new_home: NewHome) -> None:
    tracker = Tracker(TrackingConfig(experiment="gone"), new_home(tmp_path))
    client = MlflowClient(tracker.uri)
    client.delete_experiment(client.get_experiment_by_name("gone").experiment_id)
    with pytest.raises(TrackingError, match="the experiment 'gone' was deleted"):
        Tracker(TrackingConfig(experiment="gone"), tmp_path)


def test_password_in_the_tracking_uri_is_never_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert redacted("https://me:secret@host:5000/x") == "https://me:***@host:5000/x"
    with pytest.raises(TrackingError) as error:
        Tracker(TrackingConfig(uri="http://me:secret@127.0.0.1:9"), tmp_path)
    assert "secret" not in str(error.value)


def test_flatten_settings() -> None:
    assert flatten({"a": {"b": 1, "c": {}}, "d": [1]}) == {"a.b": 1, "a.c": {}, "d": [1]}
