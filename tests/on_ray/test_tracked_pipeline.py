"""What a pipeline leaves in MLflow: a student leads to its data and teacher, a reused stage to the run that made it."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from rich.console import Console

from codeplan import pipeline
from codeplan.config.loading import parse
from codeplan.tracking import PARENT, Tracker

SIZES = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_decoder_layers": 1, "num_heads": 2}
TINY: dict[str, Any] = {
    "name": "tiny",
    "problems": {
        "train": {"reader": "miniapps", "split": "train", "count": 24},
        "test": {"reader": "miniapps", "split": "test", "count": 4},
    },
    "student": {
        "init": "scratch",
        "architecture": {"model_type": "t5", **SIZES},
        "vocab_size": 400,
        "max_source_tokens": 160,
        "max_plan_source_tokens": 224,
        "max_target_tokens": 48,
    },
    "training": {"steps": 20, "batch_size": 4, "micro_batch_size": 4, "validation_examples": 4},
    "sampling": {"plans": 2, "trials": 1, "oracle": False},
    "report": {"resamples": 50, "plan_counts": [1, 2]},
    "tracking": {"register_model": "tiny student", "traces": 5},
    "execution": {"train_workers": 1, "sample_batch": 64},
}


class Runs:
    """The runs of two pipelines in one home: the second sets another number of plans in the report."""

    def __init__(self, home: Path) -> None:
        plain = copy.deepcopy(TINY)
        plain["execution"]["home"] = str(home)
        tracker = Tracker(parse(plain).tracking, home)
        self.client = MlflowClient(tracker.uri)
        mlflow.set_tracking_uri(tracker.uri)
        pipeline.run(parse(plain), "report", tracker, Console(quiet=True))
        plain["report"]["plan_counts"] = [2]
        differs = {"report.plan_counts": [2], "sampling.plans": 2}
        pipeline.run(parse(plain), "report", tracker, Console(quiet=True), differs=differs)
        found = self.client.search_runs(["1"], "tags.codeplan.kind = 'pipeline'", order_by=["start_time"])
        self.first, self.second = (self.client.get_run(run.info.run_id) for run in found)

    def stage(self, parent: Run, role: str) -> Run:
        query = f"tags.`{PARENT}` = '{parent.info.run_id}' AND tags.codeplan.role = '{role}'"
        (run,) = self.client.search_runs(["1"], query)
        return self.client.get_run(run.info.run_id)


@pytest.fixture(scope="module")
def runs(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory, new_home: Callable[[Path], Path]) -> Runs:
    return Runs(new_home(tmp_path_factory.mktemp("tracked")))


def test_runs_are_named_by_what_differs(runs: Runs) -> None:
    assert [run.info.run_name for run in (runs.first, runs.second)] == ["tiny", "tiny plan_counts=2 plans=2"]
    assert runs.second.data.metrics["axis/sampling.plans"] == 2
    assert runs.first.data.tags["codeplan.student"] == "t5 from scratch"


def test_pipeline_has_its_data_sets_with_digests(runs: Runs) -> None:
    for run in (runs.first, runs.second):
        digests = {entry.dataset.name: entry.dataset.digest for entry in run.inputs.dataset_inputs}
        assert set(digests) == {"miniapps-train", "miniapps-test", "plans"}
        assert digests["plans"] == runs.stage(run, "plans").data.tags["codeplan.identity"][:32]


def test_curve_over_plan_counts_has_the_count_as_step(runs: Runs) -> None:
    for arm in ("control", "codeplan", "best_trial", "direct"):
        history = runs.client.get_metric_history(runs.first.info.run_id, f"curve/{arm}")
        assert [point.step for point in history] == [1, 2]


def test_training_has_metrics_by_step_and_system_metrics(runs: Runs) -> None:
    run = runs.stage(runs.first, "student")
    assert [point.step for point in runs.client.get_metric_history(run.info.run_id, "loss")][:2] == [10, 20]
    assert run.data.metrics["system/system_memory_usage_megabytes"] > 0
    assert "system/system_memory_usage_megabytes" in runs.stage(runs.first, "samples").data.metrics


def test_student_is_one_registered_model_that_generates(runs: Runs) -> None:
    (logged,) = runs.client.search_logged_models(["1"])
    for run in (runs.first, runs.second, runs.stage(runs.second, "student")):
        assert [output.model_id for output in run.outputs.model_outputs] == [logged.model_id]
    assert runs.stage(runs.second, "samples").inputs.model_inputs[0].model_id == logged.model_id
    assert {score.run_id for score in logged.metrics} == {run.info.run_id for run in (runs.first, runs.second)}
    made_by = runs.stage(runs.first, "student")
    assert logged.source_run_id == made_by.info.run_id
    assert logged.tags["codeplan.plans_digest"] == runs.stage(runs.first, "plans").data.tags["codeplan.identity"][:32]
    model = mlflow.pyfunc.load_model("models:/tiny student@champion")
    assert len(model.predict(model.input_example)) == 1


def test_first_teacher_calls_are_traces_and_cached_answers_are_not(runs: Runs) -> None:
    def traces(run: Run) -> int:
        return len(runs.client.search_traces(locations=["1"], run_id=run.info.run_id))

    assert traces(runs.stage(runs.first, "plans")) == 5
    assert traces(runs.stage(runs.second, "plans")) == 0


def test_reused_stage_links_to_the_run_that_made_it(runs: Runs) -> None:
    made, reused = (runs.stage(run, "student") for run in (runs.first, runs.second))
    assert reused.data.tags["codeplan.reused_from"] == made.info.run_id
    assert f"(#/experiments/1/runs/{made.info.run_id})" in reused.data.tags["mlflow.note.content"]
    assert "reused" not in made.data.tags["mlflow.note.content"].lower()
