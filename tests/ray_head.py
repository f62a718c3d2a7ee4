"""A one-node Ray cluster with dashboard and token in processes of its own, on loopback; it ends what it started."""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mlflow_parts import free_port

from codeplan.submission.api import JobApi

_FOREIGN = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")

PLANTED_KEY = "planted-on-the-cluster-7f3a"
"""A key of a teacher, to be looked for wherever it must not be."""


class RayHead:
    """`ray start --head --block`, which can be killed and started again on the same ports."""

    def __init__(self, folder: Path, *, cpus: int = 2, variables: Mapping[str, str] = {}) -> None:
        self.folder = folder
        self.token = folder / "token"
        self.token.write_text(secrets.token_hex(32))
        self.token.chmod(0o600)
        self.dashboard_port = free_port()
        self.uri = f"http://127.0.0.1:{self.dashboard_port}"
        self.gcs_port = free_port()
        ports = ("ray-client-server-port", "dashboard-agent-listen-port", "dashboard-agent-grpc-port")
        ports += ("metrics-export-port", "runtime-env-agent-port", "node-manager-port", "object-manager-port")
        self._command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block"]
        self._command += ["--node-ip-address=127.0.0.1", f"--num-cpus={cpus}", "--disable-usage-stats"]
        self._command += ["--include-dashboard=true", "--dashboard-host=127.0.0.1"]
        self._command += [f"--port={self.gcs_port}"]
        self._command += [f"--dashboard-port={self.dashboard_port}", f"--temp-dir={folder / 'ray'}"]
        self._command += [f"--object-store-memory={200 * 1024 * 1024}"]
        self._command += [f"--{name}={free_port()}" for name in ports]
        own = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
        self._variables = {**own, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self.token), **variables}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def client(self) -> dict[str, str]:
        """The environment of a client of this cluster."""
        own = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
        return {**own, "RAY_API_SERVER_ADDRESS": self.uri, "RAY_AUTH_TOKEN_PATH": str(self.token)}

    def start(self) -> None:
        """Start it, and return once its dashboard can start jobs."""
        with (self.folder / "head.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._variables, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        until = time.monotonic() + 120
        request = urllib.request.Request(f"{self.uri}/api/jobs/")
        request.add_header("Authorization", f"Bearer {self.token.read_text()}")
        while time.monotonic() < until and self._process.poll() is None:
            with suppress(OSError, urllib.error.HTTPError), urllib.request.urlopen(request, timeout=10):
                return
            time.sleep(0.2)
        raise RuntimeError((self.folder / "head.log").read_text()[-3000:])

    def stop(self) -> None:
        """End it: its process ends what it started."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)
            self._process = None


@contextmanager
def ray_head(**options: object) -> Iterator[RayHead]:
    """A running cluster for the length of the block."""
    # A short path: Ray's sockets are in it.
    with tempfile.TemporaryDirectory(prefix="cp-head-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        head = RayHead(Path(folder), **options)  # type: ignore[arg-type]
        try:
            head.start()
            yield head
        finally:
            head.stop()


def start(api: JobApi, code: str, **options: Any) -> str:
    """Run Python code as a job, without anything of ours."""
    return str(api.submit_job(entrypoint=f"{sys.executable} -uc {shlex.quote(code)}", **options))
