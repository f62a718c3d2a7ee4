"""One Ray cluster for all tests of this folder, and one in processes of its own for those that need a dashboard."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from ray_head import PLANTED_KEY, RayHead, ray_head

from codeplan.submission.api import JobApi


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A cluster with two CPUs on this machine, shut down at the end of the session."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def head() -> Iterator[RayHead]:
    """A head with two CPUs, a dashboard and a token, whose node has the teacher's key and this process's commands."""
    tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with ray_head(variables={"TEACHER_KEY": PLANTED_KEY, "PATH": tools}) as started:
        yield started


@pytest.fixture
def api(head: RayHead, monkeypatch: pytest.MonkeyPatch) -> JobApi:
    """A connection to it, and the environment of one."""
    for name in ("RAY_API_SERVER_ADDRESS", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.setenv(name, head.client[name])
    return JobApi()
