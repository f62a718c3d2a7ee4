"""Students as logged models, teacher calls as traces and runs nested in sweeps, against a real SQLite store."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from codeplan.config import Config, TrackingConfig
from codeplan.config.loading import parse
from codeplan.student.serving import PARAMS, REFERENCE
from codeplan.tracking import PARENT, Run, StudentModel, TeacherCall, Tracker, system_metrics

NewHome = Callable[[Path], Path]
FolderOf = Callable[[str, str], Path]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, new_home: NewHome) -> Path:
    return new_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def tracker(home: Path) -> Tracker:
    return Tracker(TrackingConfig(), home)


@pytest.fixture(scope="module")
def client(tracker: Tracker) -> MlflowClient:
    return MlflowClient(tracker.uri)


@pytest.fixture
def run(tracker: Tracker) -> Iterator[Run]:
    with tracker.experiment(config(), {}) as opened:
        yield opened


def config(name: str = "test") -> Config:
    source = {"reader": "miniapps", "split": "train", "count": 1}
    return parse({"name": name, "problems": {"train": source, "test": source}, "student": {"model": "m"}})


def student_model(run: Run, identity: str, folder: Path, **changed: Any) -> StudentModel:
    model = StudentModel(
        experiment_id=run.experiment_id,
        identity=identity,
        name="t5-small",
        folder=str(folder),
        copy=False,
        tags={"teacher": "gpt", "dataset": "miniapps-train", "prompt": "backward 1"},
        params={"training.steps": 20, "training.mixing": {}, "student.revision": ""},
        description=f"trained in [this]({run.link})",
        example={"question": "Add two numbers.", "starter_code": "", "plan": ""},
        generation=PARAMS,
        reference=REFERENCE,
    )
    return replace(model, **changed)


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny student that was trained on all tasks."""
    from codeplan.config import StudentConfig
    from codeplan.student.model import build_student, save_student

    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}
    settings = StudentConfig(
        init="scratch",
        architecture={"model_type": "t5", **sizes},
        vocab_size=300,
        max_source_tokens=200,
        max_plan_source_tokens=220,
        max_target_tokens=8,
    )
    folder = tmp_path_factory.mktemp("student") / "student"
    save_student(build_student(settings, ["Add two numbers.", "print(1 + 2)"]), folder)
    return folder


def flush(run: Run) -> None:
    """Wait until MLflow has what the run has written."""
    found = run._writer.flush(60)
    assert (found.left, found.rejected) == (0, ())


def load(client: MlflowClient, uri: str) -> Any:
    import mlflow

    mlflow.set_tracking_uri(client.tracking_uri)
    return mlflow.pyfunc.load_model(uri)


@pytest.mark.parametrize("copy", [False, True])
def test_logged_student_is_loaded_back_and_generates(
    run: Run, client: MlflowClient, student: Path, copy: bool, tmp_path: Path
) -> None:
    identity = f"{copy:064d}"
    run.student(student_model(run, identity, student, copy=copy))
    flush(run)
    (output,) = client.get_run(run.run_id).outputs.model_outputs
    model = load(client, f"models:/{output.model_id}")
    answers = model.predict([{"question": "Add two numbers."}] * 2)
    assert list(answers.columns) == ["text", "finished"]
    assert answers["text"][0] == answers["text"][1], "greedy by default"
    sampled = model.predict(
        [{"question": "Add two numbers.", "plan": "1. Add."}],
        params={"task": "plan_code", "temperature": 1.0, "seed": 3},
    )
    assert len(sampled) == 1
    assert model.metadata.signature.inputs.input_names() == ["question", "starter_code", "plan"]
    assert model.input_example["question"][0] == "Add two numbers."
    logged = client.get_logged_model(output.model_id)
    assert logged.tags["codeplan.teacher"] == "gpt"
    assert logged.params["training.steps"] == "20"
    files = {file.path for file in client.list_logged_model_artifacts(output.model_id, "data")}
    assert any("safetensors" in name for name in files) == copy, "a reference holds no weights"


def test_reference_to_a_student_that_is_gone_says_what_to_do(run: Run, client: MlflowClient, tmp_path: Path) -> None:
    run.student(student_model(run, "a" * 64, tmp_path / "gone"))
    flush(run)
    (output,) = client.get_run(run.run_id).outputs.model_outputs
    with pytest.raises(Exception, match=r"does not exist on this machine.*tracking\.log_model=copy"):
        load(client, f"models:/{output.model_id}")


def test_student_is_logged_once_and_scored_by_every_run(tracker: Tracker, client: MlflowClient, tmp_path: Path) -> None:
    ids = []
    for rate in (0.25, 0.5):
        with tracker.experiment(config(), {}) as parent, tracker.stage(parent, "finetune", {}) as stage:
            for shown_on in (stage, parent):
                shown_on.student(student_model(shown_on, "b" * 64, tmp_path))
            stage.uses_student("b" * 64)
            parent.dataset("miniapps-test", "d" * 64, "test", {"reader": "miniapps"}, {"num_rows": 12})
            parent.scores({"pass_at_1.codeplan.all": rate}, "b" * 64, ("miniapps-test", "d" * 32))
            flush(parent)
            ids.append(client.get_run(parent.run_id).outputs.model_outputs[0].model_id)
            assert client.get_run(stage.run_id).inputs.model_inputs[0].model_id == ids[-1]
            assert client.get_run(parent.run_id).data.metrics["pass_at_1.codeplan.all"] == rate
    assert ids[0] == ids[1]
    scores = client.get_logged_model(ids[0]).metrics
    assert {(score.value, score.dataset_name) for score in scores} == {(0.25, "miniapps-test"), (0.5, "miniapps-test")}


def test_scores_without_a_logged_student_are_metrics_of_the_run(run: Run, client: MlflowClient) -> None:
    run.scores({"pass_at_1.codeplan.all": 0.5}, "e" * 64, ("d", "1"))
    flush(run)
    assert client.get_run(run.run_id).data.metrics == {"pass_at_1.codeplan.all": 0.5}


def test_registered_student_gets_the_alias_and_no_second_version(
    run: Run, client: MlflowClient, tmp_path: Path
) -> None:
    for identity in ("1" * 64, "2" * 64, "1" * 64):
        run.student(student_model(run, identity, tmp_path))
        run.register(identity, "my student", "champion")
    flush(run)
    versions = client.search_model_versions("name = 'my student'")
    assert len(versions) == 2
    champion = client.get_model_version_by_alias("my student", "champion")
    assert client.get_logged_model(champion.source.removeprefix("models:/")).tags["codeplan.identity"] == "1" * 64


def call(key: str, **changed: Any) -> TeacherCall:
    made = TeacherCall(
        key=key,
        model="gpt-x",
        messages=[{"role": "user", "content": "Why?"}],
        settings={"temperature": 0.5},
        answer="1. Because.",
        error="",
        prompt_tokens=7,
        completion_tokens=3,
        cost_usd=0.25,
        started=1_700_000_000.5,
        seconds=1.5,
    )
    return replace(made, **changed)


def test_teacher_calls_are_traces_with_tokens_cost_and_errors(run: Run, client: MlflowClient) -> None:
    calls = [call("a"), call("b", answer="", error="HTTP 429 \ud800\0")]
    run.traces(calls)
    run.traces(calls)
    flush(run)
    found = client.search_traces(locations=[run.experiment_id], run_id=run.run_id)
    assert len(found) == 2, "sent again, nothing is added"
    answered, failed = sorted(found, key=lambda trace: trace.info.state.value, reverse=True)
    assert answered.info.token_usage == {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    assert answered.info.execution_duration == 1500
    (span,) = answered.data.spans
    assert span.inputs["messages"] == [{"role": "user", "content": "Why?"}]
    assert span.outputs["choices"][0]["message"]["content"] == "1. Because."
    assert (failed.info.state.value, failed.data.spans[0].status.description) == ("ERROR", "HTTP 429 ?\ufffd")


def test_system_metrics_are_measured_at_least_once_and_on_their_run(run: Run, client: MlflowClient) -> None:
    with system_metrics(run, 3600.0):
        pass
    flush(run)
    metrics = client.get_run(run.run_id).data.metrics
    assert metrics["system/system_memory_usage_megabytes"] > 0
    assert "system/cpu_utilization_percentage" in metrics


def test_no_system_metrics_where_they_are_off(run: Run, client: MlflowClient) -> None:
    with system_metrics(run, 0.0):
        pass
    flush(run)
    assert client.get_run(run.run_id).data.metrics == {}


def test_trial_is_nested_under_its_sweep_with_axes_as_metrics(tracker: Tracker, client: MlflowClient) -> None:
    differs = {"sampling.plans": 3, "training.mixing": {"code": 1.0, "plan": 0.5}, "teacher.model": "gpt"}
    with (
        tracker.sweep("ratios", {"commit": "abc"}, {"axes": {"sampling.plans": [1, 3]}}) as sweep,
        tracker.experiment(
            config(), {"sweep": "ratios"}, name="test plans=3", differs=differs, parent=sweep.run_id, kind="trial"
        ) as trial,
        tracker.stage(trial, "distill", {"stage": "distill"}) as stage,
    ):
        pass
    runs = {run.run_id: client.get_run(run.run_id).data for run in (sweep, trial, stage)}
    kinds = [run.tags["codeplan.kind"] for run in runs.values()]
    assert kinds == ["sweep", "trial", "stage"]
    assert runs[trial.run_id].tags[PARENT] == sweep.run_id
    assert runs[sweep.run_id].params["axes.sampling.plans"] == "[1, 3]"
    assert runs[trial.run_id].metrics == {
        "axis/sampling.plans": 3.0,
        "axis/training.mixing.code": 1.0,
        "axis/training.mixing.plan": 0.5,
    }
    query = "tags.codeplan.kind = 'trial' AND tags.codeplan.sweep = 'ratios' AND metrics.`axis/sampling.plans` > 2"
    assert [run.info.run_id for run in client.search_runs([trial.experiment_id], query)] == [trial.run_id]


def test_parameters_are_typed_as_json(run: Run, client: MlflowClient) -> None:
    run.params({"a": {"b": True, "c": None, "d": [1, 3], "e": 3e-4, "f": "text", "g": 5}})
    flush(run)
    params = client.get_run(run.run_id).data.params
    assert [params[f"a.{name}"] for name in "bcdefg"] == ["true", "null", "[1, 3]", "0.0003", "text", "5"]
    assert [json.loads(params[f"a.{name}"]) for name in "bcdeg"] == [True, None, [1, 3], 3e-4, 5]


def test_curves_are_metrics_whose_step_is_the_count(run: Run, client: MlflowClient) -> None:
    run.curve([("curve/codeplan", plans, plans / 10) for plans in (1, 2, 5)])
    flush(run)
    history = client.get_metric_history(run.run_id, "curve/codeplan")
    assert [(point.step, point.value) for point in history] == [(1, 0.1), (2, 0.2), (5, 0.5)]


ENDS = """
import os, signal, sys, threading
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_tracking_models import config
from codeplan.config import TrackingConfig
from codeplan.tracking import Tracker
tracker = Tracker(TrackingConfig(), Path(sys.argv[1]))
with tracker.sweep("s", {}, {}) as sweep, tracker.experiment(config(), {}, parent=sweep.run_id, kind="trial") as trial:
    with tracker.stage(trial, "distill", {}) as stage:
        print(sweep.run_id, trial.run_id, stage.run_id, flush=True)
        os.kill(os.getpid(), getattr(signal, sys.argv[3]))
        threading.Event().wait(60)
"""


@pytest.mark.parametrize(
    ("number", "status", "error"),
    [(signal.SIGTERM, "KILLED", "SystemExit: 143"), (signal.SIGKILL, "FAILED", "the process was killed")],
)
def test_runs_of_a_process_that_was_ended_are_closed_at_every_level(
    home: Path, client: MlflowClient, number: signal.Signals, status: str, error: str
) -> None:
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", ENDS, str(home), here, number.name]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    ids = ended.stdout.split()
    assert len(ids) == 3, ended.stderr
    Tracker(TrackingConfig(), home)  # closes what a killed process left open
    runs = [client.get_run(run_id) for run_id in ids]
    assert [run.info.status for run in runs] == [status] * 3
    assert [run.data.tags["codeplan.error"] for run in runs] == [error] * 3
    assert all(error in run.data.tags["mlflow.note.content"] for run in runs), "at the top of the run's page"
