"""The Ray cluster of a run: a running one, or a local one for the duration of the run."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import ray

from codeplan.config import ExecutionConfig
from codeplan.errors import UserError
from codeplan.on_ray.local_cluster import isolated_environment, redirect_stderr
from codeplan.tracking.termination import terminated_as_exit

_ANSWER_S = 45.0
"""Time limit for a running cluster's answer; Ray itself retries for many minutes."""


class ClusterError(UserError):
    """The Ray cluster cannot be reached or started."""


@dataclass(frozen=True)
class ClusterResources:
    """The total resources of a cluster, in use or not.

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
    """Connect to the configured cluster, or start a local one and stop it afterwards.

    Without an address it is always a new local cluster, whatever ``RAY_ADDRESS`` says and whichever other clusters run
    on this machine. If this process is already connected to a cluster, as in a test, that one is used and left running.

    Raises:
        ClusterError: no cluster answers at the address within a minute, or none can be started.
    """
    if ray.is_initialized():
        yield
        return
    _silence_logs()
    home = Path(execution.home)
    with ExitStack() as stack:
        if execution.ray_address:
            address = probe(execution).where
            stack.callback(ray.shutdown)
            with _as_cluster_error(address), redirect_stderr(home):
                ray.init(address=address, log_to_driver=False, logging_level="WARNING")
        else:
            stack.enter_context(isolated_environment(home))
            stack.callback(ray.shutdown)
            with (
                _as_cluster_error("this machine", f"{home / 'ray.log'} and execution.ray_address"),
                redirect_stderr(home),
            ):
                ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level="WARNING")
        # Ray's own handler prints a native stack trace, and kills a local cluster before any run could be closed.
        stack.enter_context(terminated_as_exit(instead_of=signal.getsignal(signal.SIGTERM)))
        yield


def probe(execution: ExecutionConfig) -> ClusterResources:
    """Ask the configured cluster for its resources, within a minute; nothing is started, this process does not connect.

    Without an address the resources are those that Ray would detect on this machine.

    Raises:
        ClusterError: the address is malformed, or no cluster answers.
    """
    if not execution.ray_address:
        from ray._private.resource_and_label_spec import ResourceAndLabelSpec  # what ray.init itself uses

        has = ResourceAndLabelSpec().resolve(is_head=True).to_resource_dict()
        return ClusterResources("this machine", 1, has.get("CPU", 0.0), has.get("GPU", 0.0))
    address = resolve(execution.ray_address)
    # In a child process, which can be killed: Ray's native core retries forever, or aborts the process.
    command = [sys.executable, "-m", "codeplan.on_ray.probe", address]
    environment = {key: value for key, value in os.environ.items() if key != "RAY_JOB_CONFIG_JSON_ENV_VAR"}
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=_ANSWER_S, check=False, env=environment
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterError(
            f"no Ray cluster answers at {address} within {_ANSWER_S:.0f} s; the port must be that of Ray's GCS (6379 "
            "by default), not of the dashboard (8265) or of Ray Client (10001); see execution.ray_address"
        ) from error
    answer = _last_json(result.stdout)
    if "error" in answer:
        raise ClusterError(f"no Ray cluster at {address}: {answer['error']}; see execution.ray_address")
    return ClusterResources(address, int(answer["nodes"]), answer["cpus"], answer["gpus"])


def resolve(address: str) -> str:
    """The ``host:port`` that execution.ray_address stands for; ``auto`` is the cluster that this job runs on.

    Raises:
        ClusterError: the address is malformed, or ``auto`` outside a job.
    """
    given = address
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", "")
        given = f"auto, and RAY_ADDRESS is {address}"
        if address in {"", "auto", "local"}:
            raise ClusterError(
                "execution.ray_address is auto, but this process is not a job of a Ray cluster (RAY_ADDRESS is not "
                "set); submit it with ray job submit, give the cluster's host:port, or leave the address empty for a "
                "local cluster"
            )
    scheme, has_scheme, _ = address.partition("://")
    if has_scheme:
        kind = {"ray": "Ray Client's", "http": "the dashboard's", "https": "the dashboard's"}.get(scheme, "unknown")
        raise ClusterError(
            f"execution.ray_address is {given}, which is {kind} address; give the GCS's host:port (6379 by "
            "default) on a machine of the cluster, or submit the work with ray job submit and "
            "execution.ray_address=auto"
        )
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ClusterError(
            f"execution.ray_address is {given}; it must be host:port, for example 10.0.0.1:6379, or auto, or empty for "
            "a local cluster"
        )
    return address


def connected(execution: ExecutionConfig) -> ClusterResources:
    """The resources of the cluster that this process is connected to."""
    total = ray.cluster_resources()
    nodes = sum(bool(node["Alive"]) for node in ray.nodes())
    return ClusterResources(
        execution.ray_address or "this machine", nodes, total.get("CPU", 0.0), total.get("GPU", 0.0)
    )


def nodes_with(labels: Mapping[str, str]) -> int:
    """How many nodes of the connected cluster have all of these labels."""
    alive = [node.get("Labels", {}) for node in ray.nodes() if node["Alive"]]
    return sum(labels.items() <= node.items() for node in alive)


def total_of(resource: str) -> float:
    """How much the connected cluster has of a custom resource."""
    return float(ray.cluster_resources().get(resource, 0.0))


def require(stage: str, execution: ExecutionConfig, cpus: float, gpus: float) -> None:
    """Check that the local cluster can ever satisfy a stage's request; Ray itself would wait forever.

    A cluster at an address may scale up, so it is not checked.

    Raises:
        ClusterError: this machine has too few CPUs or GPUs.
    """
    missing = "" if execution.ray_address else lacking(stage, connected(execution), cpus, gpus)
    if missing:
        raise ClusterError(missing)


def lacking(stage: str, has: ClusterResources, cpus: float, gpus: float) -> str:
    """A message that says which resource a cluster lacks for a stage and what to do; empty if it has enough."""
    for kind, wanted, available in (("CPU", cpus, has.cpus), ("GPU", gpus, has.gpus)):
        if wanted > available:
            return (
                f"stage {stage} asks for {wanted:g} {kind}s, {has.where} has {available:g}; lower "
                "execution.train_workers, sample_actors, judge_actors (half a CPU each), gpus_per_worker or "
                "sample_gpus, or set execution.ray_address to a larger cluster"
            )
    return ""


@contextmanager
def _as_cluster_error(where: str, see: str = "execution.ray_address") -> Iterator[None]:
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
            answer: dict[str, float] = json.loads(line)
            return answer
    return {"error": "Ray exited without an answer"}  # type: ignore[dict-item]


def _silence_logs() -> None:
    """Keep Ray's log lines off the terminal, which shows the stages' progress; they stay in the session's log files."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_DATA_LOG_LEVEL", "WARNING")  # Ray Data reconfigures its logger with each execution
    os.environ.setdefault("PYTHONWARNINGS", "ignore::DeprecationWarning,ignore::FutureWarning")
    for name in ("ray", "ray.data", "ray.train", "ray._private"):
        logging.getLogger(name).setLevel(logging.WARNING)
    ray.data.DataContext.get_current().enable_progress_bars = False
    for name in _NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)


_NOISY_LOGGERS = (
    "ray.data._internal.progress",  # reports that the progress bars are off
    "ray._private.authentication.authentication_token_setup",  # reports that a token is in use
)
