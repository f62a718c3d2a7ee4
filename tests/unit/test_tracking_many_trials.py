"""A sweep of 200 trials, as the API that MLflow's UI uses gives it from a real server."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow_parts import MlflowServer

from codeplan.config import TrackingConfig
from codeplan.config.loading import parse
from codeplan.tracking import PARENT, Tracker

TRIALS = 200
SOURCE = {"reader": "miniapps", "split": "train", "count": 1}
CONFIG = parse({"name": "test", "problems": {"train": SOURCE, "test": SOURCE}, "student": {"model": "m"}})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MlflowServer]:
    started = MlflowServer(f"sqlite:///{tmp_path / 'mlflow.db'}", str(tmp_path / "artifacts"), tmp_path / "log")
    started.start()
    yield started
    started.kill()


def found_by_ui(server: MlflowServer, experiment: str, query: str) -> list[dict[str, Any]]:
    """All pages of the search that fills the UI's table of runs."""
    runs: list[dict[str, Any]] = []
    token = ""
    while True:
        body = {"experiment_ids": [experiment], "filter": query, "max_results": 100, "page_token": token}
        request = urllib.request.Request(
            f"{server.uri}/ajax-api/2.0/mlflow/runs/search",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            page = json.load(answer)
        runs += page.get("runs", [])
        token = page.get("next_page_token", "")
        if not token:
            return runs


def test_every_trial_of_a_large_sweep_is_under_it_and_can_be_charted(
    tmp_path: Path, new_home: Callable[[Path], Path], server: MlflowServer
) -> None:
    tracker = Tracker(TrackingConfig(uri=server.uri), new_home(tmp_path / "home"))
    with tracker.sweep("plans", {}, {"points": TRIALS}) as sweep:
        for number in range(TRIALS):
            differs = {"sampling.plans": number + 1, "training.mixing": {"code": 1.0, "plan": number / TRIALS}}
            name = f"plans={number + 1}"
            with tracker.experiment(
                CONFIG, {"sweep": "plans"}, name=name, differs=differs, parent=sweep.run_id, kind="trial"
            ) as trial:
                trial.metrics({"pass_at_1.codeplan.all": number / TRIALS})
    experiment = sweep.experiment_id
    (parent,) = found_by_ui(server, experiment, "tags.codeplan.kind = 'sweep'")
    trials = found_by_ui(server, experiment, f"tags.`{PARENT}` = '{parent['info']['run_id']}'")
    assert len(trials) == TRIALS
    assert len(found_by_ui(server, experiment, "")) == TRIALS + 1, "nothing else is in the table"
    assert len({run["info"]["run_name"] for run in trials}) == TRIALS
    assert {run["info"]["status"] for run in trials} == {"FINISHED"}
    # A chart takes its axes from metrics: each trial has its own, as numbers.
    charted = [{metric["key"]: metric["value"] for metric in run["data"]["metrics"]} for run in trials]
    assert sorted(point["axis/sampling.plans"] for point in charted) == list(range(1, TRIALS + 1))
    assert all(
        point["pass_at_1.codeplan.all"]
        == point["axis/training.mixing.plan"]
        == (point["axis/sampling.plans"] - 1) / TRIALS
        for point in charted
    )
