"""The MLflow server of cluster/, by its own command lines, on PostgreSQL and an S3-compatible store on loopback."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
from cluster_files import KUBERNETES, built, containers, find, program
from mlflow import MlflowClient
from mlflow_parts import free_port, postgres
from moto.server import ThreadedMotoServer

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    try:
        context = postgres()
        uri = context.__enter__()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    yield uri
    context.__exit__(None, None, None)


def create_bucket(store: str, name: str) -> subprocess.CompletedProcess[str]:
    script = KUBERNETES / "base" / "create_bucket.py"
    variables = {**os.environ, **KEYS, "MLFLOW_S3_ENDPOINT_URL": store}
    return subprocess.run([sys.executable, script, name], env=variables, capture_output=True, text=True, check=False)


def test_bucket_is_created_once(store: str) -> None:
    for _ in range(2):
        done = create_bucket(store, "twice")
        assert (done.returncode, done.stdout) == (0, "bucket twice: ready\n"), done.stderr
    refused = create_bucket(store, "x")
    assert refused.returncode == 1
    assert "refuses to create the bucket x" in refused.stderr


def test_server_of_the_manifest_serves_its_hosts_and_no_others(store: str, database: str, tmp_path: Path) -> None:
    deployment = find(built(KUBERNETES / "overlays" / "cpu"), "Deployment", "mlflow")
    setup, server = containers(deployment["spec"]["template"])
    assert create_bucket(store, setup["command"][-1]).returncode == 0
    variables = {one["name"]: one.get("value", "test") for one in server["env"]}
    manifest, here = urlsplit(variables["MLFLOW_BACKEND_STORE_URI"]), urlsplit(database)
    assert manifest.password is None
    # Other addresses, the rest as in the manifest; the password is libpq's variable there and here.
    uri = f"{manifest.scheme}://codeplan@127.0.0.1:{here.port}{here.path}"
    variables |= {"MLFLOW_BACKEND_STORE_URI": uri, "MLFLOW_S3_ENDPOINT_URL": store}
    port = free_port()
    command = [program(server["command"][0]), *server["command"][1:]]
    options = {"--host=0.0.0.0": "--host=127.0.0.1", "--port=5000": f"--port={port}", "--workers=2": "--workers=1"}
    assert set(options) <= set(command)
    command = [options.get(one, one).replace("localhost:5000", f"localhost:{port}") for one in command]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **variables}, stdout=log, stderr=log)
    try:
        base = f"http://localhost:{port}"
        _wait_for(base, process, tmp_path / "log")
        probe = server["readinessProbe"]["httpGet"]["path"]
        assert _status(base + probe, "10.1.2.3:5000") == 200  # the kubelet asks by the pod's address
        search = "/api/2.0/mlflow/experiments/search?max_results=1"
        assert _status(base + search, "mlflow:5000") == 200
        assert _status(base + search, "evil.example.com") == 403
        client = MlflowClient(base)
        run = client.create_run(client.create_experiment("cluster")).info
        client.log_text(run.run_id, "a table", "report.txt")
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        bucket = boto3.resource("s3", endpoint_url=store, **keys).Bucket("mlflow")
        assert [one.get()["Body"].read() for one in bucket.objects.all()] == [b"a table"]
    finally:
        process.terminate()
        process.wait()


def _wait_for(base: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 240
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError):
            _status(f"{base}/health", "localhost")
            return
        time.sleep(0.1)
    raise RuntimeError(log.read_text()[-2000:])


def _status(url: str, host: str) -> int:
    request = urllib.request.Request(url, headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
