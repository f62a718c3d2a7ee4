"""Trials on Ray Tune, with work that is not a pipeline: resources, early stops, failures, and searches that find."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.util import placement_group_table

from codeplan.config import SweepConfig
from codeplan.errors import StopRequested
from codeplan.on_ray.tune import Monitor, Search, room_for, run_trials
from codeplan.on_ray.tune_search import early_stopping, optuna_search, resume_study
from codeplan.sweeps import space
from codeplan.sweeps.objective import stop_objective
from codeplan.sweeps.population import Member, train_population
from codeplan.sweeps.trial_run import PipelineWork
from codeplan.sweeps.trials import Trial

pytestmark = pytest.mark.usefixtures("ray_cluster")

Run = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs trials of a work function, each of which writes a file named by what it got; returns the files."""

    def run_work(work: Any, search: Search, concurrent: int = 2, stop: threading.Event | None = None) -> dict[str, Any]:
        kept = tmp_path / "kept"
        kept.mkdir(exist_ok=True)
        run_trials(
            Keeping(work, str(kept)),
            search,
            concurrent=concurrent,
            folder=tmp_path / "tune",
            stop=stop or threading.Event(),
        )
        return {path.name: json.loads(path.read_text()) for path in kept.iterdir()}

    return run_work


class Keeping:
    """Keeps what a trial's work returned, or how it ended."""

    def __init__(self, work: Any, folder: str) -> None:
        self.work, self.folder = work, folder

    def __call__(self, trial: Mapping[str, Any], monitor: Monitor) -> Mapping[str, float]:
        name = str(trial["x"])
        try:
            result: Mapping[str, float] = self.work(trial, monitor)
        except StopRequested:
            (Path(self.folder) / name).write_text(json.dumps({"stopped": True}))
            raise
        (Path(self.folder) / name).write_text(json.dumps(dict(result)))
        return result


@ray.remote(num_cpus=1)
class Worker:
    def ready(self) -> int:
        return 1


def with_two_workers(trial: Mapping[str, Any], monitor: Monitor) -> dict[str, float]:
    """Takes both CPUs of the cluster, as a training of two workers does."""
    del monitor
    from ray.util.placement_group import placement_group, remove_placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    group = placement_group([{"CPU": 1}, {"CPU": 1}])
    try:
        strategy = PlacementGroupSchedulingStrategy(placement_group=group)
        workers = [Worker.options(scheduling_strategy=strategy).remote() for _ in range(2)]
        ready = sum(ray.get([worker.ready.remote() for worker in workers]))
    finally:
        remove_placement_group(group)
    if trial["x"] == 3:
        raise ValueError("this one fails")
    return {"ready": float(ready)}


def groups_in_use() -> list[Any]:
    """The placement groups that stay; those that are being removed get ten seconds."""
    deadline = time.monotonic() + 10.0
    while True:
        groups = [group for group in placement_group_table().values() if group["state"] != "REMOVED"]
        if not groups or time.monotonic() > deadline:
            return groups
        time.sleep(0.1)


def test_more_trials_than_the_cluster_has_room_for_finish_and_a_failure_stops_no_other(run: Run) -> None:
    assert room_for([(2.0, 0.0), (1.0, 0.0)]) == 1
    assert room_for([(0.5, 0.0)]) == 4
    # One more at once than there is room for, so that they compete.
    kept = run(with_two_workers, Search(trials=[{"x": index} for index in range(6)]), concurrent=2)
    assert kept == {str(index): {"ready": 2.0} for index in range(6) if index != 3}
    assert groups_in_use() == []


def falling_loss(trial: Mapping[str, Any], monitor: Monitor) -> dict[str, float]:
    """A training whose loss falls to what the trial is; it looks at each report whether it should stop."""
    for step in range(10, 100, 10):
        monitor.report({"step": step, "compared": trial["x"] + 1.0 / step})
        deadline = time.monotonic() + 5.0
        while step >= 20 and trial["x"] > 1 and not monitor.stop_requested() and time.monotonic() < deadline:
            time.sleep(0.01)  # so that the scheduler's answer can arrive, as between the reports of a training
        if monitor.stop_requested():
            raise StopRequested("stopped")
    return {"compared": trial["x"], "step": 90}


@pytest.mark.parametrize("kind", ["asha", "median"])
def test_schedulers_stop_poor_trials_and_free_their_resources(run: Run, kind: Any) -> None:
    scheduler = early_stopping(kind, metric="compared", mode="min", most_steps=90, grace_steps=20, reduction=3)
    trials = [{"x": value} for value in (1, 0, 0, 1, 5, 6, 7)]
    kept = run(falling_loss, Search(trials=trials, scheduler=scheduler), concurrent=1)
    assert kept["0"] == {"compared": 0, "step": 90}
    assert {"stopped": True} in kept.values()
    assert kept["7"] == {"stopped": True}
    assert groups_in_use() == []


class StopsAll:
    """The first trial says that it runs, and works until all are to stop."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, trial: Mapping[str, Any], monitor: Monitor) -> dict[str, float]:
        del trial, monitor
        (Path(self.folder) / "running").touch()
        while not (Path(self.folder) / "stop").exists():
            time.sleep(0.05)
        raise StopRequested("with all others")


def test_a_search_that_is_stopped_starts_no_further_trial(run: Run, tmp_path: Path) -> None:
    stop = threading.Event()

    def stop_all() -> None:
        while not (tmp_path / "running").exists():
            time.sleep(0.05)
        stop.set()
        (tmp_path / "stop").touch()

    threading.Thread(target=stop_all, daemon=True).start()
    trials = [{"x": index} for index in range(4)]
    assert run(StopsAll(str(tmp_path)), Search(trials=trials), concurrent=1, stop=stop) == {"0": {"stopped": True}}
    assert groups_in_use() == []
    assert run(StopsAll(str(tmp_path)), Search(trials=[{"x": 9}]), stop=stop).keys() == {"0"}, "it stays stopped"


SWEEP = SweepConfig.model_validate(
    {
        "search": "optuna",
        "axes": {
            "training.learning_rate": {"loguniform": [1e-5, 1e-1]},
            "training.schedule": {"choice": ["constant", "cosine"]},
            "training.warmup_steps": {"int": [0, 100], "when": {"training.schedule": "cosine"}},
        },
    }
)


class Draw:
    """Draws a point; a class, because Tune saves its searchers."""

    def __call__(self, trial: Any) -> dict[str, str]:
        point = space.suggest(SWEEP, {"training": {"schedule": "constant"}}, trial)
        return {"x": json.dumps(dict(point.values))}


def planted(trial: Mapping[str, Any], monitor: Monitor) -> dict[str, float]:
    """Best at a learning rate of 1e-3 under a cosine schedule with 50 warm-up steps."""
    del monitor
    values = json.loads(trial["x"])
    loss = abs(math.log10(values["training.learning_rate"]) + 3)
    loss += 0.0 if values["training.schedule"] == "cosine" else 2.0
    return {"objective_0": loss + abs(values.get("training.warmup_steps", 50) - 50) / 50, "objective_1": loss}


@pytest.mark.parametrize("search", ["grid", "random"])
def test_a_search_without_a_model_finds_a_planted_optimum(run: Run, search: str) -> None:
    rates = {"grid": [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]} if search == "grid" else {"loguniform": [1e-5, 1e-1]}
    settings = SweepConfig.model_validate(
        {
            "search": search,
            "points": 40,
            "axes": {
                "training.learning_rate": rates,
                "training.schedule": {"grid" if search == "grid" else "choice": ["constant", "cosine"]},
            },
        }
    )
    points = space.points(settings, {})
    assert len(points) == (10 if search == "grid" else 40)
    kept = run(planted, Search(trials=[{"x": json.dumps(dict(point.values))} for point in points]), concurrent=4)
    assert len(kept) == len(points)
    best = json.loads(min(kept, key=lambda values: float(kept[values]["objective_0"])))
    assert best["training.schedule"] == "cosine"
    assert abs(math.log10(best["training.learning_rate"]) + 3) < (1e-9 if search == "grid" else 0.5)


class Failing:
    def __call__(self, trial: Mapping[str, Any], monitor: Monitor) -> dict[str, float]:
        del monitor
        raise StopRequested(trial["x"])


def test_optuna_finds_a_planted_optimum_and_its_study_resumes(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "optuna.log"

    def search(count: int) -> Search:
        searcher = optuna_search(Draw(), metrics=["objective_0"], modes=["min"], seed=0, log=log)
        return Search(searcher=searcher, count=count - resume_study(log))

    run(planted, search(25), concurrent=4)
    assert resume_study(log) == 25
    run(Failing(), search(26), concurrent=1)
    assert resume_study(log) == 25, "a trial that failed or was stopped with all others has not finished"
    kept = run(planted, search(40), concurrent=4)
    assert resume_study(log) == 40
    losses = {key: value["objective_0"] for key, value in kept.items() if "objective_0" in value}
    assert len(losses) == 40, "the point that was stopped is among those that were drawn again"
    assert all("objective_0" in value for value in kept.values())
    best = json.loads(min(losses, key=losses.__getitem__))
    assert best["training.schedule"] == "cosine"
    assert 1e-4 < best["training.learning_rate"] < 1e-2
    assert min(losses.values()) < 0.5


def test_optuna_takes_several_objectives(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "optuna.log"
    searcher = optuna_search(Draw(), metrics=["objective_0", "objective_1"], modes=["min", "max"], seed=0, log=log)
    assert len(run(planted, Search(searcher=searcher, count=6))) == 6
    assert resume_study(log) == 6


POPULATION = SweepConfig.model_validate(
    {
        "search": "random",
        "scheduler": "pbt",
        "points": 6,
        "grace_steps": 10,
        "axes": {"training.learning_rate": {"loguniform": [1e-4, 1e-1]}},
    }
)


class Descent:
    """Gradient descent on x^2 / 2 from x = 1: the best learning rate of the range is the largest."""

    def __init__(self, work: PipelineWork) -> None:
        self.work = work

    def __call__(self, plain: Mapping[str, str], monitor: Monitor) -> dict[str, float]:
        del monitor
        member = Member.of(plain)
        x = 1.0
        rates = [*(segment["learning_rate"] for segment in member.segments), member.values["training.learning_rate"]]
        for rate in rates:
            x *= (1 - rate) ** 10
        values = dict(member.point(10 * len(rates)).values)
        metrics = {"validation_loss/code": x * x / 2}
        self.work.trials.put(Trial(values, 0, "", state="done", metrics=metrics, member=member.name))
        return {}


def test_a_population_carries_weights_over_and_finds_a_planted_optimum(tmp_path: Path) -> None:
    work = PipelineWork({}, POPULATION, tmp_path, "finetune")
    points = space.points(POPULATION, {})
    compared = stop_objective(POPULATION)

    def run(segments: object, members: list[dict[str, str]]) -> bool:
        del segments
        run_trials(
            Descent(work), Search(trials=members), concurrent=2, folder=tmp_path / "tune", stop=threading.Event()
        )
        return False

    train_population(work, points, 40, compared, run)
    kept = work.trials.all()
    assert len(kept) == 6
    first = [point.values["training.learning_rate"] for point in points]
    worst = max(trial.metrics["validation_loss/code"] for trial in kept)
    assert worst < (1 - sorted(first)[1]) ** 80 / 2, "the poorest members continued from better ones"
    rates = [[segment["learning_rate"] for segment in trial.values["training.earlier"]] for trial in kept]
    assert any(len(set(of_member)) > 1 for of_member in rates)
    assert all(1e-4 <= rate <= 1e-1 for of_member in rates for rate in of_member)
    assert max(trial.values["training.learning_rate"] for trial in kept) > max(first)
    assert groups_in_use() == []
