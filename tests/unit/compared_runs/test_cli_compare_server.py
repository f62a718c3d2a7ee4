"""codeplan runs and codeplan compare against an MLflow server, from a machine without the run's files."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from codeplan.cli.main import app
from codeplan.pipeline import build
from codeplan.tracking.database import make_database


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """An MLflow server on loopback that keeps the artifacts itself; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    make_database(tmp_path / "server.db")
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}"]
    command += ["--artifacts-destination", str(tmp_path / "artifacts")]
    with (
        (tmp_path / "server.log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path, start_new_session=True) as process,
    ):
        try:
            deadline = time.monotonic() + 300
            while not _answers(f"http://127.0.0.1:{port}/health"):
                assert process.poll() is None, (tmp_path / "server.log").read_text()
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # the session that was started for it


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def test_runs_of_a_server_are_listed_and_compared_from_elsewhere(
    tmp_path: Path, server: str, made_pipelines: Any
) -> None:
    config = made_pipelines.config(tmp_path / "home", "served", ("tracking.uri", server))
    run_id = made_pipelines.run(config)
    elsewhere = ["--home", str(tmp_path / "elsewhere"), "--uri", server, "--json"]
    listed = CliRunner().invoke(app, ["runs", *elsewhere])
    assert [(run["run_id"], run["problems"], run["state"]) for run in json.loads(listed.stdout)] == [
        (run_id, 40, "finished")
    ]
    folder = build(config)["report"].folder
    result = CliRunner().invoke(app, ["compare", run_id[:8], str(folder), *elsewhere])
    assert result.exit_code == 0, result.output
    (found,) = json.loads(result.stdout)["comparisons"]
    assert "report" in found["shared_stages"]
    assert {row["differing"] for row in found["differences"]} == {0}
    assert not (tmp_path / "elsewhere").exists()
