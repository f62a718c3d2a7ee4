"""The cluster of a run: a new local one, whichever others run on this machine, or the one at an address."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest
import ray
from mlflow_parts import free_port

from codeplan.config import ExecutionConfig
from codeplan.on_ray import cluster as clusters
from codeplan.on_ray.cluster import ClusterError, cluster, probe, resolve
from codeplan.on_ray.local_cluster import isolated_environment, local_token

LOCAL_RUN = """
import os, sys
import ray
from ray._raylet import AuthenticationMode, get_authentication_mode
from codeplan.config import ExecutionConfig
from codeplan.on_ray.cluster import cluster
@ray.remote
def inherited():
    return sorted(name for name in os.environ if name in {"RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_RUNTIME_ENV_HOOK"})
before = dict(os.environ)
with cluster(ExecutionConfig(home=sys.argv[1])):
    print(ray.get_runtime_context().gcs_address, ray.get(inherited.remote()), ray.cluster_resources()["CPU"] > 0)
changed = {name for name in set(before) | set(os.environ) if before.get(name) != os.environ.get(name)}
print(sorted(name for name in changed if name in {"RAY_ADDRESS", "RAY_TMPDIR"} or "AUTH" in name))
print(get_authentication_mode() == AuthenticationMode.DISABLED)
"""


def test_empty_address_starts_a_local_cluster(ray_cluster: None, tmp_path: Path) -> None:
    others = ray.get_runtime_context().gcs_address
    long = tmp_path / ("x" * 120)
    long.mkdir()
    variables = {
        "RAY_ADDRESS": others,
        "RAY_AUTH_MODE": "disabled",
        "RAY_AUTH_TOKEN": "of-another-cluster",
        "RAY_AUTH_TOKEN_PATH": "/nonexistent",
        "RAY_RUNTIME_ENV_HOOK": "no.such.hook",
        "RAY_JOB_CONFIG_JSON_ENV_VAR": '{"runtime_env": {"working_dir": "gcs://_ray_pkg_gone.zip"}}',
        "RAY_NAMESPACE": "of-another-cluster",
        "TMPDIR": str(long),
    }
    result = subprocess.run(
        [sys.executable, "-c", LOCAL_RUN, str(tmp_path / "home ?#%")],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    first, second, third = result.stdout.strip().splitlines()
    address, rest = first.split(" ", 1)
    assert address != others
    assert rest == "[] True"
    assert second == "[]", "the environment is restored"
    assert third == "True", "Ray's native core follows the environment again"


def test_probe_reports_the_resources_of_a_cluster(ray_cluster: None) -> None:
    address = ray.get_runtime_context().gcs_address
    found = probe(ExecutionConfig(ray_address=address))
    assert (found.where, found.nodes, found.cpus) == (address, 1, 2.0)
    assert str(found).startswith(f"{address}: 1 node, 2 CPUs, ")


def test_auto_address_is_the_cluster_of_this_job(ray_cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
    address = ray.get_runtime_context().gcs_address
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert probe(ExecutionConfig(ray_address="auto")).where == address
    monkeypatch.delenv("RAY_ADDRESS")
    with pytest.raises(ClusterError, match="RAY_ADDRESS is not set"):
        resolve("auto")


def test_token_mode_on_a_cluster_without_a_token_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory(prefix="cp-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--num-cpus=0"]
        command += ["--node-ip-address=127.0.0.1", f"--port={address.split(':')[1]}", f"--temp-dir={folder}"]
        command += ["--include-dashboard=false", "--disable-usage-stats"]
        with subprocess.Popen(
            command,
            env={**os.environ, "RAY_AUTH_MODE": "disabled"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        ) as head:
            try:
                until = time.monotonic() + 60
                while not accepts(address):
                    assert head.poll() is None
                    assert time.monotonic() < until
                    time.sleep(0.1)
                monkeypatch.setenv("RAY_AUTH_MODE", "token")
                with pytest.raises(ClusterError, match=r"the cluster was started without it.*; unset RAY_AUTH_MODE"):
                    probe(ExecutionConfig(ray_address=address))
                monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
                assert probe(ExecutionConfig(ray_address=address)).nodes == 1
            finally:
                head.terminate()


def accepts(address: str) -> bool:
    """Whether a server accepts connections there."""
    host, port = address.split(":")
    with suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
        return True
    return False


def test_port_that_never_answers_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "_ANSWER_S", 4.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ClusterError, match=f"no Ray cluster answers at {address} within 4 s"):
            probe(ExecutionConfig(ray_address=address))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:9", "Connection refused"),
        ("no-such-host.invalid:6379", "no Ray cluster at no-such-host.invalid:6379"),
        ("ray://127.0.0.1:10001", "Ray Client's address"),
        ("http://127.0.0.1:8265", "the dashboard's address"),
        ("127.0.0.1", "must be host:port"),
        ("127.0.0.1:http", "must be host:port"),
        (":6379", "must be host:port"),
    ],
)
def test_wrong_address_is_an_error(address: str, message: str) -> None:
    with pytest.raises(ClusterError, match=message) as error:
        probe(ExecutionConfig(ray_address=address))
    assert "\n" not in str(error.value)


def test_auto_with_a_dashboard_in_ray_address_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:8265")
    with pytest.raises(ClusterError, match=r"auto, and RAY_ADDRESS is .*, which is the dashboard's"):
        resolve("auto")


def test_existing_connection_is_used_and_left_open(ray_cluster: None, tmp_path: Path) -> None:
    with cluster(ExecutionConfig(home=str(tmp_path))):
        assert ray.is_initialized()
    assert ray.is_initialized()


def test_token_is_created_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    (tmp_path / "ray_token").touch()  # a run was killed while writing it
    path = local_token(tmp_path)
    first = path.read_text()
    assert len(first) == 64
    assert path.stat().st_mode & 0o777 == 0o600
    assert local_token(tmp_path).read_text() == first


def test_environment_is_restored_after_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    before = dict(os.environ)
    seen: list[str] = []

    def fail() -> None:
        with isolated_environment(tmp_path):
            seen.extend(os.environ)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert "RAY_ADDRESS" not in seen
    assert dict(os.environ) == before
