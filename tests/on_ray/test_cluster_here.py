"""`codeplan cluster`: several Ray nodes on this machine, which end with the command, however it ends."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from codeplan.config import ExecutionConfig
from codeplan.on_ray.cluster import ClusterError, probe
from codeplan.submission.api import JobApi

CODEPLAN = Path(sys.executable).with_name("codeplan")


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder with a path that is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="here-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextmanager
def started(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command, once its cluster is there, and what it printed."""
    command = [str(CODEPLAN), "cluster", "--workers", "1", "--cpus", "1", "--home", str(folder / "home")]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "RAY_TMPDIR": str(folder), "RAY_ADDRESS": "10.0.0.1:1", "COLUMNS": "60"},
    )
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(4)]
        yield process, "".join(lines)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def nodes_of(folder: Path) -> list[int]:
    """The processes whose command line names the folder of the cluster's sockets."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if str(folder / "cluster-").encode() in (path / "cmdline").read_bytes():
                found.append(int(path.name))
    return found


def a_job(dashboard: re.Match[str] | None) -> int:
    """Submit a job that sleeps; its process."""
    assert dashboard is not None
    api = JobApi(dashboard[1])
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    job = api.submit_job(entrypoint=f"exec {shlex.quote(sys.executable)} -c {shlex.quote(code)}")
    until = time.monotonic() + 60
    while not (lines := [line for line in api.get_job_logs(job).splitlines() if line.isdecimal()]):
        assert time.monotonic() < until, api.get_job_logs(job)
        time.sleep(0.1)
    assert Path(f"/proc/{lines[0]}").exists()
    return int(lines[0])


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_cluster_on_this_machine_ends_with_its_command(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch, how: signal.Signals
) -> None:
    with started(short_folder) as (process, said):
        assert "2 nodes of 1 CPUs each" in said
        address = re.search(r"execution\.ray_address=(127\.0\.0\.1:\d+)", said)
        token = re.search(r"RAY_AUTH_TOKEN_PATH=(\S+)", said)
        assert address, said
        assert token, said
        assert Path(token[1]).stat().st_mode & 0o077 == 0
        assert len(nodes_of(short_folder)) > 3
        if how is signal.SIGINT:
            with pytest.raises(ClusterError):  # without the token
                probe(ExecutionConfig(ray_address=address[1]))
            monkeypatch.setenv("RAY_AUTH_MODE", "token")
            monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", token[1])
            found = probe(ExecutionConfig(ray_address=address[1]))
            assert (found.nodes, found.cpus) == (2, 2.0)
            job = a_job(re.search(r"dashboard +(\S+)", said))
        process.send_signal(how)
        code = process.wait(90)
        if how is signal.SIGINT:
            assert not Path(f"/proc/{job}").exists(), "the jobs were stopped before the nodes"
        assert code == (-signal.SIGKILL if how is signal.SIGKILL else 0)
        until = time.monotonic() + 60
        while nodes_of(short_folder) and time.monotonic() < until:
            time.sleep(0.2)
        assert nodes_of(short_folder) == []
