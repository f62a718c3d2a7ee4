"""Nodes that die under a job, on a cluster whose nodes have addresses of their own: see tests/cluster_kills.py."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster_judging import PROGRAMS
from cluster_kills import CASES, IN_FLIGHT, Job, ask, case, losses, teacher
from ray_network import BIN, NetworkCluster, allowed, network_cluster
from small_pipeline import changed

ROOT = Path(__file__).parents[2]
NOTICED_EARLY = {"RAY_health_check_period_ms": "1000", "RAY_health_check_failure_threshold": "3"}
"""A dead node is noticed after 3 s instead of 20."""

pytestmark = pytest.mark.skipif(not allowed(), reason="this user may not make network namespaces")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder with a path that is short enough for Ray's sockets."""
    path = Path(tempfile.mkdtemp(prefix="cpk-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[NetworkCluster]:
    """A head without CPUs and two workers."""
    with network_cluster(folder, cpus=1, variables={"TEACHER_KEY": "none", **NOTICED_EARLY}) as started:
        yield started


def test_a_worker_that_dies_in_distillation_costs_the_answers_in_flight_alone(
    cluster: NetworkCluster, folder: Path
) -> None:
    with teacher(cluster, delay_s=0.5) as url:
        plain = changed(
            ("name", "kills"),
            ("teacher", {"model": "m", "api_key_env": "TEACHER_KEY", "base_url": f"{url}/v1"}),
            ("execution.requests_in_flight", IN_FLIGHT),
            ("execution.prompt_price_usd", 1.0),
            ("execution.completion_price_usd", 1.0),
            ("execution.budget_usd", 100.0),  # An actor keeps account of it, which must not die with a worker.
            ("execution.home", str(folder / "home")),
        )
        (folder / "kills.yaml").write_text(yaml.safe_dump(plain))
        job = Job(cluster, folder, command="distill")
        job.wait_until(lambda: ask(cluster, f"{url}/counts")["answered"] > IN_FLIGHT)
        (address,) = cluster.addresses_of("_TeacherActor")
        cluster.workers.pop(address).kill()
        assert job.finish(200) == 0, job.log.read_text()[-5000:]
        counts = ask(cluster, f"{url}/counts")
    assert counts["answered"] - counts["distinct"] <= IN_FLIGHT


def test_judging_goes_on_where_the_dead_worker_leaves_no_room_for_its_sandboxes(
    cluster: NetworkCluster, folder: Path
) -> None:
    # A worker that joins later, as an autoscaler's would, takes part; all CPUs are taken by sandboxes then.
    cluster.wait_for_nodes(2)
    joined = cluster.add_worker("joined", cpus=1)
    cluster.wait_for_nodes(3)
    script = ROOT / "tests" / "cluster_judging.py"
    command = [str(BIN / "ray"), "job", "submit", "--", sys.executable, str(script), str(folder)]
    with (folder / "judging.log").open("wb") as log:
        job = subprocess.Popen(
            cluster.network.command("outside", *command),
            env={**cluster.client, "RAY_AUTH_MODE": "token"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    until = time.monotonic() + 120
    while not (folder / "begun").exists():
        assert job.poll() is None, (folder / "judging.log").read_text()[-5000:]
        assert time.monotonic() < until, "no verdicts"
        time.sleep(0.05)
    assert joined.address in cluster.addresses_of("JudgeActor")
    joined.kill()
    assert job.wait(200) == 0, (folder / "judging.log").read_text()[-5000:]
    verdicts = json.loads((folder / "verdicts.json").read_text())
    assert len(verdicts) == PROGRAMS
    assert set(verdicts.values()) == {"PASSED"}


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Any]:
    """What a pipeline reports on a cluster of three nodes that all live."""
    with tempfile.TemporaryDirectory(prefix="cpk-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        report: dict[str, Any] = case("undisturbed", Path(folder))["results"]
        return report


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", CASES)
def test_a_pipeline_of_which_a_node_dies_reports_the_same(name: str, undisturbed: dict[str, Any]) -> None:
    if name == "head" and not shutil.which("redis-server"):
        pytest.skip("Redis is not installed")
    with tempfile.TemporaryDirectory(prefix="cpk-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        found = case(name, Path(folder))
    assert losses(found, found.pop("results"), undisturbed) == []
