"""Two Ray nodes with a dashboard on this machine: a race for one stage, early stops, and short resources.

    python tests/two_raylets.py FOLDER race stops placement checks    as the test does
    python tests/two_raylets.py FOLDER trainings                      six trainings of two workers on two CPUs, minutes

Prints what happened as JSON, a line for each.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import ray
from ray._private.authentication.authentication_token_setup import enable_token_auth_by_default
from ray.cluster_utils import Cluster
from ray.util import placement_group_table
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent))
from mlflow_parts import free_port
from small_pipeline import changed

from codeplan.config import ExecutionConfig
from codeplan.config.loading import parse
from codeplan.errors import StopRequested
from codeplan.on_ray.cluster import nodes_with
from codeplan.on_ray.judge_actors import JudgeActors
from codeplan.on_ray.local_cluster import isolated_environment
from codeplan.on_ray.tune import Monitor, Search, run_trials
from codeplan.on_ray.tune_search import early_stopping
from codeplan.preflight import PreflightError, check
from codeplan.preflight import sandbox as preflight_sandbox
from codeplan.sweeps.run import concurrent_trials, run
from codeplan.sweeps.sweep import Sweep
from codeplan.sweeps.trial_run import PipelineWork
from codeplan.tracking import Tracker
from codeplan_sandbox import Limits

LABELS = {"sandbox": "yes"}
"""Of the second node."""


@contextmanager
def two_nodes(folder: Path) -> Iterator[list[str]]:
    """A head and a worker node of one CPU each, and this process connected to them; gives the nodes' ids."""
    with isolated_environment(folder):
        enable_token_auth_by_default()  # As `ray.init` does for a cluster that it starts, and `Cluster` does not.
        head = {"num_cpus": 1, "include_dashboard": True, "dashboard_port": free_port()}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            cluster.add_node(num_cpus=1, labels=LABELS, resources={"sandbox": 2})
            cluster.wait_for_nodes()
            context = ray.init(address=cluster.address, log_to_driver=False, logging_level="WARNING")
            if not context.dashboard_url:
                raise RuntimeError("the dashboard did not start")
            yield [node["NodeID"] for node in ray.nodes()]
        finally:
            ray.shutdown()
            cluster.shutdown()


def sweep_of(folder: Path, sweep: Mapping[str, Any], *overrides: tuple[str, Any]) -> Sweep:
    """A sweep up to its trainings."""
    plain = changed(*overrides, ("execution.home", str(folder)), ("report", {}), ("name", "nodes"))
    return Sweep.of(parse({**plain, "sweep": {"objective": "validation_loss/code", **sweep}}))


@ray.remote(num_cpus=0, max_retries=0)
def run_trial(work: PipelineWork, plain: Mapping[str, str], barrier: Path) -> tuple[str, dict[str, bool]]:
    """Run a trial once the other one is there too; the node, and whether it computed each stage."""
    node: str = ray.get_runtime_context().get_node_id()
    (barrier / node).touch()
    until = time.monotonic() + 60
    while len(list(barrier.iterdir())) < 2:
        if time.monotonic() > until:
            raise TimeoutError("the other trial did not start")
        time.sleep(0.01)
    work(plain, Monitor())
    trial = next(trial for trial in work.trials.all() if dict(trial.values) == json.loads(plain["point"]))
    return node, {role: stage.computed for role, stage in trial.stages.items()}


def race(folder: Path, nodes: list[str]) -> dict[str, Any]:
    """Two trials, one on each node, that need the same stages at the same moment."""
    sweep = sweep_of(folder, {"axes": {"sampling.plans": {"grid": [1, 2]}}})
    barrier = folder / "barrier"
    barrier.mkdir()
    tracker = Tracker(sweep.config.tracking, folder)
    with tracker.sweep(sweep.name, {}, {}) as parent:
        work = PipelineWork(sweep.base, sweep.settings, sweep.folder, "finetune", parent.run_id, parent.experiment_id)
        trials = [
            run_trial.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(
                work, request.plain, barrier
            )
            for node, request in zip(nodes, sweep.unfinished(), strict=True)
        ]
        found = ray.get(trials)
    return {"nodes": len({node for node, _ in found}), "computed": [computed for _, computed in found]}


def falling_loss(trial: Mapping[str, Any], monitor: Monitor) -> dict[str, float]:
    """A training whose loss falls to what the trial is, and which takes a CPU of its own."""
    from ray.util.placement_group import placement_group, remove_placement_group

    group = placement_group([{"CPU": 1}])
    ray.get(group.ready())
    try:
        for step in range(10, 100, 10):
            monitor.report({"step": step, "compared": trial["x"] + 1.0 / step})
            until = time.monotonic() + 5.0
            while step >= 20 and trial["x"] > 1 and not monitor.stop_requested() and time.monotonic() < until:
                time.sleep(0.01)
            if monitor.stop_requested():
                raise StopRequested("stopped")
    finally:
        remove_placement_group(group)
    return {"compared": trial["x"], "step": 90}


def stops(folder: Path, nodes: list[str]) -> dict[str, Any]:
    """Early stops; what stays taken of the cluster afterwards."""
    del nodes
    before = ray.cluster_resources()["CPU"]
    scheduler = early_stopping("asha", metric="compared", mode="min", most_steps=90, grace_steps=20, reduction=3)
    trials = [{"x": value} for value in (1, 0, 0, 1, 5, 6, 7)]
    search = Search(trials=trials, scheduler=scheduler)
    run_trials(falling_loss, search, concurrent=2, folder=folder / "stops", stop=threading.Event())
    until = time.monotonic() + 20
    while (free := ray.available_resources().get("CPU", 0.0)) < before and time.monotonic() < until:
        time.sleep(0.1)
    groups = [group for group in placement_group_table().values() if group["state"] != "REMOVED"]
    return {"cpus": [before, free], "groups": len(groups)}


def trainings(folder: Path, nodes: list[str]) -> dict[str, Any]:
    """Six trainings of two workers each on two CPUs."""
    del nodes
    axes = {"training.learning_rate": {"grid": [1e-3, 2e-3, 3e-3, 4e-3, 5e-3, 6e-3]}}
    sweep = sweep_of(folder, {"axes": axes, "concurrent": 6}, ("execution.train_workers", 2))
    concurrent = concurrent_trials(sweep)
    with ExitStack() as stack:
        found = run(sweep, Tracker(sweep.config.tracking, folder), Console(quiet=True), stack)
    return {"concurrent": concurrent, "states": [trial.state for trial in found]}


def homes(folder: Path, nodes: list[str]) -> dict[str, Any]:
    """A third node, in whose file system another folder lies over the home."""
    from codeplan.on_ray.shared_home import nodes_without

    shared = folder / "home"
    shared.mkdir()
    before = nodes_without(shared)
    address = ray.get_runtime_context().gcs_address
    command = f"mount -t tmpfs tmpfs '{shared}' && exec ray start --address {address} --num-cpus 1 --block"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with (folder / "node.log").open("w") as log:
        node = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", command], stdout=log, stderr=log, env={**os.environ, "PATH": path}
        )
    try:
        until = time.monotonic() + 90
        while len(joined := {node["NodeID"] for node in ray.nodes() if node["Alive"]} - set(nodes)) < 1:
            if time.monotonic() > until or node.poll() is not None:
                raise RuntimeError((folder / "node.log").read_text())
            time.sleep(0.2)
        (third,) = joined
        found = nodes_without(shared)
    finally:
        node.terminate()
        node.wait(60)
    return {
        "before": before,
        "why": list(found.values()),
        "named": [third[:8] in name for name in found],
        "left": [path.name for path in shared.iterdir()],
    }


def placement(folder: Path, nodes: list[str]) -> dict[str, Any]:
    """The nodes on which sandboxes run that ask for the labels, or for the resource, of the second one."""
    del folder, nodes
    from ray.util.state import list_actors

    labels = {node["NodeID"]: node["Labels"].get("sandbox", "no") for node in ray.nodes()}
    found: dict[str, Any] = {"with": nodes_with(LABELS), "with others": nodes_with({"sandbox": "no"})}
    for name, settings in (("labels", {"judge_labels": LABELS}), ("resource", {"judge_resource": "sandbox"})):
        judges = JudgeActors.start(ExecutionConfig(judge_actors=2, **settings), Limits())
        try:
            judges.tiers()  # now both are up
            alive = [("class_name", "=", "JudgeActor"), ("state", "=", "ALIVE")]
            actors = list_actors(ray.get_runtime_context().gcs_address, filters=alive)
            found[name] = [labels[actor.node_id] for actor in actors]
        finally:
            judges.stop()
    return found


def checks(folder: Path, nodes: list[str]) -> dict[str, Any]:
    """What the check before a run says with and without the resource of the second node, and what it leaves taken."""
    del nodes
    found: dict[str, Any] = {}
    for name, resource in (("without", ""), ("with", "sandbox")):
        found[name] = _checked(folder, resource)
    until = time.monotonic() + 20
    while (free := ray.available_resources().get("sandbox", 0.0)) < 2 and time.monotonic() < until:
        time.sleep(0.1)
    holder = ray.remote(Event).options(num_cpus=0, resources={"sandbox": 2}).remote()  # an actor that only holds them
    ray.get(holder.is_set.remote())
    preflight_sandbox._ROOM_S = 1.0
    found["full"] = _checked(folder, "sandbox")
    ray.kill(holder)
    return {**found, "free": free}


def _checked(folder: Path, resource: str) -> str:
    """What the check before a run prints or raises."""
    settings = (("execution.home", str(folder)), ("execution.judge_resource", resource))
    output = io.StringIO()
    with ExitStack() as stack:
        try:
            check(parse(changed(*settings)), "report", Console(file=output, width=400), stack, before_run=True)
        except PreflightError as error:
            output.write(str(error))
    return output.getvalue()


def main() -> None:
    """Run the parts that are named."""
    folder = Path(sys.argv[1]).resolve()
    with two_nodes(folder / "ray") as nodes:
        for part in (race, stops, trainings, homes, placement, checks):
            if part.__name__ in sys.argv[2:]:
                (folder / part.__name__).mkdir(parents=True)
                print(json.dumps({part.__name__: part(folder / part.__name__, nodes)}), flush=True)


if __name__ == "__main__":
    main()
