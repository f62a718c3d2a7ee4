"""A Ray cluster of several nodes on this machine, for trying out what runs on a real one.

Each node is a `ray start --block` process of its own, which the kernel ends when this process dies, however it dies;
so nothing is ended that was not started here, and no process stays. Everything listens on the loopback address.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from codeplan.config import ExecutionConfig
from codeplan.environment import socket_base
from codeplan.on_ray.cluster import ClusterError, probe
from codeplan.on_ray.local_cluster import local_token

_START_S = 180.0
_END_S = 30.0
_LOOPBACK = "127.0.0.1"
_WITH_PARENT = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1  # from linux/prctl.h
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Runs a command that gets SIGTERM when the process that started it dies."""


@dataclass
class ClusterHere:
    """A running cluster.

    Attributes:
        address: ``host:port`` for execution.ray_address.
        dashboard: URL for job submission.
        token: the file with its token.
        variables: what a client needs in its environment.
        nodes: the processes of its nodes, the head first.
    """

    address: str
    dashboard: str
    token: Path
    variables: Mapping[str, str]
    logs: Path
    nodes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def ended(self) -> str:
        """Which node has ended by itself, and its last words; empty while all run."""
        for number, node in enumerate(self.nodes):
            if node.poll() is not None:
                return f"node {number} ended with code {node.returncode}: {self._said(number)}"
        return ""

    def _said(self, number: int) -> str:
        lines = (self.logs / f"node-{number}.log").read_text(encoding="utf-8", errors="replace").split("\n")
        return " ".join(line.strip() for line in lines if line.strip())[-500:]


@contextmanager
def cluster_here(home: Path, workers: int, cpus: int) -> Iterator[ClusterHere]:
    """Start a head and worker nodes, and end them afterwards.

    Args:
        home: where the token is kept.
        workers: nodes beside the head.
        cpus: of each node, the head's included.

    Raises:
        ClusterError: it does not come up within three minutes.
    """
    port, dashboard = _free_ports(2)
    token = local_token(home)
    variables = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    folder = Path(tempfile.mkdtemp(prefix="cluster-", dir=socket_base()))
    address = f"{_LOOPBACK}:{port}"
    here = ClusterHere(address, f"http://{_LOOPBACK}:{dashboard}", token, variables, folder)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(_end, here)
        head = ["--head", "--port", str(port), "--dashboard-host", _LOOPBACK, "--dashboard-port", str(dashboard)]
        _start(here, [*head, "--include-dashboard", "true", "--temp-dir", str(folder / "ray")], cpus)
        _wait_for_nodes(here, 1)
        for number in range(1, 1 + workers):
            # A folder of its own: a node unpacks a job's package anew, also where another node's processes work in it.
            own = ["--temp-dir", str(folder / f"ray-{number}")]
            _start(here, ["--address", address, "--num-gpus", "0", *own], cpus)
        _wait_for_nodes(here, 1 + workers)
        yield here


def _start(here: ClusterHere, arguments: list[str], cpus: int) -> None:
    names = ("dashboard-agent-listen-port", "dashboard-agent-grpc-port", "metrics-export-port")
    ports = [part for name, port in zip(names, _free_ports(3), strict=True) for part in (f"--{name}", str(port))]
    command = [sys.executable, "-c", _WITH_PARENT, str(Path(sys.executable).with_name("ray"))]
    command += ["start", "--block", *arguments, *ports]
    command += ["--node-ip-address", _LOOPBACK, "--num-cpus", str(cpus), "--disable-usage-stats"]
    foreign = {name for name in os.environ if name.startswith("RAY_")}  # settings of another cluster
    environment = {name: value for name, value in os.environ.items() if name not in foreign} | dict(here.variables)
    with (here.logs / f"node-{len(here.nodes)}.log").open("wb") as log:
        node = subprocess.Popen(
            command,
            env=environment,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches this process only, which ends the nodes in order
        )
    here.nodes.append(node)


def _wait_for_nodes(here: ClusterHere, count: int) -> None:
    until = time.monotonic() + _START_S
    before = {name: os.environ.get(name) for name in here.variables}
    os.environ.update(here.variables)  # the probe is a process of its own
    try:
        while True:
            if why := here.ended():
                raise ClusterError(f"the cluster does not start: {why}")
            try:
                if probe(ExecutionConfig(ray_address=here.address)).nodes >= count:
                    return
            except ClusterError:
                if time.monotonic() > until:
                    raise
            if time.monotonic() > until:
                raise ClusterError(f"the cluster does not have {count} nodes within {_START_S:.0f} s; see {here.logs}")
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _end(here: ClusterHere) -> None:
    """End the nodes, the head last; `ray start --block` ends its node's processes on SIGTERM."""
    for node in reversed(here.nodes):
        node.terminate()
        try:
            node.wait(_END_S)
        except subprocess.TimeoutExpired:
            os.killpg(node.pid, signal.SIGKILL)
            node.wait()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for found in probes:
            found.bind((_LOOPBACK, 0))
        return [int(found.getsockname()[1]) for found in probes]
