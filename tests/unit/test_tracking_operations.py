"""Operations on a run: what becomes of them when they are sent again, are cut off, or are rejected."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow_parts import free_port

from codeplan.config import Config, TrackingConfig
from codeplan.config.loading import parse
from codeplan.tracking import Run, StudentModel, TeacherCall, Tracker, TrackingError, outbox, writer
from codeplan.tracking.delivery import Delivery
from codeplan.tracking.writer import Writer

NewHome = Callable[[Path], Path]


def config() -> Config:
    source = {"reader": "miniapps", "split": "train", "count": 1}
    return parse({"name": "test", "problems": {"train": source, "test": source}, "student": {"model": "m"}})


def student(experiment_id: str, identity: str, folder: Path, name: str = "t5-small") -> StudentModel:
    return StudentModel(
        experiment_id=experiment_id,
        identity=identity,
        name=name,
        folder=str(folder),
        copy=True,
        tags={"teacher": "gpt"},
        params={"training.steps": 20, "training.betas": (0.9, 0.99), "training.mixing": {}, "training.clip": None},
        description="a student",
        example={"question": "Add two numbers.", "starter_code": "", "plan": ""},
        generation={"task": "code", "temperature": 0.0, "top_p": 1.0, "seed": 0},
        reference="student.json",
    )


CALL = TeacherCall(
    key="a",
    model="gpt-x",
    messages=({"role": "user", "content": "Why?"},),
    settings={"temperature": 0.5, "stop": ("a", "b")},
    answer="1. Because.",
    error="",
    prompt_tokens=7,
    completion_tokens=3,
    cost_usd=0.25,
    started=1_700_000_000.5,
    seconds=1.5,
)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """The folder of something to upload."""
    folder = tmp_path / "student"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def contents(client: MlflowClient, experiment_id: str, run_id: str) -> dict[str, Any]:
    """All that operations add to, as MLflow has it."""
    run = client.get_run(run_id)
    (model,) = client.search_logged_models([experiment_id])
    return {
        "outputs": [output.model_id for output in run.outputs.model_outputs],
        "inputs": [used.model_id for used in run.inputs.model_inputs],
        "points": [(point.step, point.value) for point in client.get_metric_history(run_id, "pass")],
        "model": (model.model_id, str(model.status), dict(model.tags), dict(model.params)),
        "files": [file.path for file in client.list_logged_model_artifacts(model.model_id, "data")],
        "scores": [(score.key, score.value, score.dataset_name) for score in model.metrics or []],
        "versions": [(found.version, found.source) for found in client.search_model_versions("name = 'registered'")],
        "traces": [
            (trace.info.trace_id, trace.info.token_usage, trace.info.cost, [span.inputs for span in trace.data.spans])
            for trace in client.search_traces(locations=[experiment_id], run_id=run_id)
        ],
    }


def test_operations_that_are_sent_again_after_a_crash_add_nothing(
    tmp_path: Path, new_home: NewHome, weights: Path
) -> None:
    tracking = Tracker(TrackingConfig(), new_home(tmp_path / "home"))
    client = MlflowClient(tracking.uri)
    with tracking.experiment(config(), {}) as run:
        nobody = MlflowClient(f"http://127.0.0.1:{free_port()}")
        kept = Run(Writer(nobody, tmp_path / "away", ""), run.run_id, run.experiment_id)
        kept.student(student(run.experiment_id, "a" * 64, weights))
        kept.uses_student("a" * 64)
        kept.register("a" * 64, "registered", "champion")
        kept.scores({"pass": 0.5}, "a" * 64, ("miniapps-test", "d" * 32))
        kept.traces([CALL])
        (folder,) = outbox.found(tmp_path / "away")
        sent = []
        for number in range(2):
            copy = tmp_path / f"copy {number}" / outbox.FOLDER / "waiting" / folder.name
            waiting = outbox.adopt(shutil.copytree(folder, copy))
            assert waiting is not None
            rejected: list[str] = []
            Delivery(client, waiting, rejected).send()
            assert (waiting.sent, waiting.left, rejected) == (5, 0, [])
            sent.append(contents(client, run.experiment_id, run.run_id))
    assert sent[0] == sent[1]
    (answer,) = sent[0]["traces"]
    assert answer[3] == [{"messages": [{"role": "user", "content": "Why?"}], "temperature": 0.5, "stop": ["a", "b"]}], (
        "tuples arrive as lists"
    )
    model_id, status, _, params = sent[0]["model"]
    assert status == "READY"
    assert (params["training.betas"], params["training.mixing"], params["training.clip"]) == (
        "[0.9, 0.99]",
        "{}",
        "null",
    )
    assert sent[0]["files"] == ["data/model.safetensors"]
    assert sent[0]["outputs"] == sent[0]["inputs"] == [model_id]
    assert sent[0]["points"] == [(0, 0.5)]
    assert sent[0]["scores"] == [("pass", 0.5, "miniapps-test")]
    assert len(sent[0]["versions"]) == 1


def test_student_whose_upload_was_cut_off_is_finished_and_not_logged_twice(
    tmp_path: Path, new_home: NewHome, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_FIRST_PAUSE_S", 0.01)  # fails more often than is tolerated of a write without hope
    home = new_home(tmp_path / "home")
    tracking = Tracker(TrackingConfig(), home)
    client = MlflowClient(tracking.uri)
    with tracking.experiment(config(), {}) as run:
        tracking._writer.flush(60)
        (home / "artifacts").rename(home / "away")
        (home / "artifacts").touch()  # the store takes no files
        run.student(student(run.experiment_id, "b" * 64, weights))
        while "FAILED" not in [str(model.status) for model in client.search_logged_models([run.experiment_id])]:
            tracking._writer.flush(0.1)
        assert tracking._writer.flush(3.0).rejected == ()
        (home / "artifacts").unlink()
        (home / "away").rename(home / "artifacts")
    logged = contents(client, run.experiment_id, run.run_id)
    assert logged["model"][1] == "READY"
    assert logged["files"] == ["data/model.safetensors"]
    assert logged["outputs"] == [logged["model"][0]]


def test_rejected_operations_are_kept_and_reported_and_hold_up_no_other(
    tmp_path: Path, new_home: NewHome, weights: Path
) -> None:
    home = new_home(tmp_path / "home")
    tracking = Tracker(TrackingConfig(), home)

    def reject_two() -> None:
        with tracking.experiment(config(), {}) as run:
            run.student(student(run.experiment_id, "c" * 64, tmp_path / "gone"))
            run.student(student(run.experiment_id, "d" * 64, weights, name="a/b"))
            run.metrics({"loss": 1.0})

    with pytest.raises(TrackingError, match=r"rejected a write: .*gone does not exist.*1 more.*rejected\.jsonl"):
        reject_two()
    client = MlflowClient(tracking.uri)
    (run,) = client.search_runs([tracking.experiment_id])
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"loss": 1.0})
    kept = [json.loads(line) for line in outbox.rejected_path(home).read_text().splitlines()]
    assert [entry["record"]["call"] for entry in kept] == ["log_student"] * 2
    assert "Invalid model name" in kept[1]["why"]
    assert not outbox.found(home)
