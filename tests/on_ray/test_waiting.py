"""A stage that waits for resources says so."""

import io
import time
from collections.abc import Callable

import pytest
import ray
from rich.console import Console

from codeplan.config import ExecutionConfig
from codeplan.on_ray import waiting
from codeplan.stages.run import Observer, StageRun
from codeplan.watching.metrics import WAITING, Metric
from codeplan.watching.watch import export_to

pytestmark = pytest.mark.usefixtures("ray_cluster")


@ray.remote(num_cpus=2)
class Holder:
    def ready(self) -> int:
        return 1


@ray.remote(num_cpus=0, resources={"sandbox": 1})
class Sandboxed:
    pass


@ray.remote(num_cpus=1)
def work() -> int:
    return 1


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


class Follower(Observer):
    def __init__(self) -> None:
        self.told: list[str] = []

    def waits_for_room(self, text: str) -> None:
        self.told.append(text)


def stage_run(output: io.StringIO, observer: Observer | None = None) -> StageRun:
    return StageRun(
        stage=None,  # type: ignore[arg-type]
        title="judge",
        execution=ExecutionConfig(),
        tracking=None,  # type: ignore[arg-type]
        tracked=None,  # type: ignore[arg-type]
        console=Console(file=output, width=200),
        exit_stack=None,  # type: ignore[arg-type]
        observer=observer or Observer(),
    )


def test_a_stage_without_room_says_what_it_waits_for_and_when_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SECONDS", 0.3)
    output, observer = io.StringIO(), Follower()
    run = stage_run(output, observer)
    holder = Holder.remote()
    ray.get(holder.ready.remote())
    try:
        with run.bar(2, "programs") as bar:
            waits = [work.remote() for _ in range(2)]
            wait_until(lambda: "judge: has waited" in output.getvalue())
            ray.kill(holder)
            for finished in waits:
                bar.advance(ray.get(finished))
            wait_until(lambda: "judge: waits no longer" in output.getvalue())
    finally:
        ray.kill(holder)
    assert "for 2 x 1 CPU; free in the cluster: 0 of 2 CPUs" in output.getvalue()
    assert "for 2 x 1 CPU; free" in observer.told[0], "a sweep's terminal shows it"
    assert observer.told[-1] == ""


def test_a_stage_that_ends_while_it_waits_no_longer_counts_as_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gauges:
        def __init__(self) -> None:
            self.values: list[float] = []

        def record(self, metric: Metric, value: float, tags: dict[str, str]) -> None:
            del tags
            if metric is WAITING:
                self.values.append(value)

    monkeypatch.setattr(waiting, "SECONDS", 0.3)
    gauges = Gauges()
    export_to(gauges)
    holder = Holder.remote()
    ray.get(holder.ready.remote())
    try:
        with stage_run(io.StringIO()).bar(1, "programs"):
            waits = work.remote()
            wait_until(lambda: 1.0 in gauges.values)
        assert gauges.values[-1] == 0.0
    finally:
        export_to(None)
        ray.kill(holder)
    assert ray.get(waits) == 1


def test_what_is_no_cpu_is_waited_for_too() -> None:
    waits = Sandboxed.remote()
    try:
        wait_until(lambda: waiting.waited_for() == "1 x 1 sandbox; free in the cluster: 0 of 0 sandbox")
    finally:
        ray.kill(waits)


def test_labels_that_no_node_has_are_said() -> None:
    waits = Sandboxed.options(num_cpus=1, resources={}, label_selector={"kept-for": "sandboxes"}).remote()
    try:
        wanted = "1 x 1 CPU on a node with kept-for=sandboxes; free in the cluster: 2 of 2 CPUs, "
        wait_until(lambda: waiting.waited_for() == wanted + "0 of 1 nodes have kept-for=sandboxes")
    finally:
        ray.kill(waits)


def test_a_stage_that_computes_is_not_said_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    # The GCS hears of a request that was taken back, as the other tests' are, with the raylet's next report.
    wait_until(lambda: waiting.waited_for() == "")
    monkeypatch.setattr(waiting, "SECONDS", 0.1)
    told: list[str] = []
    holder = Holder.remote()
    ray.get(holder.ready.remote())
    looked = []

    def progress() -> int:
        looked.append(1)
        return 0

    try:
        with waiting.told_while_waiting(progress, lambda text, _: told.append(text)):
            wait_until(lambda: len(looked) > 5)
    finally:
        ray.kill(holder)
    assert told == [], "all that was asked for was given"
