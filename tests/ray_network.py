"""A Ray cluster of nodes with network addresses of their own on this machine: one network namespace a node.

A node is a process in namespaces of its own for network, processes, host name and mounts, so it sees the same files as
the others but no other node's processes, and all of it dies at once with its first process. Needs root's rights.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

SUBNET = "198.51.100"
"""For documentation only (RFC 5737), so nothing real is hidden by it."""
PORTS = {"gcs": 6379, "dashboard": 8265, "redis": 6380}
_FOREIGN = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
BIN = Path(sys.executable).parent


def allowed() -> bool:
    """Whether this user may make network namespaces."""
    command = ["unshare", "--net", "--mount", "--pid", "--uts", "--fork", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0 and os.geteuid() == 0


class Network:
    """A bridge, and hosts that are attached to it; gone when the context ends."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._prefix = f"cp{os.getpid()}"
        self._numbers = itertools.count(1)

    def __enter__(self) -> Network:
        self._namespace("hub")
        self._ip("hub", "link", "add", "bridge", "type", "bridge")
        self._ip("hub", "link", "set", "bridge", "up")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def host(self, name: str) -> str:
        """A new host with an address of its own; returns the address."""
        number = next(self._numbers)
        address = f"{SUBNET}.{number}"
        self._namespace(name)
        here, there = f"h{number}", "eth0"
        self._ip("hub", "link", "add", here, "type", "veth", "peer", "name", there, "netns", self._full(name))
        self._ip("hub", "link", "set", here, "master", "bridge", "up")
        self._ip(name, "addr", "add", f"{address}/24", "dev", there)
        self._ip(name, "link", "set", there, "up")
        return address

    def command(self, name: str, *command: str) -> list[str]:
        """A command line that runs on a host."""
        return ["ip", "netns", "exec", self._full(name), *command]

    def _full(self, name: str) -> str:
        return f"{self._prefix}-{name}"

    def _namespace(self, name: str) -> None:
        _run("ip", "netns", "add", self._full(name))
        self._stack.callback(_run, "ip", "netns", "del", self._full(name))
        self._ip(name, "link", "set", "lo", "up")

    def _ip(self, name: str, *arguments: str) -> None:
        _run("ip", "-n", self._full(name), *arguments)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


class Node:
    """A Ray node: a host's `ray start --block`, and all that it starts."""

    def __init__(self, cluster: NetworkCluster, name: str, address: str, arguments: list[str]) -> None:
        self.name = name
        self.address = address
        self._cluster = cluster
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns at once."""
        disk, shown = self._cluster.folder / f"disk-{self.name}", self._cluster.folder / "ray"
        disk.mkdir(exist_ok=True)
        shown.mkdir(exist_ok=True)
        script = 'hostname "$0" && mount --bind "$1" "$2" && shift 2 && exec "$@"'
        apart = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--uts", "sh", "-c", script, self.name]
        apart += [str(disk), str(shown)]
        ray = [str(BIN / "ray"), "start", "--block", f"--node-ip-address={self.address}", *self._arguments]
        with (self._cluster.folder / f"{self.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._cluster.network.command(self.name, *apart, *ray),
                env=self._cluster.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """End all of its processes at once, as a machine that loses its power does."""
        assert self._process is not None
        # The kernel then kills the first process of the namespace, and so all.
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(60)
        self._process = None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def gave_up(self) -> bool:
        """Whether it ended, although nobody killed it."""
        return self._process is not None and self._process.poll() is not None


class NetworkCluster:
    """A head without CPUs, workers, and a host outside, all in a network of their own.

    Attributes:
        network: where the hosts are.
        folder: of logs, token and Ray's files.
        environment: of the nodes.
        outside: address of the host ``outside``, which is no node.
    """

    def __init__(self, network: Network, folder: Path, *, variables: Mapping[str, str], redis: bool) -> None:
        self.network = network
        self.folder = folder
        token = folder / "token"
        token.write_text(secrets.token_hex(32))
        token.chmod(0o600)
        own = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**own, "PATH": path, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
        self.environment |= {"RAY_USAGE_STATS_ENABLED": "0", **variables}
        self.outside = network.host("outside")
        head = network.host("head")
        self.uri = f"http://{head}:{PORTS['dashboard']}"
        self.client = {**own, "PATH": path, "RAY_API_SERVER_ADDRESS": self.uri, "RAY_AUTH_TOKEN_PATH": str(token)}
        self.gcs = f"{head}:{PORTS['gcs']}"
        self._redis = self._start_redis() if redis else None
        options = ["--head", f"--port={PORTS['gcs']}", "--num-cpus=0", f"--dashboard-host={head}"]
        options += [f"--dashboard-port={PORTS['dashboard']}", f"--temp-dir={folder / 'ray'}"]
        self.head = Node(self, "head", head, [*options, "--object-store-memory=200000000"])
        self.workers: dict[str, Node] = {}

    def _start_redis(self) -> subprocess.Popen[bytes]:
        """Where the head keeps its state; on the host outside, so that it outlives the head."""
        address = f"{self.outside}:{PORTS['redis']}"
        self.environment |= {"RAY_REDIS_ADDRESS": address, "RAY_external_storage_namespace": "kills"}
        options = ["--bind", self.outside, "--port", str(PORTS["redis"]), "--save", "", "--protected-mode", "no"]
        with (self.folder / "redis.log").open("wb") as log:
            return subprocess.Popen(
                self.network.command("outside", "redis-server", *options, "--dir", str(self.folder)),
                stdin=subprocess.DEVNULL,
                stdout=log,
            )

    def add_worker(self, name: str, cpus: int = 2) -> Node:
        """Start a worker on a host of its own."""
        worker = Node(self, name, self.network.host(name), [])
        worker._arguments = [f"--address={self.gcs}", f"--num-cpus={cpus}", "--object-store-memory=200000000"]
        worker.start()
        self.workers[worker.address] = worker
        return worker

    def wait_for_nodes(self, count: int, seconds: float = 300) -> None:
        """Return once the head knows that many nodes, itself included.

        Nodes that gave up are started again, as a service manager would: Ray gives a node 30 s, and workers end with a
        head that forgot them.

        Raises:
            TimeoutError: it does not in time.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for node in (self.head, *self.workers.values()):
                if node.gave_up:
                    node.start()
            with suppress(OSError, KeyError, ValueError):
                nodes = self.get("/api/v0/nodes?limit=100")["data"]["result"]["result"]
                if sum(node["state"] == "ALIVE" for node in nodes) >= count:
                    return
            time.sleep(0.3)
        logs = "".join(path.read_text(errors="replace")[-2000:] for path in self.folder.glob("*.log"))
        raise TimeoutError(f"{count} nodes did not come\n{logs}")

    def get(self, path: str) -> dict[str, Any]:
        """What the dashboard answers, asked from outside."""
        code = (
            "import sys, urllib.request\n"
            "request = urllib.request.Request(sys.argv[1], headers={'Authorization': 'Bearer ' + sys.argv[2]})\n"
            "print(urllib.request.urlopen(request, timeout=20).read().decode())"
        )
        token = (self.folder / "token").read_text()
        command = self.network.command("outside", sys.executable, "-Ic", code, f"{self.uri}{path}", token)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode:
            raise OSError(done.stderr[-500:])
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def addresses_of(self, actor_class: str) -> set[str]:
        """The addresses of the nodes on which actors run whose class name contains a word."""
        actors = self.get("/api/v0/actors?limit=1000&detail=1")["data"]["result"]["result"]
        nodes = self.get("/api/v0/nodes?limit=100")["data"]["result"]["result"]
        address = {node["node_id"]: node["node_ip"] for node in nodes}
        return {
            address[actor["node_id"]]
            for actor in actors
            if actor_class in actor["class_name"] and actor["state"] == "ALIVE"
        }

    def stop(self) -> None:
        """End all that was started."""
        for node in (*self.workers.values(), self.head):
            if node.running:
                node.kill()
        if self._redis is not None:
            self._redis.terminate()
            self._redis.wait(30)


@contextmanager
def network_cluster(
    folder: Path, *, workers: int = 2, cpus: int = 2, variables: Mapping[str, str] = {}, redis: bool = False
) -> Iterator[NetworkCluster]:
    """A running cluster of a head and workers for the length of the block.

    Args:
        folder: for what the nodes write; it must have a short path, as Ray's sockets lie in it.
        workers: how many; the head has no CPUs.
        cpus: of each worker.
        variables: added to the nodes' environment.
        redis: keep the head's state in a Redis server, which outlives the head.
    """
    with Network() as network:
        cluster = NetworkCluster(network, folder, variables=variables, redis=redis)
        try:
            cluster.head.start()
            for number in range(workers):
                cluster.add_worker(f"worker{number + 1}", cpus)
            cluster.wait_for_nodes(workers + 1)
            yield cluster
        finally:
            cluster.stop()
