"""A Ray cluster to work on: a running one, or one on this machine for the length of the work."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import ray

from codeplan.config import ExecutionConfig
from codeplan.errors import UserError
from codeplan.on_ray.own_cluster import own_environment, redirect_stderr

_ANSWER_S = 45.0
"""How long a running cluster may take to answer; Ray itself would try for many minutes."""


class ClusterError(UserError):
    """The Ray cluster cannot be reached or started."""


@dataclass(frozen=True)
class ClusterResources:
    """What a cluster has in all, in use or not.

    Attributes:
        where: the address, or ``this machine``.
        nodes: machines that are alive.
        cpus: CPUs, as Ray counts them.
        gpus: GPUs, as Ray counts them.
    """

    where: str
    nodes: int
    cpus: float
    gpus: float

    def __str__(self) -> str:
        """For example ``10.0.0.1:6379: 3 nodes, 48 CPUs, 8 GPUs``."""
        return f"{self.where}: {self.nodes} node{'s' * (self.nodes != 1)}, {self.cpus:g} CPUs, {self.gpus:g} GPUs"


@contextmanager
def cluster(execution: ExecutionConfig) -> Iterator[None]:
    """Connect to the configured cluster, or start one here and end it afterwards.

    Without an address it is always a cluster of its own, whatever ``RAY_ADDRESS`` says and whoever else runs one on
    this machine. Where a cluster is already connected in this process, for example in a test, it is used and left
    alone.

    Raises:
        ClusterError: no cluster answers at the address within a minute, or none can be started.
    """
    if ray.is_initialized():
        yield
        return
    _silence_logs()
    home = Path(execution.home)
    with ExitStack() as around:
        if execution.ray_address:
            address = probe(execution).where
            around.callback(ray.shutdown)
            with _one_message(address), redirect_stderr(home):
                ray.init(address=address, log_to_driver=False, logging_level="WARNING")
        else:
            around.enter_context(own_environment(home))
            around.callback(ray.shutdown)
            with _one_message("this machine", f"{home / 'ray.log'} and execution.ray_address"), redirect_stderr(home):
                ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level="WARNING")
        yield


def probe(execution: ExecutionConfig) -> ClusterResources:
    """Ask within a minute what the configured cluster has; nothing is started, and this process stays unconnected.

    Without an address it is what Ray would find on this machine.

    Raises:
        ClusterError: the address is no cluster's, or no cluster answers.
    """
    if not execution.ray_address:
        from ray._private.resource_and_label_spec import ResourceAndLabelSpec  # what ray.init itself asks

        has = ResourceAndLabelSpec().resolve(is_head=True).to_resource_dict()
        return ClusterResources("this machine", 1, has.get("CPU", 0.0), has.get("GPU", 0.0))
    address = resolve(execution.ray_address)
    # In a process of its own, which can be ended: Ray's native core retries without end, or ends the process.
    command = [sys.executable, "-m", "codeplan.on_ray.probe", address]
    surroundings = {key: value for key, value in os.environ.items() if key != "RAY_JOB_CONFIG_JSON_ENV_VAR"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER_S, check=False, env=surroundings)
    except subprocess.TimeoutExpired as error:
        raise ClusterError(
            f"no Ray cluster answers at {address} within {_ANSWER_S:.0f} s; the port must be that of Ray's GCS (6379 "
            "unless told otherwise), not of the dashboard (8265) or of Ray Client (10001); see execution.ray_address"
        ) from error
    found = _last_json(done.stdout)
    if "error" in found:
        raise ClusterError(f"no Ray cluster at {address}: {found['error']}; see execution.ray_address")
    return ClusterResources(address, int(found["nodes"]), found["cpus"], found["gpus"])


def resolve(address: str) -> str:
    """The ``host:port`` behind execution.ray_address; ``auto`` is the cluster on which this job runs.

    Raises:
        ClusterError: it is no such address, or ``auto`` outside of a job.
    """
    asked = address
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", "")
        asked = f"auto, and RAY_ADDRESS is {address}"
        if address in {"", "auto", "local"}:
            raise ClusterError(
                "execution.ray_address is auto, but this process is no job of a Ray cluster (RAY_ADDRESS is not set); "
                "submit it with ray job submit, give the cluster's host:port, or leave the address out for a cluster "
                "of its own on this machine"
            )
    scheme, has_scheme, _ = address.partition("://")
    if has_scheme:
        kind = {"ray": "Ray Client's", "http": "the dashboard's", "https": "the dashboard's"}.get(scheme, "unknown")
        raise ClusterError(
            f"execution.ray_address is {asked}, which is {kind} address; give the GCS's host:port (6379 unless told "
            "otherwise) on a machine of the cluster, or submit the work with ray job submit and "
            "execution.ray_address=auto"
        )
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ClusterError(
            f"execution.ray_address is {asked}; it must be host:port, for example 10.0.0.1:6379, or auto, or empty for "
            "a cluster of its own on this machine"
        )
    return address


def connected(execution: ExecutionConfig) -> ClusterResources:
    """What the cluster has that this process is connected to."""
    has = ray.cluster_resources()
    nodes = sum(bool(node["Alive"]) for node in ray.nodes())
    return ClusterResources(execution.ray_address or "this machine", nodes, has.get("CPU", 0.0), has.get("GPU", 0.0))


def require(stage: str, execution: ExecutionConfig, cpus: float, gpus: float) -> None:
    """Check that the local cluster can ever give what a stage asks for; Ray itself would wait for it without end.

    A cluster behind an address may grow, so nothing is checked there.

    Raises:
        ClusterError: this machine has too few CPUs or GPUs.
    """
    missing = "" if execution.ray_address else lacking(stage, connected(execution), cpus, gpus)
    if missing:
        raise ClusterError(missing)


def lacking(stage: str, has: ClusterResources, cpus: float, gpus: float) -> str:
    """What a cluster has too little of for a stage, and what to do; empty where it has enough."""
    for kind, wanted, there in (("CPU", cpus, has.cpus), ("GPU", gpus, has.gpus)):
        if wanted > there:
            return (
                f"stage {stage} asks for {wanted:g} {kind}s, {has.where} has {there:g}; lower "
                "execution.train_workers, sample_actors, judge_actors (half a CPU each) or gpus_per_worker, "
                "or name a larger cluster by execution.ray_address"
            )
    return ""


@contextmanager
def _one_message(where: str, see: str = "execution.ray_address") -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # Ray raises errors of many kinds here, some of them bare
        message = " ".join(str(error).split())[:500] or type(error).__name__
        raise ClusterError(f"no Ray cluster on {where}: {message}; see {see}") from error


def _last_json(output: str) -> dict[str, float]:
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            found: dict[str, float] = json.loads(line)
            return found
    return {"error": "Ray ended without an answer"}  # type: ignore[dict-item]


def _silence_logs() -> None:
    """Leave the terminal to the stages' own progress; Ray's words stay in its session's logs."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_DATA_LOG_LEVEL", "WARNING")  # Ray Data sets its logger up again with each execution
    os.environ.setdefault("PYTHONWARNINGS", "ignore::DeprecationWarning,ignore::FutureWarning")
    for name in ("ray", "ray.data", "ray.train", "ray._private"):
        logging.getLogger(name).setLevel(logging.WARNING)
    ray.data.DataContext.get_current().enable_progress_bars = False
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)


_CHATTY = (
    "ray.data._internal.progress",  # announces that its bars are off, as we asked
    "ray._private.authentication.authentication_token_setup",  # announces that a token is in use, as we asked
)
